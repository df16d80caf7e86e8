"""What every dialect does with what is rare: times and depths that cannot be, exact bytes, levels finer than a lot."""

from __future__ import annotations

import pytest

from market import dialect
from market.dialect import BadFrame
from tests.venues.binance_wire import spelled
from venues.facts import UnknownDepth
from venues.registry import venue_named

LAST_MS = 9_223_372_036_854
"""The last millisecond that an i64 of nanoseconds can hold."""


def bybit_trade(time_ms: int) -> bytes:
    """A trade of the linear stream at this time."""
    trade = {
        "T": time_ms, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "2", "L": "PlusTick", "i": "5", "BT": False,
    }  # fmt: skip
    return spelled({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 5, "data": [trade]})


def okx_trade(time_ms: int) -> bytes:
    """A trade at this time."""
    trade = {"instId": "B", "tradeId": "5", "px": "1", "sz": "2", "side": "buy", "ts": str(time_ms), "count": "1"}
    return spelled({"arg": {"channel": "trades", "instId": "B"}, "data": [trade]})


def binance_trade(time_ms: int) -> bytes:
    """A trade at this time."""
    trade = {"e": "trade", "E": time_ms, "s": "B", "t": 5, "p": "1", "q": "2", "T": time_ms, "m": True, "M": True}
    return spelled({"stream": "b@trade", "data": trade})


@pytest.mark.parametrize(
    ("venue", "symbol", "frame"),
    [("bybit", "BTCUSDT", bybit_trade), ("okx", "B", okx_trade), ("binance", "B", binance_trade)],
)
def test_times_that_fit_no_nanoseconds_are_refused(venue: str, symbol: str, frame: object) -> None:
    """The last millisecond that fits is told; what is later is a `BadFrame`, and nothing worse."""
    assert callable(frame)
    decoder = venue_named(venue).decoder(symbol, 0, 0)
    assert decoder.apply(frame(LAST_MS)) == dialect.TRADED
    assert decoder.trade_times_ns[0] == LAST_MS * 1_000_000
    for late in (LAST_MS + 1, 9_999_999_999_999):
        with pytest.raises(BadFrame):
            decoder.apply(frame(late))


def test_bytes_are_taken_exactly() -> None:
    """What is not the venue's own spelling is left to the careful readers, and refused by them where it is none."""
    bybit = b'{"topic":"orderbook.50%sB","ts":5,"type":"snapshot","data":{"s":"B","b":[],"a":[],"u":5,"seq":5},"cts":1}'
    assert venue_named("bybit").decoder("B", 0, 0).apply(bybit % b".") == dialect.BOOK_CHANGED
    assert venue_named("bybit").decoder("B", 0, 0).apply(bybit % b"x") == dialect.UNKNOWN_TYPE
    deribit = (
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.B.%s","data":{"timestamp":5,'
        b'"type":"snapshot","change_id":5,"instrument_name":"B","bids":[],"asks":[]}}}'
    )
    for interval in (b"100ms", b"raw", b"agg2"):
        assert venue_named("deribit").decoder("B", 0, 0).apply(deribit % interval) == dialect.BOOK_CHANGED
    assert venue_named("deribit").decoder("B", 0, 0).apply(deribit % b"99ms") == dialect.IGNORED
    okx = (
        b'{"arg":{"channel":"books","instId":"B"},"action":"snapshot","data":[{"asks":[],"bids":[],"ts":"5",'
        b'"checksum":0%s,"prevSeqId":-1,"seqId":5}]}'
    )
    assert venue_named("okx").decoder("B", 0, 0).apply(okx % b"") == dialect.BOOK_CHANGED
    with pytest.raises(BadFrame):
        venue_named("okx").decoder("B", 0, 0).apply(okx % b',"seqId":-7')


@pytest.mark.parametrize("venue", ["kraken", "kraken_v1", "coinbase", "deribit", "okx", "bybit"])
def test_a_depth_that_a_venue_cannot_have_is_refused(venue: str) -> None:
    """Its usual depth and each that it lists can be had, and no other."""
    known = venue_named(venue)
    for depth in (0, *known.depths):
        assert venue_named(venue, depth).depth == (depth or known.depth)
    with pytest.raises(UnknownDepth):
        venue_named(venue, 7)
    assert known.depth in known.depths or not known.depths
