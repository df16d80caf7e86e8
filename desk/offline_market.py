"""The simulated market of a run without network: exchanges that speak the venues' protocols, in a process of their own.

For each venue of the run's feeds there is one exchange with that venue's instruments, rules and wire protocol; agents
trade at each, and one hidden price that all of them follow keeps the venues near each other. The feeds are pointed
there and know no difference. The process is watched like any other service: it is started again when it dies, at the
same addresses, and it ends with the run, however the run ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Final

import attrs
import trio

from desk.held_signals import held_back
from market.instruments import Instrument
from runtime.blueprint import Blueprint, Node
from runtime.service import Service, ServiceSetup
from venues.feed_params import FeedParams

HOST: Final = "127.0.0.1"
NAME: Final = "simulated_market"
START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.02
WATCH_SECONDS: Final = 0.1
MOST_ERROR_BYTES: Final = 4_000

# Orders, changes and cancels a second at each venue, for each of its instruments.
MESSAGES_PER_SECOND: Final = 120
FIRST_ACCOUNT: Final = 100
ACCOUNTS: Final = 10
SEED: Final = 8
# Where the hidden price of a pair began; another pair begins at a hundred.
INITIAL_PRICES: Final = {"BTC": "60000", "ETH": "3000", "SOL": "150"}
OTHER_PRICE: Final = "100"
# An asset that is sold lasts, whatever it is worth.
DEPOSIT: Final = "1000000000"

# The gateways that speak for a venue.
GATEWAYS: Final = {
    "binance": "exchange.outside.binance:BinanceGateway",
    "kraken": "exchange.outside.kraken:KrakenGateway",
    "coinbase": "exchange.outside.coinbase:CoinbaseGateway",
}


class SimulatedMarketError(Exception):
    """There can be no simulated market; the message says why."""


def simulated_market(blueprint: Blueprint, feeds: Sequence[Node]) -> Blueprint:
    """The same plan with its feeds pointed to a simulated market, which is one more service of it."""
    venues = list(dict.fromkeys(_feed_params(feed).venue for feed in feeds))
    unknown = [venue for venue in venues if venue not in GATEWAYS]
    if unknown:
        raise SimulatedMarketError(f"the simulated market speaks {', '.join(GATEWAYS)} and not {', '.join(unknown)}")
    ports = dict(zip(venues, free_ports(len(venues)), strict=True))
    pointed = {
        feed.name: attrs.evolve(feed, params=_pointed(_feed_params(feed), ports[_feed_params(feed).venue]))
        for feed in feeds
    }
    market = Node(
        name=NAME,
        node_id=len(blueprint.services) + 1,
        kind="service",
        class_=SimulatedMarket,
        class_path="desk.offline_market:SimulatedMarket",
        policy=SimulatedMarket.POLICY,
        lane="",
        instrument_ids=(),
        params=MarketProcess(market_tree(blueprint, feeds, ports), tuple(ports.values())),
        takes={},
        gives=(),
        owns=(),
    )
    services = tuple(pointed.get(node.name, node) for node in blueprint.services)
    return attrs.evolve(blueprint, services=(*services, market))


def market_process(blueprint: Blueprint) -> MarketProcess | None:
    """The process of the simulated market of a plan, if it has one."""
    return next((node.params for node in blueprint.services if isinstance(node.params, MarketProcess)), None)


def _feed_params(feed: Node) -> FeedParams:
    assert isinstance(feed.params, FeedParams)
    return feed.params


def _pointed(params: FeedParams, port: int) -> FeedParams:
    return attrs.evolve(params, url=f"ws://{HOST}:{port}", rest_url=f"http://{HOST}:{port}", ca_file="")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


# ---- what runs there


def market_tree(blueprint: Blueprint, feeds: Sequence[Node], ports: dict[str, int]) -> dict[str, Any]:
    """The configuration of the simulated market, as tables: for each venue an exchange, its agents and its gateway."""
    instruments: dict[str, Any] = {}
    actors: dict[str, Any] = {}
    services: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    names = {number: name for name, number in blueprint.instrument_names.items()}
    for number, (venue, port) in enumerate(ports.items(), start=1):
        traded = _traded(blueprint, [feed for feed in feeds if _feed_params(feed).venue == venue])
        listed = [names[one.instrument_id] for one in traded]
        for one in traded:
            table = attrs.asdict(blueprint.config.instruments[names[one.instrument_id]])
            instruments[names[one.instrument_id]] = table
        assets = {asset for one in traded for asset in (one.base, one.quote)}
        actors[f"exchange_{venue}"] = {
            "class": "exchange.venue:ExchangeVenue", "instruments": listed, "params": _exchange(number, assets)
        }  # fmt: skip
        actors[f"agents_{venue}"] = {
            "class": "exchange.agents:MarketAgents", "instruments": listed,
            "params": _agents(number, {one.symbol: INITIAL_PRICES.get(one.base, OTHER_PRICE) for one in traded}),
        }  # fmt: skip
        services[f"gateway_{venue}"] = {
            "class": GATEWAYS[venue], "instruments": listed,
            "params": {"exchange_id": number, "host": HOST, "port": port},
        }  # fmt: skip
        # An exchange wants somebody who could open sessions and move money; without keys nobody does.
        services[f"native_{venue}"] = {
            "class": "exchange.gateway:Gateway", "instruments": listed,
            "params": {"exchange_id": number, "host": HOST, "port": 0},
        }  # fmt: skip
        for service in (f"gateway_{venue}", f"native_{venue}"):
            channels[f"{service}.inbox"] = {"policy": "block", "capacity": 65_536}
    return {
        "name": NAME, "runtime": {"seed": SEED, "batch_limit": 1_024, "dispatch_limit": 1_000_000},
        "journal": {"durability": "never", "snapshot_every_ms": 60_000}, "log": {"level": "warning"},
        "instruments": instruments, "actors": actors, "services": services, "channels": channels,
    }  # fmt: skip


def _traded(blueprint: Blueprint, feeds: Sequence[Node]) -> list[Instrument]:
    """What the exchange that stands for the venue of these feeds lists."""
    venue = _feed_params(feeds[0]).venue
    traded = [
        one for one in blueprint.instruments
        if one.venue == venue and any(feed.works_on(one.instrument_id) for feed in feeds)
    ]  # fmt: skip
    listed = {one.instrument_id for one in traded}
    strange = [number for feed in feeds for number in feed.instrument_ids if number not in listed]
    if strange or not traded:
        names = ", ".join(name for name, number in blueprint.instrument_names.items() if number in strange)
        what = f"{names}, which says that it is traded elsewhere" if strange else "no instrument of this venue"
        raise SimulatedMarketError(f"{feeds[0].name} is a feed of {venue} and has {what}")
    if any(one.kind.value != "spot" for one in traded):
        raise SimulatedMarketError("the simulated market has spot pairs alone")
    return traded


def _exchange(number: int, assets: set[str]) -> dict[str, Any]:
    """An exchange whose agents pay nothing and are held back by nothing."""
    accounts = {
        f"agent{index}": {"id": FIRST_ACCOUNT + index, "deposits": dict.fromkeys(sorted(assets), DEPOSIT)}
        for index in range(ACCOUNTS)
    }
    limits = {"messages": 100_000, "open_orders": 10_000, "free_orders": 10**15}
    tier = {"maker_fee_bps": "0", "taker_fee_bps": "0"}
    for account in accounts.values():
        account["tier"] = "agents"
    return {"exchange_id": number, "limits": limits, "tiers": {"agents": tier}, "accounts": accounts}


def _agents(number: int, prices: dict[str, str]) -> dict[str, Any]:
    """Agents of a seed of their own; the first exchange is the quickest, the others follow a little later."""
    return {
        "exchange_id": number, "first_account_id": FIRST_ACCOUNT, "seed": number, "initial_prices": prices,
        "messages_per_second": MESSAGES_PER_SECOND * len(prices), "lag_ms": 50 * (number - 1), "step_ppm": 10,
        "latent": {"seed": SEED},
    }  # fmt: skip


# ---- its process


@attrs.define
class MarketProcess:
    """The process: started, watched and ended from here. It ends by itself when this side is gone."""

    tree: dict[str, Any]
    ports: tuple[int, ...]
    _process: subprocess.Popen[bytes] | None = None
    _errors: IO[bytes] | None = None

    def start(self) -> None:
        """Start it unless it runs."""
        if self.is_alive:
            return
        self.stop()
        root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        # What it has to say is read when it has failed; on the terminal it would tear the dashboard.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        # Between its start and its name a process could get lost.
        with held_back() as came:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "desk.offline_process"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._errors,
                env={**os.environ, "PYTHONPATH": path},
                # A Ctrl-C on the terminal is for this process; the other hears of the end by its input.
                start_new_session=True,
            )  # fmt: skip
        if came:
            signal.raise_signal(came[0])
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(self.tree).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            # It died at once; whoever waits for it is told why.
            return

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The number of the process; 0 where there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def is_listening(self) -> bool:
        """Whether all its exchanges take connections."""
        return all(_accepts(port) for port in self.ports)

    def wait_until_listening(self) -> None:
        """Wait for it; raises `SimulatedMarketError` when it does not come."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_listening:
            if not self.is_alive or time.monotonic() > deadline:
                told = self.last_words()
                self.stop()
                raise SimulatedMarketError(f"the simulated market did not start: {told or 'it says nothing'}")
            time.sleep(LOOK_SECONDS)

    def last_words(self) -> str:
        """The end of what it wrote to its error stream."""
        if self._errors is None:
            return ""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - MOST_ERROR_BYTES))
        return self._errors.read().decode(errors="replace").strip()

    def stop(self) -> None:
        """End it, gently first; afterwards there is no process."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._errors is not None:
            self._errors.close()
        self._process = self._errors = None


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False


class MarketDied(Exception):
    """The process of the simulated market has ended by itself."""


class SimulatedMarket(Service):
    """Watches the process of the simulated market: the supervisor starts it again when it has died."""

    PARAMS: ClassVar[type | None] = None

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, MarketProcess)
        self.process = setup.params

    async def run(self) -> None:
        """Have it running until cancelled."""
        self.process.start()
        while self.process.is_alive:
            await trio.sleep(WATCH_SECONDS)
        raise MarketDied(f"the simulated market ended: {self.process.last_words() or 'it says nothing'}")
