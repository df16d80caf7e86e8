"""The core of a lane: order of dispatch, what failures undo, storms, timers, batches, halts."""

from __future__ import annotations

from typing import ClassVar

import attrs
import pytest

from market.messages import (
    BUY,
    GTC,
    LIMIT,
    ActorFailed,
    ActorRestarted,
    CancelAll,
    CancelOrder,
    ChildOrder,
    FairValue,
    Message,
    NewOrder,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    PublicTrade,
    RunStarted,
    Signal,
    TimerFired,
    TradingHalted,
)
from runtime.actor import HALT_TRADING, RESTART_WITH_DEPENDENTS, STOP, Actor, ActorError, ActorSetup, Strategy
from runtime.config.model import RuntimeConfig, SystemConfig
from runtime.lane_core import LaneCore
from runtime.ledger import Ledger
from tests.runtime.lanes import core_of, node_of


def trade(number: int, instrument_id: int = 1) -> PublicTrade:
    """A trade that differs by its number."""
    return PublicTrade(instrument_id, number, 100, 1, BUY, 0, 0)


def signal(name: str, value: float = 0.0) -> Signal:
    """A signal to pass around."""
    return Signal(name, 1, value, 1.0, 0)


def order(order_id: int, strategy_id: int = 1) -> tuple[ChildOrder, NewOrder]:
    """An order as it is asked for and as risk lets it through."""
    fields = (order_id, 0, strategy_id, 1, BUY, LIMIT, GTC, 100, 10, 0, 0, True, False, 0, 0)
    return ChildOrder(*fields), NewOrder(*fields)


class Recorder(Actor):
    """Writes down everything it gets."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {Signal: "note", CancelOrder: "note", CancelAll: "note"}

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.seen: list[Message] = []

    def note(self, message: Message) -> None:
        """Keep it."""
        self.seen.append(message)


def recorder(core: LaneCore) -> Recorder:
    """The recorder of a core."""
    actor = core.slots[-1].actor
    assert isinstance(actor, Recorder)
    return actor


class Echo(Actor):
    """Turns a trade into two signals, and fails on a bad one after it has emitted."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def on_trade(self, message: PublicTrade) -> None:
        """Emit; then fail when the trade's number is negative."""
        self.emit(signal(f"first {message.trade_id}"))
        self.set_timer(7, 1_000)
        if message.trade_id < 0:
            raise ValueError("a bad trade")
        self.emit(signal(f"second {message.trade_id}"))


def test_emitted_messages_run_to_completion_before_the_next_input() -> None:
    """What a handler emits is handed on, in order, before the next input is taken."""
    core = core_of(Echo, Recorder)
    core.take(trade(1), 10, True)
    core.take(trade(2), 20, True)
    names = [message.name for message in recorder(core).seen if isinstance(message, Signal)]
    assert names == ["first 1", "second 1", "first 2", "second 2"]
    assert core.sequence == 2
    assert core.outlet.now_ns == 20


def test_a_handler_that_raises_emits_nothing_and_sets_no_timer() -> None:
    """Everything that a failed handler asked for is taken back, and its failure is the next input."""
    core = core_of(Echo, Recorder)
    core.take(trade(-1), 10, True)
    assert recorder(core).seen == []
    assert core.timers.first() is None
    assert core.slots[0].down
    assert core.sequence == 2
    (failure,) = core.reported
    assert failure.slot.name == "echo"
    assert failure.input_sequence == 1


def test_time_never_steps_back() -> None:
    """An input with an older stamp is taken at the time of the one before."""
    core = core_of(Echo, Recorder)
    core.take(trade(1), 100, True)
    core.take(trade(2), 50, True)
    assert core.outlet.now_ns == 100


def test_an_actor_that_is_down_takes_nothing_until_it_is_restarted() -> None:
    """Messages for a failed actor are counted as skipped; a restart puts a fresh one in its place."""
    core = core_of(Echo, Recorder)
    core.take(trade(-1), 10, True)
    core.take(trade(2), 20, True)
    assert recorder(core).seen == []
    assert core.slots[0].skipped == 1
    core.take(ActorRestarted(1, 1), 30, True)
    core.take(trade(3), 40, True)
    assert len(recorder(core).seen) == 2
    assert core.slots[0].restarts == 1


class Loop(Actor):
    """Answers its own signal for ever."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {Signal: "again", PublicTrade: "begin"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def begin(self, _: PublicTrade) -> None:
        """Start the loop."""
        self.emit(signal("loop"))

    def again(self, message: Signal) -> None:
        """Keep it going."""
        self.emit(message)


def test_an_endless_loop_of_messages_is_bound_and_its_actor_named() -> None:
    """The actor that emits without end is taken out, and everyone else still gets what was emitted."""
    core = core_of(Loop, Recorder, config=SystemConfig(runtime=RuntimeConfig(dispatch_limit=100)))
    core.take(trade(1), 10, True)
    (failure,) = core.reported
    assert failure.slot.name == "loop"
    assert "dispatch_limit" in str(failure.error)
    assert 90 <= len(recorder(core).seen) <= 110


class Flood(Actor):
    """Emits without end within one call."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def on_trade(self, message: PublicTrade) -> None:
        """Never come back by itself; a negative number asks for timers instead."""
        number = 0
        while True:
            number += 1
            if message.trade_id > 0:
                self.emit(signal("flood"))
            else:
                self.set_timer(number, number)


@pytest.mark.parametrize("number", [1, -1])
def test_a_call_that_emits_or_sets_timers_without_end_is_stopped(number: int) -> None:
    """The bound is met within the call, before the memory is full; nothing of it remains."""
    core = core_of(Flood, Recorder, config=SystemConfig(runtime=RuntimeConfig(dispatch_limit=100)))
    core.take(trade(number), 10, True)
    (failure,) = core.reported
    assert failure.slot.name == "flood"
    assert "dispatch_limit" in str(failure.error)
    assert recorder(core).seen == []
    assert core.timers.first() is None


def test_a_message_that_gives_does_not_list_is_refused() -> None:
    """An actor cannot emit what the wiring does not know of."""

    class Liar(Echo):
        GIVES: ClassVar[tuple[type[Message], ...]] = ()

    core = core_of(Liar, Recorder)
    core.take(trade(1), 10, True)
    assert isinstance(core.reported[0].error, ActorError)


class Batcher(Actor):
    """Counts trades and says how many there were at the end of a batch."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)
    AT_BATCH_END: ClassVar[bool] = True

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.count = 0

    def on_trade(self, _: PublicTrade) -> None:
        """Count."""
        self.count += 1

    def on_batch_end(self) -> None:
        """Tell."""
        self.emit(signal("batch", float(self.count)))
        self.count = 0


def test_strategies_run_once_at_the_end_of_a_batch() -> None:
    """Inputs apply one by one; the end of the batch is one step for all of them."""
    core = core_of(Batcher, Recorder)
    core.take(trade(1), 10, False)
    core.take(trade(2), 10, False)
    core.take(trade(3), 10, True)
    values = [message.value for message in recorder(core).seen if isinstance(message, Signal)]
    assert values == [3.0]


class Timed(Actor):
    """Sets a timer on each trade and tells when it fires."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def on_trade(self, message: PublicTrade) -> None:
        """A positive number sets a timer, a negative one cancels it."""
        if message.trade_id > 0:
            self.set_timer(message.trade_id, self.now + 100)
        else:
            self.cancel_timer(-message.trade_id)

    def on_timer(self, timer: TimerFired) -> None:
        """Tell."""
        self.emit(signal(f"timer {timer.timer_id} at {self.now}"))


def test_timers_are_inputs_and_can_be_cancelled() -> None:
    """A timer that is set is known to the lane; firing it is an input for its actor alone."""
    core = core_of(Timed, Recorder)
    core.take(trade(1), 10, True)
    core.take(trade(2), 20, True)
    core.take(trade(-1), 30, True)
    assert core.timers.first() == (120, 1, 2)
    core.take(TimerFired(1, 2, 120), 125, True)
    assert core.timers.first() is None
    assert [message.name for message in recorder(core).seen if isinstance(message, Signal)] == ["timer 2 at 125"]


def test_an_actor_filtered_by_instrument_sees_only_its_own() -> None:
    """A list of instruments narrows what an actor gets; what concerns no single one goes to all."""
    core = core_of(node_of(Batcher, 1, "one", instrument_ids=(1,)), node_of(Batcher, 2, "two", instrument_ids=(2,)))
    core.take(trade(1, instrument_id=2), 10, False)
    counts = [slot.actor.count for slot in core.slots if isinstance(slot.actor, Batcher)]
    assert counts == [0, 1]


class Quoter(Strategy):
    """Sends an order for every trade, as order manager and risk at once, to keep the test small."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (ChildOrder, NewOrder)

    def on_trade(self, message: PublicTrade) -> None:
        """Send, or fail."""
        if message.trade_id < 0:
            raise ValueError("the strategy is broken")
        child, new = order(message.trade_id, self.strategy_id)
        self.emit(child)
        self.emit(new)


def test_a_failed_strategy_has_its_orders_cancelled_in_the_same_step() -> None:
    """The cancels are there before anything else can happen."""
    core = core_of(Quoter, Recorder)
    core.take(trade(5), 10, True)
    assert core.ledger.open_order_count() == 1
    core.take(trade(-1), 20, True)
    (cancel,) = recorder(core).seen
    assert isinstance(cancel, CancelOrder)
    assert cancel.order_id == 5


class Guard(Actor):
    """A critical actor that fails on demand."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {FairValue: "on_fair_value", ChildOrder: "on_order"}
    POLICY: ClassVar[str] = HALT_TRADING

    def on_fair_value(self, _: FairValue) -> None:
        """Fail."""
        raise RuntimeError("broken")

    def on_order(self, _: ChildOrder) -> None:
        """Take it and sit on it."""


class Gateway(Actor):
    """Takes what leaves."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {NewOrder: "on_order"}

    def on_order(self, _: NewOrder) -> None:
        """Nothing."""


def test_a_failed_critical_actor_halts_trading_and_answers_what_it_held() -> None:
    """Everything is cancelled, orders that were never sent are refused, new ones are stopped by the lane itself."""
    core = core_of(Guard, Gateway, Recorder)
    core.take(order(1)[0], 5, True)
    core.take(FairValue(1, 100.0, 1.0, 0), 10, True)
    assert core.ledger.halted
    assert any(isinstance(message, CancelAll) for message in recorder(core).seen)
    assert core.ledger.open_order_count() == 0
    assert not core.slots[0].down
    core.take(order(2)[0], 20, True)
    core.take(order(2)[1], 20, True)
    assert core.refused_while_halted == 1
    assert core.ledger.open_order_count() == 0


def test_an_order_is_refused_for_the_actor_that_answers_it_not_for_one_that_listens() -> None:
    """While a listener is down the order goes its way; an order is never both refused and passed on."""
    core = core_of(node_of(Guard, 1, policy="stop"), Quoter, Recorder)
    core.take(FairValue(1, 100.0, 1.0, 0), 5, True)
    core.take(trade(5), 10, True)
    assert core.slots[0].skipped == 1
    assert core.ledger.open_order_count() == 1
    assert core.anomalies == []


def test_a_repeated_fill_counts_once_and_a_late_fill_counts_and_halts() -> None:
    """A fill is money: one that contradicts the order's life still moves the position, and trading stops."""
    core = core_of(Quoter, Recorder)
    core.take(trade(5), 10, True)
    fill = OrderFilled(5, 1, 1, 77, BUY, 100, 10, 0, 3, 1, 0)
    core.take(OrderAccepted(5, 1, "v", 0), 20, True)
    core.take(fill, 20, True)
    core.take(fill, 30, True)
    assert core.ledger.duplicates == 1
    assert core.ledger.net_size(1) == 10
    assert not core.ledger.halted
    core.take(OrderFilled(5, 1, 1, 78, BUY, 100, 1, 0, 0, 1, 0), 40, True)
    assert core.ledger.net_size(1) == 11
    assert core.ledger.halted
    assert "of size 10 was filled for 11" in core.anomalies[0]


class Source(Actor):
    """Gives fair values; fails on a negative trade."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (FairValue,)

    def on_trade(self, message: PublicTrade) -> None:
        """Give, or fail."""
        if message.trade_id < 0:
            raise ValueError("no fair value")
        self.emit(FairValue(1, float(message.trade_id), 1.0, 0))


class Follower(Strategy):
    """Takes fair values and remembers that it was primed."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {FairValue: "on_fair_value"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (ChildOrder, NewOrder)

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.primed = False

    def prime(self, ledger: Ledger) -> None:
        """Remember."""
        self.primed = True

    def on_fair_value(self, message: FairValue) -> None:
        """Trade on it."""
        child, new = order(int(message.price), self.strategy_id)
        self.emit(child)
        self.emit(new)


def test_dependents_are_cancelled_and_restarted_with_what_they_depend_on() -> None:
    """What sees the market through a failed actor loses its orders, and its instance where the policy says so."""
    core = core_of(node_of(Source, 1, policy=RESTART_WITH_DEPENDENTS), node_of(Follower, 2), node_of(Recorder, 3))
    core.take(trade(9), 10, True)
    core.take(trade(-1), 20, True)
    (cancel,) = recorder(core).seen
    assert isinstance(cancel, CancelOrder)
    assert [slot.down for slot in core.slots] == [True, True, False]
    core.take(ActorRestarted(1, 1), 30, True)
    assert [slot.down for slot in core.slots] == [False, False, False]
    follower = core.slots[1].actor
    assert isinstance(follower, Follower)
    assert follower.primed


def test_an_actor_with_the_stop_policy_stays_down() -> None:
    """A restart is not for it."""
    core = core_of(node_of(Echo, 1, policy=STOP), node_of(Recorder, 2))
    core.take(trade(-1), 10, True)
    core.take(ActorRestarted(1, 1), 20, True)
    assert core.slots[0].down


class Starter(Actor):
    """Emits when it is started."""

    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def start(self) -> None:
        """Tell."""
        self.emit(signal("started"))


def test_actors_are_started_by_the_first_input_of_a_new_system_only() -> None:
    """The first RunStarted starts them; that of a later run on the same journal does not."""
    core = core_of(Starter, Recorder)
    core.take(RunStarted(0, 1, "", ""), 10, True)
    core.take(RunStarted(0, 2, "", ""), 20, True)
    assert len(recorder(core).seen) == 1


def test_a_halt_from_outside_cancels_everything_once() -> None:
    """The kill switch is an input like any other."""
    core = core_of(Recorder)
    core.take(TradingHalted("a person", "operator"), 10, True)
    core.take(TradingHalted("a person", "operator"), 20, True)
    assert [type(message) for message in recorder(core).seen] == [CancelAll]


@attrs.frozen
class _Case:
    """One way of disturbing the digest."""

    trade_ids: tuple[int, ...]
    equal: bool


@pytest.mark.parametrize("case", [_Case((1, 2, 3), True), _Case((1, 3, 2), False), _Case((1, 2), False)])
def test_the_digest_tells_decisions_apart(case: _Case) -> None:
    """Equal decisions in equal order give an equal digest, anything else another."""
    first = core_of(Quoter)
    second = core_of(Quoter)
    for number in (1, 2, 3):
        first.take(trade(number), number, True)
    for number in case.trade_ids:
        second.take(trade(number), number, True)
    assert (first.digest.value == second.digest.value) is case.equal


def test_saved_and_loaded_a_lane_goes_on_as_if_nothing_had_happened() -> None:
    """Timers, ledger, digest and time are part of the state."""
    first = core_of(node_of(Quoter, 1), node_of(Timed, 2, "timed"))
    for number in (1, 2, 3):
        first.take(trade(number), number, True)
    second = core_of(node_of(Quoter, 1), node_of(Timed, 2, "timed"))
    second.load(first.save())
    for core in (first, second):
        core.take(trade(4), 4, True)
        core.take(OrderRejected(4, 1, 1, "no", "venue"), 5, True)
    assert first.digest.value == second.digest.value
    assert first.save() == second.save()


def test_a_failure_of_another_lanes_actor_cancels_what_hangs_on_it_here() -> None:
    """Every lane knows whose orders hang on whom, wherever the actor lives."""
    core = core_of(
        node_of(Source, 1, lane="elsewhere"), node_of(Quoter, 2, lane="main"), node_of(Recorder, 3, lane="main")
    )
    core.take(trade(5), 10, True)
    core.take(ActorFailed(2, 1, 1, "failed elsewhere"), 20, True)
    assert [type(message) for message in recorder(core).seen] == [CancelOrder]


def test_what_is_remembered_of_anomalies_is_bounded_and_all_are_counted() -> None:
    """A venue that contradicts itself without end does not fill the memory."""
    core = core_of(Quoter)
    for number in range(250):
        core.take(OrderAccepted(1_000 + number, 1, "", 0), number, True)
    assert core.anomaly_count == 250
    assert len(core.anomalies) == 100
    assert "order 1249" in core.anomalies[-1]
