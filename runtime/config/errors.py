"""What is wrong with a configuration, told so that a person can mend it: where, what stands there, what to write.

Every problem of a configuration is collected before any is reported. This module imports nothing heavy, so that
the command can name `ConfigErrors` without loading the configuration machinery.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

KeyPath = tuple[str, ...]
"""The parts of a key, outermost first; an item of a list is the part `[0]`, `[1]`, ..."""

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
LIST_INDEX = re.compile(r"\[[0-9]+\]")
SECRET_NAME = re.compile(r"(?i)(^|[_.-])(secret|password|passphrase|api_?key|private_?key|token|credentials?)($|[_.-])")
MASK = "***"
SHOWN_CHARACTERS = 80
QUOTE_IT = "put it in quotes"


class Origin(NamedTuple):
    """Where a value was said: a file with its line, or an environment variable."""

    source: str
    line: int = 0
    is_environment: bool = False

    def __str__(self) -> str:
        if self.is_environment:
            return f"environment {self.source}"
        return f"{self.source}:{self.line}" if self.line else self.source


class Problem(NamedTuple):
    """One thing wrong at a key, before it is known which file the key came from."""

    key: KeyPath
    value: str
    expected: str
    remedy: str = ""


class ConfigError(NamedTuple):
    """One thing wrong, with its place. `value` is already rendered, shortened and masked."""

    source: str
    line: int
    column: int
    key: str
    value: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        place = self.source
        if self.line:
            place += f":{self.line}"
        if self.column:
            place += f":{self.column}"
        what = self.key
        if self.value:
            what = f"{what} = {self.value}" if what else self.value
        expected = f"expected {self.expected}" if self.value else self.expected
        text = ": ".join(part for part in (place, what, expected) if part)
        return f"{text}\n    remedy: {self.remedy}" if self.remedy else text


class ConfigErrors(Exception):
    """Everything that is wrong with a configuration; `errors` is never empty."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} errors in the configuration")

    def lines(self) -> list[str]:
        """The report as a terminal shows it, one or two lines an error and a count."""
        report = [line for error in self.errors for line in str(error).splitlines()]
        count = len(self.errors)
        report.append(f"{count} error{'' if count == 1 else 's'} in the configuration")
        return report

    def __str__(self) -> str:
        return "\n".join(self.lines())


class RuleBroken(ValueError):
    """A value that breaks a rule; the loader turns it into a `ConfigError` with its place."""

    def __init__(self, expected: str, remedy: str = "", key: KeyPath = (), value: str | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.remedy = remedy
        self.key = key
        self.value = value


class ErrorCollector:
    """Gathers problems and gives each the place where its key was said, as far as the loader knows it."""

    def __init__(self, source: str, origins: Mapping[KeyPath, Origin] | None = None) -> None:
        self.source = source
        self.origins: Mapping[KeyPath, Origin] = {} if origins is None else origins
        self.errors: list[ConfigError] = []

    def add(self, key: KeyPath, value: str, expected: str, remedy: str = "") -> None:
        """Report a problem at a key; `value` is rendered text (see `render_value`)."""
        origin = origin_of(self.origins, key) or Origin(self.source)
        if origin.is_environment and remedy == QUOTE_IT:
            remedy = f"put quotes within the quotes of the shell: {origin.source}='\"...\"'"
        self.errors.append(ConfigError(origin.source, origin.line, 0, render_key(key), value, expected, remedy))

    def add_problem(self, problem: Problem) -> None:
        """Report a problem that a structuring step found."""
        self.add(*problem)

    def add_at(self, source: str, expected: str, remedy: str = "", line: int = 0, column: int = 0) -> None:
        """Report a problem of a file or a variable as a whole."""
        self.errors.append(ConfigError(source, line, column, "", "", expected, remedy))

    def raise_if_any(self) -> None:
        """Raise every problem at once, each told once, by file and line."""
        if self.errors:
            sources = list(dict.fromkeys(error.source for error in self.errors))
            told = dict.fromkeys(self.errors)
            raise ConfigErrors(sorted(told, key=lambda error: (sources.index(error.source), error.line, error.column)))


def origin_of(origins: Mapping[KeyPath, Origin], key: KeyPath) -> Origin | None:
    """The origin of a key, or of the nearest table around it that has one."""
    for length in range(len(key), 0, -1):
        origin = origins.get(key[:length])
        if origin is not None:
            return origin
    return None


def render_key(key: KeyPath) -> str:
    """A key path as TOML writes it: `instruments."BTC/USDT".tick`, `include[2]`."""
    text = ""
    for part in key:
        if LIST_INDEX.fullmatch(part):
            text += part
            continue
        if text:
            text += "."
        text += part if BARE_KEY.fullmatch(part) else render_text(part)
    return text


def render_text(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Text in quotes, shortened, with control characters escaped so that no terminal acts on them."""
    shown = text if len(text) <= limit else text[: limit - 3] + "..."
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in shown.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'


def render_value(value: object, key: KeyPath = ()) -> str:
    """A value as TOML writes it, shortened; what a key's name says is secret is masked."""
    if isinstance(value, str):
        return f'"{MASK}"' if names_a_secret(key) else render_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**60 else "a number of more than 60 digits"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return f"a table of {len(value)}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return render_text(str(value))


def names_a_secret(key: KeyPath) -> bool:
    """Whether the last named part of a key says that its value is a secret."""
    named = [part for part in key if not LIST_INDEX.fullmatch(part)]
    return bool(named) and SECRET_NAME.search(named[-1]) is not None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, or the list of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name[:64].lower(), [known_name.lower() for known_name in names], n=1, cutoff=0.6)
    if near:
        match = next(known_name for known_name in names if known_name.lower() == near[0])
        return f"did you mean {match}?"
    if not names:
        return ""
    shown = ", ".join(names[:12])
    return f"known here: {shown}{', ...' if len(names) > 12 else ''}"
