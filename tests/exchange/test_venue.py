"""The exchange as an actor: sessions and nonces, disconnects, opening hours, public books, administration, recovery."""

from __future__ import annotations

import json
from random import Random

import pytest
from librt.vecs import vec
from mypy_extensions import i64

from exchange.params import CalendarParams
from exchange.records import ExchangeError
from market.book import Book
from market.message_schema.catalogue import MESSAGES
from market.messages import (
    BUY,
    CAUSE_DISCONNECT,
    CAUSE_INSTRUMENT_STATUS,
    DAY,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REPRICED,
    GROUP_NONE,
    GROUP_OCO,
    GTC,
    GTD,
    LIMIT,
    PEG_NEAR,
    PEGGED,
    REJECT_AUTHENTICATION,
    REJECT_BALANCE,
    REJECT_HALTED,
    REJECT_INSTRUMENT_STATUS,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNSUPPORTED,
    SELL,
    STATE_BALANCES,
    STATUS_AUCTION,
    STATUS_CLOSED,
    STATUS_DELISTED,
    STATUS_HALTED,
    STATUS_TRADING,
    AccountStateWanted,
    BalanceReported,
    BookDelta,
    BookSnapshot,
    CancelAllWanted,
    CancelWanted,
    EntryWanted,
    InstrumentStatus,
    Message,
    OrderReported,
    PublicTrade,
    ReplaceWanted,
    RequestAnswered,
    RunStarted,
    SessionAnswered,
    SessionClosed,
    SessionOpened,
    SnapshotWanted,
    StatusWanted,
    Ticker,
    TopOfBook,
    TradingHalted,
    TransferWanted,
)
from tests.exchange.desk_of_orders import ALICE, BOB, BTC, EXCHANGE_ID, ODD, SECOND, START_NS, UNIT
from tests.exchange.exchange_actor import ExchangeLane, make_core, settings
from tests.seeds import examples, seeds

MINUTE_MS = 60_000
HOUR_NS = 3_600 * SECOND


def order(
    who: int, side: int, price: int, size: int, *, session_id: int = -1, request_id: int = 1, exchange_id: int = 1,
    time_in_force: int = GTC, expire_ns: int = 0, group_kind: int = GROUP_NONE, group_count: int = 0,
) -> EntryWanted:  # fmt: skip
    """A limit order."""
    return EntryWanted(
        exchange_id, session_id, who, request_id, "", BTC, side, LIMIT, time_in_force, price, size, 0, 0, 0, expire_ns,
        0, 0, 0, group_kind, group_count, START_NS,
    )  # fmt: skip


def answers(said: list[Message]) -> list[tuple[bool, int]]:
    """Refused or not, and the code, of every answer."""
    return [(one.refused, one.code) for one in said if isinstance(one, RequestAnswered)]


def opened(session_id: int, nonce: int, key_id: str = "key", who: int = ALICE) -> SessionOpened:
    """A client that asks to trade."""
    return SessionOpened(EXCHANGE_ID, session_id, who, 1, key_id, 3, nonce, False, START_NS)


# -------------------------------------------------------------------------------------------------------- sessions


def test_nonces_only_grow() -> None:
    """A nonce that is not larger than the last of its key opens nothing, also when that session is long over."""
    lane = ExchangeLane()
    verdicts = []
    for session_id, nonce, key_id in ((1, 5, "a"), (2, 5, "a"), (3, 4, "a"), (4, 6, "a"), (5, 1, "b")):
        lane.ask(opened(session_id, nonce, key_id))
        lane.ask(SessionClosed(EXCHANGE_ID, session_id, ALICE, "", START_NS))
        verdicts.append(lane.of(SessionAnswered)[-1].refused)
    assert verdicts == [False, True, True, False, False]
    assert "larger than 5" in lane.of(SessionAnswered)[1].reason


def test_keys_and_sessions_are_bounded() -> None:
    """No nonce is forgotten to make room for another key."""
    lane = ExchangeLane(most_keys=2, most_sessions=2)
    for session_id in (1, 2, 3):
        lane.ask(opened(session_id, 1, f"key-{session_id}"))
    assert [one.refused for one in lane.of(SessionAnswered)] == [False, False, True]
    lane.ask(opened(4, 2, "key-1"), opened(5, 3, "key-1", who=77), opened(-5, 9, "key-1"))
    assert [one.reason for one in lane.of(SessionAnswered)[3:]] == [
        "the exchange has no more sessions", "there is no such account", "a session has a positive number",
    ]  # fmt: skip


def test_only_an_open_session_of_the_account_trades() -> None:
    """Orders and changes of another account, of no session, or of one that has ended are refused; cancels pass."""
    lane = ExchangeLane()
    lane.log_in(7, ALICE)
    placed = lane.ask(order(ALICE, BUY, 9_000, 10, session_id=7))
    order_id = next(one.order_id for one in placed if isinstance(one, OrderReported))
    refused = [(True, REJECT_AUTHENTICATION)]
    assert answers(lane.ask(order(BOB, BUY, 9_000, 10, session_id=7))) == refused
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10, session_id=8))) == refused
    lane.ask(SessionClosed(EXCHANGE_ID, 7, ALICE, "gone", START_NS))
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10, session_id=7))) == refused
    assert answers(lane.ask(ReplaceWanted(1, 7, ALICE, 2, BTC, order_id, "", 9_000, 5, START_NS))) == refused
    assert answers(lane.ask(CancelWanted(1, 7, ALICE, 3, BTC, order_id, "", START_NS))) == [(False, 0)]


def test_cancel_on_disconnect_takes_the_sessions_orders() -> None:
    """The orders of that session go, those of others stay, and so do those of a session that did not ask for it."""
    lane = ExchangeLane()
    lane.log_in(1, ALICE, cancel_on_disconnect=True)
    lane.log_in(2, ALICE)
    for session_id in (1, 2, 1):
        lane.ask(order(ALICE, BUY, 9_000, 10, session_id=session_id))
    said = lane.ask(SessionClosed(EXCHANGE_ID, 1, ALICE, "gone", START_NS))
    gone = [one for one in said if isinstance(one, OrderReported)]
    assert [(one.session_id, one.event, one.cause) for one in gone] == [(1, EVENT_CANCELLED, CAUSE_DISCONNECT)] * 2
    lane.ask(SessionClosed(EXCHANGE_ID, 2, ALICE, "gone", START_NS))
    assert len(lane.venue.exchange.reports.orders) == 1


def test_no_session_outlives_its_process() -> None:
    """The start of a run ends the sessions of the run before, with what they asked for."""
    lane = ExchangeLane()
    lane.log_in(1, ALICE, cancel_on_disconnect=True)
    lane.ask(order(ALICE, BUY, 9_000, 10, session_id=1))
    lane.ask(RunStarted(START_NS, 2, "", ""))
    assert len(lane.venue.exchange.reports.orders) == 0
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10, session_id=1))) == [(True, REJECT_AUTHENTICATION)]


def test_an_unfinished_group_ends_with_its_session() -> None:
    """What had come of it is answered, and nothing is kept."""
    lane = ExchangeLane()
    lane.log_in(1, ALICE)
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10, session_id=1, group_kind=GROUP_OCO, group_count=2))) == []
    said = lane.ask(SessionClosed(EXCHANGE_ID, 1, ALICE, "gone", START_NS))
    assert [one.reason for one in said if isinstance(one, RequestAnswered)] == ["its group did not arrive whole"]
    assert lane.venue.exchange.collecting == {}


def test_what_is_meant_for_another_exchange_is_left_alone() -> None:
    """Several exchanges may live in one lane."""
    lane = ExchangeLane()
    assert lane.ask(order(ALICE, BUY, 9_000, 10, exchange_id=2)) == []
    assert lane.ask(SnapshotWanted(2, 0, "")) == []


# ------------------------------------------------------------------------------------------------------------ time


def test_orders_run_out_by_one_timer() -> None:
    """The timer stands at the next expiry of any instrument, and moves with it."""
    lane = ExchangeLane()
    lane.ask(order(ALICE, BUY, 9_000, 10, time_in_force=GTD, expire_ns=START_NS + 5 * SECOND))
    lane.ask(order(ALICE, BUY, 9_000, 10, time_in_force=GTD, expire_ns=START_NS + 2 * SECOND))
    lane.pass_ms(1_999)
    assert len(lane.venue.exchange.reports.orders) == 2
    lane.pass_ms(1)
    assert len(lane.venue.exchange.reports.orders) == 1
    lane.pass_ms(10_000)
    assert [one.event for one in lane.of(OrderReported)][-1] == EVENT_EXPIRED
    assert len(lane.venue.exchange.reports.orders) == 0
    lane.venue.exchange.check_invariants()


def test_a_session_of_the_calendar_ends_day_orders_and_closes() -> None:
    """At the close DAY orders expire, the others stay, and no order comes in until it opens again."""
    # It begins on a Tuesday at 22:13:20 UTC.
    lane = ExchangeLane(calendar=CalendarParams(open="08:00", close="22:30"))
    assert [(one.instrument_id, one.status) for one in lane.of(InstrumentStatus)] == [
        (BTC, STATUS_TRADING), (ODD, STATUS_TRADING),
    ]  # fmt: skip
    lane.ask(order(ALICE, BUY, 9_000, 10, time_in_force=DAY), order(ALICE, BUY, 8_000, 10))
    lane.forget()
    lane.pass_ms(17 * MINUTE_MS)
    assert [one.event for one in lane.of(OrderReported)] == [EVENT_EXPIRED]
    assert [one.status for one in lane.of(InstrumentStatus)] == [STATUS_CLOSED, STATUS_CLOSED]
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10))) == [(True, REJECT_INSTRUMENT_STATUS)]
    assert answers(lane.ask(CancelAllWanted(1, -1, ALICE, 1, 0, START_NS))) == [(False, 0)]
    lane.forget()
    lane.pass_ms(10 * 60 * MINUTE_MS)
    assert [one.status for one in lane.of(InstrumentStatus)] == [STATUS_TRADING, STATUS_TRADING]
    assert lane.now_ns < START_NS + 11 * HOUR_NS
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10))) == [(False, 0)]


def test_tickers_follow_trades() -> None:
    """At most one within its time, and none while nothing trades."""
    lane = ExchangeLane(ticker_ms=1_000)
    for price in (10_000, 10_200, 9_900):
        lane.ask(order(BOB, SELL, price, 10), order(ALICE, BUY, price, 10))
    lane.pass_ms(5_000)
    (ticker,) = lane.of(Ticker)
    assert (ticker.open_price, ticker.high_price, ticker.low_price, ticker.last_price) == (
        10_000, 10_200, 9_900, 9_900,
    )  # fmt: skip
    assert (ticker.volume, ticker.turnover) == (30, 10 * (10_000 + 10_200 + 9_900))
    lane.pass_ms(23 * 60 * MINUTE_MS)
    lane.ask(order(BOB, SELL, 11_000, 10), order(ALICE, BUY, 11_000, 10))
    lane.pass_ms(65 * MINUTE_MS)
    lane.ask(order(BOB, SELL, 12_000, 10), order(ALICE, BUY, 12_000, 10))
    lane.pass_ms(1_000)
    assert [one.open_price for one in lane.of(Ticker)] == [10_000, 10_000, 11_000]


# ---------------------------------------------------------------------------------------------------- public books


class Follower:
    """A book that is kept from what is published alone."""

    def __init__(self) -> None:
        self.book = Book()
        self.update_id = -1

    def take(self, message: Message) -> None:
        """Take one message of the public."""
        if isinstance(message, BookSnapshot) and message.instrument_id == BTC:
            self.book.replace(message.bid_prices, message.bid_sizes, message.ask_prices, message.ask_sizes)
            self.update_id = message.update_id
        elif isinstance(message, BookDelta) and message.instrument_id == BTC:
            assert message.first_update_id == self.update_id + 1
            self.update_id = message.update_id
            for side, prices, sizes in (
                (BUY, message.bid_prices, message.bid_sizes), (SELL, message.ask_prices, message.ask_sizes),
            ):  # fmt: skip
                for price, size in zip(prices, sizes, strict=True):
                    self.book.set_level(side, price, size)


@pytest.mark.parametrize("seed", seeds(3, 50))
def test_whoever_follows_has_the_book(seed: int) -> None:
    """Changes follow one another by their ids, in batches of any length, and a snapshot in between changes nothing."""
    random = Random(seed)
    lane = ExchangeLane()
    follower = Follower()
    for message in lane.heard:
        follower.take(message)
    for _ in range(examples(60, 400)):
        lane.forget()
        batch: list[Message] = [random_order(random) for _ in range(random.randint(1, 6))]
        if random.random() < 0.2:
            batch.insert(random.randrange(len(batch)), SnapshotWanted(EXCHANGE_ID, random.choice((0, BTC, ODD)), ""))
        if random.random() < 0.2:
            batch.append(CancelAllWanted(1, -1, ALICE, 1, 0, START_NS))
        lane.ask(*batch)
        for message in lane.heard:
            follower.take(message)
        engine = lane.venue.exchange.markets[0].engine
        assert follower.book.bids.levels() == engine.depth(BUY, 1_000)
        assert follower.book.asks.levels() == engine.depth(SELL, 1_000)


def random_order(random: Random) -> EntryWanted:
    """A small order near the middle."""
    return order(
        random.choice((ALICE, BOB)), random.choice((BUY, SELL)), 10_000 + random.randint(-9, 9), random.randint(1, 30)
    )


def test_books_are_told_once_a_batch() -> None:
    """However many orders a batch brings, each book has one change at its end."""
    lane = ExchangeLane()
    said = lane.ask(*(order(ALICE, BUY, 9_000 + number, 10) for number in range(5)))
    (delta,) = (one for one in said if isinstance(one, BookDelta))
    assert isinstance(said[-1], TopOfBook)
    assert said[-2] is delta
    assert delta.bid_prices == vec[i64]([9_000, 9_001, 9_002, 9_003, 9_004])
    assert delta.bid_sizes == vec[i64]([10] * 5)


# -------------------------------------------------------------------------------------------------- administration


def test_transfers_are_an_administrators() -> None:
    """A deposit and a withdrawal change the balance; what is not there, nor known, is refused."""
    lane = ExchangeLane()

    def move(target: int, asset: str, moved: int) -> list[Message]:
        return lane.ask(TransferWanted(1, 3, BOB, 1, target, asset, moved, START_NS))

    (balance, answer) = move(ALICE, "BTC", 5 * UNIT)
    assert isinstance(balance, BalanceReported)
    assert (balance.account_id, balance.total) == (ALICE, 1_005 * UNIT)
    assert isinstance(answer, RequestAnswered)
    assert (answer.account_id, answer.refused) == (BOB, False)
    assert answers(move(ALICE, "BTC", -1_005 * UNIT)) == [(False, 0)]
    assert answers(move(ALICE, "BTC", -1)) == [(True, REJECT_BALANCE)]
    assert answers(move(77, "BTC", 1)) == [(True, REJECT_AUTHENTICATION)]
    assert answers(move(ALICE, "EUR", 1)) == [(True, REJECT_UNKNOWN_INSTRUMENT)]


def test_an_administrator_halts_and_delists() -> None:
    """Orders outlive a halt; a delisted instrument has none any more, and never trades again."""
    lane = ExchangeLane()
    lane.ask(order(ALICE, BUY, 9_000, 10))

    def become(status: int, instrument_id: int = BTC) -> list[Message]:
        return lane.ask(StatusWanted(1, 3, BOB, 1, instrument_id, status, START_NS))

    assert answers(become(STATUS_HALTED)) == [(False, 0)]
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10))) == [(True, REJECT_INSTRUMENT_STATUS)]
    assert answers(become(STATUS_TRADING)) == [(False, 0)]
    assert answers(become(STATUS_AUCTION)) == [(True, REJECT_UNSUPPORTED)]
    assert answers(become(STATUS_HALTED, 99)) == [(True, REJECT_UNKNOWN_INSTRUMENT)]
    said = become(STATUS_DELISTED)
    assert [one.cause for one in said if isinstance(one, OrderReported)] == [CAUSE_INSTRUMENT_STATUS]
    assert [one.status for one in said if isinstance(one, InstrumentStatus)] == [STATUS_DELISTED]
    assert answers(become(STATUS_TRADING)) == [(True, REJECT_UNSUPPORTED)]


def test_every_answer_bears_its_own_time() -> None:
    """Also one that no order has led to: it never repeats the time of the input before."""
    lane = ExchangeLane()
    lane.ask(order(ALICE, BUY, 9_000, 10))
    lane.now_ns += SECOND
    said = lane.ask(StatusWanted(1, 3, BOB, 1, BTC, STATUS_HALTED, START_NS))
    assert [one.venue_ns for one in said if isinstance(one, RequestAnswered)] == [lane.now_ns]


def test_a_halted_exchange_takes_no_orders() -> None:
    """Cancels and questions are still answered."""
    lane = ExchangeLane()
    placed = lane.ask(order(ALICE, BUY, 9_000, 10))
    order_id = next(one.order_id for one in placed if isinstance(one, OrderReported))
    lane.ask(TradingHalted("test", "test"))
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10))) == [(True, REJECT_HALTED)]
    replace = ReplaceWanted(1, -1, ALICE, 2, BTC, order_id, "", 9_000, 5, START_NS)
    assert answers(lane.ask(replace)) == [(True, REJECT_HALTED)]
    question = AccountStateWanted(1, -1, ALICE, 2, STATE_BALANCES, 0, START_NS)
    assert answers(lane.ask(question)) == [(False, 0)]
    assert answers(lane.ask(CancelAllWanted(1, -1, ALICE, 1, 0, START_NS))) == [(False, 0)]


def test_a_book_larger_than_a_request_may_lead_to_is_refused_at_the_start() -> None:
    """The message names both settings."""
    with pytest.raises(ExchangeError, match=r"dispatch_limit to at\s+least 81300, or lower most_orders"):
        make_core(settings(most_orders=10_000))
    with pytest.raises(ExchangeError, match="most_pegged"):
        make_core(settings(most_orders=None, most_pegged=10_000))
    # As many as fit into the default limit of 10,000 messages.
    assert ExchangeLane(most_orders=None).venue.exchange.markets[0].most_orders == 1_087


def test_a_cancel_of_many_moves_pegged_orders_once() -> None:
    """It goes from the outermost price to the touch, so that the touch, which the others follow, moves at the end."""
    lane = ExchangeLane()
    for number in range(20):
        lane.ask(replace_fields(order(BOB, BUY, 20_000, 1), order_type=PEGGED, peg_reference=PEG_NEAR))
        lane.ask(order(ALICE, BUY, 10_000 + number, 1), order(ALICE, SELL, 30_000 - number, 1))
    said = lane.ask(CancelAllWanted(1, -1, ALICE, 1, 0, START_NS))
    cancelled = [one.price for one in said if isinstance(one, OrderReported) and one.event == EVENT_CANCELLED]
    assert cancelled == [*range(30_000, 29_980, -1), *range(10_000, 10_020)]
    moved = [one.order_id for one in said if isinstance(one, OrderReported) and one.event == EVENT_REPRICED]
    assert len(moved) == len(set(moved)) == 20


def replace_fields(entry: EntryWanted, **changes: int) -> EntryWanted:
    """The same order with other fields."""
    names = [field.name for field in MESSAGES[402].fields]
    return EntryWanted(**{name: changes.get(name, getattr(entry, name)) for name in names})


def test_a_sweep_of_the_largest_book_is_within_the_limit() -> None:
    """Every order of a full book trades, and both sides of every trade are told, in one input."""
    lane = ExchangeLane(most_orders=1_000)
    for _ in range(999):
        lane.take(order(BOB, SELL, 10_000, 1))
    said = lane.ask(order(ALICE, BUY, 10_000, 1_000))
    assert len([one for one in said if isinstance(one, PublicTrade)]) == 999


# -------------------------------------------------------------------------------------------------------- recovery


def test_the_summary_says_what_the_exchange_has() -> None:
    """Counts, fees and every market as people read them, for a status line."""
    lane = ExchangeLane()
    lane.ask(order(BOB, SELL, 10_000, 1_000), order(ALICE, BUY, 10_000, 1_500))
    summary = lane.venue.summary()
    assert (summary["orders"], summary["open_orders"], summary["trades"]) == (2, 1, 1)
    assert summary["fees"] == {"BTC": "0", "ODD": "0", "USDT": "0.04"}
    markets = summary["markets"]
    assert isinstance(markets, dict)
    assert markets["BTCUSDT"] == {"bid": "100.00", "ask": "", "last": "100.00", "orders": 1, "trades": 1}


def test_timers_outlive_a_failure() -> None:
    """An exchange that was rebuilt without the input that killed it wakes up all the same."""
    lane = ExchangeLane(calendar=CalendarParams(open="08:00", close="23:00"))
    lane.ask(order(ALICE, BUY, 9_000, 10, time_in_force=GTD, expire_ns=START_NS + 5 * SECOND))
    lane.ask(order(BOB, SELL, 9_000, 5))
    timers = lane.core.timers
    before = timers.first()
    slot = lane.core.slots[0]
    for timer_id in (1, 2, 3):
        timers.remove(slot.actor_id, timer_id)
    assert timers.first() is None
    fresh = slot.make()
    fresh.load(slot.actor.save())
    lane.core.put_to_work(slot, fresh)
    assert before is not None
    assert timers.first() == before
    lane.pass_ms(10_000)
    assert lane.of(OrderReported)[-1].event == EVENT_EXPIRED
    assert lane.failures() == []


def test_state_is_plain_and_small() -> None:
    """A thousand open orders are a few texts, not thousands of values."""
    lane = ExchangeLane()
    for number in range(500):
        lane.ask(order(ALICE, BUY, 5_000 + number, 10))
    state = lane.venue.save()
    assert json.loads(json.dumps(state)) == state
    assert values_in(state) < 400


def values_in(state: object) -> int:
    """How many values a plain state has."""
    if isinstance(state, dict):
        return sum(values_in(value) for value in state.values())
    if isinstance(state, list):
        return sum(values_in(value) for value in state)
    return 1
