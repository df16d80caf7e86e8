"""What the Binance gateway writes against what the venue writes: recorded frames byte for byte, examples key by key."""

from __future__ import annotations

import gzip
import json
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from exchange.outside.binance_control import Fault, Reply
from exchange.outside.binance_errors import BAD_SYMBOL, ApiError, error_response
from exchange.outside.binance_frames import (
    Aggregate,
    aggregate_frame,
    depth_update,
    encode,
    padded,
    picture,
    top_frame,
    trade_frame,
)
from exchange.outside.binance_query import unsigned_payload
from exchange.outside.binance_streams import Stream, shutdown_payload
from exchange.outside.books import Market
from exchange.outside.sockets import text_frame
from market.instruments import Instrument
from market.messages import BUY, SELL, PublicTrade
from market.numbers import parse_decimal
from tests.data import recordings
from tests.seeds import examples

MILLISECOND = 1_000_000


def market_of(symbol: str = "BTCUSDT", price_scale: int = 8) -> Market:
    """A market whose numbers have as many places as the venue writes."""
    instrument = Instrument.from_text(
        instrument_id=1, symbol="X/Y", venue="here", venue_symbol=symbol, base="X", quote="Y", kind="spot",
        tick="0.00000001", lot="0.00000001", price_scale=price_scale, size_scale=8,
    )  # fmt: skip
    return Market(instrument, 10)


def levels(rows: list[list[str]]) -> dict[int, int]:
    """Levels as integers."""
    return {int(parse_decimal(price, 8)): int(parse_decimal(size, 8)) for price, size in rows}


class Told:
    """A client that keeps what it is sent."""

    def __init__(self, is_combined: bool) -> None:
        self.is_combined = is_combined
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> None:
        """Keep it."""
        self.frames.append(frame)


def wrapped(name: str, payload: bytes) -> bytes:
    """A payload as a combined stream sends it, without the frame around it."""
    member = Told(True)
    stream = Stream(name, None, lambda: 0)
    stream.members[member] = None
    stream.publish(payload)
    (frame,) = member.frames
    text = frame[2 if frame[1] < 126 else 4 if frame[1] == 126 else 10 :]
    assert frame == text_frame(text)
    return text


def rewritten(line: bytes) -> bytes | None:
    """A recorded frame, written again from its values; None for a kind that is not written here."""
    frame = json.loads(line)
    name, data = frame["stream"], frame["data"]
    kind = name.split("@")[1]
    market = market_of(data["s"])
    if kind == "depth":
        now_ns = data["E"] * MILLISECOND
        payload = depth_update(market, data["U"], data["u"], levels(data["b"]), levels(data["a"]), now_ns)
    elif kind == "bookTicker":
        market.update_id = data["u"]
        for touch, key, amount in ((BUY, "b", "B"), (SELL, "a", "A")):
            market.book.set_level(touch, parse_decimal(data[key], 8), parse_decimal(data[amount], 8))
        payload = top_frame(market)
    elif kind == "trade":
        side = SELL if data["m"] else BUY
        price, size = parse_decimal(data["p"], 8), parse_decimal(data["q"], 8)
        trade = PublicTrade(1, data["t"], price, size, side, data["T"] * MILLISECOND, 0)
        payload = trade_frame(market, trade, data["E"] * MILLISECOND)
    else:
        return None
    return wrapped(name, payload)


def test_recorded_frames_are_written_byte_for_byte() -> None:
    """Every recorded change of the book, best bid and ask, and trade: the same keys, order, digits and spelling."""
    path = recordings() / "binance_hftbacktest" / "dev" / "spot_btcusdt_20240808.gz"
    kinds: dict[str, int] = {}
    with gzip.open(path, "rb") as lines:
        for row in islice(lines, examples(4_000, 10**9)):
            line = row.split(b" ", 1)[1].rstrip()
            if line.startswith(b'{"lastUpdateId"'):
                continue
            written = rewritten(line)
            if written is not None:
                assert written == line
                kind = line[:60].split(b"@")[1][:5].decode()
                kinds[kind] = kinds.get(kind, 0) + 1
    assert min(kinds.get(kind, 0) for kind in ("depth", "bookT", "trade")) > 50


def shape(value: Any) -> Any:  # noqa: ANN401  JSON is anything
    """Keys in their order and the types of values; of a list its first row."""
    if isinstance(value, dict):
        return [(key, shape(one)) for key, one in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str) and value.replace(".", "").isdigit():
        return "decimal"
    return type(value).__name__


def example(name: str) -> Any:  # noqa: ANN401  JSON is anything
    """An example message of the venue; skips where there are none on this machine."""
    path: Path = recordings().parent / "venue-examples" / "binance-spot" / f"{name}.json"
    if not path.exists():
        pytest.skip("no examples of the venue beside the recordings")
    return json.loads(path.read_text(encoding="utf-8"))


def test_examples_have_the_same_shape() -> None:
    """Every example message that a server writes: keys, their order, types of values."""
    market = market_of()
    market.book.set_level(BUY, 5, 6)
    market.book.set_level(SELL, 7, 8)
    trade = PublicTrade(1, 5, 6, 7, SELL, 8, 0)
    change = depth_update(market, 1, 2, {5: 6}, {7: 8}, 0)
    error = error_response(ApiError(BAD_SYMBOL, "Invalid symbol.")).body
    written: dict[str, bytes] = {
        "depth-delta": change,
        "depth-partial": picture(market, 5),
        "rest-depth": picture(market, 5),
        "trade": trade_frame(market, trade, 0),
        "agg-trade": aggregate_frame(market, Aggregate(trade), 0),
        "book-ticker": top_frame(market),
        "book-ticker-live": top_frame(market),
        "subscribe-ack": encode(Reply(None, 1)),
        "unsubscribe-ack": encode(Reply(None, 312)),
        "list-subscriptions-ack": encode(Reply(["btcusdt@aggTrade"], 3)),
        "error-bad-json": encode(Fault(3, "text")),
        "rest-error": error,
        "server-shutdown": shutdown_payload(1_770_123_456_789 * MILLISECOND, False),
        "server-shutdown-combined": shutdown_payload(1_770_123_456_789 * MILLISECOND, True),
    }
    for name, payload in written.items():
        assert shape(json.loads(payload)) == shape(example(name)), name
    assert json.loads(change)["b"] == [["0.00000005", "0.00000006"]]
    for name in ("rest-error", "server-shutdown", "server-shutdown-combined", "subscribe-ack"):
        assert json.loads(written[name]) == example(name)


def test_numbers_have_eight_places_or_what_they_need() -> None:
    """Exactly, whatever the scale: zeros are put behind, no digit is lost."""
    assert padded(63_704_00, 2) == "63704.00000000"
    assert padded(0, 0) == "0.00000000"
    assert padded(5, 12) == "0.000000000005"
    assert padded(-12, 3) == "-0.01200000"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_of_every_size(size: int) -> None:
    """The three forms of a length, at their borders, read by the library that clients use."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(text_frame(b"x" * size))
    found = [event for event in client.events() if isinstance(event, TextMessage)]
    assert "".join(event.data for event in found) == "x" * size
    assert found[-1].message_finished


def test_what_is_signed() -> None:
    """Query and body as they came, without the signature, wherever it stands and with nothing between them."""
    assert unsigned_payload("a=1&signature=x", "") == "a=1"
    assert unsigned_payload("a=1", "b=2&signature=x") == "a=1b=2"
    assert unsigned_payload("a=%C3%A4&b=%20", "signature=x") == "a=%C3%A4&b=%20"


def test_replies_say_null() -> None:
    """A subscription is acknowledged with null, and an id that was not read is left out."""
    assert msgspec.json.encode(Reply(None, "x")) == b'{"result":null,"id":"x"}'
    assert msgspec.json.encode(Fault(2, "m", None)) == b'{"code":2,"msg":"m","id":null}'
    assert msgspec.json.encode(Fault(2, "m")) == b'{"code":2,"msg":"m"}'
