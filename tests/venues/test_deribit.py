"""Deribit: both readers, the chain of changes, trades in a row, what is said, instruments, the recording, damage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.dialect import BadFrame, Decoder
from market.instruments import InstrumentKind
from market.messages.constants import BUY, SELL, STATUS_CLOSED, STATUS_HALTED
from tests.data import recordings
from tests.seeds import examples
from tests.venues.binance_wire import respelled, spelled
from tests.venues.recorded import recorded, recorded_frames
from tests.venues.streamed_checks import (
    check_readers_agree,
    check_trickle,
    frames_for,
    outcome_of,
    reloaded,
    said,
)
from venues.deribit import Deribit
from venues.deribit_reading import index_of, read_carefully
from venues.deribit_scan import DeribitScan
from venues.recordings import ANSWER
from venues.scanning import DELTA, OTHER, SNAPSHOT, STRANGE, UNKNOWN

RECORDING = "cryptofeed/dev/DERIBIT.jsonl.zst"
DERIBIT = Deribit()
NAME = "BTC-PERPETUAL"
SCALES = (1, 2)
TIME = 1_786_563_085_228
Rows = list[list[Any]]


def notified(channel: str, data: object) -> Any:  # noqa: ANN401  any JSON
    """A notification as the venue orders its fields."""
    return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}


def book(kind: str, previous: int, number: int, bids: Rows, asks: Rows, time: int = TIME) -> Any:  # noqa: ANN401
    """A frame of the book in the order of 2026."""
    data = {
        "timestamp": time, "type": kind, "change_id": number, "instrument_name": NAME, "bids": bids, "asks": asks,
    }  # fmt: skip
    if kind == "change":
        data["prev_change_id"] = previous
    return notified(f"book.{NAME}.100ms", data)


def change(previous: int, number: int, bids: Rows | None = None, asks: Rows | None = None, time: int = TIME) -> bytes:
    """A change."""
    return spelled(book("change", previous, number, bids or [], asks or [], time))


BIDS: Rows = [["new", 100.5, 10], ["new", 100, 20.0]]
ASKS: Rows = [["new", 101, 5], ["new", 101.5, 0.25]]
SNAPSHOT_FRAME = spelled(book("snapshot", 0, 10, BIDS, ASKS))


def trades(rows: list[tuple[int, str]]) -> bytes:
    """Trades of a place in the row and a direction."""
    listed = [
        {
            "timestamp": TIME, "price": 63344.5, "direction": direction, "index_price": 63325.19, "trade_id": "ETH-44",
            "instrument_name": NAME, "trade_seq": number, "amount": 20, "starbase_timestamp": 1786563104514208300,
        }
        for number, direction in rows
    ]  # fmt: skip
    return spelled(notified(f"trades.{NAME}.100ms", listed))


def live() -> Decoder:
    """A decoder with a book at change 10."""
    decoder = DERIBIT.decoder(NAME, *SCALES)
    assert decoder.apply(SNAPSHOT_FRAME) == dialect.BOOK_CHANGED
    return decoder


def scans(name: str = NAME, scales: tuple[int, int] = SCALES) -> tuple[DeribitScan, DeribitScan]:
    """Two scans of the same instrument."""
    return DeribitScan(name, *scales), DeribitScan(name, *scales)


def agree(frame: bytes) -> int:
    """The kind of a frame that both readers read alike."""
    return check_readers_agree(*scans(), read_carefully, frame)


def example(name: str) -> Any:  # noqa: ANN401  it is the parsed JSON of any of the examples
    """One of the examples that were collected of the venue."""
    return json.loads((recordings().parent / "venue-examples" / "deribit" / name).read_text())


def rows() -> st.SearchStrategy[Rows]:
    """Levels with every action and every way to write a number."""
    prices = st.integers(1, 20_000).map(lambda halves: halves // 2 if halves % 2 == 0 else halves / 2)
    amounts = st.sampled_from([0, 0.0, 10, 372280, 99470.0, 0.25])
    return st.lists(st.tuples(st.sampled_from(["new", "change", "delete"]), prices, amounts).map(list), max_size=8)


@given(bids=rows(), asks=rows(), order=st.permutations(range(7)), kind=st.sampled_from(["snapshot", "change"]))
@settings(max_examples=examples(150, 5_000), deadline=None)
def test_both_readers_agree(bids: Rows, asks: Rows, order: list[int], kind: str) -> None:
    """Whatever the order of the keys, as long as the bids come first the quick way is taken."""
    message = book(kind, 9, 12, bids, asks)
    data = message["params"]["data"]
    keys = [list(data)[place] for place in order if place < len(data)]
    message["params"]["data"] = {key: data[key] for key in keys}
    wanted = DELTA if kind == "change" else SNAPSHOT
    assert agree(spelled(message)) == (wanted if keys.index("bids") < keys.index("asks") else UNKNOWN)


@given(data=st.data(), bids=rows())
@settings(max_examples=examples(100, 5_000), deadline=None)
def test_other_spellings_say_the_same(data: st.DataObject, bids: Rows) -> None:
    """Spaces, another order of keys, unknown keys and exponents give the same levels."""
    message = book("change", 9, 12, bids, ASKS)
    careful, quick = scans()
    assert quick.scan(spelled(message)) == DELTA
    assert read_carefully(careful, data.draw(respelled(message))) == DELTA
    assert said(careful, DELTA) == said(quick, DELTA)
    exponents = spelled(message).replace(b"101.5", b"1.015e2")
    assert quick.scan(exponents) == UNKNOWN
    assert read_carefully(careful, exponents) == DELTA
    quick.scan(spelled(message))
    assert said(careful, DELTA) == said(quick, DELTA)


def test_each_change_names_the_one_before() -> None:
    """Steps are of any length; what came before is old, what comes too early is held until the missing one is there."""
    decoder = live()
    assert decoder.apply(change(10, 387, [["delete", 100.5, 0]])) == dialect.BOOK_CHANGED
    assert decoder.book.best_bid_price == 1_000
    assert decoder.apply(change(10, 387, [["delete", 100.5, 0]])) == dialect.IGNORED
    assert decoder.apply(change(400, 401, [["new", 100.5, 2]])) == dialect.HELD
    decoder = reloaded(DERIBIT, NAME, SCALES, decoder)
    assert decoder.holding
    assert decoder.apply(change(387, 400, [["change", 100, 1]])) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.book.best_bid_size, decoder.holding) == (401, 200, False)
    assert decoder.apply(change(500, 501)) == dialect.HELD
    assert decoder.give_up() == dialect.GAP
    assert not decoder.live
    assert decoder.apply(change(501, 502)) == dialect.IGNORED
    assert decoder.apply(SNAPSHOT_FRAME) == dialect.BOOK_CHANGED


def test_a_numbering_that_begins_anew_is_no_repeat() -> None:
    """Lower ids with the same time were told before; with a later time they are another row, and the book is lost."""
    decoder = live()
    assert decoder.apply(change(3, 5)) == dialect.IGNORED
    assert decoder.apply(change(3, 5, time=TIME + 100)) == dialect.HELD
    assert decoder.give_up() == dialect.GAP


def test_a_snapshot_that_names_null_before_it() -> None:
    """Some have the key, with null: it says nothing."""
    message = book("snapshot", 0, 10, BIDS, ASKS)
    message["params"]["data"]["prev_change_id"] = None
    assert DERIBIT.decoder(NAME, *SCALES).apply(spelled(message)) == dialect.BOOK_CHANGED


def test_trades_are_told_once_in_their_row() -> None:
    """By their number in the row, with the taker's side; missing ones are mentioned."""
    decoder = live()
    assert decoder.apply(trades([(7, "sell"), (6, "buy")])) == dialect.TRADED
    assert list(decoder.trade_ids[:2]) == [6, 7]
    assert list(decoder.trade_sides[:2]) == [BUY, SELL]
    assert (decoder.trade_prices[0], decoder.trade_sizes[0]) == (633_445, 2_000)
    assert decoder.apply(trades([(7, "sell")])) == dialect.IGNORED
    decoder = reloaded(DERIBIT, NAME, SCALES, decoder)
    assert decoder.apply(trades([(7, "sell"), (10, "sell")])) == dialect.TRADED
    assert decoder.trade_count == 1
    assert "2 trades" in decoder.cause


def test_what_else_comes() -> None:
    """Best prices, signs of life, states of the platform, replies, channels that are not kept or not known."""
    decoder = live()
    assert decoder.apply(spelled(example("quote.json"))) == dialect.QUOTED
    assert (decoder.quoted_bid_price, decoder.quoted_ask_size) == (922_880, 9_947_000)
    assert decoder.apply(spelled(example("test-request.json"))) == dialect.ALIVE
    assert decoder.apply(spelled(example("ticker.json"))) == dialect.IGNORED
    assert decoder.apply(spelled(example("book-grouped.json"))) == dialect.IGNORED
    assert decoder.apply(spelled(example("subscribe-ack.json"))) == dialect.CONTROL
    assert decoder.apply(spelled(example("error-rate.json"))) == dialect.CONTROL
    assert decoder.refused
    assert decoder.apply(spelled(notified("platform_state", {"maintenance": True}))) == dialect.STATUS
    assert decoder.status == STATUS_CLOSED
    locked = {"price_index": "btc_usd", "locked": True}
    assert decoder.apply(spelled(notified("platform_state", locked))) == dialect.STATUS
    assert decoder.status == STATUS_HALTED
    assert decoder.apply(spelled(notified("platform_state", locked | {"price_index": "eth_usd"}))) == dialect.IGNORED
    assert read_carefully(scans()[0], spelled(notified("sirens", {}))) == STRANGE
    assert read_carefully(scans()[0], spelled(notified("ticker.X.raw", {}))) == OTHER
    assert index_of("SOL_USDC-PERPETUAL") == "sol_usdc"


def test_the_examples_of_books() -> None:
    """The collected sessions hold: a chain of 2021, and one of 2026."""
    for name in ("session-book", "session-raw-2021"):
        frames = [spelled(frame) for frame in example(f"{name}.json")["ws"]]
        symbol = DERIBIT.venue_symbol(frames[-1])
        decoder = DERIBIT.decoder(symbol, 4, 1)
        outcomes = [decoder.apply(frame) for frame in frames if b'"method"' in frame]
        assert outcomes == [dialect.BOOK_CHANGED] * len(outcomes)
    bids, asks = DERIBIT.read_audit(spelled({"result": example("rest-order-book.json")["result"]}), 1, 0)
    assert (bids[0], asks[0]) == ((870_025, 199_190), (870_030, 125_090))


def test_what_is_said() -> None:
    """An answer is compared with its request; the venue's question is answered; a book is begun anew in two steps."""
    conversation = DERIBIT.conversation()
    requests = [json.loads(request) for request in conversation.open([NAME, "X"])]
    assert requests[0]["params"] == example("set-heartbeat.json")["params"]
    wanted = [f"book.{NAME}.100ms", f"trades.{NAME}.100ms", f"quote.{NAME}"]
    assert requests[2] == {"jsonrpc": "2.0", "id": 3, "method": "public/subscribe", "params": {"channels": wanted}}
    assert conversation.hear(spelled({"jsonrpc": "2.0", "id": 3, "result": wanted})) == dialect.CONFIRMED
    assert conversation.hear(spelled({"jsonrpc": "2.0", "id": 4, "result": ["trades.X.100ms"]})) == dialect.REFUSED
    assert (conversation.venue_symbol, "book.X.100ms" in conversation.cause) == ("X", True)
    assert conversation.hear(spelled(example("test-request.json"))) == dialect.DATA
    assert json.loads(conversation.replies.pop())["method"] == "public/test"
    (request,) = conversation.renew(NAME)
    assert json.loads(request)["method"] == "public/unsubscribe"
    answer = {"jsonrpc": "2.0", "id": json.loads(request)["id"], "result": wanted[:1]}
    assert conversation.hear(spelled(answer)) == dialect.DATA
    again = json.loads(conversation.replies.pop())
    assert (again["method"], again["params"]) == ("public/subscribe", {"channels": wanted[:1]})
    assert conversation.hear(spelled({"jsonrpc": "2.0", "id": again["id"], "result": wanted[:1]})) == dialect.CONFIRMED
    assert conversation.hear(spelled(notified("platform_state", {"maintenance": True}))) == dialect.MAINTENANCE
    assert conversation.hear(spelled(notified("platform_state", {"maintenance": False}))) == dialect.BACK
    assert conversation.hear(SNAPSHOT_FRAME) == dialect.DATA
    assert conversation.hear(spelled(example("error-rate.json"))) == dialect.REFUSED


@given(data=st.data())
@settings(max_examples=examples(200, 5_000), deadline=None)
def test_damaged_frames(data: st.DataObject) -> None:
    """With bytes replaced, inserted or removed the readers agree; only `BadFrame` is raised, and it changes nothing."""
    frame = bytearray(data.draw(st.sampled_from([change(10, 15, BIDS, ASKS), SNAPSHOT_FRAME, trades([(7, "buy")])])))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    agree(bytes(frame))
    outcome_of(live(), bytes(frame))
    assert DERIBIT.message_type(bytes(frame))
    assert DERIBIT.conversation().hear(bytes(frame)) in (dialect.DATA, dialect.REFUSED, dialect.CONFIRMED)


def test_trickle() -> None:
    """A frame that is cut off is bad, and one in pieces is what it is as a whole."""
    check_trickle(DERIBIT, NAME, SCALES, SNAPSHOT_FRAME)


def test_too_many_places_are_named() -> None:
    """An amount that the scale cannot hold is refused, not rounded."""
    with pytest.raises(BadFrame, match="decimal places"):
        DERIBIT.decoder(NAME, 1, 1).apply(SNAPSHOT_FRAME)


def test_the_recorded_instruments() -> None:
    """Options, dated futures, inverse and linear perpetuals of four lists, and the perpetual of today."""
    bodies = [record.data for record in recorded(RECORDING) if record.kind == ANSWER]
    listed = {one.venue_symbol: one for one in DERIBIT.instruments(bodies)}
    assert len(listed) == 1_017
    assert listed["BTC-PERPETUAL"].inverse
    assert not listed["UNI_USDC-PERPETUAL"].inverse
    assert listed["BTC-25MAR22"].kind is InstrumentKind.FUTURE
    assert listed["BTC-24SEP21-40000-P"].kind is InstrumentKind.OPTION
    today = example("rest-instrument.json")["result"]
    (perpetual,) = DERIBIT.instruments([spelled({"result": [today]})])
    # Orders have ticks of half a dollar, block trades of a cent.
    assert (perpetual.tick, perpetual.price_scale, perpetual.taker_fee_ppm) == (500, 3, 500)


def symbols() -> list[str]:
    """The recorded instruments."""
    return sorted({DERIBIT.venue_symbol(frame) for frame in recorded_frames(RECORDING)} - {""})


def test_the_recording() -> None:
    """Ten books and 36 changes, all of them in the chain, read alike by both readers in the quick way."""
    changes = 0
    for symbol in symbols():
        decoder = DERIBIT.decoder(symbol, 4, 1)
        for frame in frames_for(RECORDING, DERIBIT, symbol):
            is_book = b'"channel":"book.' in frame
            kind = check_readers_agree(*scans(symbol, (4, 1)), read_carefully, frame)
            assert kind in ((DELTA, SNAPSHOT) if is_book else (UNKNOWN,))
            assert decoder.apply(frame) == (dialect.BOOK_CHANGED if is_book else dialect.IGNORED)
            changes += kind == DELTA
        assert decoder.live
        assert not decoder.book.crossed
    assert changes == 36


@pytest.mark.parametrize("damage", ["drop", "double", "swap"])
def test_damage_to_the_recording_is_seen(damage: str) -> None:
    """A missing change is a gap, at every position but the last; one that came twice or late does no harm."""
    for symbol in symbols():
        frames = [one for one in frames_for(RECORDING, DERIBIT, symbol) if b'"channel":"book.' in one]
        whole = DERIBIT.decoder(symbol, 4, 1)
        for frame in frames:
            whole.apply(frame)
        for place in range(1, len(frames) - 1):
            damaged = list(frames)
            if damage == "drop":
                del damaged[place]
            elif damage == "double":
                damaged.insert(place, damaged[place])
            else:
                damaged[place], damaged[place + 1] = damaged[place + 1], damaged[place]
            decoder = DERIBIT.decoder(symbol, 4, 1)
            outcomes = [decoder.apply(frame) for frame in damaged]
            if damage == "drop":
                assert dialect.GAP in outcomes or decoder.give_up() == dialect.GAP
            else:
                assert decoder.book.save() == whole.book.save()
                assert (dialect.HELD if damage == "swap" else dialect.IGNORED) in outcomes
