"""The Kraken gateway before the real exchange: control messages, books that a client keeps, trades, requests."""

from __future__ import annotations

import json
import re
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from exchange.outside.kraken import KrakenGateway
from tests.exchange.outside import Listener
from tests.exchange.outside_public import PublicWorld, public_world

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def pause(seconds: float) -> None:
    """Let simulated time pass."""
    with trio.move_on_after(seconds):
        await trio.Event().wait()


async def next_frame(listener: Listener) -> Any:  # noqa: ANN401  JSON is anything
    """The next frame that is no heartbeat, its numbers exact."""
    while True:
        frame = json.loads(await listener.raw(), parse_float=Decimal)
        if frame != {"channel": "heartbeat"}:
            return frame


async def ask(listener: Listener, method: str, req_id: int | None = None, **params: Any) -> Any:  # noqa: ANN401
    """Send a request and give the next frame, without its times, which are as they should be."""
    request: dict[str, Any] = {"method": method}
    if params:
        request["params"] = params
    if req_id is not None:
        request["req_id"] = req_id
    await listener.socket.send_message(json.dumps(request))
    answer = await next_frame(listener)
    assert TIME.fullmatch(answer.pop("time_in"))
    assert TIME.fullmatch(answer.pop("time_out"))
    return answer


def refusal(text: str, method: str = "subscribe") -> dict[str, Any]:
    """An error as the venue tells it."""
    return {"error": text, "method": method, "success": False}


class KeptBook:
    """A book as the venue's guide tells a client to keep it."""

    def __init__(self, depth: int, places: tuple[int, int]) -> None:
        self.depth = depth
        self.places = places
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}

    def levels(self, side: str) -> list[tuple[Decimal, Decimal]]:
        """A side, the best level first."""
        return sorted(self.sides[side].items(), reverse=side == "bids")

    def take(self, frame: dict[str, Any]) -> None:
        """Apply a frame, drop what is too deep, and compare the checksum."""
        (data,) = frame["data"]
        if frame["type"] == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
        for side, levels in self.sides.items():
            for row in data[side]:
                levels.pop(Decimal(row["price"]), None)
                if row["qty"]:
                    levels[Decimal(row["price"])] = Decimal(row["qty"])
            self.sides[side] = dict(self.levels(side)[: self.depth])
        assert self.checksum() == data["checksum"]

    def checksum(self) -> int:
        """The checksum by the recipe of the guide."""

        def digits(value: Decimal, places: int) -> str:
            return f"{value:.{places}f}".replace(".", "").lstrip("0")

        text = "".join(
            digits(price, self.places[0]) + digits(size, self.places[1])
            for side in ("asks", "bids")
            for price, size in self.levels(side)[:10]
        )
        return zlib.crc32(text.encode())


async def begin(here: PublicWorld, listener: Listener) -> int:
    """The first frame; gives the number of the connection."""
    frame = await listener.next()
    assert frame["channel"] == "status"
    assert frame["data"][0]["system"] == "online"
    number: int = frame["data"][0]["connection_id"]
    assert number > 2**53
    return number


async def test_control_messages(autojump_clock: object, tmp_path: Path) -> None:
    """The status first; one answer for each symbol, then its snapshot; every documented error; pings."""
    async with public_world(tmp_path, KrakenGateway) as here, here.listen("/v2") as one, here.listen("/v2") as two:
        assert await begin(here, one) != await begin(here, two)
        assert await ask(one, "ping", 42) == {"method": "pong", "req_id": 42}
        told = {"channel": "book", "depth": 25, "snapshot": True, "symbol": "BTC/USDT"}
        answer = await ask(one, "subscribe", 1, channel="book", symbol=["BTC/USDT", "BTC/FOO", "ODD/USDT"], depth=25)
        assert answer == {"method": "subscribe", "req_id": 1, "result": told, "success": True}
        assert (await next_frame(one))["type"] == "snapshot"
        wrong = await next_frame(one)
        assert (wrong["error"], wrong["req_id"]) == ("Currency pair not supported BTC/FOO", 1)
        assert (await next_frame(one))["result"]["symbol"] == "ODD/USDT"
        assert (await next_frame(one))["data"][0]["symbol"] == "ODD/USDT"
        assert "Already subscribed" in (await ask(one, "subscribe", channel="book", symbol=["BTC/USDT"]))["error"]
        assert await ask(one, "subscribe", channel="book", symbol=["BTC/USDT"], depth=11) == refusal(
            "Subscription depth not supported"
        )
        # To give a book up the depth has to be the same.
        assert "error" in await ask(one, "unsubscribe", channel="book", symbol=["BTC/USDT"])
        gone = await ask(one, "unsubscribe", 2, channel="book", symbol=["BTC/USDT"], depth=25)
        result = {"channel": "book", "depth": 25, "symbol": "BTC/USDT"}
        assert gone == {"method": "unsubscribe", "req_id": 2, "result": result, "success": True}
        assert "error" in await ask(one, "subscribe", channel="l3", symbol=["BTC/USDT"])
        assert await ask(one, "subscribe", channel="book", symbol="BTC/USDT") == refusal(
            "Symbol(s) must be a list of currency pairs"
        )
        await two.socket.send_message("[" * 5_000)
        assert (await two.next())["error"] == "Malformed request"
        assert (await ask(two, "dance"))["error"] == "Malformed request"


async def test_heartbeats_fill_silence(autojump_clock: object, tmp_path: Path) -> None:
    """A client with a subscription hears something every second; one without hears nothing."""
    async with public_world(tmp_path, KrakenGateway) as here, here.listen("/v2") as one, here.listen("/v2") as two:
        await begin(here, one)
        await begin(here, two)
        await ask(one, "subscribe", channel="book", symbol=["BTC/USDT"], snapshot=False)
        started = trio.current_time()
        for _ in range(5):
            assert await one.raw() == '{"channel":"heartbeat"}'
        assert 4.9 < trio.current_time() - started < 6
        with trio.move_on_after(5):
            raise AssertionError(await two.raw())


async def test_too_many_messages_are_refused(autojump_clock: object, tmp_path: Path) -> None:
    """Past the rate a request is answered with the venue's words, and works again later."""
    rates = {"messages_per_second": 1, "messages_burst": 2}
    async with public_world(tmp_path, KrakenGateway, **rates) as here, here.listen("/v2") as one:
        await begin(here, one)
        assert [(await ask(one, "ping"))["method"] for _ in range(2)] == ["pong", "pong"]
        assert await ask(one, "ping") == refusal("Exceeded msg rate", "ping")
        await pause(2)
        assert await ask(one, "ping") == {"method": "pong"}


@pytest.mark.parametrize("depth", [10, 25, 100])
async def test_a_book_is_kept_by_the_guide(autojump_clock: object, tmp_path: Path, depth: int) -> None:
    """A client that drops what is too deep agrees with every checksum and ends with the best levels of the book."""
    async with public_world(tmp_path, KrakenGateway) as here, here.trader() as trader, here.listen("/v2") as one:
        await begin(here, one)
        orders = [await trader.order("buy", str(50_000 - step), "0.1") for step in range(30)]
        orders += [await trader.order("sell", str(60_000 + step), "0.2") for step in range(30)]
        book = KeptBook(depth, (2, 3))
        await ask(one, "subscribe", channel="book", symbol=["BTC/USDT"], depth=depth)
        book.take(await next_frame(one))
        # The best bids go, one by one, so that deeper ones come into the depth; then better ones push some out.
        for order in orders[:7]:
            await trader.cancel(order)
        for step in range(9):
            await trader.order("buy", f"{50_001 + step}.25", "0.003")
            await trader.order("sell", f"{59_999 - step}.5", "0.5")
        await trader.cancel(orders[30])
        updates = 0
        with trio.move_on_after(0.5):
            while True:
                frame = await next_frame(one)
                assert frame["type"] == "update"
                book.take(frame)
                updates += 1
        assert updates > 20
        market = here.gateway.side.by_symbol["BTCUSDT"]
        for side, levels in (("bids", market.bid_levels(depth)), ("asks", market.ask_levels(depth))):
            assert book.levels(side) == [(Decimal(price) / 100, Decimal(size) / 1000) for price, size in levels]


async def test_a_level_that_leaves_the_depth_is_not_told(autojump_clock: object, tmp_path: Path) -> None:
    """A better level alone is told; when it goes again, what comes back into the depth is told with it."""
    async with public_world(tmp_path, KrakenGateway) as here, here.trader() as trader, here.listen("/v2") as one:
        await begin(here, one)
        for step in range(11):
            await trader.order("sell", str(60_000 + step), "0.1")
        await ask(one, "subscribe", channel="book", symbol=["BTC/USDT"])
        assert len((await next_frame(one))["data"][0]["asks"]) == 10
        better = await trader.order("sell", "59999.5", "0.25")
        raw = await one.raw()
        while "heartbeat" in raw:
            raw = await one.raw()
        assert '"bids":[],"asks":[{"price":59999.5,"qty":0.25}],"checksum":' in raw
        await trader.order("sell", "60010", "0.1")
        await trader.cancel(better)
        raw = await one.raw()
        assert '"asks":[{"price":59999.5,"qty":0},{"price":60009,"qty":0.1}],"checksum":' in raw


async def test_trades_tickers_and_instruments(autojump_clock: object, tmp_path: Path) -> None:
    """A trade is told with the taker's side; a ticker by trades and one by quotes; precisions and status."""
    async with public_world(tmp_path, KrakenGateway) as here, here.trader() as alice, here.trader("bob") as bob:
        await alice.order("sell", "60000", "0.5")
        async with here.listen("/v2") as trades, here.listen("/v2") as ticker, here.listen("/v2") as quotes:
            for one in (trades, ticker, quotes):
                await begin(here, one)
            told = {"channel": "trade", "snapshot": False, "symbol": "BTC/USDT"}
            assert (await ask(trades, "subscribe", channel="trade", symbol=["BTC/USDT"]))["result"] == told
            answer = await ask(ticker, "subscribe", channel="ticker", symbol=["BTC/USDT"])
            assert answer["result"] == {
                "channel": "ticker", "event_trigger": "trades", "snapshot": True, "symbol": "BTC/USDT"
            }  # fmt: skip
            assert (await next_frame(ticker))["data"][0]["ask"] == 60_000
            await ask(quotes, "subscribe", channel="ticker", symbol=["BTC/USDT"], event_trigger="bbo")
            assert (await next_frame(quotes))["type"] == "snapshot"
            await alice.order("buy", "59000.01", "0.1")
            assert (await next_frame(quotes))["data"][0]["bid"] == Decimal("59000.01")
            await bob.order("buy", "60000", "0.2")
            (trade,) = (await next_frame(trades))["data"]
            assert (trade["side"], trade["price"], trade["qty"]) == ("buy", 60_000, Decimal("0.2"))
            (row,) = (await next_frame(ticker))["data"]
            assert (row["last"], row["volume"], row["ask_qty"]) == (60_000, Decimal("0.2"), Decimal("0.3"))
            assert (await next_frame(quotes))["data"][0]["ask_qty"] == Decimal("0.3")
            await ask(trades, "unsubscribe", channel="trade", symbol=["BTC/USDT"])
            await ask(trades, "subscribe", channel="trade", symbol=["BTC/USDT"], snapshot=True)
            snapshot = await next_frame(trades)
            assert (snapshot["type"], len(snapshot["data"])) == ("snapshot", 1)
            answer = await ask(trades, "subscribe", 7, channel="instrument")
            assert (answer["req_id"], answer["result"]["warnings"]) == (
                7, ["tick_size is deprecated, use price_increment"]
            )  # fmt: skip
            pairs = {row["symbol"]: row for row in (await next_frame(trades))["data"]["pairs"]}
            bitcoin = pairs["BTC/USDT"]
            assert (bitcoin["price_precision"], bitcoin["qty_precision"], bitcoin["status"]) == (2, 3, "online")
            assert (bitcoin["price_increment"], bitcoin["qty_increment"]) == (Decimal("0.01"), Decimal("0.001"))


async def test_requests(autojump_clock: object, tmp_path: Path) -> None:
    """Pairs under all their names, books, trades, tickers, the clock; errors with status 200 and the venue's codes."""
    async with public_world(tmp_path, KrakenGateway) as here, here.trader() as alice, here.trader("bob") as bob:
        await alice.order("sell", "60000", "0.5")
        await bob.order("buy", "60000", "0.2")
        await pause(0.1)
        pairs = (await here.get("/0/public/AssetPairs")).data["result"]
        bitcoin = pairs["XBTUSDT"]
        assert (bitcoin["wsname"], bitcoin["base"], bitcoin["quote"]) == ("XBT/USDT", "XXBT", "USDT")
        assert (bitcoin["pair_decimals"], bitcoin["lot_decimals"], bitcoin["tick_size"]) == (2, 3, "0.01")
        assert (bitcoin["fees"], bitcoin["fees_maker"]) == ([[0, 0.05]], [[0, -0.01]])
        for name in ("XBTUSDT", "XBT/USDT", "BTC/USDT", "BTCUSDT"):
            depth = (await here.get("/0/public/Depth", pair=name, count=5)).data
            assert (depth["error"], list(depth["result"])) == ([], ["XBTUSDT"])
            assert depth["result"]["XBTUSDT"]["asks"][0][:2] == ["60000.00000", "0.300"]
        found = (await here.get("/0/public/Trades", pair="XBTUSDT")).data["result"]
        (row,) = found["XBTUSDT"]
        assert (row[0], row[1], row[3:6]) == ("60000.00000", "0.20000000", ["b", "l", ""])
        assert (await here.get("/0/public/Trades", pair="XBTUSDT", since=found["last"])).data["result"]["XBTUSDT"] == []
        assert (await here.get("/0/public/Ticker", pair="XBTUSDT")).data["result"]["XBTUSDT"]["c"][0] == "60000.00000"
        assert (await here.get("/0/public/Time")).data["result"]["unixtime"] == here.clock.now_ns() // 10**9
        assert (await here.get("/0/public/SystemStatus")).data["result"]["status"] == "online"
        assert (await here.get("/0/public/Assets")).data["result"]["XXBT"]["altname"] == "XBT"
        for path, values, error in (
            ("Depth", {"pair": "FOO"}, "EQuery:Unknown asset pair"), ("Depth", {}, "EGeneral:Invalid arguments"),
            ("Trades", {"pair": "XBTUSDT", "count": "x"}, "EGeneral:Invalid arguments"), ("Dance", {},
            "EGeneral:Unknown method"),
        ):  # fmt: skip
            answer = await here.get(f"/0/public/{path}", **values)
            assert (answer.status, answer.data) == (200, {"error": [error]})
