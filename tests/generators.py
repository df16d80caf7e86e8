"""Hypothesis strategies for every kind of value the tests draw, in one place, by banner."""

from __future__ import annotations

from hypothesis import strategies as st

# ---------------------------------------------------------------------------------------------------------- books


def book_prices() -> st.SearchStrategy[int]:
    """Scaled prices: mostly close together, so that levels meet, sometimes far out on either side of zero."""
    return st.one_of(st.integers(-40, 40), st.integers(-40, 40), st.integers(-(2**63) + 1, 2**63 - 1))


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
