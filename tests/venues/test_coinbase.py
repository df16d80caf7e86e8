"""Coinbase: both readers, the numbering of a connection, trades of the past, what is said, the products, damage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.dialect import BadFrame, Decoder
from market.messages.constants import BUY, SELL
from tests.data import recordings
from tests.seeds import examples
from tests.venues.binance_wire import respelled, spelled
from tests.venues.recorded import recorded_answer, recorded_frames
from tests.venues.streamed_checks import check_readers_agree, check_trickle, outcome_of, reloaded
from venues.coinbase import Coinbase
from venues.coinbase_reading import read_carefully
from venues.coinbase_scan import CoinbaseScan
from venues.scanning import DELTA, LIFE, OTHER, QUOTE, REFUSAL, REPLY, SNAPSHOT, STRANGE, TRADES, UNKNOWN
from venues.utc_times import utc_ns

RECORDING = "cryptofeed/dev/COINBASE.first12s.jsonl.zst"
COINBASE = Coinbase()
NAME = "BTC-USD"
SCALES = (2, 8)
TIME = "2026-08-09T21:05:48.228568804Z"
TIME_NS = 1_786_309_548_228_568_804
Rows = list[tuple[str, str, str]]


def framed(channel: str, number: int, events: list[Any], time: str = TIME) -> Any:  # noqa: ANN401  any JSON
    """A frame as the venue orders its fields."""
    return {"channel": channel, "timestamp": time, "sequence_num": number, "events": events}


def event(kind: str, rows: Rows, product: str = NAME) -> Any:  # noqa: ANN401  any JSON
    """A book's event; rows of side, price and size."""
    updates = [
        {"side": side, "event_time": "2026-08-09T21:05:48.170326Z", "price_level": price, "new_quantity": size}
        for side, price, size in rows
    ]
    return {"type": kind, "product_id": product, "updates": updates}


def book(number: int, kind: str, rows: Rows, product: str = NAME) -> bytes:
    """A frame of one event of a book."""
    return spelled(framed("l2_data", number, [event(kind, rows, product)]))


def trades(number: int, kind: str, rows: list[tuple[str, str]], product: str = NAME) -> bytes:
    """A frame of trades; rows of id and the maker's side."""
    listed = [
        {"product_id": product, "trade_id": one, "price": "100.25", "size": "0.5", "time": TIME, "side": side}
        for one, side in rows
    ]
    return spelled(framed("market_trades", number, [{"type": kind, "trades": listed}]))


FIRST: Rows = [("bid", "100.00", "1"), ("bid", "99.50", "2"), ("offer", "100.50", "1.5"), ("offer", "101", "3")]


def live(number: int = 0) -> Decoder:
    """A decoder with a book at this number."""
    decoder = COINBASE.decoder(NAME, *SCALES)
    assert decoder.apply(book(number, "snapshot", FIRST)) == dialect.BOOK_CHANGED
    return decoder


def agree(frame: bytes) -> int:
    """The kind of a frame that both readers read alike."""
    return check_readers_agree(CoinbaseScan(NAME, *SCALES), CoinbaseScan(NAME, *SCALES), read_carefully, frame)


def example(name: str) -> Any:  # noqa: ANN401  it is the parsed JSON of any of the examples
    """One of the examples that were collected of the venue."""
    return json.loads((recordings().parent / "venue-examples" / "coinbase-advanced" / name).read_text())


def levels() -> st.SearchStrategy[Rows]:
    """Rows of a change, bids and offers mixed, with deletes in every spelling."""
    prices = st.integers(1, 30_000).map(lambda cents: f"{cents / 100:.2f}".rstrip("0").rstrip("."))
    sizes = st.sampled_from(["0", "0.00000000", "1", "0.5", "12.34567891", "0.00000043"])
    return st.lists(st.tuples(st.sampled_from(["bid", "offer"]), prices, sizes), max_size=12)


@given(rows=levels(), kind=st.sampled_from(["snapshot", "update"]), number=st.integers(0, 10**17))
@settings(max_examples=examples(100, 5_000), deadline=None)
def test_the_usual_spelling_takes_the_quick_way(rows: Rows, kind: str, number: int) -> None:
    """Bids before offers are read quickly, and as the careful reader reads them."""
    rows = sorted(rows, key=lambda row: row[0])
    assert agree(book(number, kind, rows)) == (DELTA if kind == "update" else SNAPSHOT)


@given(data=st.data(), rows=levels())
@settings(max_examples=examples(100, 5_000), deadline=None)
def test_other_spellings_say_the_same(data: st.DataObject, rows: Rows) -> None:
    """Spaces, another order of keys, unknown keys, mixed sides: the same levels, those of a side in their order."""
    message = framed("l2_data", 7, [event("update", rows)])
    frame = data.draw(respelled(message))
    scan, usual = CoinbaseScan(NAME, *SCALES), CoinbaseScan(NAME, *SCALES)
    assert read_carefully(scan, frame) == DELTA
    assert usual.scan(book(7, "update", sorted(rows, key=lambda row: row[0]))) == DELTA
    assert list(scan.level_prices[: scan.level_count]) == list(usual.level_prices[: usual.level_count])
    assert list(scan.level_sizes[: scan.level_count]) == list(usual.level_sizes[: usual.level_count])
    assert (scan.bid_count, scan.last_update_id, scan.event_ns) == (usual.bid_count, 7, TIME_NS)


def test_several_events_are_one_change() -> None:
    """Events of this product are taken together, those of others left; a snapshot among them begins anew."""
    decoder = live()
    both = [event("update", [("bid", "99", "4")]), event("update", [("offer", "100.5", "0")])]
    other = event("update", [("bid", "1", "1")], "ETH-USD")
    assert decoder.apply(spelled(framed("l2_data", 1, [*both, other]))) == dialect.BOOK_CHANGED
    assert decoder.book.save()[0] == [10_000, 9_950, 9_900]
    assert decoder.book.best_ask_price == 10_100
    anew = [*both, event("snapshot", FIRST), event("update", [("bid", "100.00", "0")])]
    assert decoder.apply(spelled(framed("l2_data", 2, anew))) == dialect.BOOK_CHANGED
    assert decoder.book.save()[0] == [9_950]
    assert decoder.apply(spelled(framed("l2_data", 3, [other]))) == dialect.IGNORED
    router = COINBASE.router()
    router.load({"reached": 0, "repeats": 0, "begun": [NAME]})
    assert router.route(spelled(framed("l2_data", 1, [*both, other]))) == dialect.FOR_ALL


def test_every_frame_of_a_connection_counts() -> None:
    """Frames of all channels have one numbering from 0; a jump voids every book, a repeat is passed over."""
    router = COINBASE.router()
    assert router.route(book(0, "snapshot", FIRST)) == dialect.FOR_ONE
    assert router.symbol == NAME
    assert router.route(spelled(framed("heartbeats", 1, [{"heartbeat_counter": 5}]))) == dialect.FOR_ALL
    assert router.route(trades(2, "update", [("5", "BUY")], "ETH-USD")) == dialect.FOR_ONE
    assert router.symbol == "ETH-USD"
    assert router.route(book(2, "update", FIRST)) == dialect.FOR_NONE
    assert router.route(book(5, "update", FIRST)) == dialect.LOST
    assert "3 to 4" in router.cause
    assert router.route(book(6, "update", FIRST)) == dialect.FOR_ONE
    other = COINBASE.router()
    other.load(json.loads(json.dumps(router.save())))
    assert other.route(book(7, "update", FIRST)) == dialect.FOR_ONE
    assert other.route(b'{"type":"error","message":"authentication failure"}') == dialect.FOR_ALL
    other.begin()
    assert other.route(book(1, "snapshot", FIRST)) == dialect.LOST


def test_a_numbering_that_begins_anew_is_a_loss() -> None:
    """A few old frames are repeats; many in a row are another numbering, and the books are void."""
    router = COINBASE.router()
    router.load({"reached": 100, "repeats": 0, "begun": [NAME]})
    outcomes = [router.route(book(number, "update", FIRST)) for number in range(dialect.MOST_HELD + 2)]
    assert outcomes == [dialect.FOR_NONE] * dialect.MOST_HELD + [dialect.LOST, dialect.FOR_ONE]


def other_spellings(number: int) -> list[bytes]:
    """A change of the book in spellings that the quick look finds no number in."""
    told = framed("l2_data", number, [event("update", FIRST)])
    last = {key: value for key, value in told.items() if key != "sequence_num"} | {"sequence_num": number}
    escaped = spelled(told).replace(b"sequence_num", b"sequence\\u005fnum")
    return [json.dumps(told).encode(), json.dumps(told, indent=1).encode(), spelled(last), escaped]


def test_frames_of_another_spelling_count() -> None:
    """With spaces, with the number behind the events, or escaped, a frame counts; one without a number does not."""
    for first, again, late in zip(*map(other_spellings, (1, 1, 3)), strict=True):
        router = COINBASE.router()
        router.load({"reached": 0, "repeats": 0, "begun": [NAME]})
        assert router.route(first) in (dialect.FOR_ALL, dialect.FOR_ONE)
        assert router.route(again) == dialect.FOR_NONE
        assert router.route(late) == dialect.LOST
    router = COINBASE.router()
    router.load({"reached": 0, "repeats": 0, "begun": [NAME]})
    # A first piece, which is no JSON by itself.
    assert router.route(other_spellings(1)[0][:-40]) == dialect.FOR_ALL
    for frame in (b"{", b'{"sequence_num":"7"}', b'{"type":"error","message":"\\"sequence_num\\": 9,"}'):
        assert router.route(frame) == dialect.FOR_ALL
    assert router.route(book(2, "update", FIRST)) == dialect.FOR_ONE


def test_a_change_of_a_book_that_never_began_is_a_loss() -> None:
    """The name of a product that was garbled on the way is no other product."""
    router = COINBASE.router()
    router.route(book(0, "snapshot", FIRST))
    assert router.route(book(1, "update", FIRST, "BTC-USE")) == dialect.LOST


def test_trades_are_told_once_oldest_first_with_the_taker() -> None:
    """The side is the maker's; those from before the subscription, and those told before, are not told."""
    decoder = COINBASE.decoder(NAME, *SCALES)
    assert agree(trades(0, "snapshot", [("12", "BUY"), ("11", "SELL")])) == TRADES
    assert decoder.apply(trades(0, "snapshot", [("12", "BUY"), ("11", "SELL")])) == dialect.IGNORED
    assert decoder.apply(trades(1, "update", [("14", "SELL"), ("13", "BUY"), ("12", "BUY")])) == dialect.TRADED
    assert list(decoder.trade_ids[: decoder.trade_count]) == [13, 14]
    assert list(decoder.trade_sides[: decoder.trade_count]) == [SELL, BUY]
    assert decoder.trade_times_ns[0] == TIME_NS
    again = reloaded(COINBASE, NAME, SCALES, decoder)
    assert again.apply(trades(1, "update", [("14", "SELL")])) == dialect.IGNORED


def test_a_frame_that_cannot_be_read_costs_the_book() -> None:
    """Its number was counted, so the next frame, whatever it is, gives the book up; of a ticker that is not so."""
    decoder = live()
    bad = book(1, "update", [("bid", "100.00", "1")]).replace(b'"100.00"', b'"100.0x"')
    assert outcome_of(decoder, bad) == -1
    decoder = reloaded(COINBASE, NAME, SCALES, decoder)
    assert decoder.live
    assert decoder.apply(spelled(framed("heartbeats", 2, []))) == dialect.GAP
    assert not decoder.live
    decoder = live()
    assert outcome_of(decoder, spelled(framed("ticker", 1, [{"tickers": 5}]))) == -1
    assert decoder.apply(spelled(framed("heartbeats", 2, []))) == dialect.ALIVE
    outcome_of(decoder, bad)
    assert decoder.apply(book(2, "snapshot", FIRST)) == dialect.BOOK_CHANGED


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (framed("heartbeats", 3, [{"current_time": "x", "heartbeat_counter": 42}]), LIFE),
        (framed("subscriptions", 3, [{"subscriptions": {"ticker": [NAME]}}]), REPLY),
        (framed("candles", 3, []), OTHER),
        (framed("l3_data", 3, []), STRANGE),
        ({"type": "error", "message": "no"}, REFUSAL),
        ({"type": "greeting"}, STRANGE),
    ],
)
def test_what_else_comes(frame: dict[str, Any], kind: int) -> None:
    """Signs of life, replies, channels that are not kept, and those that nobody knows."""
    assert read_carefully(CoinbaseScan(NAME, *SCALES), spelled(frame)) == kind


def test_the_examples() -> None:
    """What was collected of the venue: a book and its change, trades in their session, best prices."""
    decoder = COINBASE.decoder(NAME, *SCALES)
    assert decoder.apply(spelled(example("l2-snapshot.json"))) == dialect.BOOK_CHANGED
    assert decoder.apply(spelled(example("l2-update.json"))) == dialect.BOOK_CHANGED
    assert (decoder.book.best_bid_size, decoder.book.best_ask_price) == (200_000_000, 6_890_150)
    for name, wanted in (("session-market-trades-live", dialect.TRADED), ("session-ticker-live", dialect.QUOTED)):
        frames = [spelled(frame) for frame in example(f"{name}.json")["ws"]]
        router = COINBASE.router()
        assert dialect.LOST not in [router.route(frame) for frame in frames]
        assert COINBASE.decoder(NAME, *SCALES).apply(frames[2]) == wanted
    quoted = COINBASE.decoder(NAME, *SCALES)
    quoted.apply(spelled(example("ticker-update-live.json")))
    assert (quoted.quoted_bid_price, quoted.quoted_ask_size) == (6_331_886, 49_990_114)
    bids, asks = COINBASE.read_audit(spelled(example("rest-product-book.json")), *SCALES)
    assert (bids[0], asks[0]) == ((6_892_366, 17_189_468), (6_892_367, 16_987_193))


def test_what_is_said() -> None:
    """One request for each channel; a product that the venue leaves out is named."""
    conversation = COINBASE.conversation()
    requests = [json.loads(request) for request in conversation.open([NAME, "X-USD"])]
    assert requests[0] == example("subscribe-heartbeats.json")
    assert [request["channel"] for request in requests] == ["heartbeats", "market_trades", "ticker", "level2"]
    listed = framed("subscriptions", 1, [{"subscriptions": {"heartbeats": ["heartbeats"], "level2": [NAME]}}])
    assert conversation.hear(spelled(listed)) == dialect.REFUSED
    assert conversation.venue_symbol == "X-USD"
    assert conversation.hear(book(0, "snapshot", FIRST)) == dialect.DATA
    assert conversation.hear(b'{"type":"error","message":"X-USD is no product"}') == dialect.REFUSED
    assert conversation.venue_symbol == "X-USD"
    conversation.close(["X-USD"])
    assert conversation.hear(spelled(listed)) == dialect.CONFIRMED


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        (TIME, TIME_NS),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
        ("2023-02-29T00:00:00Z", -1),
        ("2026-08-09T24:00:00Z", -1),
        ("2026-08-09T21:05:48.Z", -1),
        ("2026-08-09T21:05:48.1234567890Z", -1),
        ("2026-08-09T21:05:48.5+00:00", -1),
        ("", -1),
    ],
)
def test_times(text: str, time_ns: int) -> None:
    """UTC with up to nine places; nothing else is a time."""
    assert utc_ns(text.encode(), 0, len(text)) == time_ns


@given(data=st.data())
@settings(max_examples=examples(200, 5_000), deadline=None)
def test_damaged_frames(data: st.DataObject) -> None:
    """With bytes replaced, inserted or removed the readers agree; only `BadFrame` is raised, and it changes nothing."""
    frame = bytearray(data.draw(st.sampled_from([
        book(1, "update", [("bid", "100.00", "0.00000000"), ("offer", "100.75", "2")]),
        book(1, "snapshot", FIRST),
        trades(1, "update", [("14", "SELL"), ("13", "BUY")]),
    ])))  # fmt: skip
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    agree(bytes(frame))
    outcome_of(live(), bytes(frame))
    assert COINBASE.router().route(bytes(frame)) in (dialect.FOR_ONE, dialect.FOR_ALL, dialect.LOST)
    assert COINBASE.message_type(bytes(frame))
    assert COINBASE.conversation().hear(bytes(frame)) in (dialect.DATA, dialect.REFUSED, dialect.CONFIRMED)


def test_trickle() -> None:
    """A frame that is cut off is bad, and one in pieces is what it is as a whole."""
    check_trickle(COINBASE, NAME, SCALES, book(3, "snapshot", FIRST))


def test_too_many_places_are_named() -> None:
    """A size that the scale cannot hold is refused, not rounded."""
    with pytest.raises(BadFrame, match="decimal places"):
        COINBASE.decoder(NAME, 2, 2).apply(book(1, "snapshot", [("bid", "1", "0.001")]))


def test_the_recorded_products() -> None:
    """Of 920 products 516 are traded and have a book of their own; aliases in USDC have none."""
    products = COINBASE.instruments([recorded_answer(RECORDING, "/market/products")])
    assert len(products) == 516
    assert products[0].venue_symbol == NAME
    assert "BTC-USDC" not in [product.venue_symbol for product in products]


def test_both_readers_agree_on_the_recording() -> None:
    """Every frame of two products: books and trades in the quick way."""
    kinds = {UNKNOWN: 0, DELTA: 0, SNAPSHOT: 0, TRADES: 0, QUOTE: 0}
    for frame in recorded_frames(RECORDING):
        one, other = (CoinbaseScan(COINBASE.venue_symbol(frame) or NAME, *SCALES) for _ in range(2))
        kinds[check_readers_agree(one, other, read_carefully, frame)] += 1
    assert kinds == {UNKNOWN: 111, DELTA: 383, SNAPSHOT: 2, TRADES: 41, QUOTE: 0}
