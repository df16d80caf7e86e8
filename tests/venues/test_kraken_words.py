"""What is said to Kraken, in both generations of its interface, and what its instruments are."""

from __future__ import annotations

import json

import pytest

from market import dialect
from market.dialect import BadFrame, Conversation
from market.instruments import InstrumentTable
from tests.venues.recorded import recorded_answer
from venues.kraken import MOST_SYMBOLS, Kraken
from venues.kraken_v1 import KrakenV1

# After a REST answer of 2025, as nautilus_trader keeps it in http_asset_pairs.json (a95c804), with a second pair.
PAIRS = json.dumps(
    {
        "error": [],
        "result": {
            "XBTUSDT": {
                "altname": "XBTUSDT", "wsname": "XBT/USDT", "base": "XXBT", "quote": "USDT", "pair_decimals": 1,
                "lot_decimals": 8, "fees": [[0, 0.4], [10000, 0.35]], "fees_maker": [[0, 0.25], [10000, 0.2]],
                "ordermin": "0.00005", "costmin": "0.5", "tick_size": "0.1", "status": "online",
            },
            "XDGUSD": {
                "altname": "XDGUSD", "wsname": "XDG/USD", "pair_decimals": 7, "lot_decimals": 8,
                "tick_size": "0.000001",
            },
            "XBTUSD.d": {"altname": "XBTUSD.d", "pair_decimals": 1, "lot_decimals": 8},
            "ODD": {"altname": "ODD", "wsname": "ODD/USD", "pair_decimals": 99, "lot_decimals": 8},
        },
    }
).encode()  # fmt: skip


def sent(requests: list[bytes]) -> list[dict[str, object]]:
    """What requests say, without their numbers."""
    said = [json.loads(request) for request in requests]
    return [{key: value for key, value in one.items() if key not in ("req_id", "reqid")} for one in said]


def test_v2_subscribes_to_books_and_trades_in_batches() -> None:
    """Each request names at most so many symbols, books with their depth, trades without those that are past."""
    symbols = [f"A{number}/USD" for number in range(MOST_SYMBOLS + 1)]
    requests = Kraken(25).conversation().open(symbols)
    book = {"channel": "book", "symbol": symbols[:MOST_SYMBOLS], "depth": 25, "snapshot": True}
    trade = {"channel": "trade", "symbol": symbols[:MOST_SYMBOLS], "snapshot": False}
    assert sent(requests)[:2] == [{"method": "subscribe", "params": book}, {"method": "subscribe", "params": trade}]
    assert [len(json.loads(request)["params"]["symbol"]) for request in requests] == [50, 50, 1, 1]
    assert len({json.loads(request)["req_id"] for request in requests}) == 4


def test_v2_ends_a_subscription_with_its_depth() -> None:
    """The venue knows a book's subscription by its depth too."""
    requests = Kraken(500).conversation().close(["BTC/USD"])
    assert sent(requests)[0] == {
        "method": "unsubscribe",
        "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 500},
    }


@pytest.mark.parametrize(
    "answer",
    [
        b'{"method":"unsubscribe","req_id":1,"result":{"channel":"book","depth":100,"symbol":"A/B"},"success":true}',
        b'{"error":"Subscription Not Found","method":"unsubscribe","req_id":1,"success":false,"symbol":"A/B"}',
        b'{"error":"Subscription Not Found","method":"unsubscribe","req_id":1,"success":false}',
    ],
)
def test_v2_renews_a_book(answer: bytes) -> None:
    """It ends the subscription, waits for the answer, whichever it is, and only then begins it again, once."""
    conversation = Kraken().conversation()
    (request,) = conversation.renew("A/B")
    assert json.loads(request)["params"] == {"channel": "book", "symbol": ["A/B"], "depth": 100}
    assert (conversation.hear(b'{"channel":"book","type":"update","data":[]}'), conversation.replies) == (0, [])
    other = b'{"method":"unsubscribe","result":{"channel":"trade","symbol":"A/B"},"success":true}'
    assert (conversation.hear(other), conversation.replies) == (dialect.DATA, [])
    assert conversation.hear(answer) == dialect.DATA
    again = {"channel": "book", "symbol": ["A/B"], "depth": 100, "snapshot": True}
    assert sent(conversation.replies) == [{"method": "subscribe", "params": again}]
    conversation.replies.clear()
    conversation.hear(answer)
    assert conversation.replies == []


def test_v2_refuses_one_symbol_only() -> None:
    """A pair that is not supported is named, whether the venue has a field for it or not; others are confirmed."""
    conversation = Kraken().conversation()
    conversation.open(["BTC/USD", "BTC/FOO"])
    refusal = b'{"error":"Currency pair not supported BTC/FOO","method":"subscribe","req_id":1,"success":false}'
    for frame in (refusal, refusal[:-1] + b',"symbol":"BTC/FOO"}'):
        assert conversation.hear(frame) == dialect.REFUSED
        assert conversation.venue_symbol == "BTC/FOO"
        assert Kraken().venue_symbol(frame) == "BTC/FOO"
    confirmed = b'{"method":"subscribe","req_id":1,"result":{"channel":"book","symbol":"BTC/USD"},"success":true}'
    assert conversation.hear(confirmed) == dialect.CONFIRMED
    assert conversation.venue_symbol == "BTC/USD"
    assert conversation.hear(b'{"error":"Exceeded msg rate","method":"ping","success":false}') == dialect.REFUSED
    assert (conversation.cause, conversation.venue_symbol) == ("Exceeded msg rate", "")


def status_frames(venue: Kraken | KrakenV1) -> tuple[Conversation, str]:
    """A conversation, and what tells it of a status."""
    if isinstance(venue, Kraken):
        return venue.conversation(), '{{"channel":"status","type":"update","data":[{{"system":"{}"}}]}}'
    return venue.conversation(), '{{"connectionID":1,"event":"systemStatus","status":"{}","version":"1.8.3"}}'


@pytest.mark.parametrize("venue", [Kraken(), KrakenV1()], ids=["v2", "v1"])
def test_maintenance_and_return(venue: Kraken | KrakenV1) -> None:
    """Maintenance is one state of five; what comes after it is back, and nothing else is, nor ends a connection."""
    conversation, frame = status_frames(venue)
    orders = ("online", "limit_only", "post_only", "cancel_only", "online")
    heard = [
        conversation.hear(frame.format(system).encode())
        for system in (*orders, "maintenance", "maintenance", *orders[::-1])
    ]
    assert heard == [dialect.DATA] * 5 + [dialect.MAINTENANCE] * 2 + [dialect.BACK] + [dialect.DATA] * 4
    assert "online" in conversation.cause
    conversation, frame = status_frames(venue)
    assert conversation.hear(frame.format("cancel_only").encode()) == dialect.DATA
    assert conversation.hear(frame.format("maintenance").encode()) == dialect.MAINTENANCE
    assert conversation.hear(frame.format("cancel_only").encode()) == dialect.BACK


@pytest.mark.parametrize("venue", [Kraken(), KrakenV1()], ids=["v2", "v1"])
def test_what_is_no_reply_is_data(venue: Kraken | KrakenV1) -> None:
    """Pongs, heartbeats and what cannot be understood mean nothing to the connection."""
    conversation = venue.conversation()
    for frame in (b"", b"{", b"[]", b'{"method":"pong","req_id":1}', b'{"event":"pong"}', b'{"channel":"heartbeat"}'):
        assert conversation.hear(frame) == dialect.DATA
    assert json.loads(conversation.sign_of_life())


def test_v1_says_what_was_recorded() -> None:
    """The subscription of a book is the one that the recording holds, apart from its number."""
    requests = sent(KrakenV1(1_000).conversation().open(["XBT/CHF", "ADA/XBT"]))
    assert requests[0] == {
        "event": "subscribe",
        "pair": ["XBT/CHF", "ADA/XBT"],
        "subscription": {"name": "book", "depth": 1_000},
    }
    assert requests[1]["subscription"] == {"name": "trade"}


@pytest.mark.parametrize("status", ["unsubscribed", "error"])
def test_v1_renews_a_book(status: str) -> None:
    """It ends the subscription and begins it again once that was answered."""
    conversation = KrakenV1(10).conversation()
    assert sent(conversation.renew("A/B"))[0]["event"] == "unsubscribe"
    answer = {"event": "subscriptionStatus", "pair": "A/B", "status": status, "subscription": {"name": "book"}}
    assert conversation.hear(json.dumps(answer).encode()) == dialect.DATA
    assert [one["event"] for one in sent(conversation.replies)] == ["subscribe"]


def test_v1_refusals_and_confirmations() -> None:
    """Each pair is answered by itself."""
    conversation = KrakenV1(10).conversation()
    answer: dict[str, object] = {"event": "subscriptionStatus", "pair": "A/B", "subscription": {"name": "book"}}
    assert conversation.hear(json.dumps({**answer, "status": "subscribed"}).encode()) == dialect.CONFIRMED
    assert conversation.venue_symbol == "A/B"
    refusal = {**answer, "status": "error", "errorMessage": "Currency pair not supported"}
    assert conversation.hear(json.dumps(refusal).encode()) == dialect.REFUSED
    assert (conversation.venue_symbol, conversation.cause) == ("A/B", "Currency pair not supported")


@pytest.mark.parametrize(
    ("venue", "names"), [(Kraken(), ["BTC/USDT", "DOGE/USD"]), (KrakenV1(), ["XBT/USDT", "XDG/USD"])]
)
def test_instruments(venue: Kraken | KrakenV1, names: list[str]) -> None:
    """Scales are those of the checksum, fees of the lowest tier; what has no name on the stream is left out."""
    instruments = venue.instruments([PAIRS], first_id=5)
    assert [one.venue_symbol for one in instruments] == names
    assert [one.symbol for one in instruments] == ["BTC/USDT", "DOGE/USD"]
    bitcoin, doge = instruments
    assert (bitcoin.instrument_id, bitcoin.price_scale, bitcoin.size_scale, bitcoin.tick) == (5, 1, 8, 1)
    assert (bitcoin.maker_fee_ppm, bitcoin.taker_fee_ppm, bitcoin.minimum_size) == (2_500, 4_000, 5_000)
    assert bitcoin.format_money(bitcoin.minimum_notional) == "0.5"
    # The tick is coarser than the scale, which stays that of the pair.
    assert (doge.price_scale, doge.tick, doge.base) == (7, 10, "DOGE")
    assert venue.audit_path(names[1]) == "/0/public/Depth?pair=XDGUSD&count=100"


def test_the_recorded_pairs() -> None:
    """All pairs that have a name on the stream are instruments, and none stands twice."""
    body = recorded_answer("cryptofeed/dev/KRAKEN.jsonl.zst", "AssetPairs")
    for venue in (Kraken(), KrakenV1()):
        instruments = venue.instruments([body])
        assert len(instruments) == 293
        assert len(list(InstrumentTable(instruments))) == 293


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"error":["EGeneral:Too many requests"]}', b'{"error":[],"result":{"A":{}}}']
)
def test_answers_that_are_refused(body: bytes) -> None:
    """A body that is no answer, or an answer of errors, is a `BadFrame`."""
    with pytest.raises(BadFrame):
        Kraken().instruments([body])
    with pytest.raises(BadFrame):
        Kraken().read_audit(body, 1, 8)


def test_the_audits_answer() -> None:
    """Both sides best first, scaled; the levels' times are left."""
    body = (
        b'{"error":[],"result":{"XBTUSDT":{"asks":[["105944.30000","0.136",1762820248],["105946.90000","0.095",1]],'
        b'"bids":[["105944.20000","0.002",1762820233]]}}}'
    )
    bids, asks = Kraken().read_audit(body, 1, 8)
    assert bids == [(1_059_442, 200_000)]
    assert asks == [(1_059_443, 13_600_000), (1_059_469, 9_500_000)]


def test_names_of_messages() -> None:
    """Counted under the venue's own names; what is none is unknown, and nothing is raised."""
    named = {
        b'{"channel":"book","type":"update","data":[]}': "book update",
        b'{"channel":"heartbeat"}': "heartbeat",
        b'{"method":"subscribe","result":{"channel":"book"}}': "subscribe",
        b"\xff\xfe": "unknown",
        b"": "unknown",
    }
    assert {frame: Kraken().message_type(frame) for frame in named} == named
    assert KrakenV1().message_type(b'[1,{},"book-10","A/B"]') == "book-10"
    assert KrakenV1().venue_symbol(b'[1,{},"book-10","A/B"]') == "A/B"
    assert KrakenV1().message_type(b'{"event":"heartbeat"}') == "heartbeat"
    assert KrakenV1().message_type(b"\xff") == "unknown"
