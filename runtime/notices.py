"""What actors say that is meant for a person: told in the log, which is the terminal, the dashboard and the log file.

It hears these messages beside whoever takes them, after they were decided; it decides nothing and sends nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from market.messages import (
    Alert,
    ConfigRefused,
    HaltConfirmed,
    LimitChanged,
    LimitReached,
    Message,
    OrderTimedOut,
    TradingHalted,
    schema_id_of,
)
from runtime.lane_parts import Port, RemoteTaker

if TYPE_CHECKING:
    from runtime.logs import Logger
    from runtime.session_settings import SessionSettings
    from runtime.wiring import System

LOOK_SECONDS: Final = 0.25
MOST_HALTS: Final = 100
HEARD: Final = (Alert, ConfigRefused, HaltConfirmed, LimitChanged, LimitReached, OrderTimedOut, TradingHalted)


class Notices:
    """See the head of this file."""

    def __init__(self, system: System, settings: SessionSettings, log: Logger) -> None:
        self.system = system
        self.settings = settings
        self.log = log
        self._ports = [Port("notices", False) for _ in system.lanes]
        for lane, port in zip(system.lanes, self._ports, strict=True):
            for message_type in HEARD:
                lane.core.routes[schema_id_of(message_type)].remote.append(RemoteTaker(port, False, []))

    async def run(self) -> None:
        """Tell what was said, until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self.tell()

    def tell(self) -> None:
        """Tell what was said since the last time."""
        for lane, port in zip(self.system.lanes, self._ports, strict=True):
            place = f", lane {lane.name}" if len(self._ports) > 1 else ""
            for message in port.pending:
                self._tell(message, place)
            port.clear()
        if not any(lane.drain.is_urgent_waiting() for lane in self.system.lanes):
            self.settings.keep()

    def _tell(self, message: Message, place: str) -> None:
        """One line; what makes it another one than those before stands in its text, for repeats are told once."""
        if isinstance(message, ConfigRefused):
            self.settings.take_refusal(message)
            self.log.warning(f"{message.key} is not changed: {message.reason}")
        elif isinstance(message, LimitChanged):
            if message.previous != message.bound:
                self.log.warning(f"limit {message.limit} changed, by {message.operator}")
        elif isinstance(message, LimitReached):
            words = "reached" if message.halts else "nearly reached"
            share = f": {100 * message.value // message.bound} % of it" if message.bound > 0 else ""
            self.log.warning(f"limit {message.limit} {words}{share}")
        elif isinstance(message, Alert):
            over = "over: " if message.resolved else ""
            self.log.warning(f"{over}{message.title}", details=message.details, key=message.key)
        elif isinstance(message, OrderTimedOut):
            waited_ms = int(message.waited_ns) // 1_000_000
            self.log.warning(f"no answer to {message.command}", order=int(message.order_id), waited_ms=waited_ms)
        elif isinstance(message, TradingHalted):
            supervisor = self.system.supervisor
            if f"{message.source}: {message.reason}" in supervisor.halts[-1 - len(self._ports) :]:
                # The supervisor has told it to the lanes, and said so.
                return
            source = f"{message.source}{place}"
            supervisor.halts = [*supervisor.halts[1 - MOST_HALTS :], f"{source}: {message.reason}"]
            self.log.error(f"trading halted: {message.reason}", source=source)
        elif isinstance(message, HaltConfirmed):
            open_orders = int(message.open_orders)
            self.log.warning("the halt is confirmed: nothing is open" if not open_orders else "orders are still open",
                             open_orders=open_orders, asked=int(message.asked))  # fmt: skip
