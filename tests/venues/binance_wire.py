"""Binance's frames for tests: the venue's usual spelling of its messages, and any other spelling of the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

Wire = list[list[str]]


def wire_levels() -> st.SearchStrategy[Wire]:
    """Levels as the venue writes them, of spot or of the futures."""
    price = st.one_of(
        st.integers(1, 10**7).map(lambda tenths: f"{tenths // 10}.{tenths % 10}"),
        st.integers(1, 10**12).map(lambda small: f"{small // 10**8}.{small % 10**8:08d}"),
        st.integers(1, 10**6).map(str),
    )
    size = st.one_of(
        st.integers(0, 10**9).map(lambda thousandths: f"{thousandths // 1000}.{thousandths % 1000:03d}"),
        st.integers(0, 10**6).map(str),
        st.integers(0, 10**12).map(lambda small: f"{small // 10**8}.{small % 10**8:08d}"),
    )
    return st.lists(st.tuples(price, size).map(list), max_size=6)


def spelled(message: dict[str, Any]) -> bytes:
    """As the venue spells it."""
    return json.dumps(message, separators=(",", ":")).encode()


@st.composite
def respelled(draw: st.DrawFn, message: dict[str, Any]) -> bytes:
    """With spaces, another order of keys, and fields that nobody knows."""
    keys = draw(st.permutations(sorted(message)))
    shuffled = {key: message[key] for key in keys}
    if draw(st.booleans()):
        shuffled["more"] = draw(st.sampled_from([1, "x", [1, [2]], {"b": []}, None]))
    return json.dumps(shuffled, indent=draw(st.sampled_from([None, 1]))).encode()
