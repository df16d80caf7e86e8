"""Fixed-point numbers: decimal text to a scaled 64-bit integer and back, rounding to a step, exact products.

A number is an integer and a scale: 84312.5 at scale 2 is 8431250. Parsing is exact or it raises a typed error;
nothing here ever passes through a float, and nothing is rounded unless the caller asks for it by name. Both parsers
share one grammar, `[sign] digits [. digits] [e [sign] digits]`, which `docs/numbers.md` states in full. The byte
parser takes the common form in one pass over 64-bit integers; everything else goes to an unbounded second pass.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

MAX_I64: Final = 9223372036854775807
MIN_I64: Final = -9223372036854775808
MAX_SCALE: Final = 18  # 10 ** 18 is the largest power of ten that an i64 holds

ROUND_DOWN: Final = 0  # towards minus infinity
ROUND_UP: Final = 1  # towards plus infinity
ROUND_NEAREST: Final = 2  # halves to the even neighbour
ROUND_TOWARD_ZERO: Final = 3
ROUND_AWAY_FROM_ZERO: Final = 4

_ONE_MORE_DIGIT_FITS: Final = 922337203685477579  # ten times this, plus nine, is still below MAX_I64
_EIGHT_MORE_DIGITS_FIT: Final = 90_000_000_000
_TIMES_TEN_FITS: Final = 922337203685477580
_QUICK_PRODUCT: Final = 4611686018427387903  # 2 ** 62 - 1, the largest product taken in 64 bits
_LARGEST_EXPONENT: Final = 1_000_000_000_000  # longer than any text; a larger exponent says nothing new
_SHOWN_CHARACTERS: Final = 40
_PLUS: Final = 43
_MINUS: Final = 45
_DOT: Final = 46
_ZERO: Final = 48
_LOWER_E: Final = 101
_UPPER_E: Final = 69


class NumberError(ValueError):
    """A text that is no number of the wanted form, or an operation that has no result."""


class EmptyNumber(NumberError):
    """There is no text where a number should be."""


class MalformedNumber(NumberError):
    """The text is not a decimal number."""


class TooManyDigits(NumberError):
    """The number has digits, other than zeros, below the last place of its scale."""


class NumberOverflow(NumberError):
    """The scaled number does not fit a signed 64-bit integer."""


class SignNotAllowed(NumberError):
    """The number has a sign where only an unsigned one may stand."""


class ExponentNotAllowed(NumberError):
    """The number has an exponent where only plain digits may stand."""


def parse_decimal(text: str, scale: i64, allow_exponent: bool = False, allow_sign: bool = True) -> i64:
    """The text as an integer scaled by `10 ** scale`, exactly; exponents only where the caller allows them."""
    if not text.isascii():
        raise MalformedNumber(f"{_shown(text)} is not a decimal number: it holds characters that are not ASCII")
    data = text.encode("ascii")
    if allow_exponent and allow_sign:
        return parse_decimal_bytes(data, 0, len(data), scale)
    return _parse_general(data, 0, len(data), scale, allow_exponent, allow_sign)


def parse_decimal_bytes(data: bytes, start: i64, end: i64, scale: i64) -> i64:
    """The number in `data[start:end]` as an integer scaled by `10 ** scale`, exactly; exponents are expanded."""
    if start < 0 or end > len(data):
        raise IndexError(f"the number's bounds {start}:{end} lie outside the {len(data)} bytes of data")
    position: i64 = start
    negative = False
    if position < end and data[position] == _MINUS:
        negative = True
        position += 1
    first_digit: i64 = position
    value: i64 = 0
    while position < end:
        digit: i64 = data[position] - _ZERO
        if digit < 0 or digit > 9:
            break
        if value > _ONE_MORE_DIGIT_FITS:
            return _parse_general(data, start, end, scale, True, True)
        value = value * 10 + digit
        position += 1
    missing: i64 = scale
    if position == first_digit or missing < 0 or missing > MAX_SCALE:
        return _parse_general(data, start, end, scale, True, True)
    if position < end:
        if data[position] != _DOT or position + 1 == end:
            return _parse_general(data, start, end, scale, True, True)
        position += 1
        if missing >= 8 and position + 8 <= end and value < _EIGHT_MORE_DIGITS_FIT:
            eight: i64 = _eight_digits(read_i64_le(data, position))
            if eight >= 0:
                value = value * 100_000_000 + eight
                position += 8
                missing -= 8
        while position < end and missing > 0:
            place: i64 = data[position] - _ZERO
            if place < 0 or place > 9 or value > _ONE_MORE_DIGIT_FITS:
                return _parse_general(data, start, end, scale, True, True)
            value = value * 10 + place
            position += 1
            missing -= 1
        while position < end:
            if data[position] != _ZERO:
                return _parse_general(data, start, end, scale, True, True)
            position += 1
    while missing > 0:
        if value > _TIMES_TEN_FITS:
            return _parse_general(data, start, end, scale, True, True)
        value *= 10
        missing -= 1
    return -value if negative else value


def _eight_digits(characters: i64) -> i64:
    """The number that eight characters, the first in the lowest byte, spell, or -1 when one is no digit.

    Three multiplications instead of eight: neighbours are joined to pairs, pairs to fours, fours to eight. No lane
    reaches its neighbour and the highest stays below 2 ** 63, so nothing wraps.
    """
    if (characters >> 4) & 0x0F0F0F0F0F0F0F0F != 0x0303030303030303:
        return -1
    digits: i64 = characters & 0x0F0F0F0F0F0F0F0F
    if (digits + 0x0606060606060606) & 0x1010101010101010 != 0:
        return -1
    pairs: i64 = (digits * 10 + (digits >> 8)) & 0x00FF00FF00FF00FF
    fours: i64 = (pairs * 100 + (pairs >> 16)) & 0x0000FFFF0000FFFF
    return (fours * 10_000 + (fours >> 32)) & 0xFFFFFFFF


def decimal_places(text: str, allow_exponent: bool = False) -> int:
    """The smallest scale that holds the text exactly: 2 for "0.010", 0 for "100", 7 for "1e-7"."""
    if not text.isascii():
        raise MalformedNumber(f"{_shown(text)} is not a decimal number: it holds characters that are not ASCII")
    data = text.encode("ascii")
    _negative, digits, exponent = _take_apart(data, 0, len(data), allow_exponent, True)
    places = -exponent if digits else 0
    if places > MAX_SCALE:
        raise TooManyDigits(f"{_shown(text)} has more than {MAX_SCALE} decimal places, the most that is kept")
    return max(places, 0)


def _parse_general(data: bytes, start: i64, end: i64, scale: i64, allow_exponent: bool, allow_sign: bool) -> i64:
    """Any text of the grammar, in unbounded integers; malformed is told first, then digits, then overflow."""
    if scale < 0 or scale > MAX_SCALE:
        raise NumberError(f"a scale of {scale} is outside 0 to {MAX_SCALE}")
    negative, digits, exponent = _take_apart(data, start, end, allow_exponent, allow_sign)
    if not digits:
        return 0
    zeros: int = exponent + scale
    if zeros < 0:
        raise TooManyDigits(
            f"{_shown_bytes(data, start, end)} has more than {scale} decimal places: "
            "round it to the instrument's tick or lot, or give the instrument a larger scale"
        )
    if len(digits) + zeros > 19:
        raise _overflow(data, start, end, scale)
    magnitude = int(digits) * _power_of_ten(zeros)
    value = -magnitude if negative else magnitude
    if value > MAX_I64 or value < MIN_I64:
        raise _overflow(data, start, end, scale)
    return value


def _take_apart(data: bytes, start: i64, end: i64, allow_exponent: bool, allow_sign: bool) -> tuple[bool, bytes, int]:
    """Sign, significant digits (no zeros at either end, empty for zero) and the power of ten they stand for."""
    if start >= end:
        raise EmptyNumber("an empty text stands where a number should be")
    negative = data[start] == _MINUS
    position: i64 = start
    if negative or data[start] == _PLUS:
        if not allow_sign:
            raise SignNotAllowed(f"{_shown_bytes(data, start, end)} has a sign: write it without one")
        position += 1
    whole_end = _skip_digits(data, position, end)
    digits = data[position:whole_end]
    exponent = 0
    reached = whole_end
    if reached < end and data[reached] == _DOT:
        reached = _skip_digits(data, whole_end + 1, end)
        fraction = data[whole_end + 1 : reached]
        if not fraction:
            raise _malformed(data, start, end)  # a dot with nothing behind it looks like a torn number
        digits += fraction
        exponent = -len(fraction)
    if not digits:
        raise _malformed(data, start, end)
    if reached < end:
        exponent += _read_exponent(data, start, reached, end, allow_exponent)
    digits = digits.lstrip(b"0")
    significant = digits.rstrip(b"0")
    return negative, significant, exponent + len(digits) - len(significant)


def _read_exponent(data: bytes, start: i64, position: i64, end: i64, allow_exponent: bool) -> int:
    """The exponent that must stand at `position` and reach to `end`."""
    if data[position] != _LOWER_E and data[position] != _UPPER_E:
        raise _malformed(data, start, end)
    position += 1
    negative = position < end and data[position] == _MINUS
    if negative or (position < end and data[position] == _PLUS):
        position += 1
    if position == end or _skip_digits(data, position, end) != end:
        raise _malformed(data, start, end)
    if not allow_exponent:
        raise ExponentNotAllowed(f"{_shown_bytes(data, start, end)} has an exponent: write all of its digits instead")
    exponent: i64 = 0
    while position < end:
        if exponent < _LARGEST_EXPONENT:
            exponent = exponent * 10 + (data[position] - _ZERO)
        position += 1
    return -exponent if negative else exponent


def _skip_digits(data: bytes, start: i64, end: i64) -> i64:
    position: i64 = start
    while position < end:
        digit: i64 = data[position]
        if digit < _ZERO or digit > _ZERO + 9:
            break
        position += 1
    return position


def _power_of_ten(exponent: int) -> int:
    # `10 ** exponent` has type Any for mypy, as a negative exponent gives a float.
    power = 1
    for _ in range(exponent):
        power *= 10
    return power


def _malformed(data: bytes, start: i64, end: i64) -> MalformedNumber:
    return MalformedNumber(f"{_shown_bytes(data, start, end)} is not a decimal number")


def _overflow(data: bytes, start: i64, end: i64, scale: i64) -> NumberOverflow:
    return NumberOverflow(f"{_shown_bytes(data, start, end)} at scale {scale} does not fit a signed 64-bit integer")


def _shown_bytes(data: bytes, start: i64, end: i64) -> str:
    return _shown(data[start:end].decode("ascii", "backslashreplace"))


def _shown(text: str) -> str:
    if len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]!r} (and {len(text) - _SHOWN_CHARACTERS} more characters)"
    return repr(text)


def format_decimal(value: int, scale: int) -> str:
    """The scaled integer as decimal text with exactly `scale` decimal places."""
    if scale < 0:
        raise NumberError(f"a scale of {scale} is negative")
    digits = str(abs(value)).rjust(scale + 1, "0")
    sign = "-" if value < 0 else ""
    if scale == 0:
        return sign + digits
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def format_decimal_short(value: int, scale: int) -> str:
    """The scaled integer as decimal text without zeros at the end of the fraction."""
    text = format_decimal(value, scale)
    if scale == 0:
        return text
    return text.rstrip("0").rstrip(".")


def round_down(value: int, step: int) -> int:
    """The largest multiple of the step that is not above the value."""
    _check_step(step)
    return value // step * step


def round_up(value: int, step: int) -> int:
    """The smallest multiple of the step that is not below the value."""
    _check_step(step)
    return -(-value // step) * step


def round_nearest(value: int, step: int) -> int:
    """The multiple of the step nearest to the value; from the middle, the even multiple."""
    _check_step(step)
    multiple = value // step
    twice_rest = (value - multiple * step) * 2
    if twice_rest > step or (twice_rest == step and multiple % 2 == 1):
        multiple += 1
    return multiple * step


def _check_step(step: int) -> None:
    if step <= 0:
        raise NumberError(f"a step of {step} is not positive")


def notional(price: i64, size: i64) -> int:
    """Price times size, exactly, as an unbounded integer at the scale of both together."""
    if price > 0:
        limit: i64 = _QUICK_PRODUCT // price
        if -limit <= size <= limit:
            small: i64 = price * size
            return small
    wide_price: int = price
    wide_size: int = size
    return wide_price * wide_size


def multiply_divide(a: int, b: int, c: int, rounding: int) -> int:
    """`a * b / c` with one rounding at the end, in unbounded integers; `rounding` is one of the ROUND constants."""
    if c == 0:
        raise NumberError("a number cannot be divided by zero")
    product = a * b
    if c < 0:
        product = -product
        c = -c
    quotient = product // c
    rest = product - quotient * c
    if rest == 0 or rounding == ROUND_DOWN:
        return quotient
    if rounding == ROUND_UP:
        return quotient + 1
    if rounding == ROUND_TOWARD_ZERO:
        return quotient + 1 if product < 0 else quotient
    if rounding == ROUND_AWAY_FROM_ZERO:
        return quotient if product < 0 else quotient + 1
    if rounding != ROUND_NEAREST:
        raise NumberError(f"{rounding} is not one of the ROUND constants")
    twice_rest = rest * 2
    if twice_rest > c or (twice_rest == c and quotient % 2 == 1):
        return quotient + 1
    return quotient
