"""`hftrun exchange CONFIG`: runs exchanges in this terminal, tells how to connect, and prints status lines.

It is the run of any system with another face: the same state, signals, summary and exit codes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from desk.run_command import Face, RunRequest, run_system
from desk.status import by_symbol, troubles
from exchange.gateway_params import GatewayParams
from runtime.lane import words_of

if TYPE_CHECKING:
    from runtime.session import Session

NANOSECONDS = 1_000_000_000
DEFAULT_STATE = Path("exchange-state")
PROTOCOL_PAGE = "docs/exchange-protocol.md"


def run_exchange(request: RunRequest) -> int:
    """Run it; without a state of its own it keeps one beside where it was started."""
    state = DEFAULT_STATE if request.state is None else request.state
    status = StatusLine()
    return run_system(attrs.evolve(request, state=state, face=Face(greeting, status.line)))


def greeting(session: Session) -> list[str]:
    """Where it listens, with which keys, and what is traded there."""
    lines = []
    for params in gateways(session):
        scheme = "wss" if params.certificate_file else "ws"
        port = str(params.port) if params.port else "a free port, which the log names"
        lines.append(f"exchange {params.exchange_id}: connect to {scheme}://{params.host}:{port}")
        if params.keys_file:
            lines.append(f"  keys are in {params.keys_file}; {PROTOCOL_PAGE} tells how a client logs in and trades")
        else:
            lines.append("  without keys_file nobody can log in: only public data is served")
    if not lines:
        lines.append('there is no gateway: add a service with class = "exchange.gateway:Gateway" to let clients in')
    symbols = ", ".join(one.symbol for one in session.blueprint.instruments)
    return [*lines, f"  instruments: {symbols}; the journal is kept in {session.state.path}"]


def gateways(session: Session) -> list[GatewayParams]:
    """The settings of every gateway."""
    return [node.params for node in session.blueprint.services if isinstance(node.params, GatewayParams)]


@attrs.define
class StatusLine:
    """One line about the exchanges of a system; rates are over the time since the line before."""

    last_ns: int = 0
    last_counts: dict[str, int] = attrs.field(factory=dict)

    def line(self, session: Session) -> str:
        """Time, what is wrong, each instrument, and how much is going on."""
        now_ns = session.clock.now_ns()
        words = {slot.name: words_of(slot) for lane in session.system.lanes for slot in lane.core.slots}
        parts = [time.strftime("%H:%M:%S", time.gmtime(now_ns // NANOSECONDS)), *troubles(session)]
        told = by_symbol(words)
        parts += [_market_words(one.symbol, told.get(one.symbol, {})) for one in session.blueprint.instruments]
        parts.append(self._activity(session, words, now_ns))
        return " | ".join(parts)

    def _activity(self, session: Session, words: dict[str, dict[str, object]], now_ns: int) -> str:
        counts = counted(words)
        seconds = (now_ns - (self.last_ns or session.started_ns)) / NANOSECONDS
        rates = {
            name: (count - self.last_counts.get(name, 0 if self.last_ns == 0 else count)) / seconds
            for name, count in counts.items()
            if seconds > 0
        }
        self.last_ns, self.last_counts = now_ns, counts
        parts = [f"{name} {count} ({rates.get(name, 0):.0f}/s)" for name, count in counts.items()]
        clients = clients_of(session)
        return " ".join([*parts, f"clients {clients}"])


def counted(words: dict[str, dict[str, object]]) -> dict[str, int]:
    """What the exchanges have counted, over all of them."""
    counts = {"requests": 0, "trades": 0}
    for one in words.values():
        for name in counts:
            value = one.get(name)
            if isinstance(value, int):
                counts[name] += value
    return counts


def clients_of(session: Session) -> int:
    """Connections that are open now."""
    gauges = session.system.metrics.snapshot().gauges
    return int(sum(gauge.value for gauge in gauges if gauge.name == "gateway_connections"))


def _market_words(symbol: str, told: dict[str, Any]) -> str:
    if not told:
        return symbol
    touch = told.get("touch", "no orders")
    return f"{symbol} {touch} last {told.get('last', 'none')} orders {told.get('open_orders', 0)}"
