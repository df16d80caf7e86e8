"""What the exchange does through its WebSocket gateway: durable orders a second, and the round trip of one order.

The exchange runs as the command runs it, in a process of its own on one core, with a journal on the disk; its clients
are in a second process: those that make load on the other cores, the one that asks and waits on the same. Each client
writes one request a frame. There is no reference: no other exchange is here to do the same work.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.exchange_clients import CLIENTS
from benchmarks.figures import Measured, Run, figure
from benchmarks.machine import TREE
from benchmarks.start import COMMAND

LOAD_SECONDS: Final = 3.0
TRIPS: Final = 4_000
START_SECONDS: Final = 30.0

CONFIG: Final = """
name = "bench-exchange"
[journal]
durability = "{durability}"
[runtime]
batch_limit = 1024
dispatch_limit = 1000000
[channels."gateway.inbox"]
capacity = 65536
policy = "block"
[instruments.btc]
symbol = "BTC/USDT"
venue = "bench"
venue_symbol = "BTCUSDT"
base = "BTC"
quote = "USDT"
tick = "0.01"
lot = "0.00001"
minimum_size = "0.00001"
minimum_notional = "1"
taker_fee_bps = "5"
[actors.exchange]
class = "exchange.venue:ExchangeVenue"
[actors.exchange.params]
most_orders = 100000
[actors.exchange.params.limits]
messages = 10000000
open_orders = 1000000
free_orders = 1000000000
{accounts}
[services.gateway]
class = "exchange.gateway:Gateway"
[services.gateway.params]
port = {port}
keys_file = "{keys}"
demo_accounts = [1, 2, 3, 4]
messages_per_second = 1000000
burst = 1000000
"""
ACCOUNT: Final = """
[actors.exchange.params.accounts.client{number}]
id = {number}
deposits = {{ BTC = "1000000", USDT = "100000000000" }}
"""


@contextmanager
def exchange(durability: str) -> Iterator[tuple[str, Path]]:
    """An exchange that runs, and is asked to stop at the end; gives its address and its file of keys."""
    with tempfile.TemporaryDirectory(prefix="hftrun-bench-") as folder:
        place = Path(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        keys = place / "keys.toml"
        accounts = "".join(ACCOUNT.format(number=number) for number in range(1, CLIENTS + 1))
        text = CONFIG.format(durability=durability, port=port, keys=keys, accounts=accounts)
        (place / "exchange.toml").write_text(text, encoding="utf-8")
        words = [sys.executable, "-c", COMMAND, "exchange", str(place / "exchange.toml")]
        process = subprocess.Popen(
            [*words, "--state", str(place / "state"), "--status-every", "0s"],
            cwd=TREE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            wait_for(process, port)
            yield f"ws://127.0.0.1:{port}", keys
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=START_SECONDS)


def wait_for(process: subprocess.Popen[str], port: int) -> None:
    """Wait until the exchange listens."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise RuntimeError(f"the exchange did not start: {process.communicate()[1]}") from error
        time.sleep(0.05)


def leave_core() -> None:
    """Run on the cores that the exchange does not have; a benchmark is pinned to one, and what it starts with it."""
    if sys.platform == "linux":
        others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        if others:
            os.sched_setaffinity(0, others)


def clients(work: str, url: str, keys: Path, amount: float, apart: bool) -> dict[str, Any]:
    """What the clients' process measured, on cores of its own or on that of the exchange."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.exchange_clients", work, url, str(keys), str(amount)],
        cwd=TREE, stdout=subprocess.PIPE, text=True, check=True,
        preexec_fn=leave_core if apart else None,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@figure(name="exchange.durable_orders_per_second", unit="1/s", limit=10_000, at_least=True, repeats=3)
def durable_orders(run: Run) -> Measured:
    """Orders acknowledged to four clients, each after an fsync that covers it."""
    values = []
    with exchange("always") as (url, keys):
        for _ in range(run.repeats):
            found = clients("load", url, keys, LOAD_SECONDS, apart=True)
            values.append(float(found["orders_per_second"]))
    return Measured(values, None, ("durability always; four clients, one order a frame, 256 requests under way each",))


def _trips(run: Run, key: str) -> Measured:
    values = []
    with exchange("interval") as (url, keys):
        for _ in range(run.repeats):
            values.append(float(clients("trips", url, keys, TRIPS, apart=False)[key]))
    note = "durability interval; loopback, one client on the same core, from the call to the answer"
    return Measured(values, None, (note,))


@figure(name="exchange.ws_roundtrip_p50_us", unit="us", limit=300, repeats=3)
def roundtrip_median(run: Run) -> Measured:
    """Half of the orders and cancels are answered in this time."""
    return _trips(run, "p50_us")


@figure(name="exchange.ws_roundtrip_p99_us", unit="us", limit=1_500, repeats=3)
def roundtrip_tail(run: Run) -> Measured:
    """Ninety-nine of a hundred are."""
    return _trips(run, "p99_us")
