"""The heart of a lane: takes one numbered input after the other and runs what the actors emit to completion.

It promises: inputs are numbered and handed to the journal before any actor sees them; messages go to handlers in one
fixed order; a handler that raises emits nothing and sets no timer; a failure, a restart and a halt are inputs too, so
that a replay repeats them. It knows no clock, no task and no file: the lane around it brings inputs and takes away
what leaves. It never waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from market.messages import (
    MAX_SCHEMA_ID,
    REJECT_HALTED,
    REJECT_UNREACHABLE,
    ActorFailed,
    ActorRestarted,
    ActorStopped,
    CancelAll,
    CancelOrder,
    ChannelTripped,
    Digest,
    Lagging,
    Message,
    NewOrder,
    OrderRejected,
    RawFrame,
    ReplaceOrder,
    ReplaceRejected,
    RunStarted,
    ShutdownRequested,
    TimerFired,
    TradingHalted,
)
from runtime.actor import HALT_TRADING, RESTART_WITH_DEPENDENTS, STOP, Actor, Outlet
from runtime.histogram import Histogram
from runtime.journal.records import BATCH_END, RecordBuffer
from runtime.lane_parts import (
    ORIGIN_SHIFT,
    EmitStorm,
    Failure,
    Handler,
    InjectedFault,
    Port,
    ReplayDiverged,
    RosterEntry,
    Route,
    Slot,
    describe,
    load_state,
    refusal_for,
    saved_state,
)
from runtime.ledger import Ledger
from runtime.timers import TimerTable

NOT_FORCED: Final[i64] = -1

# The hooks of an actor that are not handlers of messages.
ON_TIMER: Final[i64] = 0
ON_BATCH_END: Final[i64] = 1
ON_START: Final[i64] = 2
ON_PRIME: Final[i64] = 3


class LaneCore:
    """See the head of this file."""

    def __init__(self, name: str, outlet: Outlet, dispatch_limit: i64) -> None:
        self.name: Final = name
        self.outlet: Final = outlet
        self.ledger: Final[Ledger] = outlet.ledger
        self.dispatch_limit: Final = dispatch_limit
        self.digest: Final = Digest()
        self.timers: Final = TimerTable()
        self.records: RecordBuffer | None = None
        self.slots: list[Slot] = []
        self.slot_of: dict[int, Slot] = {}
        self.roster: dict[int, RosterEntry] = {}
        self.batch_end_slots: list[Slot] = []
        self.routes: list[Route] = [Route() for _ in range(MAX_SCHEMA_ID + 1)]
        self.observed: list[bool] = [False] * (MAX_SCHEMA_ID + 1)
        self.ports: list[Port] = []
        # How many inputs came from each origin that is a lane.
        self.received: dict[int, int] = {}
        self.failures: list[Failure] = []
        self.reported: list[Failure] = []
        self.forced: list[ActorFailed] = []
        self.forced_index: i64 = NOT_FORCED
        self.sequence: i64 = 0
        self.dispatch_index: i64 = 0
        self.dispatched: i64 = 0
        self.refused_while_halted: i64 = 0
        self.anomalies: list[str] = []
        self.anomaly_count: i64 = 0
        self.replaying: bool = False
        self.current: Slot | None = None
        self.rebuild: Callable[[Slot, int], Actor] | None = None
        self.on_decision: Callable[[Message, int], None] | None = None
        # From the receipt of a frame to the first command that it leads to; `tick_ns` is 0 once there was one.
        self.order_time: Histogram | None = None
        self.clock: Callable[[], int] | None = None
        self.tick_ns: i64 = 0

    # ---- inputs

    def take(self, message: Message, stamp_ns: i64, batch_end: bool, origin: i64 = 0) -> None:
        """Take one input, and then the failures that it led to, each an input of its own.

        `origin` says from which lane it came, as `origin_of` makes it; 0 is everything but a lane.
        """
        if origin != 0:
            self.received[origin] = self.received.get(origin, 0) + 1
        # A lag of this lane, and a failure in it, are told to the others, when they happen and when they are replayed.
        own = origin == 0 and isinstance(message, Lagging)
        if self.replaying and isinstance(message, ActorFailed) and message.actor_id in self.slot_of:
            own = True
        self.take_one(message, stamp_ns, batch_end, 0 if own else 1, origin)
        while len(self.failures) > 0:
            failure = self.failures.pop(0)
            self.reported.append(failure)
            if not self.replaying:
                record = ActorFailed(
                    failure.slot.actor_id, failure.input_sequence, failure.dispatch_index, describe(failure.error)
                )
                self.take_one(record, self.outlet.now_ns, False, 0, 0)

    def take_one(self, message: Message, stamp_ns: i64, batch_end: bool, own_from: i64, origin: i64) -> None:
        """Number and journal one input, run everything it leads to, and close the batches that leave."""
        outlet = self.outlet
        now_ns = stamp_ns if stamp_ns > outlet.now_ns else outlet.now_ns
        self.sequence += 1
        records = self.records
        if records is not None:
            flags: i64 = origin << ORIGIN_SHIFT
            if batch_end:
                flags |= BATCH_END
            records.append_message(self.sequence, now_ns, self.digest.value, self.digest.count, flags, message)
        outlet.now_ns = now_ns
        self.tick_ns = message.receive_ns if isinstance(message, RawFrame) else 0
        self.dispatch_index = 0
        self.prepare_forced()
        outlet.queue.append(message)
        self.take_control(message)
        self.run_queue(own_from)
        if batch_end:
            for slot in self.batch_end_slots:
                self.call_hook(slot, ON_BATCH_END)
                self.run_queue(0)
            if not self.replaying:
                for port in self.ports:
                    port.frame()

    def take_control(self, message: Message) -> None:
        """What the lane itself does with an input before the actors see it."""
        if isinstance(message, TimerFired):
            self.timers.remove(message.actor_id, message.timer_id)
            timer_slot = self.slot_of.get(message.actor_id)
            if timer_slot is not None:
                self.call_hook(timer_slot, ON_TIMER, message)
        elif isinstance(message, ActorFailed):
            self.take_failure(message)
        elif isinstance(message, ActorRestarted):
            self.take_restart(message)
        elif isinstance(message, ActorStopped):
            stopped = self.slot_of.get(message.actor_id)
            if stopped is not None:
                self.set_down(stopped)
        elif isinstance(message, ChannelTripped):
            self.halt(f"channel {message.channel} is full ({message.depth} messages)", "lane")
        elif isinstance(message, TradingHalted):
            if not self.ledger.halted:
                self.outlet.queue.append(CancelAll(0, message.reason))
        elif isinstance(message, ShutdownRequested):
            self.ledger.closing = True
            if self.ledger.complete:
                # The order manager does so too; the orders must go even when it is what failed.
                self.outlet.queue.append(CancelAll(0, message.reason))
        elif isinstance(message, RunStarted):
            self.ledger.closing = False
            if self.sequence == 1:
                for slot in self.slots:
                    self.call_hook(slot, ON_START)

    # ---- dispatch

    def run_queue(self, own_from: i64) -> None:
        """Hand on what waits in the queue until nothing is left; items before `own_from` came from outside."""
        queue = self.outlet.queue
        head: i64 = 0
        limit = self.dispatch_limit
        while head < len(queue):
            message = queue[head]
            head += 1
            if head > limit:
                limit = head + self.dispatch_limit
                self.stop_storm(head)
            own = head > own_from
            route = self.routes[message.schema_id]
            if self.observed[message.schema_id] and not self.observe(message, own, route):
                continue
            for handler in route.handlers_of(message):
                self.call(handler, message)
            if own:
                for taker in route.remote:
                    taker.give(message)
        queue.clear()

    def observe(self, message: Message, own: bool, route: Route) -> bool:
        """Keep ledger and digest; says whether the message may go on to its takers."""
        ledger = self.ledger
        locked = ledger.halted or ledger.closing
        # A tuple of classes: compiled, `A | B` would be made anew each time that it is asked.
        if locked and isinstance(message, (NewOrder, ReplaceOrder)) and (own or len(route.everyone) > 0):
            # Risk refuses too; this is the second lock, for the case that risk itself is what failed.
            self.refused_while_halted += 1
            reason = "trading is halted" if ledger.halted else "the system is shutting down"
            if isinstance(message, NewOrder):
                refusal: Message = OrderRejected(
                    message.order_id, message.instrument_id, REJECT_HALTED, reason, "lane"
                )  # fmt: skip
            else:
                refusal = ReplaceRejected(message.order_id, message.instrument_id, REJECT_HALTED, reason)
            self.outlet.queue.append(refusal)
            return False
        if own:
            self.digest.mix_message(message)
            if self.on_decision is not None:
                self.on_decision(message, self.sequence)
            if self.tick_ns > 0 and isinstance(message, (NewOrder, ReplaceOrder, CancelOrder)):
                self.time_order()
        anomaly = ledger.observe(message)
        if len(anomaly) > 0:
            self.note_anomaly(anomaly)
        return True

    def time_order(self) -> None:
        """Note how long after its receipt a frame has led to its first command."""
        histogram = self.order_time
        clock = self.clock
        if histogram is not None and clock is not None and not self.replaying:
            now_ns: i64 = clock()
            histogram.record(now_ns - self.tick_ns)
        self.tick_ns = 0

    def note_anomaly(self, anomaly: str) -> None:
        """What the ledger cannot explain means that two parties disagree on what exists: stop trading, say why."""
        self.anomaly_count += 1
        self.anomalies = [*self.anomalies[-99:], anomaly]
        if not self.ledger.halted:
            self.halt(anomaly, "ledger")

    def call(self, handler: Handler, message: Message) -> None:
        """Call one handler; when it raises, nothing that it emitted or asked for remains."""
        slot = handler.slot
        self.dispatch_index += 1
        if slot.down:
            self.skip(slot, message)
            return
        queue = self.outlet.queue
        mark: i64 = len(queue)
        self.outlet.call_mark = mark
        self.current = slot
        try:
            if self.dispatch_index == self.forced_index or slot.kill_every > 0:
                self.force(slot)
            handler.method(message)
        except Exception as error:
            self.fail(slot, mark, error)
            self.current = None
            return
        self.current = None
        slot.handled += 1
        self.dispatched += 1
        if len(self.outlet.timer_requests) > 0:
            self.apply_timers()
        if len(queue) > mark:
            self.count_emitted(slot, len(queue) - mark)

    def call_hook(self, slot: Slot, hook: i64, timer: TimerFired | None = None) -> None:
        """Call one of an actor's own hooks, with the same care as a handler."""
        self.dispatch_index += 1
        if slot.down:
            slot.skipped += 1
            return
        queue = self.outlet.queue
        mark: i64 = len(queue)
        self.outlet.call_mark = mark
        self.current = slot
        try:
            if self.dispatch_index == self.forced_index:
                self.force(slot)
            if hook == ON_BATCH_END:
                slot.actor.on_batch_end()
            elif hook == ON_START:
                slot.actor.start()
            elif hook == ON_PRIME:
                slot.actor.prime(self.ledger)
            elif timer is not None:
                slot.actor.on_timer(timer)
        except Exception as error:
            self.fail(slot, mark, error)
        self.current = None
        if len(self.outlet.timer_requests) > 0:
            self.apply_timers()
        if len(queue) > mark:
            self.count_emitted(slot, len(queue) - mark)

    def put_to_work(self, slot: Slot, actor: Actor) -> None:
        """Put a fresh actor into its slot, with what the ledger knows."""
        slot.replace_actor(actor)
        slot.down = False
        slot.restarts += 1
        self.call_hook(slot, ON_PRIME)

    def apply_timers(self) -> None:
        """Set and cancel the timers that a handler asked for, now that it has returned."""
        for request in self.outlet.timer_requests:
            if request.due_ns < 0:
                self.timers.remove(request.actor_id, request.timer_id)
            else:
                self.timers.set(request.actor_id, request.timer_id, request.due_ns)
        self.outlet.timer_requests.clear()

    def count_emitted(self, slot: Slot, count: i64) -> None:
        """Keep who emitted how much within this input, so that a storm can be named."""
        if slot.last_sequence != self.sequence:
            slot.last_sequence = self.sequence
            slot.emitted_in_input = 0
        slot.emitted_in_input += count
        slot.emitted += count

    def skip(self, slot: Slot, message: Message) -> None:
        """An actor that is down takes nothing; an order that it should have checked is refused, not forgotten."""
        slot.skipped += 1
        refusal = refusal_for(slot, message)
        if refusal is not None:
            self.outlet.queue.append(refusal)

    # ---- failures

    def fail(self, slot: Slot, mark: i64, error: Exception) -> None:
        """Undo what the failed call emitted and asked for, and remember the failure."""
        queue = self.outlet.queue
        del queue[mark:]
        self.outlet.timer_requests.clear()
        self.set_down(slot)
        self.failures.append(Failure(slot, self.sequence, self.dispatch_index, error))

    def set_down(self, slot: Slot) -> None:
        """Take an actor out of service; its timers go with it."""
        slot.down = True
        self.timers.remove_actor(slot.actor_id)

    def force(self, slot: Slot) -> None:
        """Fail on request: of the journal in a replay, of fault injection in a live run."""
        if self.dispatch_index == self.forced_index:
            error = self.forced.pop(0).error
            self.next_forced()
            raise InjectedFault(error)
        slot.kill_countdown -= 1
        if slot.kill_countdown <= 0 and not self.replaying:
            slot.kill_countdown = slot.kill_every
            raise InjectedFault(f"killed by fault injection (every {slot.kill_every} messages)")

    def prepare_forced(self) -> None:
        """In a replay, learn which calls of this input failed when it was recorded."""
        self.forced_index = NOT_FORCED
        if self.replaying and len(self.forced) > 0:
            self.next_forced()

    def next_forced(self) -> None:
        """Aim at the next recorded failure of this input; a storm has no index, it repeats by itself."""
        self.forced_index = NOT_FORCED
        while len(self.forced) > 0:
            first = self.forced[0]
            if first.input_sequence == self.sequence and first.dispatch_index > 0:
                self.forced_index = first.dispatch_index
                return
            if first.input_sequence > self.sequence:
                # It failed while it heard of the failure of another: its turn comes with that input.
                return
            self.forced.pop(0)

    def stop_storm(self, count: i64) -> None:
        """Take the actor that emitted most out of service, so that the loop ends; the rest is still delivered."""
        worst: Slot | None = None
        for slot in self.slots:
            if slot.down or slot.last_sequence != self.sequence:
                continue
            if worst is None or slot.emitted_in_input > worst.emitted_in_input:
                worst = slot
        if worst is None:
            return
        self.set_down(worst)
        error = EmitStorm(
            f"{worst.name} emitted {worst.emitted_in_input} messages within one input (the limit is "
            f"{self.dispatch_limit}, runtime.dispatch_limit): it answers its own messages without end"
        )
        self.failures.append(Failure(worst, self.sequence, NOT_FORCED, error))

    def take_failure(self, failed: ActorFailed) -> None:
        """Act on a failure as the actor's policy says; orders that hang on the actor are cancelled in the same step."""
        entry = self.roster.get(failed.actor_id)
        if entry is None:
            raise ReplayDiverged(f"the journal tells of a failure of actor {failed.actor_id}, which does not exist")
        reason = f"{entry.name} failed"
        for strategy_id in entry.strategies_hit:
            self.cancel_orders_of(strategy_id, reason)
        if entry.policy == RESTART_WITH_DEPENDENTS:
            for dependent in entry.dependents:
                self.set_down(dependent)
        slot = self.slot_of.get(failed.actor_id)
        if slot is None:
            return
        slot.failures += 1
        self.set_down(slot)
        if slot.policy == HALT_TRADING:
            self.halt(reason, slot.name)
            self.refuse_unsent(reason)
            self.rebuild_actor(slot, failed.input_sequence)

    def halt(self, reason: str, source: str) -> None:
        """Trip the kill switch: nothing new leaves, and everything that works is cancelled."""
        self.outlet.queue.append(TradingHalted(reason, source))
        self.outlet.queue.append(CancelAll(0, reason))

    def cancel_orders_of(self, strategy_id: int, reason: str) -> None:
        """Cancel the working orders of a strategy that failed or that hangs on what failed."""
        for order in self.ledger.working_orders(strategy_id):
            self.outlet.queue.append(CancelOrder(order.order_id, order.instrument_id, reason, self.outlet.now_ns))

    def refuse_unsent(self, reason: str) -> None:
        """Answer the orders that were asked for and never sent on: the actor that held them is gone."""
        for order in self.ledger.unsent_orders():
            self.outlet.queue.append(
                OrderRejected(order.order_id, order.instrument_id, REJECT_UNREACHABLE, reason, "lane")
            )

    def rebuild_actor(self, slot: Slot, failed_sequence: i64) -> None:
        """Bring a critical actor back as it was before the input that killed it, at once; trading stays halted."""
        rebuild = self.rebuild
        actor = slot.make() if rebuild is None else rebuild(slot, failed_sequence)
        self.put_to_work(slot, actor)

    def take_restart(self, restarted: ActorRestarted) -> None:
        """Make a failed actor anew, and with it what hangs on it where its policy says so."""
        entry = self.roster.get(restarted.actor_id)
        slot = self.slot_of.get(restarted.actor_id)
        if slot is not None and slot.policy != STOP:
            self.put_to_work(slot, slot.make())
        if entry is not None and entry.policy == RESTART_WITH_DEPENDENTS:
            for dependent in entry.dependents:
                self.put_to_work(dependent, dependent.make())

    # ---- state

    def save(self) -> dict[str, object]:
        """Everything that a lane needs to go on from here, as plain data."""
        return {
            "sequence": self.sequence,
            "now_ns": self.outlet.now_ns,
            "digest": self.digest.save(),
            "timers": self.timers.save(),
            "received": [[origin, count] for origin, count in self.received.items()],
            "sent": {port.name: [int(port.pending_sent), int(port.urgent_sent)] for port in self.ports},
            "ledger": self.ledger.save(),
            "down": [slot.name for slot in self.slots if slot.down],
            "actors": {slot.name: saved_state(slot) for slot in self.slots if not slot.down},
        }

    def load(self, state: dict[str, object]) -> None:
        """Go on from what `save` gave; the actors must be the same by name."""
        actors = state["actors"]
        down = state["down"]
        assert isinstance(actors, dict)
        assert isinstance(down, list)
        sequence = state["sequence"]
        now_ns = state["now_ns"]
        assert isinstance(sequence, int)
        assert isinstance(now_ns, int)
        self.sequence = sequence
        self.outlet.now_ns = now_ns
        self.digest.load(state["digest"])
        self.timers.load(state["timers"])
        received, sent = state["received"], state["sent"]
        assert isinstance(received, list)
        assert isinstance(sent, dict)
        self.received = dict(received)
        for port in self.ports:
            port.pending_sent, port.urgent_sent = sent.get(port.name, [0, 0])
        self.ledger.load(state["ledger"])
        for slot in self.slots:
            slot.down = slot.name in down
            if not slot.down:
                load_state(slot, actors[slot.name])
