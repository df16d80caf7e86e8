"""The `Actor` base: what users and we subclass to receive typed messages and to emit typed messages.

An actor is a deterministic function of its messages: no clock, no randomness, no I/O of its own. Its handlers are
synchronous and never block. What a handler emits takes effect when it returns; a handler that raises emits nothing.
An actor never knows which lane it lives in, and reaches its lane only through the `Outlet` that it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from mypy_extensions import i64, mypyc_attr

from market.messages import Message, TimerFired
from runtime.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from market.instruments import InstrumentTable

# The four answers to a failure, see docs/supervision.md.
RESTART: Final = "restart"
RESTART_WITH_DEPENDENTS: Final = "restart_with_dependents"
STOP: Final = "stop"
HALT_TRADING: Final = "halt_trading"
POLICIES: Final = (RESTART, RESTART_WITH_DEPENDENTS, STOP, HALT_TRADING)

CANCEL_TIMER: Final[i64] = -1


class ActorError(Exception):
    """An actor broke the contract with its lane; the message says which part and what to do."""


class TimerRequest:
    """A timer that a handler asked for; it takes effect when the handler returns."""

    def __init__(self, actor_id: i64, timer_id: i64, due_ns: i64) -> None:
        self.actor_id: Final = actor_id
        self.timer_id: Final = timer_id
        self.due_ns: Final = due_ns


class Outlet:
    """What the actors of one lane share with it: the queue, the time, the timers asked for, and the ledger."""

    def __init__(self, ledger: Ledger, call_limit: i64) -> None:
        self.queue: list[Message] = []
        # What one call may emit or ask for; the lane counts from `call_mark`.
        self.call_limit: Final = call_limit
        self.call_mark: i64 = 0
        self.timer_requests: list[TimerRequest] = []
        self.now_ns: i64 = 0
        self.ledger: Final = ledger


class ActorSetup:
    """Everything an actor is made from, so that a fresh one can be made after a failure."""

    def __init__(
        self,
        name: str,
        actor_id: i64,
        params: object,
        instruments: InstrumentTable,
        instrument_ids: list[int],
        actor_ids: Mapping[str, int],
        outlet: Outlet,
        gateways: Mapping[str, tuple[int, ...]] | None = None,
        connections: Mapping[int, str] | None = None,
        strategies_hit: Mapping[int, tuple[int, ...]] | None = None,
    ) -> None:
        self.name: Final = name
        self.actor_id: Final = actor_id
        # The services that take new orders, by name, and their instruments; none named means all.
        self.gateways: Final[Mapping[str, tuple[int, ...]]] = {} if gateways is None else gateways
        # Which of them a connection belongs to, by the number that it has in messages.
        self.connections: Final[Mapping[int, str]] = {} if connections is None else connections
        # The strategies whose orders are cancelled when an actor fails, by the number of that actor.
        self.strategies_hit: Final[Mapping[int, tuple[int, ...]]] = {} if strategies_hit is None else strategies_hit
        self.params: Final = params
        self.instruments: Final = instruments
        self.instrument_ids: Final = instrument_ids
        self.actor_ids: Final = actor_ids
        self.outlet: Final = outlet
        self.declared: list[bool] = []
        # Settings that were changed while running, as key and value; they outlive a failure of the actor.
        self.changes: list[tuple[str, str]] = []


@mypyc_attr(allow_interpreted_subclasses=True)
class Actor:
    """Subclass it once, declare the tables, write handlers.

    `HANDLERS` maps a message type to the name of the method that takes it, `GIVES` lists the types it emits, `OWNS`
    those of which an instrument has only one giver. `PARAMS` is an attrs class that the configuration is read into.
    """

    HANDLERS: ClassVar[dict[type[Message], str]] = {}
    GIVES: ClassVar[tuple[type[Message], ...]] = ()
    OWNS: ClassVar[tuple[type[Message], ...]] = ()
    PARAMS: ClassVar[type | None] = None
    POLICY: ClassVar[str] = RESTART
    AT_BATCH_END: ClassVar[bool] = False

    def __init__(self, setup: ActorSetup) -> None:
        self.name: Final = setup.name
        self.actor_id: Final[int] = setup.actor_id
        self.outlet: Final = setup.outlet
        self.declared: Final = setup.declared

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """Types of `HANDLERS` and `GIVES` that an actor with these settings neither takes nor gives."""
        return ()

    def start(self) -> None:
        """Runs once in a new system, before the first input; not after a restart, not after a recovery."""

    def prime(self, ledger: Ledger) -> None:
        """Runs on a fresh instance after a failure: take what is still true from the ledger."""

    def on_timer(self, timer: TimerFired) -> None:
        """A timer of this actor came due."""

    def on_batch_end(self) -> None:
        """The end of a batch of inputs; called only when the class says `AT_BATCH_END = True`."""

    def summary(self) -> dict[str, object]:
        """What a person wants to know of it at the end of a run or on a status line, as plain data."""
        return {}

    def panel(self) -> dict[str, object]:
        """What a dashboard draws of it now, as plain data; asked for several times a second, so cheap and bounded."""
        return {}

    def save(self) -> dict[str, object]:
        """The state as plain data (what JSON can hold): save, load, go on must equal going on."""
        return {}

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        if state:
            raise ActorError(f"{self.name} was given saved state but has no load(): write save() and load() together")

    def emit(self, message: Message) -> None:
        """Send a message to whoever takes its type; it leaves when the handler returns."""
        if not self.declared[message.schema_id]:
            raise ActorError(
                f"{self.name} emitted {type(message).__name__}, which its GIVES does not list: add it there"
            )
        outlet = self.outlet
        queue = outlet.queue
        if i64(len(queue)) - outlet.call_mark >= outlet.call_limit:
            raise self.too_much("messages")
        queue.append(message)

    def set_timer(self, timer_id: i64, due_ns: i64) -> None:
        """Ask for `on_timer` at `due_ns`; a timer of the same id is replaced."""
        if due_ns < 0:
            raise ActorError(f"{self.name} set timer {timer_id} to the negative time {due_ns}")
        if i64(len(self.outlet.timer_requests)) >= self.outlet.call_limit:
            raise self.too_much("timers")
        self.outlet.timer_requests.append(TimerRequest(self.actor_id, timer_id, due_ns))

    def too_much(self, what: str) -> ActorError:
        """One call that emits or asks without end would otherwise end with the memory of the machine."""
        limit = self.outlet.call_limit
        return ActorError(f"{self.name} emitted {limit} {what} in one call (runtime.dispatch_limit): is it in a loop?")

    def cancel_timer(self, timer_id: i64) -> None:
        """Take a timer back; nothing happens when it is not set."""
        self.outlet.timer_requests.append(TimerRequest(self.actor_id, timer_id, CANCEL_TIMER))

    @property
    def now(self) -> int:
        """The time of the current input in nanoseconds; it never steps back."""
        return self.outlet.now_ns

    @property
    def ledger(self) -> Ledger:
        """The orders, fills and positions as the lane has seen them; read only."""
        return self.outlet.ledger


@mypyc_attr(allow_interpreted_subclasses=True)
class Strategy(Actor):
    """An actor that wants quotes or orders. Its working orders are cancelled when it fails."""

    @property
    def strategy_id(self) -> int:
        """The number under which its orders, fills and positions are kept."""
        return self.actor_id
