"""Secrets: values that come only from the environment or from a private file and are never shown.

A configuration says `{ env = "NAME" }` or `{ file = "path" }`. A `Secret` prints as `***`, refuses to be pickled or
copied into text, and gives its value only to `reveal()`. Every value that was read is remembered here, so that the
logs can mask it even where a library quotes it in an error of its own.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping
from typing import NoReturn

from runtime.config.errors import MASK, RuleBroken

MAX_SECRET_BYTES = 64 * 1024
MIN_SCRUBBED_CHARACTERS = 4
"""A shorter secret is not searched for in texts: masking it would garble every line and tell its length."""

MAX_REMEMBERED = 1024

EXPECTED = 'a secret, given as { env = "NAME" } or { file = "path" }'
REMEDY = 'put the value into an environment variable and write { env = "ITS_NAME" }, or into a file only you can read'

_remembered: dict[str, None] = {}


class Secret:
    """A secret value with the place it was read from. Equal when value and place are equal."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source
        _remember(value)

    def reveal(self) -> str:
        """The secret itself; call it where it is used, and keep no copy."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self.source == other.source and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self.source)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: hand over where it is read from")


def read_secret(reference: object, directory: str, environment: Mapping[str, str]) -> Secret:
    """Read the secret that a reference names; `directory` is that of the file with the reference."""
    if not isinstance(reference, dict) or set(reference) not in ({"env"}, {"file"}):
        raise RuleBroken(EXPECTED, REMEDY, value=f'"{MASK}"')
    place = next(iter(reference.values()))
    if not isinstance(place, str) or not place or not place.isprintable():
        raise RuleBroken(EXPECTED, REMEDY, value=f'"{MASK}"')
    if "env" in reference:
        return _from_environment(place, environment)
    return _from_file(os.path.join(directory, os.path.expanduser(place)), place)


def scrub(text: str) -> str:
    """The text with every secret that was ever read replaced by `***`."""
    for value in _remembered:
        if value in text:
            text = text.replace(value, MASK)
    return text


def _remember(value: str) -> None:
    if len(value) >= MIN_SCRUBBED_CHARACTERS and len(_remembered) < MAX_REMEMBERED:
        _remembered[value] = None
        _remembered[repr(value)[1:-1]] = None


def _from_environment(name: str, environment: Mapping[str, str]) -> Secret:
    value = environment.get(name, "")
    if not value:
        raise RuleBroken(
            f"a secret in the environment variable {name}, which is not set or empty", f"export {name}=...", value=""
        )
    return Secret(value, f"env:{name}")


def _from_file(path: str, shown: str) -> Secret:
    expected = "a secret in a private file"
    try:
        # Non-blocking, so that a pipe with no writer is refused below instead of waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RuleBroken(f"{expected}; {error.strerror or error}", "check the path and its permissions") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RuleBroken(f"{expected}; this is not a file")
        if status.st_mode & 0o077:
            raise RuleBroken(f"{expected}; others can read or write this one", f"chmod 600 {shown}")
        content = os.read(descriptor, MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise RuleBroken(f"{expected}; {error.strerror or error}", "check the file") from error
    finally:
        os.close(descriptor)
    if len(content) > MAX_SECRET_BYTES:
        raise RuleBroken(f"{expected} of at most {MAX_SECRET_BYTES} bytes")
    try:
        value = content.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise RuleBroken(f"{expected}; this one is not UTF-8 text") from error
    if not value:
        raise RuleBroken(f"{expected}; this one is empty")
    return Secret(value, f"file:{shown}")
