"""What a lane is made of: slots for actors, handlers, routes, the ports to the outside, and its errors.

Plain holders for `lane_core.py`; none of them decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from market.messages import (
    REJECT_UNREACHABLE,
    BatchMark,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    Message,
    NewOrder,
    OrderRejected,
    ReplaceOrder,
    ReplaceRejected,
)
from runtime.actor import Actor, Strategy
from runtime.journal.records import SOURCE_SHIFT, URGENT

# An origin is the flags of a record without the one that ends a batch and the one that closes the journal.
ORIGIN_SHIFT: Final = 2

# Under this name a saved state has the settings of its strategy that were changed.
CHANGED: Final = "changed settings"

# More than can be on its way between two lanes: their channels with their reserves, and an outbox.
TAIL_MESSAGES: Final = 200_000


class InjectedFault(Exception):
    """A failure that fault injection asked for."""


class EmitStorm(Exception):
    """One input led to more messages than the lane allows; the actor that emitted most is named."""


class SaveFailed(Exception):
    """An actor could not say what its state is; the message names it."""


class LoadFailed(Exception):
    """An actor could not take back what it saved; the message names it."""


class ReplayDiverged(Exception):
    """A replayed input did not do what the journal says it did."""


class Slot:
    """The place of one actor in its lane; it outlives the actor."""

    def __init__(self, name: str, actor_id: i64, policy: str, make: Callable[[], Actor]) -> None:
        self.name: Final = name
        self.actor_id: Final[i64] = actor_id
        self.policy: Final = policy
        self.make: Final = make
        self.actor: Actor = make()
        self.handlers: list[Handler] = []
        # Whether it answers orders: by passing them on, or as the venue that takes them. Others only listen.
        self.passes_orders: bool = False
        self.accepts_orders: bool = False
        self.down: bool = False
        self.handled: i64 = 0
        self.skipped: i64 = 0
        self.failures: i64 = 0
        self.restarts: i64 = 0
        self.emitted: i64 = 0
        self.emitted_in_input: i64 = 0
        self.last_sequence: i64 = 0
        self.kill_every: i64 = 0
        self.kill_countdown: i64 = 0

    def replace_actor(self, actor: Actor) -> None:
        """Put a fresh actor into the slot and bind its handlers."""
        self.actor = actor
        for handler in self.handlers:
            handler.bind()


class Handler:
    """One row of an actor's handler table, bound to the actor that is in the slot now."""

    def __init__(self, slot: Slot, method_name: str) -> None:
        self.slot: Final = slot
        self.method_name: Final = method_name
        self.method: Callable[[Message], object] = getattr(slot.actor, method_name)
        slot.handlers.append(self)

    def bind(self) -> None:
        """Follow the slot to its present actor."""
        self.method = getattr(self.slot.actor, self.method_name)


class Port:
    """The way out of a lane to another lane or to a service: what waits here is delivered between inputs."""

    def __init__(self, name: str, framed: bool) -> None:
        self.name: Final = name
        self.framed: Final = framed
        self.pending: list[Message] = []
        self.urgent: list[Message] = []
        self.mark: i64 = 0
        self.high_water: i64 = 0
        # How many were ever queued here, by which a receiver that died can be told what it has missed.
        self.pending_sent: i64 = 0
        self.urgent_sent: i64 = 0

    def depth(self) -> i64:
        """How many messages wait here."""
        return i64(len(self.pending)) + i64(len(self.urgent))

    def frame(self) -> None:
        """Close what one batch led to into one batch for a receiver that runs strategies at its end."""
        count: i64 = len(self.pending) - self.mark
        if count > 1 and self.framed:
            self.pending.insert(self.mark, BatchMark(count))
        self.mark = len(self.pending)
        depth = self.depth()
        if depth > self.high_water:
            self.high_water = depth

    def trim(self) -> None:
        """In a replay nothing leaves; the last messages are kept, for their receiver may have missed them."""
        if len(self.pending) > 2 * TAIL_MESSAGES:
            del self.pending[: len(self.pending) - TAIL_MESSAGES]
        if len(self.urgent) > 2 * TAIL_MESSAGES:
            del self.urgent[: len(self.urgent) - TAIL_MESSAGES]

    def keep_missed(self, pending_received: i64, urgent_received: i64) -> str:
        """After a replay: keep what the receiver has not taken; gives what is wrong when the two do not fit."""
        pending = self.pending_sent - pending_received
        urgent = self.urgent_sent - urgent_received
        if pending < 0 or urgent < 0:
            return f"{self.name} has taken messages that its sender's journal does not know of"
        if pending > len(self.pending) or urgent > len(self.urgent):
            return f"{self.name} has missed messages that its sender's journal no longer holds"
        del self.pending[: len(self.pending) - pending]
        del self.urgent[: len(self.urgent) - urgent]
        self.mark = len(self.pending)
        return ""

    def clear(self) -> None:
        """Forget what waits; used where nothing may leave, as in a replay."""
        self.pending.clear()
        self.urgent.clear()
        self.mark = 0


class RemoteTaker:
    """A port that takes one message type, for all instruments or for some."""

    def __init__(self, port: Port, urgent: bool, keys: list[bool]) -> None:
        self.port: Final = port
        self.urgent: Final = urgent
        self.keys: Final = keys

    def give(self, message: Message) -> None:
        """Queue the message at the port when its instrument is wanted there."""
        if len(self.keys) > 0:
            key = message.route_key()
            if key > 0 and (key >= len(self.keys) or not self.keys[key]):
                return
        port = self.port
        if self.urgent:
            port.urgent_sent += 1
            port.urgent.append(message)
        else:
            port.pending_sent += 1
            port.pending.append(message)


class Route:
    """Who takes one message type in this lane, for every instrument and by instrument, and who takes it elsewhere."""

    def __init__(self) -> None:
        self.everyone: list[Handler] = []
        self.keyed: list[list[Handler]] = []
        self.remote: list[RemoteTaker] = []

    def handlers_of(self, message: Message) -> list[Handler]:
        """The handlers of a message; one that concerns no single instrument goes to all."""
        if len(self.keyed) == 0:
            return self.everyone
        key = message.route_key()
        if key > 0 and key < len(self.keyed):
            return self.keyed[key]
        return self.everyone


class RosterEntry:
    """One actor of the whole system as a lane sees it: whose orders hang on it, and who here depends on it."""

    def __init__(self, name: str, policy: str, strategies_hit: list[int], dependents: list[Slot]) -> None:
        self.name: Final = name
        self.policy: Final = policy
        self.strategies_hit: Final = strategies_hit
        self.dependents: Final = dependents


class Failure:
    """A handler that raised, before it has become an input."""

    def __init__(self, slot: Slot, input_sequence: i64, dispatch_index: i64, error: Exception) -> None:
        self.slot: Final = slot
        self.input_sequence: Final = input_sequence
        self.dispatch_index: Final = dispatch_index
        self.error: Final = error


def origin_of(lane_number: int, urgent: bool) -> int:
    """The origin of inputs from a lane, counted from 1, through its ordinary or its urgent channel."""
    flags = lane_number << SOURCE_SHIFT
    if urgent:
        flags |= URGENT
    return flags >> ORIGIN_SHIFT


def refusal_of(message: Message, reason: str) -> Message | None:
    """The answer to a command whose taker is gone; None where none is due."""
    if isinstance(message, NewOrder):
        return OrderRejected(message.order_id, message.instrument_id, REJECT_UNREACHABLE, reason, "lane")
    if isinstance(message, ReplaceOrder):
        return ReplaceRejected(message.order_id, message.instrument_id, REJECT_UNREACHABLE, reason)
    if isinstance(message, CancelOrder):
        return CancelRejected(message.order_id, message.instrument_id, REJECT_UNREACHABLE, reason)
    return None


def refusal_for(slot: Slot, message: Message) -> Message | None:
    """The answer to an order that the actor which is down would have answered, and nobody else will."""
    reason = f"{slot.name} is down"
    if isinstance(message, ChildOrder):
        if slot.passes_orders:
            return OrderRejected(message.order_id, message.instrument_id, REJECT_UNREACHABLE, reason, "lane")
    elif isinstance(message, ChildReplace):
        if slot.passes_orders:
            return ReplaceRejected(message.order_id, message.instrument_id, REJECT_UNREACHABLE, reason)
    elif slot.accepts_orders and isinstance(message, (NewOrder, ReplaceOrder)):
        return refusal_of(message, reason)
    return None


def describe(error: Exception) -> str:
    """One line for an exception, with its type."""
    return f"{type(error).__name__}: {error}"


def saved_state(slot: Slot) -> dict[str, object]:
    """The state of one actor, with the settings that were changed; users write `save`, so it may raise anything."""
    try:
        state = slot.actor.save()
    except Exception as error:
        raise SaveFailed(f"{slot.name}.save() failed: {describe(error)}") from error
    actor = slot.actor
    if isinstance(actor, Strategy) and len(actor.setup.changes) > 0:
        return {**state, CHANGED: [[key, value] for key, value in actor.setup.changes]}
    return state


def load_state(slot: Slot, state: dict[str, object]) -> None:
    """Give one actor back its settings and its state; users write `load`, so it may raise anything."""
    try:
        rows = state.get(CHANGED)
        if isinstance(rows, list) and isinstance(slot.actor, Strategy):
            slot.actor.setup.change(rows)
            slot.replace_actor(slot.make())
            slot.actor.load({key: one for key, one in state.items() if key != CHANGED})
        else:
            slot.actor.load(state)
    except Exception as error:
        raise LoadFailed(f"{slot.name}.load() failed: {describe(error)}") from error
