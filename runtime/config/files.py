"""Reads the files of a configuration and merges them into one tree, with the origin of every key.

An included file is read before the file that includes it, and later words win, key by key. Everything a file could
do to the loader is bounded here: size, depth, number of files and values, the range of numbers, odd characters.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from typing import Any

import tomli

from runtime.config.errors import ErrorCollector, KeyPath, Origin, render_value
from runtime.config.positions import key_lines

MAX_FILE_BYTES = 1_048_576
MAX_FILES = 64
MAX_INCLUDE_DEPTH = 8
MAX_DEPTH = 16
MAX_VALUES = 50_000
MAX_TEXT_CHARACTERS = 65_536
MAX_KEY_CHARACTERS = 128

Tree = dict[str, Any]


class ConfigFiles:
    """The merged tree, the origin of its keys, and the files that were read, in order."""

    def __init__(self, collector: ErrorCollector) -> None:
        self.collector = collector
        self.tree: Tree = {}
        self.origins: dict[KeyPath, Origin] = {}
        self.files: list[str] = []
        self.too_many = False

    def read(self, path: str, reading: tuple[str, ...] = (), said: Origin | None = None) -> None:
        """Read a file and those it includes; `reading` are the files around it, `said` is where it is included."""
        place = said or Origin(path)
        identity = os.path.realpath(path)
        if identity in reading:
            self.refuse(place, f"{path} includes itself", "remove one include of the circle")
            return
        if len(reading) >= MAX_INCLUDE_DEPTH:
            self.refuse(place, f"includes at most {MAX_INCLUDE_DEPTH} deep", "include the file from further up")
            return
        if len(self.files) >= MAX_FILES:
            if not self.too_many:
                self.refuse(place, f"at most {MAX_FILES} files", "put them together")
            self.too_many = True
            return
        text = self.text_of(path, place)
        if text is None:
            return
        self.files.append(path)
        tree = self.parse(path, text)
        if tree is None:
            return
        problems = sorted(problems_of(tree))
        lines = key_lines(text) if not any(problem[0] == TOO_DEEP for problem in problems) else {}
        origins = {key: Origin(path, line) for key, line in lines.items()}
        placed = ErrorCollector(path, origins)
        for expected, key, value in problems:
            placed.add(key, value, expected)
        self.collector.errors.extend(placed.errors)
        if not problems:
            self.include(path, tree, placed, (*reading, identity))
            merge(self.tree, self.origins, tree, origins, Origin(path))

    def include(self, path: str, tree: Tree, placed: ErrorCollector, reading: tuple[str, ...]) -> None:
        """Read what a file includes."""
        included = tree.get("include", [])
        if reading[1:]:
            tree.pop("include", None)
        if not isinstance(included, list) or not all(isinstance(name, str) and name for name in included):
            placed.add(("include",), render_value(included), "a list of file names", 'write include = ["other.toml"]')
            self.collector.errors.extend(placed.errors)
            return
        for index, name in enumerate(included):
            said = placed.origins.get(("include", f"[{index}]"), Origin(path))
            self.read(os.path.join(os.path.dirname(path), name), reading, said)

    def text_of(self, path: str, place: Origin) -> str | None:
        """The text of a file, or None when it cannot be read, with the reason told."""
        try:
            content = _read_bounded(path)
        except OSError as error:
            self.refuse(place, f"cannot read {path}: {error.strerror or error}", "check the path and its permissions")
            return None
        except ValueError as error:
            self.refuse(place, f"cannot read {path!r}: {error}", "name a TOML file")
            return None
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self.collector.add_at(path, "not UTF-8 text", "save the file as UTF-8", line)
            return None

    def parse(self, path: str, text: str) -> Tree | None:
        """The file as a tree, or None when it is not TOML, with the reason told."""
        try:
            return tomli.loads(text)
        except tomli.TOMLDecodeError as error:
            told = _printable(error.msg)
            self.collector.add_at(path, f"not TOML: {told}", "mend the line", error.lineno, error.colno)
        except (ValueError, RecursionError) as error:  # a number of thousands of digits; nesting beyond tomli's bound
            self.collector.add_at(path, f"not usable: {_printable(str(error))}", "make it simpler")
        return None

    def refuse(self, place: Origin, expected: str, remedy: str) -> None:
        """Report a problem of a file where it was named."""
        self.collector.add_at(place.source, expected, remedy, place.line)


def merge(tree: Tree, origins: dict[KeyPath, Origin], later: Tree, later_origins: dict[KeyPath, Origin],
          place: Origin, prefix: KeyPath = ()) -> None:  # fmt: skip
    """Merge a later tree into an earlier one: tables key by key, everything else replaced whole."""
    for name, value in later.items():
        key = (*prefix, name)
        earlier = tree.get(name)
        if isinstance(value, dict) and isinstance(earlier, dict):
            origins[key] = later_origins.get(key, place)
            merge(earlier, origins, value, later_origins, place, key)
            continue
        if earlier is not None:
            for stale in keys_of(earlier, key):
                origins.pop(stale, None)
        tree[name] = value
        for new in keys_of(value, key):
            origins[new] = later_origins.get(new, place)


def keys_of(value: object, key: KeyPath) -> Iterator[KeyPath]:
    """The key of a value and those of everything in it."""
    yield key
    for part, inner in _parts(value):
        yield from keys_of(inner, (*key, part))


TOO_DEEP = f"tables and lists at most {MAX_DEPTH} deep"


def problems_of(value: object, key: KeyPath = ()) -> list[tuple[str, KeyPath, str]]:
    """What in a tree no configuration may hold: (what is expected, key, rendered value)."""
    problems: list[tuple[str, KeyPath, str]] = []
    waiting: list[tuple[KeyPath, object]] = [(key, value)]
    count = 0
    while waiting:
        key, value = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            return [(f"at most {MAX_VALUES} values in a file", (), "")]
        expected = _refusal(value, key)
        if expected:
            problems.append((expected, key, render_value(value, key)))
        if expected != TOO_DEEP:
            waiting.extend(((*key, part), inner) for part, inner in _parts(value))
    return problems


def _refusal(value: object, key: KeyPath) -> str:
    """What is expected instead of a value that no configuration may hold; empty when it may stand."""
    if len(key) > MAX_DEPTH:
        return TOO_DEEP
    if key and not (0 < len(key[-1]) <= MAX_KEY_CHARACTERS and key[-1].isprintable()):
        return f"keys of 1 to {MAX_KEY_CHARACTERS} printable characters"
    if isinstance(value, str):
        if len(value) > MAX_TEXT_CHARACTERS:
            return f"text of at most {MAX_TEXT_CHARACTERS} characters"
        if not all(character.isprintable() or character in "\n\t" for character in value):
            return "text without control characters"
        return ""
    if isinstance(value, bool | dict | list):
        return ""
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "a whole number of 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "a finite number"
    return "dates and times as text in quotes"


def _parts(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    return []


def _read_bounded(path: str) -> bytes:
    # Non-blocking, so that a pipe with no writer is refused below instead of waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a file")
        content = b""
        while len(content) <= MAX_FILE_BYTES:
            part = os.read(descriptor, MAX_FILE_BYTES + 1 - len(content))
            if not part:
                break
            content += part
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES} bytes")
    return content


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:200])
