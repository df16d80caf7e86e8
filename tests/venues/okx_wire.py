"""OKX's frames for tests, as the venue spells them, and the examples that were collected of it."""

from __future__ import annotations

import json
from typing import Any

from market import dialect
from market.dialect import Decoder
from tests.data import recordings
from tests.venues.binance_wire import spelled
from tests.venues.streamed_checks import (
    check_readers_agree,
)
from venues.okx import Okx
from venues.okx_reading import read_carefully
from venues.okx_scan import OkxScan

RECORDING = "cryptofeed/dev/OKX.jsonl.zst"
OKX = Okx()
NAME = "BTC-USDT"
SCALES = (2, 3)
Wire = list[list[str]]
EMPTY: list[list[int]] = [[], [], [], []]
NOW_MS = 1_700_000_000_000


def book(action: str, previous: int, number: int, bids: Wire, asks: Wire, ts: int = NOW_MS) -> Any:  # noqa: ANN401
    """A frame of the book, as the venue orders its fields; levels are of price and size."""
    rows = [[[*level, "0", "2"] for level in side] for side in (asks, bids)]
    numbers = {"checksum": 0, "prevSeqId": previous, "seqId": number}
    data = {"asks": rows[0], "bids": rows[1], "ts": str(ts)} | numbers
    return {"arg": {"channel": "books", "instId": NAME}, "action": action, "data": [data]}


def snapshot(number: int, bids: Wire | None = None, asks: Wire | None = None) -> bytes:
    """A snapshot of the stream."""
    return spelled(book("snapshot", -1, number, bids or [], asks or []))


def update(previous: int, number: int, bids: Wire | None = None, asks: Wire | None = None, ts: int = 0) -> bytes:
    """A change."""
    return spelled(book("update", previous, number, bids or [], asks or [], ts or NOW_MS))


def answer(number: int, bids: Wire | None = None, ts: int = NOW_MS) -> bytes:
    """The answer to a request for the book."""
    rows = [[*level, "0", "1"] for level in bids or []]
    return spelled({"code": "0", "msg": "", "data": [{"asks": [], "bids": rows, "ts": str(ts), "seqId": number}]})


def quote(bids: Wire, asks: Wire, number: int) -> Any:  # noqa: ANN401
    """A best bid and ask."""
    rows = [[[*level, "0", "2"] for level in side] for side in (asks, bids)]
    data = {"asks": rows[0], "bids": rows[1], "ts": "1597026383085", "seqId": number}
    return {"arg": {"channel": "bbo-tbt", "instId": NAME}, "data": [data]}


def trades(rows: list[tuple[str, str, str, str]], **more: object) -> Any:  # noqa: ANN401
    """Trades of id, price, size and side."""
    told = [
        {"instId": NAME, "tradeId": one, "px": price, "sz": size, "side": side, "ts": "1630048897897", **more}
        for one, price, size, side in rows
    ]
    return {"arg": {"channel": "trades", "instId": NAME}, "data": told}


def scans(scales: tuple[int, int] = SCALES, name: str = NAME) -> tuple[OkxScan, OkxScan]:
    """Two scans of the same instrument."""
    return OkxScan(name, *scales), OkxScan(name, *scales)


def agree(frame: bytes, scales: tuple[int, int] = SCALES) -> int:
    """The kind of a frame that both readers read alike."""
    return check_readers_agree(*scans(scales), read_carefully, frame)


def example(name: str) -> Any:  # noqa: ANN401  it is the parsed JSON of any of the examples
    """One of the examples that were collected of the venue."""
    return json.loads((recordings().parent / "venue-examples" / "okx-v5" / name).read_text())


def live(number: int = 10) -> Decoder:
    """A decoder with a book at this number."""
    decoder = OKX.decoder(NAME, *SCALES)
    assert decoder.apply(snapshot(number, [["1.00", "1"]], [["2.00", "1"]])) == dialect.BOOK_CHANGED
    return decoder
