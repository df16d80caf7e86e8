"""`hftrun exchange CONFIG`: runs exchanges in this terminal, tells how to connect, and prints status lines.

It is the run of any system with another face: the same state, signals, summary and exit codes.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from desk.run_command import Face, RequestError, RunRequest, run_system
from desk.status import troubles
from exchange.gateway_params import GatewayParams
from exchange.outside.params import OutsideParams
from runtime.lane import words_of

if TYPE_CHECKING:
    from market.instruments import Instrument
    from runtime.blueprint import Blueprint
    from runtime.session import Session

NANOSECONDS = 1_000_000_000
DEFAULT_STATE = Path("exchange-state")
PROTOCOL_PAGE = "docs/exchange-protocol.md"
VENUES_PAGE = "docs/exchange-venues.md"


def run_exchange(request: RunRequest) -> int:
    """Run it; without a state of its own it keeps one beside where it was started."""
    state = DEFAULT_STATE if request.state is None else request.state
    status = StatusLine()
    return run_system(attrs.evolve(request, state=state, face=Face(check_gateways, status.begin, status.line)))


def check_gateways(blueprint: Blueprint) -> None:
    """Find out before the start that there is no gateway, or that one could not listen, and why."""
    listening: list[GatewayParams | OutsideParams] = [*gateways(blueprint), *outside_gateways(blueprint)]
    if not listening:
        raise RequestError("this configuration has no exchange with a gateway: run it as `hftrun CONFIG`")
    for params in listening:
        family = socket.AF_INET6 if ":" in params.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((params.host, params.port))
            except OSError as error:
                remedy = "give host an address of this machine, such as 127.0.0.1, and port one that you may use"
                if error.errno == errno.EADDRINUSE:
                    remedy = "stop the program that does, or set another port"
                raise RequestError(
                    f"the gateway cannot listen on {params.host}:{params.port}: {error.strerror or error}; {remedy} "
                    f"([services.NAME.params])"
                ) from error


def greeting(session: Session) -> list[str]:
    """Where it listens, with which keys, and what is traded there."""
    lines = []
    for params in gateways(session.blueprint):
        scheme = "wss" if params.certificate_file else "ws"
        address = f"{scheme}://{params.host}:{params.port}" if params.port else "the address that the log names"
        lines.append(f"exchange {params.exchange_id}: connect to {address}")
        if params.keys_file:
            lines.append(f"  keys are in {params.keys_file}; {PROTOCOL_PAGE} tells how a client logs in and trades")
        else:
            lines.append("  without keys_file nobody can log in: only public data is served")
    for outside in outside_gateways(session.blueprint):
        lines += outside_greeting(outside, session.blueprint.instruments)
    symbols = ", ".join(one.symbol for one in session.blueprint.instruments)
    return [*lines, f"  instruments: {symbols}; the journal is kept in {session.state.path}"]


def outside_greeting(params: OutsideParams, instruments: Iterable[Instrument]) -> list[str]:
    """Where a client of another venue connects, and what it calls the instruments."""
    tail = "s" if params.certificate_file else ""
    place = f"{params.host}:{params.port}"
    places = [f"http{tail}://{place}{params.REQUEST_PATH}", f"ws{tail}://{place}{params.SOCKET_PATH}"]
    told = " and ".join(places) if params.port else "the address that the log names"
    symbols = ", ".join(params.SYMBOL.format(base=one.base, quote=one.quote) for one in instruments)
    return [f"exchange {params.exchange_id}: {params.PROTOCOL} at {told}; {VENUES_PAGE} tells what there is: {symbols}"]


def outside_gateways(blueprint: Blueprint) -> list[OutsideParams]:
    """The settings of every gateway that speaks another venue's protocol."""
    return [node.params for node in blueprint.services if isinstance(node.params, OutsideParams)]


def gateways(blueprint: Blueprint) -> list[GatewayParams]:
    """The settings of every gateway."""
    return [node.params for node in blueprint.services if isinstance(node.params, GatewayParams)]


@attrs.define
class StatusLine:
    """One line about the exchanges of a system; rates are over the time since the line before."""

    last_ns: int = 0
    last_counts: dict[str, int] = attrs.field(factory=dict)

    def begin(self, session: Session) -> list[str]:
        """Count from here, whatever an earlier run has counted, and greet."""
        self.last_ns, self.last_counts = session.clock.now_ns(), counted(exchanges(session))
        return greeting(session)

    def line(self, session: Session) -> str:
        """Time, what is wrong, each market, and how much is going on."""
        now_ns = session.clock.now_ns()
        found = exchanges(session)
        parts = [time.strftime("%H:%M:%S", time.gmtime(now_ns // NANOSECONDS)), *troubles(session)]
        for name, told in found.items():
            place = f"{name} " if len(found) > 1 else ""
            parts += [place + _market_words(symbol, row) for symbol, row in told["markets"].items()]
        parts.append(self._activity(session, counted(found), now_ns))
        return " | ".join(parts)

    def _activity(self, session: Session, counts: dict[str, int], now_ns: int) -> str:
        seconds = max(now_ns - self.last_ns, 1) / NANOSECONDS
        words = [
            f"{name} {count} ({(count - self.last_counts.get(name, 0)) / seconds:.0f}/s)"
            for name, count in counts.items()
        ]
        self.last_ns, self.last_counts = now_ns, counts
        return " ".join([*words, f"clients {clients_of(session)}"])


def exchanges(session: Session) -> dict[str, dict[str, Any]]:
    """What each exchange tells of itself, by the name of its actor."""
    words = {slot.name: words_of(slot) for lane in session.system.lanes for slot in lane.core.slots}
    return {name: one for name, one in words.items() if isinstance(one.get("markets"), dict)}


def counted(found: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Orders that were sent and trades, over all exchanges, since their states were begun."""
    return {name: sum(int(one[name]) for one in found.values()) for name in ("orders", "trades")}


def clients_of(session: Session) -> int:
    """Connections that are open now."""
    gauges = session.system.metrics.snapshot().gauges
    return int(sum(gauge.value for gauge in gauges if gauge.name == "gateway_connections"))


def _market_words(symbol: str, row: dict[str, Any]) -> str:
    touch = f"{row['bid'] or '-'}/{row['ask'] or '-'}"
    return f"{symbol} {touch} last {row['last'] or '-'} open {row['orders']}"
