"""The judge: ccxt's Coinbase client, unchanged but for its addresses, at the embedded exchange over real sockets."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import ccxt  # type: ignore[import-untyped]
import ccxt.pro  # type: ignore[import-untyped]
import pytest
import trio

from exchange.outside.coinbase import CoinbaseGateway
from tests.exchange.outside_public import public_world


def client_of(port: int, kind: Any = ccxt.coinbase) -> Any:  # noqa: ANN401  ccxt has no useful types
    """ccxt's client, pointed here; currencies, which it asks of another interface, are switched off."""
    made = kind({"enableRateLimit": False})
    made.has["fetchCurrencies"] = False
    made.urls["api"]["rest"] = f"http://127.0.0.1:{port}"
    if kind is not ccxt.coinbase:
        made.urls["api"]["ws"] = f"ws://127.0.0.1:{port}"
    return made


async def test_ccxt_asks(tmp_path: Path) -> None:
    """Markets with steps, the clock, a book, trades and tickers."""

    def ask(client: Any) -> None:  # noqa: ANN401  ccxt has no types that would hold
        bitcoin = client.load_markets()["BTC/USDT"]
        assert (bitcoin["id"], bitcoin["active"], bitcoin["spot"]) == ("BTC-USDT", True, True)
        assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.01, 0.001)
        assert abs(client.fetch_time() - time.time() * 1000) < 60_000
        book = client.fetch_order_book("BTC/USDT", 5)
        assert (book["bids"], book["asks"]) == ([[59_000, 0.25]], [[60_000, 0.3]])
        (trade,) = client.fetch_trades("BTC/USDT")
        # ccxt hands on the maker's side as it is told.
        assert (trade["price"], trade["amount"], trade["side"]) == (60_000, 0.2, "sell")
        ticker = client.fetch_ticker("BTC/USDT")
        assert (ticker["last"], ticker["bid"], ticker["ask"]) == (60_000, 59_000, 60_000)
        assert client.fetch_tickers(["BTC/USDT"])["BTC/USDT"]["baseVolume"] == 0.2
        with pytest.raises(ccxt.ExchangeError):
            client.v3PublicGetBrokerageMarketProductBook({"product_id": "NO-THING"})

    async with public_world(tmp_path, CoinbaseGateway, time.time_ns()) as here:
        async with here.trader() as alice, here.trader("bob") as bob:
            await alice.order("sell", "60000", "0.5")
            await alice.order("buy", "59000", "0.25")
            await bob.order("buy", "60000", "0.2")
        client = client_of(here.gateway.server.port)
        with closing(client.session):
            await trio.to_thread.run_sync(ask, client)


async def test_ccxt_follows_the_market(tmp_path: Path) -> None:
    """ccxt's streams: a book, trades and a ticker."""

    async def watch(port: int, trade: Any) -> None:  # noqa: ANN401  a function of the other thread
        client = client_of(port, ccxt.pro.coinbase)
        try:
            book = await client.watch_order_book("BTC/USDT")
            assert book["asks"] == [[60_000, 0.5]]
            assert (await client.watch_ticker("BTC/USDT"))["ask"] == 60_000
            await asyncio.to_thread(trade)
            changed = await client.watch_order_book("BTC/USDT")
            assert changed["asks"] == [[60_000, 0.3]]
            trades = await client.watch_trades("BTC/USDT")
            assert (trades[-1]["amount"], trades[-1]["side"]) == (0.2, "sell")
        finally:
            await client.close()

    async with (
        public_world(tmp_path, CoinbaseGateway, time.time_ns()) as here,
        here.trader() as alice,
        here.trader("bob") as bob,
    ):
        await alice.order("sell", "60000", "0.5")
        token = trio.lowlevel.current_trio_token()

        def trade() -> None:
            trio.from_thread.run(bob.order, "buy", "60000", "0.2", trio_token=token)

        await trio.to_thread.run_sync(asyncio.run, watch(here.gateway.server.port, trade))
