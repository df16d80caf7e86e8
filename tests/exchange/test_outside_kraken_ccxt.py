"""The judge: ccxt's Kraken client, unchanged but for its addresses, at the embedded exchange over real sockets."""

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

from exchange.outside.kraken import KrakenGateway
from tests.exchange.outside_public import public_world


def client_of(port: int, kind: Any = ccxt.kraken) -> Any:  # noqa: ANN401  ccxt has no useful types
    """ccxt's client, pointed here."""
    made = kind({"enableRateLimit": False})
    made.urls["api"].update(public=f"http://127.0.0.1:{port}")
    if kind is not ccxt.kraken:
        made.urls["api"]["ws"].update(public=f"ws://127.0.0.1:{port}/v2", publicV2=f"ws://127.0.0.1:{port}/v2")
    return made


async def test_ccxt_asks(tmp_path: Path) -> None:
    """Markets with steps and fees, currencies, the clock, a book, trades and a ticker."""

    def ask(client: Any) -> None:  # noqa: ANN401  ccxt has no types that would hold
        bitcoin = client.load_markets()["BTC/USDT"]
        assert (bitcoin["id"], bitcoin["wsId"], bitcoin["active"]) == ("XBTUSDT", "XBT/USDT", True)
        assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.01, 0.001)
        assert bitcoin["taker"] == pytest.approx(0.0005)
        assert set(client.currencies) == {"BTC", "USDT", "ODD"}
        assert client.fetch_status()["status"] == "ok"
        assert abs(client.fetch_time() - time.time() * 1000) < 60_000
        book = client.fetch_order_book("BTC/USDT", 5)
        # ccxt keeps the time of a level as the venue sends it.
        assert [[level[:2] for level in book[side]] for side in ("bids", "asks")] == [[[59_000, 0.25]], [[60_000, 0.3]]]
        (trade,) = client.fetch_trades("BTC/USDT")
        assert (trade["price"], trade["amount"], trade["side"]) == (60_000, 0.2, "buy")
        ticker = client.fetch_ticker("BTC/USDT")
        assert (ticker["last"], ticker["bid"], ticker["ask"], ticker["baseVolume"]) == (60_000, 59_000, 60_000, 0.2)
        assert set(client.fetch_tickers(["BTC/USDT"])) == {"BTC/USDT"}
        with pytest.raises(ccxt.ExchangeError, match="EQuery:Unknown asset pair"):
            client.publicGetDepth({"pair": "NOTHING"})

    async with public_world(tmp_path, KrakenGateway, time.time_ns()) as here:
        async with here.trader() as alice, here.trader("bob") as bob:
            await alice.order("sell", "60000", "0.5")
            await alice.order("buy", "59000", "0.25")
            await bob.order("buy", "60000", "0.2")
        client = client_of(here.gateway.server.port)
        with closing(client.session):
            await trio.to_thread.run_sync(ask, client)


async def test_ccxt_follows_the_market(tmp_path: Path) -> None:
    """ccxt's streams: a book, trades and tickers; it compares no checksums, as it is shipped."""

    async def watch(port: int, trade: Any) -> None:  # noqa: ANN401  a function of the other thread
        client = client_of(port, ccxt.pro.kraken)
        try:
            book = await client.watch_order_book("BTC/USDT", 10)
            assert book["asks"] == [[60_000, 0.5]]
            assert (await client.watch_ticker("BTC/USDT"))["ask"] == 60_000
            waiting = [
                asyncio.ensure_future(one)
                for one in (client.watch_order_book("BTC/USDT", 10), client.watch_trades("BTC/USDT"))
            ]
            await asyncio.wait(waiting, timeout=0.2)
            await asyncio.to_thread(trade)
            changed, trades = await asyncio.wait_for(asyncio.gather(*waiting), 10)
            assert changed["asks"] == [[60_000, 0.3]]
            assert (trades[-1]["amount"], trades[-1]["side"]) == (0.2, "buy")
        finally:
            await client.close()

    async with (
        public_world(tmp_path, KrakenGateway, time.time_ns()) as here,
        here.trader() as alice,
        here.trader("bob") as bob,
    ):
        await alice.order("sell", "60000", "0.5")
        token = trio.lowlevel.current_trio_token()

        def trade() -> None:
            trio.from_thread.run(bob.order, "buy", "60000", "0.2", trio_token=token)

        await trio.to_thread.run_sync(asyncio.run, watch(here.gateway.server.port, trade))
