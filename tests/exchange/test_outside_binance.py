"""Binance's protocol before the real exchange: orders, balances, own trades, and both gateways side by side."""

from __future__ import annotations

from pathlib import Path

from tests.exchange.outside import world


async def test_an_order_comes_and_goes(autojump_clock: object, tmp_path: Path) -> None:
    """A limit order is taken, told, listed, cancelled, and told again, always the same."""
    async with world(tmp_path) as here:
        web = here.web()
        made = await web.order(quantity="0.5", price="60000", newClientOrderId="first")
        assert (made.status, made.data["status"], made.data["clientOrderId"]) == (200, "NEW", "first")
        open_now = (await web.signed("GET", "openOrders", symbol="BTCUSDT")).data
        assert [row["orderId"] for row in open_now] == [made.data["orderId"]]
        gone = await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=made.data["orderId"])
        assert (gone.status, gone.data["status"], gone.data["origClientOrderId"]) == (200, "CANCELED", "first")
        assert (await web.signed("GET", "openOrders")).data == []
        found = (await web.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="first")).data
        assert (found["status"], found["executedQty"]) == ("CANCELED", "0.00000000")
