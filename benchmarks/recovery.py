"""How long a book is away after a gap: from its detection to LIVE, over loopback, the snapshot from the exchange.

The embedded exchange runs in a process of its own and speaks Binance's protocol; the subject is a feed and a venue
book as any system has them. Frames are dropped by fault injection, so every gap is a real one of the stream's numbers.
There is no reference: no other feed is here to do the same work.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, ClassVar, Final

import trio

from benchmarks.exchange_gateway import START_SECONDS, wait_for
from benchmarks.figures import Measured, Run, figure
from benchmarks.machine import TREE
from benchmarks.start import COMMAND
from market.messages import BookRecovered, Message
from runtime.actor import Actor, ActorSetup
from runtime.classes import params_of
from runtime.clock import LiveClock
from runtime.config.load import load_tree
from runtime.faults import parse_faults
from runtime.logs import get_logger
from runtime.session import Session
from runtime.trial import plan_checked

GAPS: Final = 5
# Every tenth frame is lost, which is about one a second.
FAULTS: Final = "drop:feed:every=10"
MOST_SECONDS: Final = 60
MILLISECOND: Final = 1_000_000

CONFIG: Final = """
include = ["{tree}/configs/exchange.toml"]
name = "bench-recovery"
[services.gateway.params]
port = {native_port}
keys_file = "{keys}"
[channels."binance_gateway.inbox"]
policy = "block"
capacity = 65536
[services.binance_gateway]
class = "exchange.outside.binance:BinanceGateway"
[services.binance_gateway.params]
port = {port}
"""

SYSTEM: Final[dict[str, Any]] = {
    "name": "bench",
    "log": {"level": "critical"},
    "instruments": {
        "btc": {
            "symbol": "BTC/USDT", "venue": "binance", "venue_symbol": "BTCUSDT", "base": "BTC", "quote": "USDT",
            "tick": "0.01", "lot": "0.00001",
        }
    },
    "actors": {
        "book": {
            "class": "actors.venue_book:VenueBook",
            "params": {"dialect": "venues.binance:BinanceSpot", "hold_ms": 1, "healthy_ms": 1},
        },
        "listener": {"class": "benchmarks.recovery:RecoveryListener"},
    },
}  # fmt: skip


class RecoveryListener(Actor):
    """Notes how long each outage was, and ends the run after enough of them."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {BookRecovered: "on_recovered"}

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.outages_ns: list[int] = []

    def on_recovered(self, recovered: BookRecovered) -> None:
        """Note one; the first is the beginning, of which nothing was lost."""
        self.outages_ns.append(int(recovered.outage_ns))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def exchange() -> Iterator[int]:
    """An exchange that speaks Binance's protocol; gives its port."""
    with tempfile.TemporaryDirectory(prefix="hftrun-bench-") as folder:
        place = Path(folder)
        native_port, port = free_ports(2)
        text = CONFIG.format(tree=TREE, native_port=native_port, port=port, keys=place / "keys.toml")
        (place / "exchange.toml").write_text(text, encoding="utf-8")
        words = [sys.executable, "-c", COMMAND, "exchange", str(place / "exchange.toml")]
        process = subprocess.Popen(
            [*words, "--state", str(place / "state"), "--status-every", "0s"],
            cwd=TREE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            wait_for(process, port)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=START_SECONDS)


def outages_ns(port: int) -> list[int]:
    """The outages of one run, each a gap that was made and mended."""
    params = {"venue": "binance", "url": f"ws://127.0.0.1:{port}", "rest_url": f"http://127.0.0.1:{port}"}
    tree = {**SYSTEM, "services": {"feed": {"class": "venues.feed:Feed", "params": params}}}
    blueprint = plan_checked(load_tree(tree, "bench", params_of=params_of))
    with Session(blueprint, LiveClock(), get_logger("bench"), None, parse_faults(FAULTS)) as session:
        listener = session.system.lanes[0].core.slots[-1].actor
        assert isinstance(listener, RecoveryListener)
        trio.run(_run, session, listener)
        return listener.outages_ns[1 : GAPS + 1]


async def _run(session: Session, listener: RecoveryListener) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_when_enough, session, listener)
        await session.run(MOST_SECONDS * 1_000 * MILLISECOND)
        nursery.cancel_scope.cancel()


async def _stop_when_enough(session: Session, listener: RecoveryListener) -> None:
    while len(listener.outages_ns) <= GAPS:
        await trio.sleep(0.05)
    session.system.supervisor.request_shutdown("enough")


@figure(name="recovery.gap_ms", unit="ms", limit=50, repeats=3)
def gap_recovery(run: Run) -> Measured:
    """Half of the gaps are mended in this time."""
    values = []
    with exchange() as port:
        for _ in range(run.repeats):
            found = outages_ns(port)
            if len(found) < GAPS:
                raise RuntimeError(f"only {len(found)} gaps were mended in {MOST_SECONDS} s")
            values.append(median(found) / MILLISECOND)
    note = f"{GAPS} gaps a run, one frame in ten lost; loopback; what is missing has hold_ms more to come by itself"
    return Measured(values, None, (note,))
