"""The compiled half of the message figures: messages made by compiled code, from numbers that lie ready."""

from __future__ import annotations

from librt.vecs import vec
from mypy_extensions import i64

from market.messages.constants import LIVE
from market.messages.market_data import TopOfBook


def make_all(walk: vec[i64]) -> i64:
    """One message from each three of best bid, best ask and time; the sum of two fields of each."""
    checksum: i64 = 0
    at: i64 = 0
    end: i64 = len(walk)
    while at + 2 < end:
        bid = walk[at]
        now_ns = walk[at + 2]
        top = TopOfBook(1, LIVE, bid, 250_000_000, walk[at + 1], 750_000_000, 424_242, now_ns, now_ns)
        checksum += top.bid_price + top.receive_ns
        at += 3
    return checksum
