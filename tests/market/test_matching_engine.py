"""The matching engine by example: its bounds, its arrays as they grow and shrink, what it tells of itself.

What the rules give is held against the reference engine in test_matching_against_naive.py.
"""

from __future__ import annotations

from random import Random

import pytest

from market.matching.engine import MatchingEngine
from market.matching.entry import OrderEntry
from market.matching.events import INCOMING, RESTS, EventBuffer
from market.matching.levels import LevelSide
from market.matching.settings import MOST_PRICE, MatchingError, MatchingSettings, reject_text
from market.matching.store import FILLED, PRICE, REMAINING, OrderStore
from market.matching.view import IN_BOOK, WAITS_FOR_PRICE
from market.messages import (
    BUY,
    CAUSE_REQUESTED,
    EVENT_ACCEPTED,
    EVENT_CANCEL_REJECTED,
    EVENT_CANCELLED,
    EVENT_REJECTED,
    EVENT_TRADED,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    PEG_NEAR,
    PEGGED,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_NOT_FILLABLE,
    SELL,
    STATUS_HALTED,
    STATUS_TRADING,
    STOP,
    STOP_LIMIT,
)
from tests.seeds import seeds


def engine_of(**chosen: int) -> MatchingEngine:
    """An engine with these settings, the others as they are by default."""
    return MatchingEngine(MatchingSettings(**chosen))


def limit(order_id: int, side: int, price: int, size: int, **fields: int) -> OrderEntry:
    """A limit order of an account that has the order's number."""
    return OrderEntry(order_id, order_id, 0, side, LIMIT, price=price, size=size, **fields)


def kinds(engine: MatchingEngine) -> list[int]:
    """The kinds of the events of the last input."""
    return [event.kind for event in engine.events]


def test_an_order_rests_trades_and_is_cancelled() -> None:
    """Each input gives its events, which stay until the next; the trade is at the resting order's price."""
    engine = engine_of()
    assert engine.submit(limit(1, SELL, 101, 5), 0) == 1
    assert engine.events.row(0).cells() == (EVENT_ACCEPTED, 1, 1, SELL, 101, 5, 5, RESTS, 0, 0, 0, 5)
    assert engine.submit(limit(2, BUY, 103, 3), 0) == 2
    assert engine.events.row(0).code == INCOMING
    assert engine.events.row(1).cells() == (EVENT_TRADED, 2, 2, BUY, 101, 3, 0, 0, 1, 1, 2, 1)
    assert (engine.last_price, engine.trade_count, engine.best_ask, engine.best_bid) == (101, 1, 101, 0)
    assert engine.cancel(1, CAUSE_REQUESTED) == 1
    assert engine.events.head(0) == (EVENT_CANCELLED, 1, 101, 0)
    assert engine.cancel(1, CAUSE_REQUESTED) == 1
    assert kinds(engine) == [EVENT_CANCEL_REJECTED]
    assert engine.open_orders == 0


def test_events_are_read_by_row_head_and_cell() -> None:
    """An event as an object, as four cells, and cell by cell say the same; there is none beyond the last."""
    engine = engine_of()
    engine.submit(limit(7, SELL, 50, 4), 0)
    engine.submit(limit(8, BUY, 50, 4), 0)
    events = engine.events
    assert len(events) == events.count == 2
    for number, event in enumerate(events):
        read = (
            events.kind, events.order_id, events.account_id, events.side, events.price, events.size, events.remaining,
            events.code, events.other_id, events.other_account_id, events.other_remaining, events.number,
        )  # fmt: skip
        assert tuple(column(number) for column in read) == event.cells()
        assert events.head(number) == (event.kind, event.order_id, event.price, event.size)
    for number in (-1, 2):
        with pytest.raises(IndexError, match="there are 2 events"):
            events.row(number)


def test_the_event_buffer_grows_and_gives_back_what_was_huge() -> None:
    """Any number of events fits; the next input begins empty, whatever came before."""
    events = EventBuffer()
    for number in range(70_000):
        events.add(EVENT_TRADED, number, 0, BUY, 1, 1, 0, 0, 0, 0, 0, number)
    assert [events.number(number) for number in (0, 63, 64, 69_999)] == [0, 63, 64, 69_999]
    events.clear()
    assert len(events) == 0
    events.add(EVENT_TRADED, 3, 0, BUY, 1, 1, 0, 0, 0, 0, 0, 9)
    assert events.row(0).number == 9


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"tick": 0}, "tick"),
        ({"lot": 0}, "lot"),
        ({"minimum_size": 0}, "minimum_size"),
        ({"minimum_size": 10, "maximum_size": 9}, "minimum_size"),
        ({"maximum_price": MOST_PRICE + 1}, "maximum_price"),
        ({"band_ppm": 1_000_001}, "band_ppm"),
        ({"most_pegged": -1}, "most_pegged"),
        ({"most_triggers": 0}, "most_triggers"),
        ({"maximum_size": 2**40, "most_orders": 2**24}, "lower one"),
    ],
)
def test_settings_that_could_overflow_are_refused(chosen: dict[str, int], named: str) -> None:
    """Bounds are checked once, so that no sum inside can pass 64 bits; the message names what to change."""
    with pytest.raises(MatchingError, match=named):
        MatchingSettings(**chosen)


def test_the_largest_orders_and_prices_are_summed_exactly() -> None:
    """At the bounds of the settings, the shown size of a level, notional and band are exact."""
    most = 2**30
    engine = engine_of(maximum_size=2**32 - 1, most_orders=most, maximum_price=MOST_PRICE, band_ppm=1_000_000)
    for number in range(1, 6):
        engine.submit(limit(number, SELL, MOST_PRICE, 2**32 - 1), 0)
    assert engine.shown(SELL, MOST_PRICE) == 5 * (2**32 - 1)
    assert engine.band_price(BUY) == 2 * MOST_PRICE
    engine.submit(limit(6, BUY, MOST_PRICE - 1, 1), 0)
    assert engine.band_price(SELL) == 0
    exact = engine_of(maximum_size=2**40, most_orders=100, maximum_price=MOST_PRICE, minimum_notional=2**62 - 1)
    exact.submit(limit(1, BUY, MOST_PRICE, 1), 0)
    assert exact.events.row(0).code == REJECT_MINIMUM_NOTIONAL
    exact.submit(limit(1, BUY, MOST_PRICE, 2**40), 0)
    assert kinds(exact) == [EVENT_ACCEPTED]


@pytest.mark.parametrize("best", [1, 999, 1_000_003, 12_345_678_901])
@pytest.mark.parametrize("ppm", [1, 333, 50_000, 999_999])
def test_the_band_is_exact(best: int, ppm: int) -> None:
    """The band is the exact share of the best price, rounded towards the market to the tick."""
    engine = engine_of(band_ppm=ppm)
    engine.submit(limit(1, SELL, best + 1, 1), 0)
    engine.submit(limit(2, BUY, best, 1), 0)
    assert engine.band_price(BUY) == (best + 1) * (1_000_000 + ppm) // 1_000_000
    assert engine.band_price(SELL) == -(-best * (1_000_000 - ppm) // 1_000_000)


def test_order_ids_are_positive() -> None:
    """An id that is none is the caller's fault, told as an error; nothing has happened."""
    engine = engine_of()
    with pytest.raises(MatchingError, match="positive"):
        engine.submit(limit(0, BUY, 1, 1), 0)
    assert engine.open_orders == 0


def test_every_refusal_has_words() -> None:
    """A code that the engine gives is told in plain words, any other one too."""
    assert reject_text(REJECT_NOT_FILLABLE) == "it is fill-or-kill and cannot be filled whole now"
    assert reject_text(999) == "it was refused"


@pytest.mark.parametrize("seed", seeds(2, 40))
@pytest.mark.parametrize("step", [1, 256, 1 << 20, 1 << 33])
def test_the_index_of_ids_finds_what_is_there(seed: int, step: int) -> None:
    """Ids in any pattern are found as long as they are held, and not afterwards, through growth and deletions."""
    random = Random(seed)
    store = OrderStore()
    held: dict[int, int] = {}
    next_id = 0
    for _ in range(3_000):
        if held and random.random() < 0.45:
            order_id = random.choice(list(held))
            store.remove(held.pop(order_id))
            assert store.find(order_id) == 0
        else:
            next_id += step
            held[next_id] = store.add(next_id, 1, 0, 100, 10, 0)
        assert store.count == len(held)
    assert all(store.find(order_id) == slot for order_id, slot in held.items())
    assert len(set(held.values())) == len(held)


def test_ids_in_a_row_are_removed_quickly() -> None:
    """A long row of ids makes no long row in the index: removing them all takes no time to speak of."""
    store = OrderStore()
    slots = [store.add(order_id, 1, 0, 100, 10, 0) for order_id in range(1, 20_001)]
    for slot in slots:
        store.remove(slot)
    assert store.count == 0


@pytest.mark.parametrize("seed", seeds(3, 60))
@pytest.mark.parametrize("side", [BUY, SELL])
def test_levels_against_a_dict(seed: int, side: int) -> None:
    """However levels come and go, near the touch or deep, depth and best price are those of a plain dict."""
    random = Random(seed)
    engine = engine_of()
    held: dict[int, tuple[int, int]] = {}
    for order_id in range(1, 2_500):
        middle = 2_000 if order_id < 1_500 else 500
        if held and random.random() < (0.35 if order_id < 1_500 else 0.6):
            gone = random.choice(list(held))
            engine.cancel(gone, CAUSE_REQUESTED)
            del held[gone]
        else:
            price = middle + int(random.gauss(0, 300 if order_id % 3 else 5))
            held[order_id] = (max(1, price), random.randrange(1, 9))
            engine.submit(limit(order_id, side, *held[order_id]), 0)
        if order_id % 50 == 0:
            wanted: dict[int, int] = {}
            for price, size in held.values():
                wanted[price] = wanted.get(price, 0) + size
            depth = sorted(wanted.items(), reverse=side == BUY)
            assert engine.depth(side, 10_000) == depth
            assert (engine.best_bid if side == BUY else engine.best_ask) == (depth[0][0] if depth else 0)
            assert engine.depth(side, 3) == depth[:3]
            assert all(engine.shown(side, price) == size for price, size in depth)


def test_empty_levels_are_taken_off_the_list() -> None:
    """Levels that have become empty do not stay for ever: their number is bounded by that of the others."""
    engine = engine_of()
    for order_id in range(1, 2_001):
        engine.submit(limit(order_id, BUY, order_id, 1), 0)
    for order_id in range(1, 2_000):
        engine.cancel(order_id, CAUSE_REQUESTED)
    assert engine.depth(BUY, 10) == [(2_000, 1)]
    levels = LevelSide(BUY)
    assert (levels.best_price(), levels.best_shown_price(), levels.level_at(5), levels.shown_at(5)) == (0, 0, 0, 0)


def test_hidden_orders_show_nothing_and_trade_last() -> None:
    """A hidden order is no best price and no depth, and trades behind what is displayed at its price."""
    engine = engine_of()
    engine.submit(limit(1, SELL, 100, 5, display_size=-1), 0)
    engine.submit(limit(2, SELL, 101, 5), 0)
    assert (engine.best_ask, engine.depth(SELL, 9), engine.shown(SELL, 100)) == (101, [(101, 5)], 0)
    engine.submit(limit(3, SELL, 100, 2), 0)
    engine.submit(limit(4, BUY, 100, 4), 0)
    assert [event.other_id for event in engine.events][1:] == [3, 1]


def test_touched_levels_are_told_once_asked_for() -> None:
    """Nothing is noted before the first `clear_touched`; then every level that may have changed, each once."""
    engine = engine_of()
    engine.submit(limit(1, SELL, 101, 5), 0)
    assert (engine.touched, engine.touched_count) == ([], 0)
    engine.clear_touched()
    engine.submit(limit(2, SELL, 101, 5), 0)
    engine.submit(limit(3, BUY, 99, 5), 0)
    engine.submit(limit(4, BUY, 101, 7), 0)
    assert engine.touched == [(SELL, 101), (BUY, 99)]
    assert [engine.touched_key(number) for number in range(engine.touched_count)] == [-101, 99]
    engine.clear_touched()
    engine.submit(limit(5, SELL, 102, 5, display_size=-1), 0)
    assert engine.touched == []
    with pytest.raises(IndexError, match="0 touched levels"):
        engine.touched_key(0)


@pytest.mark.parametrize("seed", seeds(2, 40))
def test_what_changes_the_depth_is_touched(seed: int) -> None:
    """Who applies the shown size of every touched level keeps the depth of both sides."""
    random = Random(seed)
    engine = engine_of()
    engine.clear_touched()
    kept: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
    for order_id in range(1, 800):
        if random.random() < 0.4:
            engine.cancel(random.randrange(1, order_id + 1), CAUSE_REQUESTED)
        else:
            display_size = random.choice((0, 0, 0, 2, -1))
            side, price = random.choice((BUY, SELL)), random.randrange(95, 106)
            engine.submit(limit(order_id, side, price, random.randrange(1, 12), display_size=display_size), 0)
        for touched_side, price in engine.touched:
            kept[touched_side][price] = engine.shown(touched_side, price)
        engine.clear_touched()
        for one in (BUY, SELL):
            shown = {price: size for price, size in kept[one].items() if size}
            assert dict(engine.depth(one, 99)) == shown


def test_orders_are_found_and_told() -> None:
    """A working or waiting order is found by its id with all of its fields, in priority where all are asked for."""
    engine = engine_of()
    engine.submit(limit(1, BUY, 100, 10, display_size=4, time_in_force=GTD, expire_ns=50), 5)
    engine.submit(OrderEntry(2, 9, 3, SELL, STOP_LIMIT, price=90, size=6, stop_price=95, post_only=1), 5)
    engine.submit(OrderEntry(3, 9, 3, BUY, PEGGED, price=99, size=2, peg_reference=PEG_NEAR, offset=1), 5)
    engine.submit(limit(4, SELL, 100, 3, time_in_force=IOC), 5)
    slot = engine.find(1)
    assert (engine.word(slot, PRICE), engine.word(slot, REMAINING), engine.word(slot, FILLED)) == (100, 7, 3)
    first = engine.order(1)
    assert first is not None
    assert (first.size, first.filled, first.shown, first.display_size, first.expire_ns) == (10, 3, 1, 4, 50)
    second = engine.order(2)
    assert second is not None
    assert (second.stop_price, second.post_only, second.place, second.account_group) == (95, 1, WAITS_FOR_PRICE, 3)
    assert [(order.order_id, order.place) for order in engine.orders()] == [
        (1, IN_BOOK), (3, IN_BOOK), (2, WAITS_FOR_PRICE),
    ]  # fmt: skip
    assert (engine.find(4), engine.order(4), engine.waiting_orders, engine.next_expiry_ns()) == (-1, None, 1, 50)
    with pytest.raises(MatchingError, match="no order"):
        engine.word(0, PRICE)


def test_expiry_ends_what_is_due() -> None:
    """The next time of expiry is told, and `expire` ends every order up to a time, by time and then by acceptance."""
    engine = engine_of()
    for order_id, expire_ns in ((1, 30), (2, 10), (3, 30), (4, 90)):
        engine.submit(limit(order_id, BUY, 100, 1, time_in_force=GTD, expire_ns=expire_ns), 0)
    assert engine.next_expiry_ns() == 10
    assert engine.expire(9) == 0
    assert engine.expire(30) == 3
    assert [event.order_id for event in engine.events] == [2, 1, 3]
    assert (engine.next_expiry_ns(), engine.open_orders) == (90, 1)


def test_a_status_stops_and_lets_go_on() -> None:
    """While halted orders are refused and due stop orders wait; an unknown status is the caller's error."""
    engine = engine_of(most_triggers=1)
    engine.submit(limit(1, SELL, 100, 1), 0)
    engine.submit(limit(2, BUY, 100, 1), 0)
    for order_id in (3, 4):
        engine.submit(OrderEntry(order_id, 1, 0, BUY, STOP, size=1, stop_price=101), 0)
    engine.submit(limit(5, SELL, 102, 1), 0)
    engine.submit(limit(6, BUY, 102, 1), 0)
    assert engine.waiting_orders == 1
    assert engine.set_status(STATUS_HALTED) == 0
    engine.submit(limit(7, BUY, 1, 1), 0)
    assert kinds(engine) == [EVENT_REJECTED]
    assert (engine.status, engine.waiting_orders) == (STATUS_HALTED, 1)
    assert engine.set_status(STATUS_TRADING) == 2
    assert engine.waiting_orders == 0
    with pytest.raises(MatchingError, match="STATUS_"):
        engine.set_status(99)


def test_a_market_order_walks_the_book_within_its_band() -> None:
    """What lies beyond the band of the best price is not touched."""
    engine = engine_of(band_ppm=100_000)
    for order_id, price in ((1, 100), (2, 109), (3, 110), (4, 111)):
        engine.submit(limit(order_id, SELL, price, 1), 0)
    engine.submit(OrderEntry(9, 1, 0, BUY, MARKET, IOC, size=10), 0)
    assert [event.price for event in engine.events if event.kind == EVENT_TRADED] == [100, 109, 110]
    assert engine.best_ask == 111


def test_only_a_new_engine_loads_a_whole_state() -> None:
    """A saved state is for an engine that has taken nothing yet, and has to be one."""
    engine = engine_of()
    engine.submit(limit(1, BUY, 100, 1), 0)
    saved = engine.save()
    with pytest.raises(MatchingError, match="only a new engine"):
        engine.load(saved)
    for name, value in (("version", 0), ("orders", 3), ("booked", "x"), ("specials", {}), ("groups", [3])):
        with pytest.raises(MatchingError):
            engine_of().load({**saved, name: value})


def test_an_entry_may_be_used_again() -> None:
    """The engine keeps nothing of the object that it was handed."""
    engine = engine_of()
    entry = limit(1, BUY, 100, 1)
    engine.submit(entry, 0)
    entry.order_id, entry.price = 2, 101
    engine.submit(entry, 0)
    assert engine.depth(BUY, 9) == [(101, 1), (100, 1)]
