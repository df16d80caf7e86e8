"""Whatever a client sends to the Kraken and Coinbase gateways is answered; nothing that it sends is a fault here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.outside.books import Market
from exchange.outside.coinbase_control import CoinbaseSession
from exchange.outside.coinbase_params import CoinbaseParams
from exchange.outside.coinbase_rest import CoinbaseSite
from exchange.outside.coinbase_streams import Streams as CoinbaseStreams
from exchange.outside.kraken_control import KrakenSession
from exchange.outside.kraken_params import KrakenParams
from exchange.outside.kraken_rest import KrakenSite
from exchange.outside.kraken_streams import Streams as KrakenStreams
from exchange.outside.server import HttpRequest
from exchange.outside.sockets import Socket
from runtime.clock import ManualClock
from tests.exchange.desk_of_orders import INSTRUMENTS
from tests.seeds import examples


class Sink:
    """A socket that counts what it is sent."""

    def __init__(self) -> None:
        self.frames = 0

    def send(self, frame: bytes) -> None:
        """Count a frame."""
        assert frame
        self.frames += 1

    def send_text(self, payload: bytes) -> None:
        """Count a message, which must be JSON."""
        json.loads(payload)
        self.frames += 1


def markets() -> list[Market]:
    """Two markets with books."""
    made = [Market(one, 10) for one in INSTRUMENTS]
    for market in made:
        market.is_synced = True
    return made


CLOCK = ManualClock(1_700_000_000_000_000_000)


def kraken(sink: Sink) -> Callable[[str], None]:
    """A session of Kraken's protocol."""
    streams = KrakenStreams(CLOCK.now_ns)
    streams.begin(markets())
    params = KrakenParams(messages_per_second=1_000_000, messages_burst=1_000_000)
    return KrakenSession(streams, cast(Socket, sink), CLOCK, params, 1).receive


def coinbase(sink: Sink) -> Callable[[str], None]:
    """A session of Coinbase's protocol."""
    streams = CoinbaseStreams(CoinbaseParams(), CLOCK.now_ns)
    streams.begin(markets())
    return CoinbaseSession(streams, cast(Socket, sink), CLOCK, CoinbaseParams()).receive


WORDS = st.sampled_from(
    ["subscribe", "unsubscribe", "ping", "book", "ticker", "trade", "instrument", "level2", "heartbeats", "status",
     "market_trades", "ticker_batch", "BTC/USDT", "BTC-USDT", "BTC/FOO", "bbo", "", "\ud800", "\x00", "é"]
)  # fmt: skip
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.sampled_from([10, 25])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["channel", "symbol", "depth", "snapshot", "event_trigger"])
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "method": VALUES, "type": VALUES, "channel": VALUES, "product_ids": VALUES, "req_id": VALUES,
        "params": VALUES | st.dictionaries(KEYS, VALUES | st.lists(WORDS, max_size=3)),
    },
)  # fmt: skip


@pytest.mark.parametrize("session", [kraken, coinbase])
@settings(max_examples=examples(200, 20_000), deadline=None)
@given(requests=st.lists(REQUESTS | VALUES, min_size=1, max_size=6), garbage=st.text(max_size=20))
def test_every_message_is_answered(
    session: Callable[[Sink], Callable[[str], None]], requests: list[Any], garbage: str
) -> None:
    """Each with at least one frame, whatever is in it."""
    sink = Sink()
    receive = session(sink)
    for text in [garbage, *map(json.dumps, requests), "[" * 3_000]:
        before = sink.frames
        receive(text)
        assert sink.frames > before


PUBLIC, BROKERAGE = "/0/public", "/api/v3/brokerage"
PATHS = st.sampled_from(
    [
        *(f"{PUBLIC}/{name}" for name in ("Depth", "Trades", "Ticker", "AssetPairs", "Assets", "Time", "SystemStatus")),
        *(f"{BROKERAGE}/{name}" for name in ("time", "market/products", "market/products/BTC-USDT",
                                             "market/products/BTC-USDT/ticker", "market/product_book")),
        "/v2/time", "/", "//",
    ]
)  # fmt: skip
FIELDS = st.sampled_from(
    ["pair", "count", "since", "asset", "product_id", "product_ids", "limit", "offset", "start", "end"]
)
TEXTS = st.sampled_from(
    ["BTC/USDT", "XBTUSDT", "BTC-USDT", "", "0", "1", "-1", "9" * 30, "1.5", "x", "%ff", "a,b", "٣"]
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT"])


@settings(max_examples=examples(300, 20_000), deadline=None)
@given(path=PATHS | st.text(max_size=10), values=st.lists(st.tuples(FIELDS, TEXTS), max_size=4), method=METHODS)
async def test_every_request_is_answered(path: str, values: list[tuple[str, str]], method: str) -> None:
    """With JSON and a status of HTTP."""
    query = "&".join(f"{name}={text}" for name, text in values)
    request = HttpRequest(method, path, query, {}, query.encode(), "here")
    kraken_streams, coinbase_streams = KrakenStreams(CLOCK.now_ns), CoinbaseStreams(CoinbaseParams(), CLOCK.now_ns)
    kraken_streams.begin(markets())
    coinbase_streams.begin(markets())
    sites = (
        KrakenSite(KrakenParams(), kraken_streams, CLOCK), CoinbaseSite(CoinbaseParams(), coinbase_streams, CLOCK)
    )  # fmt: skip
    for site in sites:
        answer = await site.answer(request)
        assert answer.status in (200, 400, 404, 405, 503)
        json.loads(answer.body)
