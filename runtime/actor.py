"""The `Actor` base: what users and we subclass to receive typed messages and to emit typed messages.

An actor is a deterministic function of its messages: no clock, no randomness, no I/O of its own. Its handlers are
synchronous and never block. What a handler emits takes effect when it returns; a handler that raises emits nothing.
An actor never knows which lane it lives in, and reaches its lane only through the `Outlet` that it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from mypy_extensions import i64, mypyc_attr

from market.messages import ConfigChanged, ConfigRefused, Message, TimerFired
from runtime.config.changes import ChangeRefused, can_change, changed_params, key_within
from runtime.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
        # What each of the gateways can change of a working order: "nothing", "size" or "all".
        self.amends: Mapping[str, str] = {}
        # As they are now, and as they were at the start: a strategy's settings may change while it runs.
        self.params: object = params
        self.first_params: Final = params
        self.instruments: Final = instruments
        self.instrument_ids: Final = instrument_ids
        self.actor_ids: Final = actor_ids
        self.outlet: Final = outlet
        self.declared: list[bool] = []
        # Settings that were changed while running, as key and value; they outlive a failure of the actor.
        self.changes: list[tuple[str, str]] = []
        # Puts another instance into the place of the actor; the lane sets it.
        self.put_in_place: Callable[[Actor], None] | None = None

    def change(self, rows: list[list[str]]) -> None:
        """Take the settings that were changed in an earlier process; whoever is made from now on has them."""
        for key, value in rows:
            self.params = changed_params(self.params, key, value)
            self.changes.append((key, value))


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
    """An actor that wants quotes or orders. Its working orders are cancelled when it fails.

    The settings that its `PARAMS` declare with `reload=True` may change while it runs; it need do nothing for that.
    """

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.setup: Final = setup

    def __init_subclass__(cls) -> None:
        """A strategy with settings that may change hears of changes, and may refuse them."""
        super().__init_subclass__()
        if can_change(cls.PARAMS) and ConfigChanged not in cls.HANDLERS:
            cls.HANDLERS = {**cls.HANDLERS, ConfigChanged: "on_config"}
            cls.GIVES = (*cls.GIVES, ConfigRefused)

    @property
    def strategy_id(self) -> int:
        """The number under which its orders, fills and positions are kept."""
        return self.actor_id

    def on_config(self, changed: ConfigChanged) -> None:
        """One of its settings changes: a fresh instance takes over, with that setting and with what this one saves."""
        key = key_within(self.name, changed.key)
        if len(key) == 0:
            return
        setup = self.setup
        if setup.put_in_place is None:
            raise ActorError(f"{self.name} is in no lane: nobody can put another instance into its place")
        before = setup.params
        done = False
        refusal = ""
        try:
            setup.params = changed_params(before, key, changed.value)
            self.check_wiring(setup)
            fresh = type(self)(setup)
            fresh.load(self.save())
            done = True
        except ValueError as error:
            # A refusal, or what shows only when a setting is put to use, such as a size with too many digits.
            refusal = str(error)
        finally:
            if not done:
                setup.params = before
        if not done:
            self.emit(ConfigRefused(changed.key, refusal))
            return
        setup.changes.append((key, changed.value))
        setup.put_in_place(fresh)
        fresh.on_settings_changed()

    def check_wiring(self, setup: ActorSetup) -> None:
        """Who hears what is settled at the start: settings for which it would have to hear more cannot come later."""
        now_used = set(type(self).unused(setup.first_params)) - set(type(self).unused(setup.params))
        if now_used:
            names = ", ".join(sorted(one.__name__ for one in now_used))
            raise ChangeRefused(f"takes effect at the next start: with it the strategy needs {names}")

    def on_settings_changed(self) -> None:
        """Runs on the instance with the changed setting: say anew what is wanted, if no message will come for it."""
