"""Reads times of the form 2026-08-09T21:05:48.228568804Z into nanoseconds since 1970. Compiled.

That is RFC 3339 in UTC with up to nine places below the second. Of any other text it says -1; it never guesses and
never raises.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

_ZERO: Final = 48
_DASH: Final = 45
_COLON: Final = 58
_DOT: Final = 46
_LETTER_T: Final = 84
_LETTER_Z: Final = 90
_SHORTEST: Final = 20  # without a fraction
_LONGEST: Final = 30  # with nine places
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2261  # the last whole year that 64 bits hold
_DAYS_TO_1970: Final = 719_468  # from the first of March of the year 0


def utc_ns(data: bytes, start: i64, end: i64) -> i64:
    """The time that `data[start:end]` writes, or -1."""
    size = end - start
    if start < 0 or end > i64(len(data)) or size < _SHORTEST or size > _LONGEST:
        return -1
    if data[start + 4] != _DASH or data[start + 7] != _DASH or data[start + 10] != _LETTER_T:
        return -1
    if data[start + 13] != _COLON or data[start + 16] != _COLON or data[end - 1] != _LETTER_Z:
        return -1
    year = _digits(data, start, start + 4)
    month = _digits(data, start + 5, start + 7)
    day = _digits(data, start + 8, start + 10)
    hour = _digits(data, start + 11, start + 13)
    minute = _digits(data, start + 14, start + 16)
    second = _digits(data, start + 17, start + 19)
    if year < _FIRST_YEAR or year > _LAST_YEAR or month < 1 or month > 12 or day < 1 or day > _days_in(year, month):
        return -1
    # A leap second is written as the sixtieth.
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 60:
        return -1
    fraction: i64 = 0
    if size > _SHORTEST:
        if data[start + 19] != _DOT or size == _SHORTEST + 1:
            return -1
        fraction = _digits(data, start + 20, end - 1)
        if fraction < 0:
            return -1
        places = size - _SHORTEST - 1
        while places < 9:
            fraction *= 10
            places += 1
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * 1_000_000_000 + fraction


def _digits(data: bytes, start: i64, end: i64) -> i64:
    """The number that these digits write, -1 if one of them is none."""
    value: i64 = 0
    while start < end:
        digit: i64 = data[start]
        digit -= _ZERO
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
        start += 1
    return value


def _days_in(year: i64, month: i64) -> i64:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _days(year: i64, month: i64, day: i64) -> i64:
    """Days since 1970-01-01, counted in years that begin with March, so that a leap day is the last of its year."""
    if month <= 2:
        year -= 1
        month += 12
    century = year // 100
    of_year = (153 * (month - 3) + 2) // 5 + day - 1
    return 365 * year + year // 4 - century + century // 4 + of_year - _DAYS_TO_1970
