"""The Coinbase gateway before the real exchange: control messages, the count of frames, books, trades, requests."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed

from exchange.outside.coinbase import CoinbaseGateway
from tests.exchange.outside import Listener
from tests.exchange.outside_public import PublicWorld, public_world

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")


async def pause(seconds: float) -> None:
    """Let simulated time pass."""
    with trio.move_on_after(seconds):
        await trio.Event().wait()


class Client:
    """A client that counts frames, and keeps books as the venue tells it to."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.due = 0
        self.books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}

    async def ask(self, kind: str, channel: str, *products: str) -> None:
        """Send a request."""
        request = {"type": kind, "channel": channel}
        more = {"product_ids": list(products)} if products else {}
        await self.listener.socket.send_message(json.dumps({**request, **more}))

    async def next(self) -> Any:  # noqa: ANN401  JSON is anything
        """The next frame, which must be the next of the connection."""
        frame = await self.listener.next()
        assert list(frame) == ["channel", "timestamp", "sequence_num", "events"]
        assert TIME.fullmatch(frame["timestamp"])
        assert frame["sequence_num"] == self.due
        self.due += 1
        if frame["channel"] == "l2_data":
            for event in frame["events"]:
                self.keep(event)
        return frame

    async def next_of(self, channel: str) -> Any:  # noqa: ANN401  JSON is anything
        """The event of the next frame of a channel."""
        while True:
            frame = await self.next()
            if frame["channel"] == channel:
                (event,) = frame["events"]
                return event

    def keep(self, event: dict[str, Any]) -> None:
        """Apply an event."""
        name = event["product_id"]
        if event["type"] == "snapshot":
            self.books[name] = {"bid": {}, "offer": {}}
        for row in event["updates"]:
            assert TIME.fullmatch(row["event_time"])
            side = self.books[name][row["side"]]
            side.pop(Decimal(row["price_level"]), None)
            if Decimal(row["new_quantity"]):
                side[Decimal(row["price_level"])] = Decimal(row["new_quantity"])
            else:
                assert row["new_quantity"] == "0"


async def test_control_messages(autojump_clock: object, tmp_path: Path) -> None:
    """Snapshots first, then the list of all subscriptions; errors have no number; unsubscribed channels are silent."""
    async with public_world(tmp_path, CoinbaseGateway) as here, here.listen("/") as listener:
        one = Client(listener)
        await one.ask("subscribe", "level2", "BTC-USDT", "ODD-USDT")
        assert [(await one.next())["events"][0]["product_id"] for _ in range(2)] == ["BTC-USDT", "ODD-USDT"]
        assert await one.next_of("subscriptions") == {"subscriptions": {"level2": ["BTC-USDT", "ODD-USDT"]}}
        await one.ask("subscribe", "heartbeats")
        told = {"subscriptions": {"heartbeats": ["heartbeats"], "level2": ["BTC-USDT", "ODD-USDT"]}}
        assert await one.next_of("subscriptions") == told
        for bad in ('{"type":"subscribe","channel":"level9"}', "[", '{"type":"subscribe","channel":"level2",'
                    '"product_ids":["FOO-BAR"]}', '{"type":"dance","channel":"level2"}'):  # fmt: skip
            await listener.socket.send_message(bad)
            answer = await listener.next()
            while "type" not in answer:
                one.due += 1
                answer = await listener.next()
            assert answer["type"] == "error", bad
        await pause(1)
        await one.ask("unsubscribe", "level2", "BTC-USDT")
        assert (await one.next_of("subscriptions"))["subscriptions"]["level2"] == ["ODD-USDT"]


async def test_a_client_that_asks_for_nothing_is_cut(autojump_clock: object, tmp_path: Path) -> None:
    """Five seconds after it came, and not where it has subscribed to anything."""
    async with public_world(tmp_path, CoinbaseGateway) as here, here.listen("/") as idle, here.listen("/") as busy:
        client = Client(busy)
        await client.ask("subscribe", "heartbeats")
        started = trio.current_time()
        with pytest.raises(ConnectionClosed):
            await idle.raw()
        assert 4.9 < trio.current_time() - started < 5.5
        for _ in range(10):
            await client.next_of("heartbeats")


async def test_heartbeats(autojump_clock: object, tmp_path: Path) -> None:
    """One a second, each with the next count."""
    async with public_world(tmp_path, CoinbaseGateway) as here, here.listen("/") as listener:
        one = Client(listener)
        await one.ask("subscribe", "heartbeats")
        counts = [(await one.next_of("heartbeats"))["heartbeat_counter"] for _ in range(4)]
        assert counts == list(range(counts[0], counts[0] + 4))


async def begin(here: PublicWorld, listener: Listener, channel: str, *products: str) -> Client:
    """A client that has a channel of Bitcoin."""
    one = Client(listener)
    await one.ask("subscribe", channel, *(products or ("BTC-USDT",)))
    await one.next_of("subscriptions")
    return one


async def test_a_book_is_kept(autojump_clock: object, tmp_path: Path) -> None:
    """The snapshot and the changes, put together for 50 ms, make the exchange's book; both sides by their names."""
    async with public_world(tmp_path, CoinbaseGateway) as here, here.trader() as trader, here.listen("/") as listener:
        orders = [await trader.order("buy", str(50_000 - step), "0.1") for step in range(30)]
        orders += [await trader.order("sell", str(60_000 + step), "0.2") for step in range(30)]
        one = await begin(here, listener, "level2")
        assert len(one.books["BTC-USDT"]["bid"]) == 30
        for order in orders[::7]:
            await trader.cancel(order)
            await trader.order("buy", f"{50_001 + order}.5", "0.003")
            await trader.order("sell", f"{59_000 - order}", "0.5")
            await pause(0.03)
        frames = 0
        with trio.move_on_after(1):
            while True:
                await one.next()
                frames += 1
        assert 3 < frames < 9
        market = here.gateway.side.by_symbol["BTCUSDT"]
        for side, levels in (("bid", market.bid_levels(99)), ("offer", market.ask_levels(99))):
            kept = {Decimal(price) / 100: Decimal(size) / 1000 for price, size in levels}
            assert one.books["BTC-USDT"][side] == kept


async def test_trades_and_tickers(autojump_clock: object, tmp_path: Path) -> None:
    """Trades come the newest first, with the maker's side, 250 ms together; the ticker with the best bid and ask."""
    async with public_world(tmp_path, CoinbaseGateway) as here, here.trader() as alice, here.trader("bob") as bob:
        await alice.order("sell", "60000", "0.5")
        await bob.order("buy", "60000", "0.1")
        async with here.listen("/") as first, here.listen("/") as second, here.listen("/") as third:
            trades = Client(first)
            await trades.ask("subscribe", "market_trades", "BTC-USDT")
            event = await trades.next_of("market_trades")
            assert (event["type"], [row["size"] for row in event["trades"]]) == ("snapshot", ["0.1"])
            ticker, batch = await begin(here, second, "ticker"), await begin(here, third, "ticker_batch")
            await pause(0.3)
            await bob.order("buy", "60000", "0.2")
            await bob.order("buy", "60000", "0.15")
            event = await trades.next_of("market_trades")
            assert event["type"] == "update"
            assert [(row["size"], row["side"]) for row in event["trades"]] == [("0.15", "SELL"), ("0.2", "SELL")]
            (row,) = (await ticker.next_of("ticker"))["tickers"]
            assert (row["price"], row["best_bid"], row["best_ask"]) == ("60000", "0", "60000")
            (row,) = (await batch.next_of("ticker_batch"))["tickers"]
            assert (row["volume_24_h"], "best_bid" in row) == ("0.45", False)
            await ticker.ask("subscribe", "status")
            products = {row["id"]: row for row in (await ticker.next_of("status"))["products"]}
            assert (products["BTC-USDT"]["quote_increment"], products["BTC-USDT"]["status"]) == ("0.01", "online")


async def test_requests(autojump_clock: object, tmp_path: Path) -> None:
    """Products, a book, trades and the clock; errors in the venue's form; too many requests are refused."""
    base = "/api/v3/brokerage"
    async with public_world(tmp_path, CoinbaseGateway) as here, here.trader() as alice, here.trader("bob") as bob:
        await alice.order("sell", "60000", "0.5")
        await alice.order("buy", "59999.99", "0.5")
        await bob.order("buy", "60000", "0.2")
        found = (await here.get(f"{base}/market/products")).data
        assert (found["num_products"], len(found["products"])) == (2, 2)
        assert (await here.get(f"{base}/market/products", product_type="FUTURE")).data["products"] == []
        bitcoin = (await here.get(f"{base}/market/products/BTC-USDT")).data
        assert (bitcoin["price_increment"], bitcoin["base_increment"], bitcoin["price"]) == ("0.01", "0.001", "60000")
        book = (await here.get(f"{base}/market/product_book", product_id="BTC-USDT", limit=1)).data
        assert book["pricebook"]["asks"] == [{"price": "60000", "size": "0.3"}]
        assert (book["mid_market"], book["spread_absolute"]) == ("59999.995", "0.01")
        trades = (await here.get(f"{base}/market/products/BTC-USDT/ticker", limit=5)).data
        assert [(row["size"], row["side"]) for row in trades["trades"]] == [("0.2", "SELL")]
        assert trades["best_ask"] == "60000"
        now_ms = here.clock.now_ns() // 1_000_000
        assert (await here.get(f"{base}/time")).data["epochMillis"] == str(now_ms)
        assert (await here.get("/v2/time")).data["data"]["epoch"] == now_ms // 1000
        await pause(1)
        for path, status in (("market/products/FOO-BAR", 404), ("market/dance", 404), ("market/product_book", 404),
                             ("market/products/BTC-USDT/ticker?limit=x", 400)):  # fmt: skip
            name, _, query = path.partition("?")
            values = dict([query.split("=")]) if query else {}
            answer = await here.get(f"{base}/{name}", **values)
            assert (answer.status, sorted(answer.data)) == (status, ["error", "error_details", "message"])
        await pause(1)
        statuses = [(await here.get(f"{base}/time")).status for _ in range(12)]
        assert (statuses[0], statuses[-1]) == (200, 429)
