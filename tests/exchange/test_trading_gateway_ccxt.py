"""The ccxt gateway against the embedded exchange's Binance protocol: real sockets, real signatures, real threads."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import pytest

from exchange.client import ExchangeClient
from exchange.protocol import Cancel, OrderForm
from exchange.protocol_events import Balance
from market.messages import (
    FOK,
    IOC,
    MAKER,
    MARKET,
    REJECT_BALANCE,
    REJECT_CONNECTION,
    REJECT_POST_ONLY,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    SELL,
    TAKER,
    BalanceChanged,
    CancelAll,
    CancelRejected,
    FeeTaken,
    ForeignOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderStatus,
    OrderStatusWanted,
    ReplaceRejected,
    VenueStateComplete,
    VenueStateWanted,
)
from runtime.clock import LiveClock
from tests.exchange.desk_of_orders import BTC, BTC_USDT
from tests.exchange.gateways import SECRET
from tests.exchange.outside import World, world
from tests.exchange.played_trader import STRATEGY, Trader, trader
from tests.simulation.world import Silence
from venues.ccxt_binance import OPEN_ORDERS
from venues.ccxt_gateway import CcxtGateway
from venues.ccxt_params import CcxtParams

HOUR_NS = 3_600 * 10**9


def private(path: Path, text: str) -> dict[str, str]:
    """A secret in a private file."""
    path.write_text(text)
    path.chmod(0o600)
    return {"file": str(path)}


def params_of(tmp_path: Path, port: int, key: str = "alice", secret: str = SECRET, **settings: Any) -> CcxtParams:  # noqa: ANN401
    """Settings that point at the embedded exchange, and ask often."""
    values: dict[str, Any] = {"poll_ms": 50, "first_pause_ms": 20, "window_ms": 300, "timeout_ms": 2_000, **settings}
    return CcxtParams(
        api_key=private(tmp_path / f"key-{key}", key), api_secret=private(tmp_path / f"secret-{key}", secret),
        url=f"http://127.0.0.1:{port}", **values,
    )  # fmt: skip


@asynccontextmanager
async def trading(
    tmp_path: Path, start_ns: int = 0, exchange_settings: dict[str, Any] | None = None, **settings: Any  # noqa: ANN401
) -> AsyncIterator[tuple[World, Trader, ExchangeClient]]:
    """The exchange on a port, alice's gateway to it, and bob, who speaks another protocol."""
    async with world(tmp_path, start_ns or time.time_ns(), **(exchange_settings or {})) as exchange:
        params = params_of(tmp_path, exchange.gateway.server.port, **settings)
        async with trader(CcxtGateway, params, LiveClock(), CcxtGateway.GIVES) as alice:
            await alice.connected()
            async with exchange.native("bob") as bob:
                yield exchange, alice, bob


class RecordedWarnings(Silence):
    """A logger that keeps its warnings."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def warning(self, event: str, **fields: object) -> None:
        """Keep it."""
        self.words.append(event)


def lots(text: str) -> int:
    """A size of BTC/USDT."""
    return BTC_USDT.parse_size(text)


async def test_orders_work_trade_and_end(tmp_path: Path) -> None:
    """Accepted, filled in part by a poll with the exact fee, cancelled; balances come along."""
    async with trading(tmp_path) as (_, alice, bob):
        first = alice.order("60000", "0.5")
        assert (await alice.expect(OrderAccepted, first)).venue_order_id.isdigit()
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000", time_in_force="ioc"))
        fill = await alice.expect(OrderFilled, first)
        assert (fill.size, fill.remaining, fill.liquidity) == (lots("0.2"), lots("0.3"), MAKER)
        assert fill.fee == BTC_USDT.fee(fill.price, fill.size, MAKER) < 0
        alice.cancel(first)
        assert (await alice.expect(OrderCancelled, first)).remaining == lots("0.3")
        assert alice.net() == lots("0.2")
        await alice.until(lambda: len(alice.of(BalanceChanged)) > 2)


async def test_every_kind_of_order(tmp_path: Path) -> None:
    """Post-only, IOC, FOK, market and iceberg orders are what they should be; refusals carry their reason."""
    async with trading(tmp_path) as (_, alice, bob):
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.3", price="60000"))
        crossing = alice.order("60000", "0.1", post_only=True)
        assert (await alice.expect(OrderRejected, crossing)).code == REJECT_POST_ONLY
        taker = alice.order("60000", "0.1", time_in_force=IOC)
        fill = await alice.expect(OrderFilled, taker)
        assert (fill.remaining, fill.liquidity, fill.fee) == (0, TAKER, BTC_USDT.fee(fill.price, fill.size, TAKER))
        large = alice.order("60000", "5", time_in_force=FOK)
        await alice.expect(OrderCancelled, large)
        market = alice.order("", "0.1", order_type=MARKET)
        await alice.expect(OrderFilled, market)
        rest = alice.order("60000", "0.5", time_in_force=IOC)
        assert (await alice.expect(OrderCancelled, rest)).remaining == lots("0.4")
        poor = alice.order("60000", "100000")
        assert (await alice.expect(OrderRejected, poor)).code == REJECT_BALANCE
        assert alice.net() == lots("0.3")
        await alice.expect(OrderAccepted, alice.order("50000", "0.3", display_size="0.1"))
        (iceberg,) = await alice.gateway.desk.calls.call(OPEN_ORDERS, {"symbol": "BTCUSDT"})
        assert [iceberg[name].rstrip("0") for name in ("origQty", "icebergQty")] == ["0.3", "0.1"]
        resting = alice.order("50000", "0.1", post_only=True)
        await alice.expect(OrderAccepted, resting)
        alice.replace(resting, "50001", "0.1")
        assert "cancel it" in (await alice.expect(ReplaceRejected, resting)).reason


async def test_a_cancel_that_a_fill_overtakes(tmp_path: Path) -> None:
    """The fill is told first and is the end; the cancel is refused as too late."""
    async with trading(tmp_path, poll_ms=60_000) as (_, alice, bob):
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.5", price="60000"))
        alice.cancel(one)
        assert (await alice.expect(CancelRejected, one)).code == REJECT_TOO_LATE
        assert alice.filled(one) == lots("0.5")
        assert alice.of(OrderCancelled, one) == []


async def test_a_cancel_sent_with_its_order(tmp_path: Path) -> None:
    """A cancel waits until its order has arrived: nothing is left working."""
    async with trading(tmp_path) as (_, alice, _bob):
        ids = [alice.order(str(50_000 + step)) for step in range(6)]
        for one in ids:
            # The channel of cancels is the faster one: they come first.
            alice.cancel(one)
        await alice.expect(OrderCancelled, count=6)
        assert alice.gateway.orders.open == {}


async def test_a_cancel_by_somebody_else_is_found(tmp_path: Path) -> None:
    """What a person did to an order of ours at the venue is told, its fills first."""
    async with trading(tmp_path) as (exchange, alice, bob):
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.1", price="60000"))
        async with exchange.native("alice") as person:
            await person.request(Cancel(id=person.next_id(), symbol="BTCUSDT", client_order_id=f"hft-{one}"))
        assert (await alice.expect(OrderCancelled, one)).remaining == lots("0.4")


async def test_everything_is_cancelled_and_confirmed(tmp_path: Path) -> None:
    """CancelAll takes out what is ours and what an earlier run has left, leaves others alone, and asks what is open."""
    async with trading(tmp_path) as (exchange, alice, _), exchange.native("alice") as other:
        await other.order(OrderForm(symbol="BTCUSDT", side="buy", size="1", price="40000", client_order_id="hers"))
        await other.order(OrderForm(symbol="BTCUSDT", side="buy", size="1", price="40001", client_order_id="hft-77"))
        for step in range(3):
            alice.order(str(50_000 + step))
        await alice.expect(OrderAccepted, count=3)
        alice.know_less()
        alice.tell(CancelAll(0, "halted"))
        await alice.expect(OrderCancelled, count=4)
        await alice.until(lambda: not alice.gateway.orders.clearing)
        assert alice.of(VenueStateComplete)[-1].count == 0
        assert alice.of(ForeignOrder)[-1].client_order_id == "hers"
        alice.anomalies.clear()


async def test_questions_are_answered_by_the_venue(tmp_path: Path) -> None:
    """One order, open orders and balances can be asked for; one that nobody knows is told as gone."""
    async with trading(tmp_path, poll_ms=60_000) as (_, alice, bob):
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000"))
        alice.tell(OrderStatusWanted(one, BTC, "", 0))
        told = await alice.expect(OrderStatus, one)
        assert (told.size, told.filled, alice.filled(one)) == (lots("0.5"), lots("0.2"), lots("0.2"))
        for state in (1, 4):
            alice.heard.clear()
            alice.tell(VenueStateWanted(1002, state, 0, ""))
            assert (await alice.expect(VenueStateComplete)).state == state
        alice.know_less()
        alice.tell(OrderStatusWanted(12345, BTC, "", 0))
        await alice.expect(OrderCancelled, 12345)


async def test_a_clock_that_is_wrong_is_allowed_for(tmp_path: Path) -> None:
    """The venue's time is asked for at the start; when it moves, the next request asks again."""
    async with trading(tmp_path, time.time_ns() + HOUR_NS) as (_, alice, _bob):
        alice.gateway.desk.calls.set_clock(0)
        one = alice.order("60000")
        await alice.expect(OrderAccepted, one)


@pytest.mark.parametrize("key", ["alice", "nobody"])
async def test_keys_that_are_refused_are_told(tmp_path: Path, key: str) -> None:
    """A wrong secret, an unknown key: orders are refused with the reason, and the gateway does not fail."""
    async with world(tmp_path, time.time_ns()) as exchange:
        params = params_of(tmp_path, exchange.gateway.server.port, key, "0" * 64)
        async with trader(CcxtGateway, params, LiveClock(), CcxtGateway.GIVES) as alice:
            down = await alice.lost()
            assert "AuthenticationError" in down.reason
            assert "signature=" not in down.reason
            one = alice.order("60000")
            assert "AuthenticationError" in (await alice.expect(OrderRejected, one)).reason


async def bitcoin(exchange: World) -> Fraction:
    """What alice has of it at the exchange, in units of size."""
    async with exchange.native("alice") as person:
        (held,) = [one for one in await person.state("balances") if isinstance(one, Balance) and one.asset == "BTC"]
    units: int = 10**BTC_USDT.size_scale
    return Fraction(held.total) * units


async def test_a_fee_out_of_what_was_bought_is_out_of_the_position(tmp_path: Path) -> None:
    """The position is the account's, the cash that of the trades; nothing is left to say; a sale pays money."""
    async with trading(tmp_path, exchange_settings={"fee_in": "received"}) as (exchange, alice, bob):
        said = RecordedWarnings()
        alice.gateway.log = said
        before = await bitcoin(exchange)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="2", price="60000"))
        for _ in range(2):
            fill = await alice.expect(OrderFilled, alice.order("60000", "1", time_in_force=IOC))
            assert fill.fee == BTC_USDT.fee(fill.price, fill.size, TAKER) > 0
        # Each time 5 basis points of 1,000 units, half a unit: the first one is rounded up, and the second is in it.
        assert [(one.amount, one.fee) for one in alice.of(FeeTaken)] == [(500_000_000, fill.fee)] * 2
        assert alice.net() == await bitcoin(exchange) - before == 1_999
        position = alice.ledger.position(STRATEGY, BTC)
        assert position is not None
        assert position.realised - position.cost - position.fees == -2_000 * fill.price
        await bob.order(OrderForm(symbol="BTCUSDT", side="buy", size="0.5", price="59000"))
        sold = await alice.expect(OrderFilled, alice.order("59000", "0.5", side=SELL, time_in_force=IOC))
        assert sold.fee == BTC_USDT.fee(sold.price, sold.size, TAKER)
        assert len(alice.of(FeeTaken)) == 2
        assert alice.net() == await bitcoin(exchange) - before == 1_499
        assert (said.words, alice.gateway.orders.fees_elsewhere) == ([], {})


async def test_a_new_process_takes_no_fee_twice(tmp_path: Path) -> None:
    """It tells all trades of what is open, with their fees: the ledger counts those that it has missed."""
    async with trading(tmp_path, exchange_settings={"fee_in": "received"}) as (exchange, alice, bob):
        before = await bitcoin(exchange)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="1.9", price="60000"))
        one = alice.order("60000", "6")
        await alice.expect(OrderFilled, one)
        alice.scope.cancel()
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="2.3", price="60000"))
        async with trader(CcxtGateway, alice.setup.params, LiveClock(), CcxtGateway.GIVES) as later:
            later.ledger = alice.ledger
            await later.connected()
            await later.expect(OrderFilled, one, 2)
            assert [type(told) for told in later.heard if isinstance(told, FeeTaken | OrderFilled)] == [
                FeeTaken, OrderFilled, FeeTaken, OrderFilled
            ]  # fmt: skip
            held = await bitcoin(exchange) - before
            # It has the fee of the first as taker, and the rebate of the second as maker.
            assert held == 4_200 - Fraction(95, 100) + Fraction(23, 100)
            assert later.net() == floor(held)


async def test_our_own_limit_is_kept(tmp_path: Path) -> None:
    """An order past it is refused at once and never sent; cancels go on."""
    async with trading(tmp_path, orders_per_10_seconds=2) as (_, alice, _bob):
        ids = [alice.order(str(50_000 + step)) for step in range(3)]
        refused = await alice.expect(OrderRejected, ids[2])
        assert (refused.code, refused.source) == (REJECT_RATE_LIMITED, "gateway")
        await alice.expect(OrderAccepted, count=2)
        for one in ids[:2]:
            alice.cancel(one)
        await alice.expect(OrderCancelled, count=2)


async def test_the_venues_limit_is_heeded(tmp_path: Path) -> None:
    """An order past it is refused with 429; until its time new orders are refused here, and cancels go on."""
    limits = {"orders_per_10_seconds": 1}
    async with trading(tmp_path, exchange_settings=limits) as (_, alice, _bob):
        while not alice.codes():
            # The venue's window may end between two orders.
            one = alice.order("50000")
            await alice.answered(one)
        assert alice.codes() == [REJECT_RATE_LIMITED]
        assert "429" in alice.of(OrderRejected)[0].reason
        working = list(alice.gateway.orders.open)
        for one in working:
            alice.cancel(one)
        await alice.expect(OrderCancelled, count=len(working))


async def test_a_venue_that_has_had_enough_is_left_alone(tmp_path: Path) -> None:
    """Past its weight the venue answers 429 with Retry-After: nothing is asked before that time, nothing is lost."""
    async with trading(tmp_path, exchange_settings={"weight_per_minute": 130}) as (_, alice, _bob):
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        await alice.until(lambda: alice.gateway.desk.weight.delay_s() > 0)
        late = alice.order("50000")
        assert (await alice.expect(OrderRejected, late)).code == REJECT_RATE_LIMITED
        assert not alice.is_over(one)


async def test_without_an_answer_the_venue_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order whose answer was lost is found working, or found not to be there; never forgotten, never doubled."""
    import requests

    async with trading(tmp_path) as (_, alice, _bob):
        whole = requests.Session.request
        lost = {"before": False, "after": False}

        def cut(self: requests.Session, method: str, url: str, **rest: Any) -> requests.Response:  # noqa: ANN401
            if method != "POST":
                return whole(self, method, url, **rest)
            if lost.pop("before", False):
                raise requests.exceptions.ConnectionError("cut before it arrived")
            answer = whole(self, method, url, **rest)
            if lost.pop("after", False):
                raise requests.exceptions.ReadTimeout("cut before the answer")
            return answer

        monkeypatch.setattr(requests.Session, "request", cut)
        lost["after"] = True
        arrived = alice.order("50000")
        await alice.expect(OrderAccepted, arrived)
        lost["before"] = True
        never = alice.order("50001")
        assert "no such order" in (await alice.expect(OrderRejected, never)).reason
        lost["after"] = True
        wanted_no_more = alice.order("50002")
        await alice.until(lambda: alice.gateway.orders.find(wanted_no_more) is not None)
        alice.cancel(wanted_no_more)
        await alice.expect(OrderCancelled, wanted_no_more)
        assert list(alice.gateway.orders.open) == [arrived]


async def test_an_order_that_is_found_before_its_answer_is_lost_is_accepted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question has found it working, and then its own request fails: what is known is not doubted again."""
    import requests

    async with trading(tmp_path, poll_ms=60_000) as (_, alice, _bob):
        whole = requests.Session.request
        is_there, is_known = threading.Event(), threading.Event()

        def cut(self: requests.Session, method: str, url: str, **rest: Any) -> requests.Response:  # noqa: ANN401
            answer = whole(self, method, url, **rest)
            if method == "POST":
                is_there.set()
                is_known.wait(20)
                raise requests.exceptions.ReadTimeout("cut before the answer")
            return answer

        monkeypatch.setattr(requests.Session, "request", cut)
        one = alice.order("50000")
        await alice.until(is_there.is_set)
        alice.tell(OrderStatusWanted(one, BTC, "", 0))
        await alice.expect(OrderAccepted, one)
        is_known.set()
        await alice.until(lambda: one not in alice.gateway.desk._tended)
        assert [message.order_id for message in alice.heard if isinstance(message, OrderAccepted)] == [one]
        alice.cancel(one)
        await alice.expect(OrderCancelled, one)


async def test_a_venue_that_is_gone_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loss is told, orders are refused and cancels kept; when it is back, what happened meanwhile is told."""
    import requests

    async with trading(tmp_path) as (_, alice, bob):
        one, other = alice.order("60000", "0.5"), alice.order("50000")
        await alice.expect(OrderAccepted, count=2)
        whole = requests.Session.request

        def cut(self: requests.Session, method: str, url: str, **rest: Any) -> requests.Response:  # noqa: ANN401
            raise requests.exceptions.ConnectionError("the network is down")

        monkeypatch.setattr(requests.Session, "request", cut)
        await alice.lost()
        refused = alice.order("50001")
        assert (await alice.expect(OrderRejected, refused)).code == REJECT_CONNECTION
        alice.cancel(other)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000"))
        monkeypatch.setattr(requests.Session, "request", whole)
        await alice.connected(2)
        await alice.expect(OrderFilled, one)
        await alice.expect(OrderCancelled, other)


async def test_a_cancel_does_not_wait_out_a_long_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses have grown to an hour when a cancel comes: the venue is asked again at once, and takes it."""
    import requests

    async with trading(tmp_path, first_pause_ms=3_600_000, longest_pause_ms=3_600_000) as (_, alice, _bob):
        one = alice.order("50000")
        await alice.expect(OrderAccepted, one)
        with monkeypatch.context() as context:

            def cut(self: requests.Session, method: str, url: str, **rest: Any) -> requests.Response:  # noqa: ANN401
                raise requests.exceptions.ConnectionError("the network is down")

            context.setattr(requests.Session, "request", cut)
            await alice.lost()
        alice.cancel(one)
        await alice.expect(OrderCancelled, one)


async def test_a_new_process_finds_what_an_earlier_one_left(tmp_path: Path) -> None:
    """Open orders of ours are told; asked for one, all its fills come; nothing is counted twice."""
    async with trading(tmp_path) as (_, alice, bob):
        stays = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, stays)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000"))
        await alice.expect(OrderFilled, stays)
        alice.scope.cancel()
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.1", price="60000"))
        async with trader(CcxtGateway, alice.setup.params, LiveClock(), CcxtGateway.GIVES) as later:
            later.ledger = alice.ledger
            await later.connected()
            assert later.of(OrderStatus, stays)[-1].filled == lots("0.3")
            later.tell(OrderStatusWanted(stays, BTC, "after a restart", 0))
            await later.until(lambda: later.net() == lots("0.3"))
            later.cancel(stays)
            assert (await later.expect(OrderCancelled, stays)).remaining == lots("0.2")
            assert later.net() == lots("0.3")
