"""A cancel of all has done its work when nothing of ours works, whatever the venue answers to the first cancels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from exchange.trading_gateway import TradingGateway
from exchange.trading_link import TradingLink
from market.messages import (
    REJECT_HALTED,
    REJECT_OTHER,
    CancelAll,
    CancelRejected,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
)
from tests.exchange import test_trading_gateway, test_trading_gateway_ccxt

CLOSED = b'{"code":-1013,"msg":"Market is closed."}'


async def test_a_refused_cancel_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the order works the cancel is sent again, and nothing new is; the last one takes the order out."""
    import requests

    async with test_trading_gateway_ccxt.trading(tmp_path) as (_, alice, _bob):
        one = alice.order("50000", "0.5")
        await alice.expect(OrderAccepted, one)
        whole = requests.Session.request

        def closed(self: requests.Session, method: str, url: str, **rest: Any) -> requests.Response:  # noqa: ANN401
            if method != "DELETE":
                return whole(self, method, url, **rest)
            answer = whole(self, "GET", url.split("/api")[0] + "/api/v3/time")
            answer.status_code, answer._content = 400, CLOSED
            return answer

        monkeypatch.setattr(requests.Session, "request", closed)
        alice.tell(CancelAll(0, "kill switch"))
        await alice.expect(CancelRejected, one, count=2)
        late = alice.order("50001")
        assert (await alice.expect(OrderRejected, late)).code == REJECT_HALTED
        monkeypatch.setattr(requests.Session, "request", whole)
        await alice.expect(OrderCancelled, one)
        await alice.until(lambda: not alice.gateway.orders.clearing)
        alice.anomalies.clear()


async def test_the_pause_between_refused_cancels_grows(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the exchange too: the cancel is wanted again each round, and no round follows at the heels of another."""
    refused: list[float] = []
    post = TradingGateway._post_cancel

    def refuse(self: TradingGateway, _link: TradingLink, order_id: int, instrument_id: int) -> None:
        refused.append(trio.current_time())
        self.orders.cancel_rejected(order_id, instrument_id, REJECT_OTHER, "not now")

    async with test_trading_gateway.trading(tmp_path) as (_, _, alice):
        one = alice.order("50000", "0.5")
        await alice.expect(OrderAccepted, one)
        monkeypatch.setattr(TradingGateway, "_post_cancel", refuse)
        alice.tell(CancelAll(0, "kill switch"))
        await trio.sleep(20)
        assert alice.gateway.orders.clearing == {0}
        assert 8 < len(refused) < 20
        late = alice.order("50001")
        assert (await alice.expect(OrderRejected, late)).code == REJECT_HALTED
        monkeypatch.setattr(TradingGateway, "_post_cancel", post)
        await alice.expect(OrderCancelled, one)
        await alice.until(lambda: not alice.gateway.orders.clearing)


async def test_an_order_that_was_told_to_be_over_keeps_it_going(tmp_path: Path) -> None:
    """What works at the venue counts, whatever was told of it here."""
    async with test_trading_gateway_ccxt.trading(tmp_path) as (_, alice, _bob):
        one = alice.order("50000", "0.5")
        await alice.expect(OrderAccepted, one)
        gateway = alice.gateway
        gateway.orders.cancelled(gateway.orders.open[one], 0, "the test says so")
        alice.tell(CancelAll(0, "kill switch"))
        await alice.until(lambda: gateway.orders.clearing)
        await alice.until(lambda: not gateway.orders.clearing)
        assert await gateway.desk.look(1, tells=False) == 0
