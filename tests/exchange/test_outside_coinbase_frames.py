"""What the Coinbase gateway writes against what the venue writes: recorded frames byte for byte, examples by shape."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exchange.outside.books import Market
from exchange.outside.coinbase_frames import (
    LEVEL2_DATA,
    Product,
    Told,
    book_event,
    encode,
    heartbeat_event,
    status_event,
    subscriptions_event,
    ticker_event,
    trades_event,
)
from exchange.outside.coinbase_rest import book_answer, product_row
from market.instruments import Instrument
from market.messages import BUY, SELL, PublicTrade, Ticker
from market.numbers import parse_decimal
from tests.data import recordings
from tests.seeds import examples

SECOND = 1_000_000_000


def market_of(name: str = "BTC-USD") -> Market:
    """A market with as many places as the venue has."""
    base, quote = name.split("-")
    instrument = Instrument.from_text(
        instrument_id=1, symbol=f"{base}/{quote}", venue="here", venue_symbol="X", base=base, quote=quote, kind="spot",
        tick="0.01", lot="0.00000001", minimum_notional="1", price_scale=2, size_scale=8,
    )  # fmt: skip
    return Market(instrument, 200)


def price_of(text: str) -> int:
    """A price, scaled."""
    return int(parse_decimal(text, 2))


def size_of(text: str) -> int:
    """A size, scaled."""
    return int(parse_decimal(text, 8))


def time_of(text: str) -> int:
    """A time of the venue in nanoseconds."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * SECOND + int(fraction.ljust(9, "0"))


def trade_of(row: dict[str, str]) -> PublicTrade:
    """A trade as the lane tells it: its side is the taker's."""
    side = SELL if row["side"] == "BUY" else BUY
    price, size = price_of(row["price"]), size_of(row["size"])
    return PublicTrade(1, int(row["trade_id"]), price, size, side, time_of(row["time"]), 0)


def rewritten(frame: dict[str, Any]) -> bytes | None:
    """A recorded frame, written again from its values; None for a kind that is not written again here."""
    (event,) = frame["events"]
    made: object
    if frame["channel"] == LEVEL2_DATA:
        market = market_of(event["product_id"])
        market.venue_ns = time_of(event["updates"][0]["event_time"])
        sides: dict[str, list[tuple[int, int]]] = {"bid": [], "offer": []}
        for row in event["updates"]:
            sides[row["side"]].append((price_of(row["price_level"]), size_of(row["new_quantity"])))
        made = book_event(event["type"], Product(market), sides["bid"], sides["offer"])
    elif frame["channel"] == "market_trades":
        product = Product(market_of(event["trades"][0]["product_id"]))
        made = trades_event(event["type"], product, [trade_of(row) for row in reversed(event["trades"])])
    elif frame["channel"] == "subscriptions":
        made = subscriptions_event(event["subscriptions"])
    else:
        return None
    return Told(frame["channel"], made, time_of(frame["timestamp"])).payload(frame["sequence_num"])


def test_recorded_frames_are_written_byte_for_byte() -> None:
    """Every recorded change of a book, trade and acknowledgement: the same keys, order, digits, times and spelling."""
    path = recordings() / "cryptofeed" / "dev" / "COINBASE.first12s.jsonl.zst"
    plain = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    written: Counter[str] = Counter()
    largest = examples(3_000_000, 10**9)
    for line in plain.splitlines():
        record = json.loads(line)
        if record["t"] == "recv" and len(record["data"]) < largest:
            frame = json.loads(record["data"])
            again = rewritten(frame)
            if again is not None:
                assert again.decode() == record["data"]
                written[frame["channel"]] += 1
    assert written["l2_data"] > 300
    assert written["market_trades"] > 30
    assert written["subscriptions"] == 5


def shape(value: Any) -> Any:  # noqa: ANN401  JSON is anything
    """Keys in their order and the types of values; of a list its first row."""
    if isinstance(value, dict):
        return [(key, shape(one)) for key, one in value.items() if key != "client_id"]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def example(name: str) -> Any:  # noqa: ANN401  JSON is anything
    """An example message of the venue; skips where there are none on this machine."""
    path: Path = recordings().parent / "venue-examples" / "coinbase-advanced" / f"{name}.json"
    if not path.exists():
        pytest.skip("no examples of the venue beside the recordings")
    return json.loads(path.read_text(encoding="utf-8"))


def test_examples_have_the_same_shape() -> None:
    """Every example message that a server writes: keys, their order, types of values; live frames have no client_id."""
    market = market_of()
    market.book.set_level(BUY, 6_892_366, 17_189_468)
    market.book.set_level(SELL, 6_892_367, 16_987_193)
    market.trades.append(PublicTrade(1, 5, 6_892_367, 7, BUY, 8, 0))
    product = Product(market)
    book = Told(LEVEL2_DATA, book_event("snapshot", product, [(1, 2)], [(3, 4)]), 0)
    ticker = Told("ticker", ticker_event("snapshot", product, 9, True), 0)
    trades = Told("market_trades", trades_event("snapshot", product, market.trades), 0)
    written = {
        "l2-snapshot": book.payload(0),
        "l2-update": book.payload(1),
        "heartbeat": Told("heartbeats", heartbeat_event(5, 42), 0).payload(0),
        "subscriptions-ack-live": Told("subscriptions", subscriptions_event({"ticker": ["BTC-USD"]}), 0).payload(1),
        "ticker-snapshot-live": ticker.payload(0),
        "ticker-update-live": ticker.payload(2),
        "market-trades-snapshot-live": trades.payload(0),
        "market-trades-update-live": trades.payload(2),
        "rest-product-book": encode(book_answer(product, 5)),
    }
    for name, payload in written.items():
        assert shape(json.loads(payload)) == shape(example(name)), name
    # The alias is a list without a row here, and two figures of the day came after the example.
    row, told = product_row(product, 9), example("rest-product")
    assert list(row) == [*told, "high_24h", "low_24h"]
    assert {key: type(one) for key, one in row.items() if key in told} == {key: type(one) for key, one in told.items()}
    answer = book_answer(product, 5)
    assert {key: one for key, one in answer.items() if key != "pricebook"} == {
        "last": "68923.665", "mid_market": "68923.665", "spread_bps": "0.001450880372", "spread_absolute": "0.01"
    }  # fmt: skip


def test_heartbeats_are_spelled_as_recorded() -> None:
    """Time with nine places, the zone, and the seconds since the server's start."""
    told = heartbeat_event(1_786_309_548 * SECOND + 854_840_045, 41_691)
    pattern = r"2026-08-09 21:05:48\.854840045 \+0000 UTC m=\+41691\.\d{9}"
    assert re.fullmatch(pattern, str(told["current_time"]))


def test_a_ticker_has_the_exchanges_figures() -> None:
    """The day is the exchange's own, percent have up to fourteen places, and nothing passes through a float."""
    market = market_of()
    market.ticker = Ticker(1, 6_332_073, 6_329_660, 6_441_640, 6_323_588, 662_992_772_600, 0, 0, 0)
    (row,) = ticker_event("update", Product(market), 9, True).tickers
    assert (row.price, row.low_24_h, row.high_24_h) == ("63320.73", "63235.88", "64416.4")
    assert (row.volume_24_h, row.price_percent_chg_24_h) == ("6629.927726", "0.03812211082427")


def test_status_tells_products() -> None:
    """With the steps of prices and sizes."""
    (row,) = status_event("snapshot", [Product(market_of())]).products
    assert (row.id, row.base_increment, row.quote_increment, row.status) == ("BTC-USD", "0.00000001", "0.01", "online")
