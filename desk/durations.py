"""Times as people write them: 30s, 5m, 1h30m, 250ms."""

from __future__ import annotations

import re

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_NANOSECONDS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_LONGEST_NS = 366 * 86400 * 10**9


class DurationError(ValueError):
    """A text that is no duration."""


def parse_duration_ns(text: str) -> int:
    """Nanoseconds in a text such as 1h30m; a plain number is refused, because its unit would be a guess."""
    total = 0
    position = 0
    for match in _PART.finditer(text):
        if match.start() != position:
            break
        whole, _, fraction = match[1].partition(".")
        unit = _NANOSECONDS[match[2]]
        total += int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        position = match.end()
    if position == 0 or position != len(text) or total > _LONGEST_NS:
        raise DurationError(f"{text!r} is no duration: write 30s, 5m, 1h30m or 250ms, at most a year")
    return total


def format_duration(nanoseconds: int) -> str:
    """A duration for people, with about three digits."""
    if nanoseconds < 1_000:
        return f"{nanoseconds} ns"
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1_000:.3g} us"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1_000_000:.3g} ms"
    seconds = nanoseconds / 1_000_000_000
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
