"""What gateways do at the edges: their own limits, venues that are behind, answers that say nothing, heavy imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from trio.testing import MockClock

from exchange.trading_link import LinkEnded, events_of
from market.messages import (
    CAUSE_REQUESTED,
    REJECT_DUPLICATE,
    REJECT_HALTED,
    REJECT_RATE_LIMITED,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNSUPPORTED,
    CancelAll,
    Message,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderStatusWanted,
    ReplaceRejected,
)
from runtime.clock import TrioClock
from tests.data import ROOT
from tests.exchange.desk_of_orders import BTC, INSTRUMENTS
from tests.exchange.test_trading_gateway import trading
from tests.venues.test_gateway_pieces import new_order
from venues.ccxt_binance import CANCEL_ORDER, NEW_ORDER, ONE_ORDER, OPEN_ORDERS, OWN_TRADES
from venues.ccxt_calls import Calls
from venues.ccxt_desk import CcxtDesk
from venues.ccxt_errors import CallFailed, Outcome
from venues.ccxt_params import CcxtParams
from venues.gateway_orders import GatewayOrders, Stage

ORDER_ID = 77
NAME = f"hft-{ORDER_ID}"


def row(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  values of a row
    """An order as Binance tells it."""
    return {
        "symbol": "BTCUSDT", "orderId": 17, "clientOrderId": NAME, "price": "60000.00", "origQty": "0.500",
        "executedQty": "0.000", "status": "NEW", "side": "BUY", **changes,
    }  # fmt: skip


def trade_row(number: int, size: str) -> dict[str, Any]:
    """A trade of that order."""
    return {
        "id": number, "orderId": 17, "price": "60000.00", "qty": size, "commission": "0.00", "time": 1,
        "commissionAsset": "USDT", "isMaker": True,
    }  # fmt: skip


@attrs.define
class PlayedCalls(Calls):
    """Answers by a script: an answer, or a failure that is raised."""

    script: list[tuple[str, Any]] = attrs.field(factory=list)

    async def call(self, method: str, request: Any, **rest: Any) -> Any:  # noqa: ANN401  as the script has it
        """The next answer of the script, which has to be for this question."""
        expected, answer = self.script.pop(0)
        assert method == expected, (method, expected)
        if isinstance(answer, CallFailed):
            raise answer
        return answer

    def set_clock(self, ahead_ms: int) -> None:
        """Nobody here has a clock."""


@attrs.define
class Script:
    """A desk whose venue is played."""

    calls: PlayedCalls
    desk: CcxtDesk
    told: list[Message]

    def kinds(self) -> list[type[Message]]:
        """What was told, by type."""
        return [type(one) for one in self.told]


def script(*rows: tuple[str, Any]) -> Script:
    """A desk with one working order, whose venue answers so."""
    told: list[Message] = []

    async def tell(messages: Any) -> None:  # noqa: ANN401  a sequence of messages
        told.extend(messages)

    calls = PlayedCalls(list(rows))
    params = CcxtParams(api_key={"env": "A"}, api_secret={"env": "B"})
    orders = GatewayOrders()
    instruments = {one.instrument_id: one for one in INSTRUMENTS}
    desk = CcxtDesk(params, orders, instruments, TrioClock(10**18), calls, tell)
    desk.is_up = True
    orders.begin(new_order(order_id=ORDER_ID), 10**18)
    return Script(calls, desk, told)


UNKNOWN = CallFailed(Outcome.UNKNOWN, 0, "cut")
NOT_FOUND = CallFailed(Outcome.NOT_FOUND, 2, "no such order")


async def test_an_end_waits_for_its_fills(autojump_clock: MockClock) -> None:
    """The venue's list of trades is behind its list of orders: the end is told once all fills are there."""
    gone = row(status="CANCELED", executedQty="0.300")
    one = script(
        (ONE_ORDER, gone), (OWN_TRADES, [trade_row(1, "0.100")]),
        (ONE_ORDER, gone), (OWN_TRADES, [trade_row(1, "0.100"), trade_row(2, "0.200")]),
    )  # fmt: skip
    order = one.desk.orders.open[ORDER_ID]
    order.stage = Stage.UNKNOWN
    assert not await one.desk.settle(order)
    assert one.kinds() == [OrderAccepted, OrderFilled]
    assert await one.desk.settle(order)
    assert one.kinds() == [OrderAccepted, OrderFilled, OrderFilled, OrderCancelled]


async def test_an_order_is_given_up_only_when_it_cannot_arrive_any_more(autojump_clock: MockClock) -> None:
    """Not there is not gone: until its time has passed it may still be on its way."""
    params = CcxtParams(api_key={"env": "A"}, api_secret={"env": "B"})
    asked = (params.window_ms + params.patience_ms) // 50
    one = script((NEW_ORDER, UNKNOWN), *[(ONE_ORDER, NOT_FOUND)] * asked)
    order = one.desk.orders.open[ORDER_ID]
    began_ns = one.desk._clock.now_ns()
    await one.desk.enter(order, {})
    assert one.kinds() == [OrderRejected]
    waited_ms = (one.desk._clock.now_ns() - began_ns) // 1_000_000
    assert waited_ms >= params.window_ms + params.patience_ms + 1_000


async def test_a_cancel_goes_on_until_it_is_answered(autojump_clock: MockClock) -> None:
    """Lost requests are sent again; that the order is over is the answer too."""
    one = script(
        (CANCEL_ORDER, UNKNOWN), (CANCEL_ORDER, CallFailed(Outcome.LIMITED, 30, "429", 2.0)), (CANCEL_ORDER, UNKNOWN),
        (CANCEL_ORDER, NOT_FOUND), (ONE_ORDER, row(status="CANCELED")),
    )  # fmt: skip
    order = one.desk.orders.open[ORDER_ID]
    order.is_cancel_wanted = True
    await one.desk.tend(order)
    assert one.kinds() == [OrderAccepted, OrderCancelled]
    assert one.calls.script == []


async def test_what_says_nothing_is_asked_again(autojump_clock: MockClock) -> None:
    """A number where text should be, or a form that is not known, is no answer."""
    one = script(
        (NEW_ORDER, row(price=60_000.0)), (ONE_ORDER, {"hello": 1}), (ONE_ORDER, row(executedQty=None)),
        (ONE_ORDER, row()),
    )  # fmt: skip
    await one.desk.enter(one.desk.orders.open[ORDER_ID], {})
    assert one.kinds() == [OrderAccepted]


async def test_an_order_that_was_given_up_and_works_is_cancelled(autojump_clock: MockClock) -> None:
    """It was told to be refused; when the venue has it after all, nobody wants it any more."""
    one = script((OPEN_ORDERS, [row()]), (CANCEL_ORDER, row(status="CANCELED")))
    order = one.desk.orders.open[ORDER_ID]
    assert [type(each) for each in one.desk.orders.never_arrived(order)] == [OrderRejected]
    await one.desk.look(BTC, tells=False)
    await one.desk.lay_ghosts()
    assert (one.told, one.calls.script, one.desk.ghosts) == ([], [], set())


async def test_an_order_that_another_run_has_left_comes_with_its_trades(autojump_clock: MockClock) -> None:
    """What is open under our name and not known is told with every trade, before anything happens to it."""
    left = row(clientOrderId="hft-5", executedQty="0.100", status="PARTIALLY_FILLED")
    one = script((OPEN_ORDERS, [left]), (OWN_TRADES, [trade_row(1, "0.100")]))
    assert await one.desk.look(BTC, tells=True) == 1
    assert one.kinds()[0] is OrderFilled


# ---- the native gateway


async def test_our_own_rate_is_kept_and_cancels_have_room(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Orders past the rate are refused at once; cancels use what is kept for them."""
    async with trading(tmp_path, messages_per_second=10) as (_, _, alice):
        ids = [alice.order(str(50_000 + step)) for step in range(12)]
        await alice.expect(OrderRejected, count=3)
        assert alice.codes() == [REJECT_RATE_LIMITED] * 3
        await alice.expect(OrderAccepted, count=9)
        for one in ids[:9]:
            alice.cancel(one)
        await alice.expect(OrderCancelled, count=9)


async def test_what_cannot_be_sent_is_refused(autojump_clock: MockClock, tmp_path: Path) -> None:
    """An unknown instrument, an id twice, what the protocol has no words for; a change of nothing."""
    async with trading(tmp_path) as (_, _, alice):
        one = alice.order("50000")
        await alice.expect(OrderAccepted, one)
        alice.know_less()
        for changes, code in (
            ({"order_id": one}, REJECT_DUPLICATE),
            ({"order_id": 901, "instrument_id": 99}, REJECT_UNKNOWN_INSTRUMENT),
            ({"order_id": 902, "reduce_only": True}, REJECT_UNSUPPORTED),
        ):
            wanted = new_order(**changes)
            alice.setup.mailbox.inbox.offer(wanted)
            await alice.expect(OrderRejected, wanted.order_id)
            assert alice.codes()[-1] == code
        alice.replace(12345, "50000", "0.1")
        await alice.expect(ReplaceRejected, 12345)
        alice.anomalies.clear()


async def test_a_cancel_that_comes_before_its_order(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Whether it is a moment early or a second: the order is over, and never reaches the exchange."""
    async with trading(tmp_path) as (_, _, alice):
        for pause_s in (0.0, 1.0):
            new = alice.held("50000")
            one = new.order_id
            alice.cancel(one)
            if pause_s:
                await alice.expect(OrderCancelled, one)
            alice.setup.mailbox.inbox.offer(new)
            cancelled = await alice.expect(OrderCancelled, one)
            assert cancelled.cause in (CAUSE_REQUESTED, 10)
        after = alice.order("50000")
        await alice.expect(OrderAccepted, after)
        assert list(alice.gateway.orders.open) == [after]


async def test_nothing_is_sent_until_a_cancel_of_all_is_confirmed(autojump_clock: MockClock, tmp_path: Path) -> None:
    """An order may be older than the cancel of all that has overtaken it: it is refused until the exchange has said."""
    async with trading(tmp_path) as (_, _, alice):
        first = alice.order("50000")
        await alice.expect(OrderAccepted, first)
        alice.tell(CancelAll(0, "halted"))
        late = alice.order("50001")
        assert (await alice.expect(OrderRejected, late)).code == REJECT_HALTED
        await alice.until(lambda: not alice.gateway.orders.clearing)
        again = alice.order("50002")
        await alice.expect(OrderAccepted, again)


async def test_a_question_without_a_connection_does_no_harm(autojump_clock: MockClock, tmp_path: Path) -> None:
    """It is not answered, and the next connection tells what is open anyway."""
    async with trading(tmp_path) as (_, wire, alice):
        wire.is_up = False
        await wire.cut()
        await alice.lost()
        alice.tell(OrderStatusWanted(5, BTC, "", 0))
        wire.is_up = True
        await alice.connected(2)
        assert alice.of(OrderCancelled) == []


@pytest.mark.parametrize("frame", [b"", b"{", b"7", b'{"type":"report"}', b"[", b"\xff"])
def test_what_is_no_list_of_events_ends_the_connection(frame: bytes) -> None:
    """There is no way to go on with an exchange that speaks otherwise."""
    with pytest.raises(LinkEnded):
        events_of(frame)


def test_events_that_are_not_known_are_passed_over() -> None:
    """New ones may come; those beside them are heard."""
    events = [{"type": "news", "x": 1}, {"type": "heartbeat", "time_ms": 5, "y": 2}, 7]
    assert len(events_of(msgspec.json.encode(events))) == 1


@pytest.mark.parametrize("module", ["venues.ccxt_gateway", "exchange.trading_gateway", "desk.run_command"])
def test_heavy_modules_wait_until_they_are_used(module: str) -> None:
    """ccxt is not loaded before a gateway starts that needs it."""
    code = f"import sys, {module}; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
