"""The judge: ccxt's Binance client, unchanged but for its addresses, at the embedded exchange over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import ccxt  # type: ignore[import-untyped]
import ccxt.pro  # type: ignore[import-untyped]
import pytest
import trio

from tests.exchange.gateways import SECRET
from tests.exchange.outside import World, world


def client_of(port: int, key: str = "alice", kind: Any = ccxt.binance) -> Any:  # noqa: ANN401  ccxt has no useful types
    """ccxt's client, pointed here; what it would ask of other hosts is switched off."""
    made = kind(
        {
            "apiKey": key,
            "secret": SECRET,
            "enableRateLimit": False,
            "options": {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot"]}},
        }
    )
    base = f"http://127.0.0.1:{port}/api/v3"
    made.urls["api"].update(public=base, private=base)
    if kind is not ccxt.binance:
        made.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/ws"
    return made


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[tuple[World, Any, Any]]:
    """The exchange on a port, in real time, and two clients."""
    async with world(tmp_path, time.time_ns()) as here:
        port = here.gateway.server.port
        alice, bob = client_of(port, "alice"), client_of(port, "bob")
        with closing(alice.session), closing(bob.session):
            yield here, alice, bob


async def test_ccxt_knows_the_markets(tmp_path: Path) -> None:
    """Markets with steps and minimums, the clock, an empty book."""
    async with served(tmp_path) as (_, alice, _bob):
        markets = await trio.to_thread.run_sync(alice.load_markets)
        bitcoin = markets["BTC/USDT"]
        assert (bitcoin["id"], bitcoin["active"], bitcoin["spot"]) == ("BTCUSDT", True, True)
        assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.01, 0.001)
        assert markets["ODD/USDT"]["precision"]["price"] == 0.000003
        book = await trio.to_thread.run_sync(alice.fetch_order_book, "BTC/USDT")
        assert (book["bids"], book["asks"]) == ([], [])
        assert abs(await trio.to_thread.run_sync(alice.fetch_time) - time.time() * 1000) < 60_000


async def test_ccxt_trades(tmp_path: Path) -> None:
    """Limit, post-only, market and IOC orders; then book, trades, ticker, own trades and balances."""

    def trade(alice: Any, bob: Any) -> None:  # noqa: ANN401  ccxt has no types that would hold
        before = bob.fetch_balance()
        ask = alice.create_order("BTC/USDT", "limit", "sell", 0.5, 60_000)
        assert (ask["status"], ask["price"], ask["amount"]) == ("open", 60_000, 0.5)
        bid = alice.create_order("BTC/USDT", "limit", "buy", 0.25, 59_000, {"postOnly": True, "clientOrderId": "mine"})
        assert (bid["clientOrderId"], bid["id"].isdigit()) == ("mine", True)
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            bob.create_order("BTC/USDT", "limit", "buy", 0.1, 60_000, {"postOnly": True})
        book = bob.fetch_order_book("BTC/USDT", 5)
        assert (book["asks"], book["bids"]) == ([[60_000, 0.5]], [[59_000, 0.25]])
        taken = bob.create_order("BTC/USDT", "market", "buy", 0.1)
        assert (taken["status"], taken["filled"], taken["average"]) == ("closed", 0.1, 60_000)
        assert [(row["price"], row["amount"]) for row in taken["trades"]] == [(60_000, 0.1)]
        part = bob.create_order("BTC/USDT", "limit", "buy", 1, 60_000, {"timeInForce": "IOC"})
        assert (part["status"], part["filled"]) == ("expired", 0.4)
        none = bob.create_order("BTC/USDT", "limit", "buy", 1, 60_000, {"timeInForce": "FOK"})
        assert (none["status"], none["filled"]) == ("expired", 0)
        public = bob.fetch_trades("BTC/USDT")
        assert [(row["amount"], row["side"]) for row in public] == [(0.1, "buy"), (0.4, "buy")]
        assert bob.fetch_ticker("BTC/USDT")["last"] == 60_000
        own = bob.fetch_my_trades("BTC/USDT")
        assert [(row["amount"], row["takerOrMaker"], row["order"]) for row in own] == [
            (0.1, "taker", taken["id"]), (0.4, "taker", part["id"]),
        ]  # fmt: skip
        assert {row["takerOrMaker"] for row in alice.fetch_my_trades("BTC/USDT")} == {"maker"}
        after = bob.fetch_balance()
        assert after["BTC"]["total"] - before["BTC"]["total"] == pytest.approx(0.5)
        assert before["USDT"]["total"] - after["USDT"]["total"] == pytest.approx(30_000 * 1.0005)

    async with served(tmp_path) as (_, alice, bob):
        await trio.to_thread.run_sync(trade, alice, bob)


async def test_ccxt_cancels_and_lists(tmp_path: Path) -> None:
    """Open, all and single orders; cancels one by one and all at once; errors become ccxt's own."""

    def run(alice: Any, bob: Any) -> None:  # noqa: ANN401  ccxt has no types that would hold
        made = [alice.create_order("BTC/USDT", "limit", "buy", 0.1, 50_000 + step) for step in range(3)]
        stop = alice.create_order("BTC/USDT", "limit", "sell", 0.1, 40_000, {"stopLossPrice": 41_000})
        assert [row["id"] for row in alice.fetch_open_orders("BTC/USDT")] == [one["id"] for one in [*made, stop]]
        assert alice.cancel_order(made[0]["id"], "BTC/USDT")["status"] == "canceled"
        assert alice.fetch_order(made[0]["id"], "BTC/USDT")["status"] == "canceled"
        assert alice.fetch_order(stop["id"], "BTC/USDT")["triggerPrice"] == 41_000
        with pytest.raises(ccxt.OrderNotFound):
            alice.cancel_order(made[0]["id"], "BTC/USDT")
        with pytest.raises(ccxt.OrderNotFound):
            bob.fetch_order(made[1]["id"], "BTC/USDT")
        assert len(alice.cancel_all_orders("BTC/USDT")) == 3
        assert alice.fetch_open_orders("BTC/USDT") == []
        assert {row["status"] for row in alice.fetch_orders("BTC/USDT")} == {"canceled"}
        with pytest.raises(ccxt.InsufficientFunds):
            alice.create_order("BTC/USDT", "limit", "buy", 1_000_000, 60_000)
        with pytest.raises(ccxt.InvalidOrder, match="PRICE_FILTER"):
            alice.create_order("ODD/USDT", "limit", "buy", 7, 0.3, {"price": "0.300001"})
        with pytest.raises(ccxt.BadRequest, match="precision"):
            alice.create_order("BTC/USDT", "limit", "buy", 0.001, 0.01, {"price": "0.015"})
        stranger = client_of(0, "nobody")
        stranger.urls, stranger.session = alice.urls, alice.session
        with pytest.raises(ccxt.AuthenticationError):
            stranger.fetch_balance()
        liar = client_of(0, "alice")
        liar.urls, liar.session, liar.secret = alice.urls, alice.session, "0" * 64
        with pytest.raises(ccxt.AuthenticationError):
            liar.fetch_balance()

    async with served(tmp_path) as (_, alice, bob):
        await trio.to_thread.run_sync(run, alice, bob)


async def test_ccxt_follows_the_market(tmp_path: Path) -> None:
    """ccxt's streams: a book that is kept by its own rule of continuity, trades and the ticker."""

    async def watch(here: World, alice: Any, bob: Any) -> None:  # noqa: ANN401  ccxt has no types that would hold
        watcher = client_of(here.gateway.server.port, "bob", ccxt.pro.binance)
        try:
            alice.create_order("BTC/USDT", "limit", "sell", 0.5, 60_000)
            book = await watcher.watch_order_book("BTC/USDT")
            assert book["asks"] == [[60_000, 0.5]]
            ticker = await watcher.watch_ticker("BTC/USDT", {"name": "ticker"})
            assert (ticker["ask"], ticker["askVolume"]) == (60_000, 0.5)
            # Each of these waits for the next event of its stream.
            waiting = [
                asyncio.ensure_future(one)
                for one in (
                    watcher.watch_order_book("BTC/USDT"),
                    watcher.watch_trades("BTC/USDT"),
                    watcher.watch_bids_asks(["BTC/USDT"]),
                )
            ]
            while not all(f"btcusdt@{kind}" in here.gateway.streams for kind in ("trade", "bookTicker")):
                await asyncio.wait(waiting, timeout=0.01)
            bob.create_order("BTC/USDT", "limit", "buy", 0.2, 60_000)
            changed, trades, tops = await asyncio.wait_for(asyncio.gather(*waiting), 10)
            assert changed["asks"] == [[60_000, 0.3]]
            assert (trades[-1]["amount"], trades[-1]["side"]) == (0.2, "buy")
            assert tops["BTC/USDT"]["askVolume"] == 0.3
        finally:
            await watcher.close()

    async with served(tmp_path) as (here, alice, bob):
        await trio.to_thread.run_sync(asyncio.run, watch(here, alice, bob))
