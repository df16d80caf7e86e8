"""Hypothesis strategies for every kind of value the tests draw, in one place, by banner."""

from __future__ import annotations

from hypothesis import strategies as st
from librt.vecs import vec
from mypy_extensions import i64

from market.instruments import Instrument
from market.message_schema.catalogue import MESSAGES, VALUES_BY_NAME, FieldSpec
from market.messages import MESSAGE_TYPES, Message

# ---------------------------------------------------------------------------------------------------------- books


def book_prices() -> st.SearchStrategy[int]:
    """Scaled prices: mostly close together, so that levels meet, sometimes far out on either side of zero."""
    return st.one_of(st.integers(-40, 40), st.integers(-40, 40), st.integers(-(2**62) + 1, 2**62 - 1))


def book_sizes() -> st.SearchStrategy[int]:
    """Scaled sizes: zero often, as a third of real changes are deletes."""
    return st.one_of(st.just(0), st.integers(1, 50), st.integers(1, 2**63 - 1))


def book_levels() -> st.SearchStrategy[dict[int, int]]:
    """One side of a snapshot, price to size, in any order."""
    return st.dictionaries(book_prices(), book_sizes(), max_size=90)


# -------------------------------------------------------------------------------------------------------- numbers


def scales() -> st.SearchStrategy[int]:
    """Every scale a number may have."""
    return st.integers(0, 18)


def scaled_numbers() -> st.SearchStrategy[int]:
    """Any i64: small ones, the edges, and everything between."""
    edges = st.sampled_from([-(2**63), -(2**63) + 1, 2**63 - 1, 2**62, -(2**62), 2**31, -(2**31)])
    return st.one_of(st.integers(-1000, 1000), st.integers(-(2**63), 2**63 - 1), edges)


@st.composite
def decimal_texts(draw: st.DrawFn) -> str:
    """Well-formed decimal text: signs, zeros at both ends, bare fractions, exponents, from tiny to far too large."""
    digits = st.text("0123456789", min_size=1, max_size=24)
    whole, fraction = draw(st.one_of(digits, st.just(""))), draw(st.one_of(digits, st.just("")))
    body = f"{whole}.{fraction}" if fraction else whole or "0"
    exponent = draw(st.one_of(st.just(""), st.from_regex(r"[eE][+-]?0{0,2}[0-9]{1,2}", fullmatch=True)))
    return draw(st.sampled_from(["", "", "-", "+"])) + body + "0" * draw(st.integers(0, 9)) * bool(fraction) + exponent


def number_like_bytes() -> st.SearchStrategy[bytes]:
    """Bytes that look like numbers and mostly are none, with a few that never belong there."""
    return st.text("0123456789" * 2 + "00000.eE+-:/ \x00\x7fé", max_size=30).map(lambda text: text.encode("latin-1"))


# ---------------------------------------------------------------------------------------------------- instruments


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    """Spot pairs and perpetuals, linear and inverse, with any scales, multipliers, fees and rebates."""
    inverse = draw(st.booleans())
    kind = "perpetual" if inverse else draw(st.sampled_from(["spot", "perpetual"]))
    multiplier_scale = 0 if kind == "spot" else draw(st.integers(0, 4))
    return Instrument(
        instrument_id=draw(st.integers(1, 1000)), symbol="BTC/USD", venue="venue", venue_symbol="BTCUSD", base="BTC",
        quote="USD", kind=kind, inverse=inverse, price_scale=draw(st.integers(0, 10)),
        size_scale=draw(st.integers(0, 10)), tick=draw(st.integers(1, 1000)),
        lot=draw(st.integers(1, 1000)) * 10**multiplier_scale,
        multiplier=1 if kind == "spot" else draw(st.integers(1, 1000)), multiplier_scale=multiplier_scale,
        maker_fee_ppm=draw(st.integers(-500, 2000)), taker_fee_ppm=draw(st.integers(0, 5000)),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ positions

Fill = tuple[int, int, int, int]


def fills(max_size: int = 30) -> st.SearchStrategy[list[Fill]]:
    """Fills as side, price, size and fee: small sizes, so that they close and flip often, and now and then huge ones.

    Sizes are multiples of 100 and prices positive, so that contracts of a hundredth and inverse ones can take them.
    """
    prices = st.one_of(st.integers(1, 50), st.integers(8_000_000, 9_000_000), st.integers(1, 2**50))
    sizes = st.one_of(st.integers(1, 12), st.integers(1, 12), st.integers(1, 2**50)).map(lambda size: size * 100)
    fees = st.integers(-1000, 100_000)
    return st.lists(st.tuples(st.sampled_from([1, -1]), prices, sizes, fees), max_size=max_size)


def contracts() -> st.SearchStrategy[tuple[int, int, bool]]:
    """Multiplier, divisor and whether inverse, of contracts that positions are kept in."""
    return st.sampled_from([(1, 1, False), (1, 100, False), (25, 1, False), (10**6, 1, True), (7, 3, True)])


# ------------------------------------------------------------------------------------------------------- messages


def message_field_values(field: FieldSpec) -> st.SearchStrategy[object]:
    """Values of one field of the message schema, from its kind: everything that the kind can hold."""
    if field.values:
        members = [value for _, value, _ in VALUES_BY_NAME[field.values].members]
        return st.one_of(st.sampled_from(members), scaled_numbers())
    any_character = st.characters(exclude_categories=())
    return {
        "i64": scaled_numbers(),
        "int": st.one_of(scaled_numbers(), st.integers(-(2**2039), 2**2039 - 1)),
        "bool": st.booleans(),
        "f64": st.floats(),
        "str": st.text(any_character, max_size=12),
        "bytes": st.one_of(st.binary(max_size=20), st.text(max_size=8).map(str.encode)),
        "i64s": st.lists(scaled_numbers(), max_size=5).map(lambda values: vec[i64](values)),
    }[field.kind]


@st.composite
def messages(draw: st.DrawFn, schema_id: int = 0) -> Message:
    """Any message of the catalogue, or of the one type that is asked for."""
    spec = MESSAGES[schema_id or draw(st.sampled_from(sorted(MESSAGES)))]
    make: type = MESSAGE_TYPES[spec.schema_id]
    message = make(**{field.name: draw(message_field_values(field)) for field in spec.fields})
    assert isinstance(message, Message)
    return message


def book_events() -> st.SearchStrategy[list[tuple[int, list[tuple[int, int]], list[tuple[int, int]]]]]:
    """Changes of a book as a venue tells them: how many update ids each spans, and the levels of both sides."""
    levels = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=4)
    return st.lists(st.tuples(st.integers(1, 3), levels, levels), min_size=1, max_size=12)


def wire_decimals() -> st.SearchStrategy[str]:
    """Decimal text as venues write it, mostly with eight places, and what is nearly that."""
    whole = st.one_of(st.integers(0, 10**6), st.integers(0, 10**20)).map(str)
    places = st.one_of(
        st.integers(0, 10**8 - 1).map("{:08d}".format),
        st.integers(0, 99).map("{:02d}000000".format),
        st.just("00000000"),
        st.text("0123456789", max_size=10),
    )
    usual = st.builds("{}.{}".format, whole, places)
    return st.one_of(usual, usual, whole, st.text("0123456789.-+eE:/ ", max_size=14))
