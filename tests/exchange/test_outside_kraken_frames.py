"""What the Kraken gateway writes against the venue's examples: recorded sessions value for value, checksums, shapes."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange.outside.books import Market
from exchange.outside.figures import short_time_text, time_text
from exchange.outside.kraken_frames import (
    HEARTBEAT,
    checksum,
    encode,
    instrument_frame,
    status_frame,
    ticker_frame,
    trade_frame,
)
from exchange.outside.kraken_names import Pair, asset_code, pairs_by_name
from exchange.outside.kraken_rest import padded, pair_row
from exchange.outside.kraken_streams import BookStream
from market.instruments import Instrument
from market.messages import BUY, SELL, BookDelta, PublicTrade, Ticker
from market.numbers import parse_decimal
from tests.data import recordings
from tests.exchange.gateways import delta


def example(name: str) -> Any:  # noqa: ANN401  JSON is anything
    """An example of the venue, its numbers exact; skips where there are none on this machine."""
    path: Path = recordings().parent / "venue-examples" / "kraken-v2" / f"{name}.json"
    if not path.exists():
        pytest.skip("no examples of the venue beside the recordings")
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def market_of(symbol: str = "BTC/USD", price_places: int = 1, size_places: int = 8) -> Market:
    """A market with these precisions."""
    base, quote = symbol.split("/")
    instrument = Instrument.from_text(
        instrument_id=1, symbol=symbol, venue="here", venue_symbol="X", base=base, quote=quote, kind="spot",
        tick=f"{Decimal(1).scaleb(-price_places):f}", lot=f"{Decimal(1).scaleb(-size_places):f}",
        minimum_size="0.00005", minimum_notional="0.5", price_scale=price_places, size_scale=size_places,
        maker_fee_bps="25", taker_fee_bps="40",
    )  # fmt: skip
    return Market(instrument, 100)


def scaled(value: object, places: int) -> int:
    """A number as an integer."""
    return int(parse_decimal(f"{Decimal(str(value)):f}", places))


class Heard:
    """A client that keeps what it is sent."""

    def __init__(self) -> None:
        self.frames: list[Any] = []

    def send(self, frame: bytes) -> None:
        """Keep it, without the frame of the WebSocket."""
        start = 2 if frame[1] < 126 else 4
        self.frames.append(json.loads(frame[start:], parse_float=Decimal))

    def beat(self) -> None:
        """Time passes."""


def time_ns(text: str) -> int:
    """Only the microseconds of these examples matter; the rest is put in front."""
    return int(Decimal(text.removesuffix("Z").rpartition(":")[2]) * 10**9)


@pytest.mark.parametrize("name", ["session-btcusd-depth10", "session-dogeusdt-depth10", "session-btcusd-bids"])
def test_recorded_sessions_are_written_again(name: str) -> None:
    """From the same book and changes come the recorded frames: levels, order, numbers and checksum."""
    session = example(name)
    places = (session["price_precision"], session["qty_precision"])
    snapshot, *updates = [frame for frame in session["ws"] if frame.get("channel") == "book"]
    (first,) = snapshot["data"]
    market = market_of(first["symbol"], *places)
    market.is_synced = True

    def apply(data: Any) -> BookDelta:  # noqa: ANN401  JSON is anything
        levels = {
            side: [(scaled(row["price"], places[0]), scaled(row["qty"], places[1])) for row in data[side]]
            for side in ("bids", "asks")
        }
        for side, one in ((BUY, "bids"), (SELL, "asks")):
            for price, size in levels[one]:
                market.book.set_level(side, price, size)
        return delta(1, 1, dict(levels["bids"]), dict(levels["asks"]))

    apply(first)
    assert checksum(market) == first["checksum"]
    stream = BookStream(Pair(market), lambda: 0, session["depth"])
    heard = Heard()
    stream.members[heard] = None
    written = json.loads(stream.snapshot() or b"", parse_float=Decimal)
    assert {**written["data"][0], "timestamp": ""} == {**first, "timestamp": ""}
    assert list(written["data"][0]) == list(first)
    for frame in updates:
        (data,) = frame["data"]
        stream.on_delta(apply(data))
        stream.at_end()
        assert {**heard.frames[-1]["data"][0], "timestamp": ""} == {**data, "timestamp": ""}
        assert (heard.frames[-1]["channel"], heard.frames[-1]["type"]) == ("book", "update")
    assert len(heard.frames) == len(updates) > 0


@pytest.mark.parametrize("name", ["checksum-vector-docs", "checksum-vector-docs-matic"])
def test_checksums_of_the_guide(name: str) -> None:
    """The vectors that the venue documents, before and after a change."""
    vector = example(name)
    places = (vector["price_precision"], vector["qty_precision"])
    market = market_of("MATIC/USD", *places)

    def apply(levels: Any) -> None:  # noqa: ANN401  JSON is anything
        for side, one in ((BUY, "bids"), (SELL, "asks")):
            for price, size in levels.get(one, []):
                market.book.set_level(side, scaled(price, places[0]), scaled(size, places[1]))

    apply(vector)
    assert checksum(market) == vector["checksum"]
    if "update" in vector:
        apply(vector["update"])
        assert checksum(market) == vector["checksum_after"]


def shape(value: Any) -> Any:  # noqa: ANN401  JSON is anything
    """Keys in their order and the kinds of values; of a list its first row."""
    if isinstance(value, dict):
        return [(key, shape(one)) for key, one in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float | Decimal) else type(value).__name__


def test_examples_have_the_same_shape() -> None:
    """Status, heartbeat, trades and the ticker: keys, their order, numbers as numbers."""
    market = market_of()
    market.trades.append(PublicTrade(1, 5, 6, 7, SELL, 8, 0))
    market.ticker = Ticker(1, 632_978, 632_971, 644_092, 632_500, 7, 8, 0, 0)
    pair = Pair(market)
    written = {
        "status": status_frame(1_743_042_658_499_070_000), "heartbeat": HEARTBEAT,
        "trade": trade_frame("update", pair, market.trades), "ticker-snapshot": ticker_frame("snapshot", pair, 9),
    }  # fmt: skip
    for name, payload in written.items():
        assert shape(json.loads(payload)) == shape(example(name)), name
    for name in ("status", "heartbeat"):
        assert json.loads(written[name]) == example(name)


def test_numbers_and_times() -> None:
    """No trailing zeros and no exponent in numbers; six places in times; padding in requests."""
    market = market_of()
    market.trades.append(PublicTrade(1, 1, 855_920, 5_000, BUY, 1_000_000, 0))
    assert b'"price":85592,"qty":0.00005,' in trade_frame("update", Pair(market), market.trades)
    assert time_text(1_791_273_896_153_890_999) == "2026-10-06T08:04:56.153890Z"
    assert short_time_text(1_791_273_896_153_890_000) == "2026-10-06T08:04:56.15389Z"
    assert short_time_text(1_791_273_896_000_000_000) == "2026-10-06T08:04:56Z"
    assert (padded(1_059_443, 1, 5), padded(136, 3, 3), padded(5, 8, 3)) == ("105944.30000", "0.136", "0.00000005")


def test_names_of_pairs() -> None:
    """BTC is XBT in requests; only pairs of two old assets have the long key."""
    told = {Pair(market_of(symbol)).symbol: Pair(market_of(symbol)) for symbol in ("BTC/USD", "BTC/USDT", "DOGE/USD")}
    assert (told["BTC/USD"].key, told["BTC/USD"].wsname, told["BTC/USD"].alternative) == (
        "XXBTZUSD", "XBT/USD", "XBTUSD"
    )  # fmt: skip
    assert (told["BTC/USDT"].key, told["BTC/USDT"].wsname) == ("XBTUSDT", "XBT/USDT")
    assert (asset_code("BTC"), asset_code("USD"), asset_code("USDT")) == ("XXBT", "ZUSD", "USDT")
    assert {"XBTUSDT", "XBT/USDT", "BTC/USDT", "BTCUSDT"} <= set(pairs_by_name([told["BTC/USDT"]]))


def test_asset_pairs_have_the_shape_of_the_example() -> None:
    """All that the example has but for limits of positions, with fees in percent."""
    told = example("rest-asset-pairs")["result"]["XBTUSDT"]
    row = json.loads(encode(pair_row(Pair(market_of("BTC/USDT")))), parse_float=Decimal)
    assert list(row) == [key for key in told if not key.endswith("_limit") and "position" not in key]
    assert (row["fees"], row["fees_maker"]) == ([[0, Decimal("0.4")]], [[0, Decimal("0.25")]])
    for key in ("altname", "wsname", "base", "quote", "pair_decimals", "lot_decimals", "tick_size", "ordermin",
                "costmin", "status"):  # fmt: skip
        assert row[key] == told[key], key


def test_instruments_tell_precisions() -> None:
    """What a checksum needs."""
    told = json.loads(instrument_frame("snapshot", [Pair(market_of())], ["BTC", "USD"]), parse_float=Decimal)
    (row,) = told["data"]["pairs"]
    assert (row["price_precision"], row["qty_precision"]) == (1, 8)
    assert (row["price_increment"], row["qty_min"]) == (Decimal("0.1"), Decimal("0.00005"))
    assert [asset["id"] for asset in told["data"]["assets"]] == ["BTC", "USD"]
