"""The gateway to the embedded exchange against the real exchange in memory: orders, races, losses, restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchange.protocol import Cancel, OrderForm
from exchange.trading_gateway import TradingGateway
from exchange.trading_gateway_params import TradingGatewayParams
from market.messages import (
    FOK,
    IOC,
    MAKER,
    MARKET,
    REJECT_BALANCE,
    REJECT_CONNECTION,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_POST_ONLY,
    REJECT_TOO_LATE,
    SELL,
    BalanceChanged,
    CancelAll,
    CancelRejected,
    ForeignOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatus,
    OrderStatusWanted,
    VenueStateComplete,
    VenueStateWanted,
)
from runtime.service import ServiceSetup
from tests.exchange.desk_of_orders import BTC, BTC_USDT, ODD, ODD_USDT
from tests.exchange.outside import FoundNative, World, world
from tests.exchange.played_trader import Trader, trader
from venues.dialing import Dialing, Proxies


@attrs.define
class Wire:
    """The network between the gateway and the exchange."""

    exchange: World
    streams: list[trio.abc.Stream] = attrs.field(factory=list)
    is_up: bool = True
    attempts: int = 0

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """A connection to the exchange's native gateway, while there is a network."""
        self.attempts += 1
        if not self.is_up:
            raise OSError("the network is down")
        gateway = FoundNative.running[-1]
        here, there = trio.testing.memory_stream_pair()
        gateway.connections.start_soon(gateway.serve_stream, there)
        self.streams.append(here)
        return here

    async def cut(self) -> None:
        """End every connection."""
        for stream in self.streams:
            await stream.aclose()
        self.streams.clear()


@asynccontextmanager
async def trading(
    tmp_path: Path, network: type[Wire] = Wire, /, **settings: object
) -> AsyncIterator[tuple[World, Wire, Trader]]:
    """The exchange, and alice's gateway to it."""
    async with world(tmp_path) as exchange:
        wire = network(exchange)
        keys = str(tmp_path / "keys.toml")
        params = TradingGatewayParams(key="alice", keys_file=keys, url="ws://exchange", **settings)  # type: ignore[arg-type]

        def make(setup: ServiceSetup) -> TradingGateway:
            return TradingGateway(setup, Dialing(proxies=Proxies(), open_tcp=wire.open_tcp))

        async with trader(make, params, exchange.clock, TradingGateway.GIVES) as alice:
            await alice.connected()
            yield exchange, wire, alice


def lots(text: str) -> int:
    """A size of BTC/USDT."""
    return BTC_USDT.parse_size(text)


async def test_orders_work_trade_and_end(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Accepted, filled in part and whole with the fee of the trade, cancelled; balances come along."""
    async with trading(tmp_path) as (exchange, _, alice), exchange.native("bob") as bob:
        first = alice.order("60000", "0.5")
        accepted = await alice.expect(OrderAccepted, first)
        assert accepted.venue_order_id
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000", time_in_force="ioc"))
        fill = await alice.expect(OrderFilled, first)
        assert (fill.size, fill.remaining, fill.liquidity) == (lots("0.2"), lots("0.3"), MAKER)
        assert fill.fee == BTC_USDT.fee(fill.price, fill.size, MAKER) < 0
        alice.cancel(first)
        gone = await alice.expect(OrderCancelled, first)
        assert gone.remaining == lots("0.3")
        assert alice.net() == lots("0.2")
        assert {one.asset for one in alice.of(BalanceChanged)} >= {"BTC", "USDT"}


async def test_every_kind_of_order(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Post-only, IOC, FOK and market orders end as they should, and refusals carry their reason."""
    async with trading(tmp_path) as (exchange, _, alice), exchange.native("bob") as bob:
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.3", price="60000"))
        crossing = alice.order("60000", "0.1", post_only=True)
        assert (await alice.expect(OrderRejected, crossing)).code == REJECT_POST_ONLY
        taker = alice.order("60000", "0.1", time_in_force=IOC)
        assert (await alice.expect(OrderFilled, taker)).remaining == 0
        large = alice.order("60000", "5", time_in_force=FOK)
        await alice.until(lambda: alice.is_over(large))
        assert alice.filled(large) == 0
        market = alice.order("", "0.1", order_type=MARKET)
        await alice.expect(OrderFilled, market)
        rest = alice.order("60000", "0.5", time_in_force=IOC)
        assert (await alice.expect(OrderCancelled, rest)).remaining == lots("0.4")
        poor = alice.order("60000", "100000")
        assert (await alice.expect(OrderRejected, poor)).code == REJECT_BALANCE
        assert alice.net() == lots("0.3")
        assert REJECT_MINIMUM_NOTIONAL not in alice.codes()


async def test_a_change_keeps_the_order(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A replaced order works at its new price and size; a refused change leaves it as it was."""
    async with trading(tmp_path) as (_, _, alice):
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        alice.replace(one, "60001", "0.4")
        told = await alice.expect(OrderReplaced, one)
        assert (told.price, told.size) == (BTC_USDT.parse_price("60001"), lots("0.4"))
        alice.replace(one, "60001", "0.2")
        assert (await alice.expect(OrderReplaced, one, 2)).size == lots("0.2")
        alice.cancel(one)
        await alice.expect(OrderCancelled, one)


async def test_a_cancel_that_a_fill_overtakes(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The fill is the end, the cancel is refused as too late, and nothing is told twice."""
    async with trading(tmp_path) as (exchange, _, alice), exchange.native("bob") as bob:
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.5", price="60000"))
        alice.cancel(one)
        assert (await alice.expect(CancelRejected, one)).code == REJECT_TOO_LATE
        alice.cancel(one)
        await alice.expect(CancelRejected, one, 2)
        assert len(alice.of(OrderFilled, one)) == 1
        assert alice.of(OrderCancelled, one) == []


async def test_a_cancel_sent_with_its_order(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A cancel never overtakes the order that it is for."""
    async with trading(tmp_path) as (_, _, alice):
        ids = [alice.order(str(50_000 + step)) for step in range(20)]
        for one in ids:
            # The channel of cancels is the faster one: they come first.
            alice.cancel(one)
        await alice.expect(OrderCancelled, count=20)
        assert alice.gateway.orders.open == {}


async def test_what_happened_without_a_connection_is_learnt(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Fills that were missed are reported once, gone orders end, and new orders are refused meanwhile."""
    async with trading(tmp_path, cancel_on_disconnect=False) as (exchange, wire, alice), exchange.native("bob") as bob:
        part, whole, stays = (alice.order(price, "0.5") for price in ("60000", "59999", "50000"))
        await alice.expect(OrderAccepted, count=3)
        wire.is_up = False
        await wire.cut()
        await alice.lost()
        refused = alice.order("50001")
        assert (await alice.expect(OrderRejected, refused)).code == REJECT_CONNECTION
        alice.cancel(stays)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.7", price="59000"))
        wire.is_up = True
        await alice.connected(2)
        assert (alice.filled(part), alice.filled(whole)) == (lots("0.5"), lots("0.2"))
        assert alice.is_over(part)
        assert not alice.is_over(whole)
        await alice.expect(OrderCancelled, stays)
        assert len(alice.of(OrderFilled)) == 2


async def test_the_exchange_cancels_when_the_connection_ends(autojump_clock: MockClock, tmp_path: Path) -> None:
    """With cancel on disconnect the orders are gone, which is told once there is a connection."""
    async with trading(tmp_path) as (_, wire, alice):
        one = alice.order("60000")
        await alice.expect(OrderAccepted, one)
        await wire.cut()
        await alice.expect(OrderCancelled, one)
        await alice.connected(2)


@pytest.mark.parametrize("wants_all", [False, True])
async def test_a_cancel_does_not_wait_out_a_long_pause(
    autojump_clock: MockClock, tmp_path: Path, wants_all: bool
) -> None:
    """The pauses have grown to an hour when a cancel comes: the gateway connects again at once, and sends it."""
    pauses = {"first_pause_ms": 3_600_000, "longest_pause_ms": 3_600_000, "cancel_on_disconnect": False}
    async with trading(tmp_path, **pauses) as (_, wire, alice):
        one = alice.order("50000")
        await alice.expect(OrderAccepted, one)
        wire.is_up = False
        await wire.cut()
        await alice.lost()
        await trio.sleep(10)
        wire.is_up = True
        asked = trio.current_time()
        if wants_all:
            alice.tell(CancelAll(0, "halted"))
        else:
            alice.cancel(one)
        await alice.expect(OrderCancelled, one)
        assert trio.current_time() - asked < 1.0


async def test_cancels_do_not_hurry_the_gateway_beyond_measure(autojump_clock: MockClock, tmp_path: Path) -> None:
    """However many come while the exchange cannot be reached: ten attempts a second are enough."""
    async with trading(tmp_path, longest_pause_ms=60_000, cancel_on_disconnect=False) as (_, wire, alice):
        one = alice.order("50000")
        await alice.expect(OrderAccepted, one)
        wire.is_up = False
        await wire.cut()
        await alice.lost()
        before = wire.attempts
        for _ in range(1_000):
            alice.cancel(one)
            await trio.sleep(0.001)
        assert 3 <= wire.attempts - before <= 12
        wire.is_up = True
        await alice.expect(OrderCancelled, one)


async def test_a_request_that_is_cut_in_the_middle(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Whether it arrived or not is found out: it is working, or refused; never forgotten."""
    async with trading(tmp_path, cancel_on_disconnect=False) as (_, wire, alice):
        for step in range(6):
            one = alice.order(str(50_000 + step))
            await alice.until(lambda one=one: alice.gateway.orders.find(one) is not None)  # type: ignore[misc]
            for _ in range(step):
                await trio.lowlevel.checkpoint()
            await wire.cut()
            await alice.connected(step + 2)
            assert len(alice.of(OrderAccepted, one)) + len(alice.of(OrderRejected, one)) == 1
        working = {one.order_id for one in alice.gateway.orders.open.values()}
        assert working == {one.order_id for one in alice.of(OrderAccepted)}
        alice.tell(CancelAll(0, "the end"))
        await alice.until(lambda: not alice.gateway.orders.open)


async def test_everything_is_cancelled_and_confirmed(autojump_clock: MockClock, tmp_path: Path) -> None:
    """CancelAll takes out what is ours and what an earlier run has left, leaves others alone, and asks what is open."""
    async with trading(tmp_path) as (exchange, _, alice), exchange.native("alice") as other:
        await other.order(OrderForm(symbol="BTCUSDT", side="buy", size="1", price="40000", client_order_id="hers"))
        await other.order(OrderForm(symbol="BTCUSDT", side="buy", size="1", price="40001", client_order_id="hft-77"))
        for step in range(5):
            alice.order(str(50_000 + step))
        await alice.expect(OrderAccepted, count=5)
        alice.heard.clear()
        alice.know_less()
        alice.tell(CancelAll(0, "halted"))
        await alice.expect(OrderCancelled, count=6)
        await alice.until(lambda: not alice.gateway.orders.clearing)
        last = alice.of(VenueStateComplete)[-1]
        assert last.count == 0
        assert alice.of(ForeignOrder)[-1].client_order_id == "hers"
        alice.anomalies.clear()


async def test_questions_are_answered_by_the_exchange(autojump_clock: MockClock, tmp_path: Path) -> None:
    """One order, all open orders and balances can be asked for; an order that nobody knows is told as gone."""
    async with trading(tmp_path) as (exchange, _, alice), exchange.native("bob") as bob:
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000"))
        alice.tell(OrderStatusWanted(one, BTC, "", 0))
        told = await alice.expect(OrderStatus, one)
        assert (told.size, told.filled) == (lots("0.5"), lots("0.2"))
        alice.heard.clear()
        for state in (1, 2, 4):
            alice.tell(VenueStateWanted(1001, state, 0, ""))
            assert (await alice.expect(VenueStateComplete, count=1)).state == state
            alice.heard.clear()
        assert len(alice.ledger.open) == 1


async def test_a_gateway_that_is_made_anew_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    """After a failure of the gateway its memory is there: no fill is told twice and none is lost."""
    async with trading(tmp_path, cancel_on_disconnect=False) as (exchange, _, alice), exchange.native("bob") as bob:
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000"))
        await alice.expect(OrderFilled, one)
        alice.scope.cancel()
        await trio.sleep(1)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.1", price="60000"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.serve)
            await alice.connected(2)
            alice.cancel(one)
            gone = await alice.expect(OrderCancelled, one)
            alice.scope.cancel()
        assert gone.remaining == lots("0.2")
        assert alice.net() == lots("0.3")


async def test_a_new_process_finds_what_an_earlier_one_left(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Open orders of ours are told; asked for one, all its fills come, and what is not there any more ends."""
    async with trading(tmp_path, cancel_on_disconnect=False) as (exchange, wire, alice), exchange.native("bob") as bob:
        stays, goes = alice.order("60000", "0.5"), alice.order("59000", "0.5")
        await alice.expect(OrderAccepted, count=2)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000"))
        await alice.expect(OrderFilled, stays)
        alice.scope.cancel()
        await trio.sleep(1)
        async with exchange.native("alice") as person:
            rows = await person.state("open_orders")
            assert len(rows) == 2
            await person.request(Cancel(id=person.next_id(), symbol="BTCUSDT", client_order_id=f"hft-{goes}"))
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.1", price="60000"))

        def make(setup: ServiceSetup) -> TradingGateway:
            return TradingGateway(setup, Dialing(proxies=Proxies(), open_tcp=wire.open_tcp))

        async with trader(make, alice.setup.params, exchange.clock, TradingGateway.GIVES) as later:
            # What a recovered ledger knows.
            later.ledger = alice.ledger
            await later.connected()
            assert later.of(OrderStatus, stays)[-1].filled == lots("0.3")
            for one in (stays, goes):
                later.tell(OrderStatusWanted(one, BTC, "after a restart", 0))
            await later.expect(OrderCancelled, goes)
            await later.until(lambda: later.net() == lots("0.3"))
            assert later.ledger.duplicates == 1
            later.cancel(stays)
            assert (await later.expect(OrderCancelled, stays)).remaining == lots("0.2")


async def test_keys_that_are_refused_are_told(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A key that the exchange does not know: orders are refused with the reason, and the gateway does not fail."""
    async with world(tmp_path) as exchange:
        wire = Wire(exchange)
        secret = tmp_path / "secret"
        secret.write_text("0" * 64)
        secret.chmod(0o600)
        params = TradingGatewayParams(key="alice", secret={"file": str(secret)}, url="ws://exchange")

        def make(setup: ServiceSetup) -> TradingGateway:
            return TradingGateway(setup, Dialing(proxies=Proxies(), open_tcp=wire.open_tcp))

        async with trader(make, params, exchange.clock, TradingGateway.GIVES) as alice:
            down = await alice.lost()
            assert "refuses the key" in down.reason
            one = alice.order("60000", side=SELL)
            assert "refuses the key" in (await alice.expect(OrderRejected, one)).reason


async def test_several_instruments_each_in_its_own_numbers(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Steps that are no powers of ten, fees that never come out even: prices and sizes are exact, fees rounded up."""
    async with trading(tmp_path) as (exchange, _, alice), exchange.native("bob") as bob:
        odd = alice.order("0.300003", "7.000007", instrument_id=ODD)
        bitcoin = alice.order("60000", "0.1")
        await alice.expect(OrderAccepted, count=2)
        await bob.order(
            OrderForm(symbol="ODDUSDT", side="sell", size="1.400007", price="0.300003", time_in_force="ioc")
        )
        fill = await alice.expect(OrderFilled, odd)
        assert (fill.price, fill.size, fill.remaining) == (300_003, 1_400_007, 5_600_000)
        assert fill.fee == ODD_USDT.fee(fill.price, fill.size, MAKER)
        assert (alice.net(ODD), alice.net()) == (1_400_007, 0)
        alice.tell(CancelAll(ODD, "this one alone"))
        await alice.expect(OrderCancelled, odd)
        await alice.until(lambda: not alice.gateway.orders.clearing)
        assert not alice.is_over(bitcoin)
