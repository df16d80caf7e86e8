"""Gateways against the truth of the exchange, from seeds: whatever breaks, positions and orders are what it has.

Orders, changes and cancels at random, others who trade, connections that are cut in the middle of a frame or fall
silent, gateways that fail and are made anew. At the end everything is cancelled, and then the ledger that believed
every report holds what the exchange holds, to the last unit, without one report that breaks the life of an order.
Every other seed the exchange takes its fees out of what was bought: then it holds that, rounded down to a unit.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import floor
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchange.client import ExchangeClient
from exchange.protocol import OrderForm
from exchange.protocol_events import Balance
from exchange.trading_gateway import TradingGateway
from exchange.trading_gateway_params import TradingGatewayParams
from market.messages import BUY, GTC, IOC, SELL, CancelAll, FeeTaken, OrderFilled
from runtime.clock import LiveClock
from runtime.service import ServiceSetup
from tests.exchange.desk_of_orders import BTC_USDT
from tests.exchange.outside import FoundNative, World, world
from tests.exchange.played_trader import Trader, trader
from tests.exchange.test_trading_gateway_ccxt import params_of
from tests.seeds import seeds
from venues.ccxt_gateway import CcxtGateway
from venues.dialing import Dialing, Proxies
from venues.gateway_money import ratio_of

STEPS = 60


class Fragile(trio.abc.Stream):
    """A stream that breaks, or falls silent, after so many bytes."""

    def __init__(self, stream: trio.abc.Stream, bytes_left: int, falls_silent: bool) -> None:
        self._stream = stream
        self._bytes_left = bytes_left
        self._falls_silent = falls_silent

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What comes, as long as it holds."""
        data = await self._stream.receive_some(max_bytes)
        await self._use(len(data))
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, maybe only the first part of it."""
        if len(data) > self._bytes_left and not self._falls_silent:
            await self._stream.send_all(bytes(data)[: self._bytes_left])
        elif len(data) <= self._bytes_left:
            await self._stream.send_all(data)
        await self._use(len(data))

    async def _use(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left >= 0:
            return
        if self._falls_silent:
            await trio.sleep_forever()
        await self._stream.aclose()
        raise trio.BrokenResourceError("cut")

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there may be room."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()


@attrs.define
class Network:
    """Connections to the exchange that break, until they are told to hold."""

    draw: random.Random
    holds: bool = False

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """A connection to the exchange's native gateway."""
        here, there = trio.testing.memory_stream_pair()
        gateway = FoundNative.running[-1]
        gateway.connections.start_soon(gateway.serve_stream, there)
        if self.holds:
            return here
        return Fragile(here, self.draw.randrange(200, 12_000), self.draw.random() < 0.3)


def order_at_random(alice: Trader, draw: random.Random) -> int:
    """An order near the touch that may take."""
    side = draw.choice((BUY, SELL))
    return alice.order(
        str(60_000 + draw.randrange(-5, 6)), f"0.{draw.randrange(1, 400):03}", side,
        time_in_force=draw.choice((GTC, GTC, GTC, IOC)), post_only=draw.random() < 0.2,
    )  # fmt: skip


async def act(alice: Trader, bob: ExchangeClient, draw: random.Random, changes: bool) -> None:
    """One thing that somebody does."""
    what = draw.random()
    working = [order for order in alice.ledger.open.values() if order.sent]
    if what < 0.45:
        one = order_at_random(alice, draw)
        if draw.random() < 0.2:
            alice.cancel(one)
    elif what < 0.65 and working:
        alice.cancel(draw.choice(working).order_id)
    elif what < 0.75 and working and changes:
        order = draw.choice(working)
        if order.state in (1, 2):
            size = BTC_USDT.format_size(order.filled + draw.randrange(1, 300))
            alice.replace(order.order_id, str(60_000 + draw.randrange(-5, 6)), size)
    else:
        form = OrderForm(
            symbol="BTCUSDT", side=draw.choice(("buy", "sell")), size=f"0.{draw.randrange(1, 300):03}",
            price=str(60_000 + draw.randrange(-5, 6)), time_in_force=draw.choice(("gtc", "ioc")),
        )  # fmt: skip
        await bob.order(form)


def fee_in(seed: int) -> str:
    """What the exchange takes its fees out of."""
    return "received" if seed % 2 else "quote"


async def balances(exchange: World, nothing_open: bool = False) -> dict[str, Any]:
    """What alice has at the exchange."""
    async with exchange.native("alice") as person:
        if nothing_open:
            assert await person.state("open_orders") == []
        rows = await person.state("balances")
        return {row.asset: ratio_of(row.total) for row in rows if isinstance(row, Balance)}


async def judge(alice: Trader, exchange: World, before: dict[str, Any]) -> None:
    """Compare what the ledger believes with what the exchange has."""
    after = await balances(exchange, nothing_open=True)
    assert alice.ledger.open == {}
    assert not alice.anomalies, alice.anomalies
    held = (after["BTC"] - before["BTC"]) * 10**BTC_USDT.size_scale
    taken = [(one.order_id, one.trade_id) for one in alice.of(FeeTaken)]
    assert alice.net() == (floor(held) if taken else held)
    fills = [(one.order_id, one.trade_id) for one in alice.of(OrderFilled)]
    assert len(fills) == len(set(fills)), "a trade was told twice"
    assert len(taken) == len(set(taken)), "a fee was told twice"
    money = sum(-one.side * one.price * one.size - one.fee for one in alice.of(OrderFilled))
    money += sum(one.fee for one in alice.of(FeeTaken))
    counted = alice.ledger.positions.values()
    assert sum(one.realised - one.cost - one.fees for one in counted) == money
    unit = ratio_of("1") / 10**BTC_USDT.money_scale
    # Each fee is rounded up to a unit of its instrument.
    assert 0 <= after["USDT"] - before["USDT"] - money * unit <= unit * len(fills)


@asynccontextmanager
async def served_again(alice: Trader, draw: random.Random) -> AsyncIterator[None]:
    """A supervisor that starts the gateway anew whenever it was stopped."""
    async def keep() -> None:
        while True:
            await alice.serve()
            await trio.sleep(draw.random())

    await trio.testing.wait_all_tasks_blocked()
    alice.scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep)
        await trio.testing.wait_all_tasks_blocked()
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", seeds(12, 400))
async def test_the_native_gateway_tells_the_truth(autojump_clock: MockClock, tmp_path: Path, seed: int) -> None:
    """See the head of this file."""
    draw = random.Random(seed)
    network = Network(random.Random(seed + 1))
    async with world(tmp_path, fee_in=fee_in(seed)) as exchange, exchange.native("bob") as bob:
        before = await balances(exchange)
        params = TradingGatewayParams(
            key="alice", keys_file=str(tmp_path / "keys.toml"), url="ws://exchange",
            cancel_on_disconnect=draw.random() < 0.5,
        )  # fmt: skip

        def make(setup: ServiceSetup) -> TradingGateway:
            return TradingGateway(setup, Dialing(proxies=Proxies(), open_tcp=network.open_tcp))

        async with trader(make, params, exchange.clock, TradingGateway.GIVES) as alice, served_again(alice, draw):
            for _ in range(STEPS):
                await act(alice, bob, draw, changes=True)
                if draw.random() < 0.6:
                    await trio.sleep(draw.random() * 0.4)
                if draw.random() < 0.03:
                    alice.scope.cancel()
            network.holds = True
            alice.scope.cancel()
            await trio.sleep(60)
            alice.tell(CancelAll(0, "the end"))
            await alice.until(lambda: not alice.ledger.open, 120)
            await judge(alice, exchange, before)


@pytest.mark.parametrize("seed", seeds(3, 40))
async def test_the_ccxt_gateway_tells_the_truth(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same over real sockets: requests are lost on the way there, or their answers on the way back."""
    import requests

    draw = random.Random(seed)
    luck = random.Random(seed + 1)
    whole = requests.Session.request
    holds = [False]

    def cut(self: requests.Session, method: str, url: str, **rest: Any) -> requests.Response:  # noqa: ANN401
        what = 1.0 if holds[0] else luck.random()
        if what < 0.07:
            raise requests.exceptions.ConnectionError("cut before it arrived")
        answer = whole(self, method, url, **rest)
        if what < 0.14:
            raise requests.exceptions.ReadTimeout("cut before the answer")
        return answer

    limits = {"orders_per_10_seconds": 100_000, "weight_per_minute": 1_000_000_000, "fee_in": fee_in(seed)}
    async with world(tmp_path, time.time_ns(), **limits) as exchange, exchange.native("bob") as bob:
        before = await balances(exchange)
        params = params_of(
            tmp_path, exchange.gateway.server.port, orders_per_10_seconds=1_000_000, weight_per_minute=1_000_000,
            first_pause_ms=5, poll_ms=20, patience_ms=2_000,
        )  # fmt: skip
        async with trader(CcxtGateway, params, LiveClock(), CcxtGateway.GIVES) as alice:
            await alice.connected()
            monkeypatch.setattr(requests.Session, "request", cut)
            for _ in range(STEPS // 2):
                await act(alice, bob, draw, changes=False)
                with trio.move_on_after(draw.random() * 0.05):
                    await alice.news.wait()
            holds[0] = True
            await alice.until(lambda: alice.gateway.desk.is_up)
            alice.tell(CancelAll(0, "the end"))
            await alice.until(lambda: not alice.ledger.open)
            await judge(alice, exchange, before)
