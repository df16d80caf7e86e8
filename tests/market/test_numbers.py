"""Fixed-point numbers: what is accepted, what is refused and how, and agreement with `Decimal` everywhere."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.numbers import (
    MAX_I64,
    MIN_I64,
    ROUND_AWAY_FROM_ZERO,
    ROUND_DOWN,
    ROUND_NEAREST,
    ROUND_TOWARD_ZERO,
    ROUND_UP,
    EmptyNumber,
    ExponentNotAllowed,
    MalformedNumber,
    NumberError,
    NumberOverflow,
    SignNotAllowed,
    TooManyDigits,
    decimal_places,
    format_decimal,
    format_decimal_short,
    multiply_divide,
    notional,
    parse_decimal,
    parse_decimal_bytes,
    round_down,
    round_nearest,
    round_up,
)
from tests.generators import decimal_texts, number_like_bytes, scaled_numbers, scales
from tests.seeds import examples

ACCEPTED = [
    ("0", 0, 0),
    ("-0", 2, 0),
    ("+5", 0, 5),
    ("007", 1, 70),
    (".48", 2, 48),
    ("-.5", 1, -5),
    ("84312.10000000", 2, 8431210),
    ("84312.1", 8, 8431210000000),
    ("0.00001", 5, 1),
    ("1e-7", 8, 10),
    ("1.5E+3", 0, 1500),
    ("1.5e3", 2, 150000),
    ("100e-2", 0, 1),
    ("5e-05", 5, 5),
    ("0e999999999999999999999", 0, 0),
    ("0.000e-5", 0, 0),
    ("1" + "0" * 60 + "e-60", 0, 1),
    ("0." + "0" * 60 + "1e61", 0, 1),
    ("1." + "0" * 5000, 3, 1000),
    ("0" * 5000 + "1", 3, 1000),
    ("12345678.87654321", 8, 1234567887654321),
    ("0.12345678", 8, 12345678),
    ("0.123456789012345678", 18, 123456789012345678),
    ("9223372036854775807", 0, MAX_I64),
    ("9.223372036854775807", 18, MAX_I64),
    ("-9223372036854775808", 0, MIN_I64),
    ("92233720368.54775807", 8, MAX_I64),
    ("92233720368547758070e-1", 0, MAX_I64),
    ("-92233720368.54775808", 8, MIN_I64),
]

REFUSED: list[tuple[str, int, type[NumberError]]] = [
    ("", 0, EmptyNumber),
    *(
        (text, 8, MalformedNumber)
        for text in (
            "-", "+", ".", "-.", "1.", "1.e5", "--1", "+-1", "1-", "1.2.3", "1,000", "1_000", " 1", "1 ", "1\n", "0x10",
            "e5", "1e", "1e+", "1e-", "1e5.0", "1ee5", "1e5x", "NaN", "nan", "Infinity", "-inf", "null", "١٢",
            "\uff11", "1\x00", "1.1234567x", "1.12345678x", "1.1234567\x7f", "1.1234567:", "1.1234567/",
            "\ud800", "1.½",
        )
    ),
    ("0.001", 2, TooManyDigits),
    ("1e-3", 2, TooManyDigits),
    ("1.005", 2, TooManyDigits),
    ("84312.10000001", 2, TooManyDigits),
    ("1e-999999999999999999999", 18, TooManyDigits),
    ("99999999999999999999.5", 0, TooManyDigits),
    ("9223372036854775808", 0, NumberOverflow),
    ("-9223372036854775809", 0, NumberOverflow),
    ("92233720368.54775808", 8, NumberOverflow),
    ("92233720369", 8, NumberOverflow),
    ("10", 18, NumberOverflow),
    ("1e19", 0, NumberOverflow),
    ("1e999999999999999999999", 0, NumberOverflow),
    ("9" * 5000, 0, NumberOverflow),
    ("1", 19, NumberError),
    ("1", -1, NumberError),
]  # fmt: skip


@pytest.mark.parametrize(("text", "scale", "value"), ACCEPTED)
def test_accepted_texts_have_their_exact_value(text: str, scale: int, value: int) -> None:
    """Every text of the table gives the same exact value from str and from bytes."""
    assert parse_decimal(text, scale, allow_exponent=True) == value
    data = b'["' + text.encode() + b'",'
    assert parse_decimal_bytes(data, 2, len(data) - 2, scale) == value


@pytest.mark.parametrize(("text", "scale", "error"), REFUSED)
def test_refused_texts_raise_their_typed_error(text: str, scale: int, error: type[NumberError]) -> None:
    """Every text of the table is refused with exactly its own error, from str and from bytes."""
    with pytest.raises(NumberError) as from_text:
        parse_decimal(text, scale, allow_exponent=True)
    data = b"1" + text.encode("utf-8", "surrogatepass") + b"1"
    with pytest.raises(NumberError) as from_bytes:
        parse_decimal_bytes(data, 1, len(data) - 1, scale)
    assert from_text.type is from_bytes.type is error


@pytest.mark.parametrize("text", ["1e5", "1E-5", "0e0", "-1.5e+1"])
def test_configuration_refuses_exponents(text: str) -> None:
    """Where exponents are not allowed, a well-formed one is its own error, and a torn one is malformed."""
    with pytest.raises(ExponentNotAllowed, match="write all of its digits"):
        parse_decimal(text, 8)
    with pytest.raises(MalformedNumber):
        parse_decimal(text + "e", 8)


@pytest.mark.parametrize("text", ["-1", "+1", "-0", "-"])
def test_a_sign_is_refused_where_none_may_be(text: str) -> None:
    """An unsigned field refuses both signs, whatever follows them."""
    with pytest.raises(SignNotAllowed):
        parse_decimal(text, 0, allow_sign=False)
    assert parse_decimal("1", 0, allow_sign=False) == 1


def test_bounds_outside_the_data_are_refused() -> None:
    """The byte parser never reads outside the data, and an empty stretch is an empty number."""
    for start, end in ((0, 4), (-1, 2), (-3, -1)):
        with pytest.raises((IndexError, EmptyNumber)):
            parse_decimal_bytes(b"123", start, end, 0)
    for start, end in ((1, 1), (2, 1), (3, 3)):
        with pytest.raises(EmptyNumber):
            parse_decimal_bytes(b"123", start, end, 0)


def test_errors_show_a_bounded_piece_of_the_text() -> None:
    """A message names the text, but a hostile megabyte does not end up in the log."""
    with pytest.raises(MalformedNumber, match="more characters") as refused:
        parse_decimal("9" * 1_000_000 + "x", 0)
    assert len(str(refused.value)) < 200


@settings(max_examples=examples(300, 2_000))
@given(decimal_texts(), scales())
def test_parsing_agrees_with_decimal(text: str, scale: int) -> None:
    """Against unbounded `Decimal`: the same value, or the error that the exact value calls for."""
    with localcontext() as context:
        context.prec = 400
        exact = Decimal(text).scaleb(scale)
        whole = exact == exact.to_integral_value()
    data = text.encode()
    if whole and MIN_I64 <= exact <= MAX_I64:
        assert parse_decimal(text, scale, allow_exponent=True) == int(exact)
        assert parse_decimal_bytes(data, 0, len(data), scale) == int(exact)
        return
    error = NumberOverflow if whole else TooManyDigits
    with pytest.raises(error):
        parse_decimal(text, scale, allow_exponent=True)
    with pytest.raises(error):
        parse_decimal_bytes(data, 0, len(data), scale)


@settings(max_examples=examples(300, 2_000))
@given(number_like_bytes(), scales())
def test_any_bytes_give_the_same_answer_on_both_paths(data: bytes, scale: int) -> None:
    """Whatever the bytes, the one-pass parser and the str parser give the same value or the same error type."""
    outcomes: list[int | type[NumberError]] = []
    for from_bytes in (True, False):
        try:
            if from_bytes:
                outcomes.append(parse_decimal_bytes(data, 0, len(data), scale))
            else:
                # With signs refused on an unsigned text the str parser takes its second, unbounded pass.
                signed = data[:1] in (b"-", b"+")
                outcomes.append(parse_decimal(data.decode("latin-1"), scale, True, allow_sign=signed))
        except NumberError as error:
            outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]


@settings(max_examples=examples(200, 2_000))
@given(scaled_numbers(), scales())
def test_format_and_parse_round_trip(value: int, scale: int) -> None:
    """Formatted text parses back to the same number, and equals what `Decimal` writes."""
    text = format_decimal(value, scale)
    assert parse_decimal(text, scale) == value
    assert parse_decimal_bytes(text.encode(), 0, len(text), scale) == value
    assert Decimal(text) == Decimal(value).scaleb(-scale)
    assert len(text.partition(".")[2]) == scale
    short = format_decimal_short(value, scale)
    assert parse_decimal(short, scale) == value
    assert decimal_places(short) == decimal_places(text) == len(short.partition(".")[2])


def test_formatting_examples() -> None:
    """Zeros are kept to the scale or dropped, and whole numbers never lose theirs."""
    assert format_decimal(-5, 2) == "-0.05"
    assert format_decimal(0, 3) == "0.000"
    assert format_decimal(100, 0) == "100"
    assert format_decimal(10**30, 2) == "1" + "0" * 28 + ".00"
    assert format_decimal_short(100, 0) == "100"
    assert format_decimal_short(10000, 2) == "100"
    assert format_decimal_short(-150, 2) == "-1.5"
    assert format_decimal_short(0, 8) == "0"
    with pytest.raises(NumberError):
        format_decimal(1, -1)


def test_decimal_places_reads_exponents_only_where_allowed() -> None:
    """The smallest exact scale ignores zeros, expands exponents, and refuses what no scale can hold."""
    assert decimal_places("0.01000000") == 2
    assert decimal_places("100") == 0
    assert decimal_places("1e-7", allow_exponent=True) == 7
    assert decimal_places("1e7", allow_exponent=True) == 0
    assert decimal_places("0.000") == 0
    with pytest.raises(ExponentNotAllowed):
        decimal_places("1e-7")
    with pytest.raises(TooManyDigits):
        decimal_places("1e-19", allow_exponent=True)
    with pytest.raises(MalformedNumber):
        decimal_places("½")


@settings(max_examples=examples(200, 2_000))
@given(scaled_numbers(), st.integers(1, 10**12))
def test_rounding_to_a_step_agrees_with_decimal(value: int, step: int) -> None:
    """Down, up and nearest are floor, ceiling and half-even multiples of the step, for negatives too."""
    with localcontext() as context:
        context.prec = 60
        multiple = Fraction(value, step)
        floor = value // step
        assert round_down(value, step) == floor * step
        assert round_up(value, step) == -(-value // step) * step
        assert round_nearest(value, step) == round(multiple) * step
    assert round_down(value, step) <= value <= round_up(value, step)
    assert round_up(value, step) - round_down(value, step) in (0, step)


@pytest.mark.parametrize(
    ("value", "down", "nearest", "up"),
    [(7, 5, 5, 10), (8, 5, 10, 10), (-7, -10, -5, -5), (-8, -10, -10, -5), (10, 10, 10, 10), (-10, -10, -10, -10)],
)
def test_rounding_examples(value: int, down: int, nearest: int, up: int) -> None:
    """To a step of five, on both sides of zero."""
    assert (round_down(value, 5), round_nearest(value, 5), round_up(value, 5)) == (down, nearest, up)


def test_rounding_from_the_middle_goes_to_the_even_multiple() -> None:
    """With an even step the middle exists; the even neighbour wins on both sides of zero."""
    assert [round_nearest(value, 10) for value in (5, 15, 25, -5, -15, -25)] == [0, 20, 20, 0, -20, -20]
    for function in (round_down, round_up, round_nearest):
        for step in (0, -1):
            with pytest.raises(NumberError):
                function(1, step)


@settings(max_examples=examples(200, 2_000))
@given(scaled_numbers(), scaled_numbers())
def test_notional_never_wraps(price: int, size: int) -> None:
    """Price times size is the exact product for any two 64-bit numbers."""
    assert notional(price, size) == price * size


@pytest.mark.parametrize("edge", [2**31 - 1, 2**31, 2**32, 2**62, MAX_I64, MIN_I64, -(2**31), -(2**31) - 1])
def test_notional_at_the_edges_of_its_quick_path(edge: int) -> None:
    """On both sides of every bound of the quick path the product is exact."""
    for other in (1, -1, 2**31 - 1, 2**31, -(2**31), MAX_I64, MIN_I64):
        assert notional(edge, other) == notional(other, edge) == edge * other


@settings(max_examples=examples(200, 2_000))
@given(scaled_numbers(), scaled_numbers(), scaled_numbers().filter(bool))
def test_multiply_divide_rounds_once(a: int, b: int, c: int) -> None:
    """The exact quotient, rounded once by the named rule, for any signs."""
    exact = Fraction(a * b, c)
    down, up = exact.numerator // exact.denominator, -(-exact.numerator // exact.denominator)
    assert multiply_divide(a, b, c, ROUND_DOWN) == down
    assert multiply_divide(a, b, c, ROUND_UP) == up
    assert multiply_divide(a, b, c, ROUND_NEAREST) == round(exact)
    assert multiply_divide(a, b, c, ROUND_TOWARD_ZERO) == int(exact)
    assert multiply_divide(a, b, c, ROUND_AWAY_FROM_ZERO) == (up if exact > 0 else down)


@pytest.mark.parametrize(
    ("rounding", "name"),
    [(ROUND_DOWN, ROUND_FLOOR), (ROUND_UP, ROUND_CEILING), (ROUND_NEAREST, ROUND_HALF_EVEN)],
)
def test_multiply_divide_agrees_with_decimal_rounding(rounding: int, name: str) -> None:
    """The names mean what `Decimal` means by floor, ceiling and half-even."""
    for numerator in range(-25, 26):
        exact = (Decimal(numerator) / 10).to_integral_value(name)
        assert multiply_divide(numerator, 1, 10, rounding) == exact


def test_multiply_divide_refuses_what_has_no_result() -> None:
    """Division by zero and an unknown rounding are typed errors."""
    with pytest.raises(NumberError, match="zero"):
        multiply_divide(1, 1, 0, ROUND_DOWN)
    with pytest.raises(NumberError, match="ROUND"):
        multiply_divide(1, 1, 3, 99)
