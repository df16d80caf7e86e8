"""Binance's words and recorded sessions: requests, replies, instruments from the venue's lists, every frame."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal

import pytest

from market import dialect
from market.dialect import BadFrame, Decoder
from market.instruments import Instrument
from market.numbers import parse_decimal
from tests.seeds import examples
from tests.venues.recorded import recorded, recorded_answer
from venues.binance import BinanceSpot
from venues.binance_futures import BinanceCoinm, BinanceUsdm
from venues.binance_words import MOST_STREAMS_IN_A_REQUEST, BinanceConversation
from venues.facts import Venue
from venues.recordings import ANSWER, FRAME
from venues.registry import venue_named

SESSIONS: dict[str, tuple[Venue, int, int]] = {
    # Changes of books and trades that another implementation counted.
    "BINANCE": (BinanceSpot(), 176, 2),
    "BINANCE_US": (BinanceSpot(), 336, 11),
    "BINANCE_FUTURES": (BinanceUsdm(), 756, 91),
    "BINANCE_DELIVERY": (BinanceCoinm(), 1798, 51),
}


def file_of(session: str) -> str:
    """Where a session is below the folder of recordings."""
    return f"cryptofeed/dev/{session}.jsonl.zst"


def instruments_of(session: str) -> dict[str, Instrument]:
    """The instruments that the session's own metadata tells, by the venue's symbol."""
    listed = SESSIONS[session][0].instruments([recorded_answer(file_of(session), "exchangeInfo")])
    return {one.venue_symbol: one for one in listed}


@pytest.mark.parametrize("session", SESSIONS)
def test_sessions_go_through_without_a_failure(session: str) -> None:
    """Every frame is understood, every book joins its snapshot and never breaks, and its top is the venue's own."""
    venue, least_changes, trades = SESSIONS[session]
    instruments = instruments_of(session)
    decoders: dict[str, Decoder] = {}
    outcomes: Counter[str] = Counter()
    quoted: dict[tuple[str, int], tuple[int, ...]] = {}
    kept: dict[tuple[str, int], tuple[int, ...]] = {}

    def decoder_of(symbol: str) -> Decoder:
        if symbol not in decoders:
            one = instruments[symbol]
            decoders[symbol] = venue.decoder(symbol, one.price_scale, one.size_scale)
        return decoders[symbol]

    for record in recorded(file_of(session)):
        if record.kind == ANSWER and "/depth" in record.url:
            found = re.search(r"symbol=(\w+)", record.url)
            assert found is not None
            symbol = found.group(1)
            outcome = decoder_of(symbol).apply_snapshot(record.data)
        elif record.kind == FRAME:
            symbol = venue.venue_symbol(record.data)
            outcome = decoder_of(symbol).apply(record.data)
        else:
            continue
        decoder = decoder_of(symbol)
        while outcome == dialect.REPLAYING:
            outcome = decoder.go_on()
        outcomes[dialect.OUTCOME_NAMES[outcome]] += 1
        if outcome == dialect.QUOTED:
            quoted[symbol, decoder.quoted_update_id] = (
                decoder.quoted_bid_price, decoder.quoted_bid_size, decoder.quoted_ask_price, decoder.quoted_ask_size,
            )  # fmt: skip
        elif decoder.live:
            book = decoder.book
            kept[symbol, decoder.update_id] = (
                book.best_bid_price, book.best_bid_size, book.best_ask_price, book.best_ask_size,
            )  # fmt: skip
    assert not {"gap", "held", "unknown type", "control"} & set(outcomes)
    assert outcomes["traded"] == trades
    assert outcomes["book changed"] + outcomes["buffered"] >= least_changes
    common = kept.keys() & quoted.keys()
    assert common
    assert {key: kept[key] for key in common} == {key: quoted[key] for key in common}
    assert all(decoder.live for decoder in decoders.values())


@pytest.mark.parametrize("session", SESSIONS)
def test_instruments_come_from_the_venues_own_list(session: str) -> None:
    """Ids count up, steps are the filters' ones, and what is listed twice under two margins keeps two names."""
    body = recorded_answer(file_of(session), "exchangeInfo")
    venue = SESSIONS[session][0]
    listed = venue.instruments([body], first_id=7)
    assert [one.instrument_id for one in listed] == list(range(7, 7 + len(listed)))
    assert len({one.venue_symbol for one in listed}) == len(listed)
    by_symbol = {one.venue_symbol: one for one in listed}
    told = {symbol["symbol"]: symbol for symbol in json.loads(body)["symbols"]}
    assert len(listed) > 0.8 * len(told)
    for symbol, one in list(by_symbol.items())[: examples(60, 10**6)]:
        rules = {rule["filterType"]: rule for rule in told[symbol]["filters"]}
        assert Decimal(one.tick).scaleb(-one.price_scale) == Decimal(rules["PRICE_FILTER"]["tickSize"])
        assert Decimal(one.lot).scaleb(-one.size_scale) == Decimal(rules["LOT_SIZE"]["stepSize"])
        assert one.minimum_size == parse_decimal(rules["LOT_SIZE"]["minQty"], one.size_scale)
        assert one.inverse == (session == "BINANCE_DELIVERY")
    with pytest.raises(BadFrame):
        venue.instruments([b'{"symbols":[{}]}'])


def test_a_contract_in_the_coin_is_inverse_and_worth_its_dollars() -> None:
    """A BTC contract is 100 dollars; dated ones carry their date in name and expiry."""
    instruments = instruments_of("BINANCE_DELIVERY")
    perpetual = instruments["BTCUSD_PERP"]
    assert (perpetual.symbol, perpetual.inverse, perpetual.multiplier, perpetual.kind) == (
        "BTC/USD-PERP", True, 100, "perpetual",
    )  # fmt: skip
    dated = instruments["BTCUSD_210924"]
    assert (dated.symbol, dated.kind, dated.expiry_ns) == ("BTC/USD-210924", "future", 1_632_470_400_000_000_000)


def test_the_conversation() -> None:
    """Requests are numbered and bounded, answers are told with what they answer, the shutdown is heard."""
    conversation = BinanceSpot().conversation()
    assert conversation.open(["BTCUSDT", "ETHUSDT"]) == [
        b'{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@trade","btcusdt@bookTicker",'
        b'"ethusdt@depth@100ms","ethusdt@trade","ethusdt@bookTicker"],"id":1}'
    ]
    assert conversation.close(["BTCUSDT"])[0].startswith(b'{"method":"UNSUBSCRIBE"')
    assert conversation.hear(b'{"result":null,"id":1}') == dialect.CONFIRMED
    assert (conversation.cause, conversation.venue_symbol) == ("BTCUSDT, ETHUSDT", "")
    assert conversation.hear(b'{"code":2,"msg":"Invalid request","id":2}') == dialect.REFUSED
    assert (conversation.cause, conversation.venue_symbol) == (
        "BTCUSDT: refused with code 2: Invalid request", "BTCUSDT",
    )  # fmt: skip
    assert conversation.hear(b'{"error":{"code":3,"msg":"Invalid JSON"},"id":9}') == dialect.REFUSED
    assert conversation.hear(b'{"stream":"btcusdt@trade","data":{"e":"trade"}}') == dialect.DATA
    assert conversation.hear(b"no frame at all") == dialect.DATA
    assert conversation.hear(b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}') == dialect.LEAVING
    assert conversation.hear(b'{"e":"serverShutdown","E":1}') == dialect.LEAVING
    assert (conversation.renew("BTCUSDT"), conversation.sign_of_life(), conversation.replies) == ([], b"", [])
    many = BinanceConversation(("a", "b", "c")).open([f"S{number}" for number in range(100)])
    sizes = [len(json.loads(request)["params"]) for request in many]
    assert sum(sizes) == 300
    assert max(sizes) <= MOST_STREAMS_IN_A_REQUEST


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1}}', "depthUpdate"),
        (b'{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}', "bookTicker"),
        (b'{"lastUpdateId":1,"bids":[],"asks":[]}', "depth snapshot"),
        (b'{"stream":"btcusdt@depth5","data":{"lastUpdateId":1,"bids":[]}}', "partial depth"),
        (b'{"result":null,"id":1}', "reply"), (b'{"code":1,"msg":""}', "error"), (b"\xff", "unknown"), (b"", "unknown"),
        (b'{"stream":"!ticker@arr","data":[{"x":1}]}', "list"),
    ],
)  # fmt: skip
def test_message_types(frame: bytes, name: str) -> None:
    """A glance tells what a frame is, whatever its bytes."""
    assert BinanceSpot().message_type(frame) == name


def test_addresses_audits_and_the_registry() -> None:
    """A base takes the place of scheme and host; the audit's answer is read best first."""
    spot = venue_named("binance")
    assert spot.url(["BTCUSDT"]) == "wss://stream.binance.com:9443/stream"
    assert spot.url(["BTCUSDT"], "ws://127.0.0.1:9/") == "ws://127.0.0.1:9/stream"
    assert spot.audit_path("BTCUSDT") == "/api/v3/depth?symbol=BTCUSDT&limit=100"
    body = b'{"lastUpdateId":1,"bids":[["1.50000000","2"],["1.40","1"]],"asks":[["1.6","3"]]}'
    assert spot.read_audit(body, 2, 3) == ([(150, 2000), (140, 1000)], [(160, 3000)])
    with pytest.raises(BadFrame):
        spot.read_audit(b'{"code":-1121,"msg":"Invalid symbol."}', 2, 3)
    for name in ("binance", "binance_usdm", "binance_coinm"):
        venue = venue_named(name)
        assert venue.venue == name
        assert venue.metadata_paths()[0].endswith("/exchangeInfo")
        assert venue.facts.title.startswith("Binance")
