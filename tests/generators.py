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
