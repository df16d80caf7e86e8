"""Binance's REST interface before the real exchange: orders, who may ask, limits, errors with their codes."""

from __future__ import annotations

import hashlib
import hmac
import random
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
import trio

from exchange.keys import TRADE, Key, KeyRing
from exchange.outside.binance_rest import ENDPOINTS
from exchange.protocol import OrderForm, SetStatus
from runtime.config.secrets import Secret
from tests.exchange.gateways import SECRET
from tests.exchange.outside import Answer, Web, world
from tests.seeds import examples

KEYED = [("X-MBX-APIKEY", "alice")]


def fault(answer: Answer) -> tuple[int, int]:
    """Status and code of an error."""
    assert set(answer.data) == {"code", "msg"}
    return answer.status, answer.data["code"]


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


async def test_both_protocols_are_one_exchange(autojump_clock: object, tmp_path: Path) -> None:
    """An order of the native protocol is seen, traded with and cancelled here, with the same key in both."""
    async with world(tmp_path) as here, here.native("alice") as alice:
        form = OrderForm(symbol="BTCUSDT", side="sell", price="60000", size="0.5", client_order_id="native")
        order = await alice.order(form)
        web = here.web()
        taken = (await web.order("bob", price="60000", quantity="0.2")).data
        assert (taken["status"], taken["fills"][0]["commissionAsset"]) == ("FILLED", "USDT")
        (row,) = (await web.signed("GET", "openOrders", symbol="BTCUSDT")).data
        assert (row["clientOrderId"], row["executedQty"]) == ("native", "0.20000000")
        gone = await web.signed("DELETE", "order", symbol="BTCUSDT", origClientOrderId="native")
        assert (gone.data["status"], gone.data["orderId"]) == ("CANCELED", order.order_id)
        # The native session goes on: the gateway's own has spoiled no nonce of the key.
        async with here.native("alice") as again:
            assert await again.state("open_orders") == []


async def test_kinds_of_orders_and_answers(autojump_clock: object, tmp_path: Path) -> None:
    """Each type is taken as the venue's and told by its name; answers are as long as they were asked for."""
    async with world(tmp_path) as here:
        web = here.web()
        full = (await web.order(side="SELL", price="60000", quantity="0.5")).data
        assert list(full)[-1] == "fills"
        short = (await web.order(price="59000", quantity="0.1", newOrderRespType="ACK")).data
        assert list(short) == ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
        result = (await web.order(price="59000", quantity="0.1", newOrderRespType="RESULT")).data
        assert list(result) == list(full)[:-1]
        kinds: list[dict[str, Any]] = [
            {"type": "LIMIT_MAKER", "timeInForce": None, "price": "58000"},
            {"type": "STOP_LOSS_LIMIT", "price": "61500", "stopPrice": "61000"},
            {"type": "TAKE_PROFIT_LIMIT", "price": "50000", "stopPrice": "51000"},
            {"type": "STOP_LOSS", "timeInForce": None, "stopPrice": "61000"},
            {"type": "TAKE_PROFIT", "timeInForce": None, "stopPrice": "51000"},
            {"price": "57000", "icebergQty": "0.05", "selfTradePreventionMode": "EXPIRE_MAKER"},
        ]
        for kind in kinds:
            made = await web.order(quantity="0.1", newOrderRespType="RESULT", **kind)
            assert made.status == 200, made.body
            assert made.data["type"] == kind.get("type", "LIMIT")
        rows = (await web.signed("GET", "openOrders", symbol="BTCUSDT")).data
        assert {row["type"] for row in rows} == {kind.get("type", "LIMIT") for kind in kinds}
        assert [row["isWorking"] for row in rows if row["type"].startswith(("STOP", "TAKE"))] == [False] * 4
        assert (rows[-1]["icebergQty"], rows[-1]["selfTradePreventionMode"]) == ("0.05000000", "EXPIRE_MAKER")
        market: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": 1}
        assert (await web.signed("POST", "order/test", **market)).data == {}
        gone = (await web.signed("DELETE", "openOrders", symbol="BTCUSDT")).data
        assert {row["status"] for row in gone} == {"CANCELED"}
        assert len(gone) == len(rows)


async def test_what_an_order_is_refused_for(autojump_clock: object, tmp_path: Path) -> None:
    """The documented code for each mistake, by the gateway or by the exchange, and nothing is left of any."""
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"side": None}, -1102), ({"side": "buy"}, -1117), ({"type": "PEGGED"}, -1116), ({"symbol": "BTCUSD"}, -1121),
        ({"timeInForce": "GTD"}, -1115), ({"timeInForce": None}, -1102), ({"price": None}, -1102),
        ({"price": "6e4"}, -1100), ({"price": "-1"}, -1100), ({"price": "60000.001"}, -1111), ({"price": "0"}, -1013),
        ({"price": "99999999999999999999"}, -1130), ({"quantity": "0.0001"}, -1111), ({"quantity": "0"}, -1013),
        ({"quantity": "1000000"}, -2010), ({"stopPrice": "1"}, -1106), ({"trailingDelta": "10"}, -1013),
        ({"quoteOrderQty": "10"}, -1013), ({"newClientOrderId": "a b"}, -1100), ({"colour": "red"}, -1104),
        ({"newOrderRespType": "LONG"}, -1130), ({"selfTradePreventionMode": "MAYBE"}, -1130),
        ({"newClientOrderId": "x" * 37}, -1100),
        ({"type": "MARKET"}, -1106), ({"type": "LIMIT_MAKER"}, -1106),
        ({"icebergQty": "1", "timeInForce": "IOC"}, -1128),
        ({"icebergQty": "1"}, -2010), ({"newClientOrderId": "taken"}, -2010), ({"recvWindow": "60001"}, -1131),
        ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "60001"}, -2010),
    ]  # fmt: skip
    async with world(tmp_path) as here:
        web = here.web()
        await web.order(price="50000", quantity="0.1", newClientOrderId="taken")
        await here.web().order("bob", side="SELL", price="60001", quantity="0.1")
        for change, code in wrong:
            answer = await web.order(**{"price": "60000", "quantity": "0.1", **change})
            assert fault(answer) == (400, code), (change, answer.body)
        assert len((await web.signed("GET", "openOrders")).data) == 1
        assert len((await web.signed("GET", "allOrders", symbol="BTCUSDT")).data) == 1


async def test_what_a_cancel_or_a_question_is_refused_for(autojump_clock: object, tmp_path: Path) -> None:
    """Unknown, ended, another's and unnamed orders."""
    async with world(tmp_path) as here:
        web = here.web()
        mine = (await web.order(price="50000", quantity="0.1")).data["orderId"]
        for key, values, code in (
            ("alice", {"orderId": 999}, -2011), ("bob", {"orderId": mine}, -2011), ("alice", {}, -2011),
            ("alice", {"orderId": 0}, -1102), ("alice", {"orderId": "x"}, -1100),
            ("alice", {"origClientOrderId": ""}, -1102),
        ):  # fmt: skip
            assert fault(await web.signed("DELETE", "order", key, symbol="BTCUSDT", **values)) == (400, code)
        other = await web.signed("DELETE", "order", symbol="ODDUSDT", orderId=mine)
        assert fault(other) == (400, -2011)
        assert fault(await web.signed("GET", "order", symbol="BTCUSDT", orderId=999)) == (400, -2013)
        assert fault(await web.signed("GET", "order", symbol="ODDUSDT", orderId=mine)) == (400, -2013)
        assert fault(await web.signed("DELETE", "openOrders", symbol="ODDUSDT")) == (400, -2011)
        assert fault(await web.signed("GET", "myTrades", symbol="BTCUSDT", limit=0)) == (400, -1102)
        assert (await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=mine)).status == 200
        assert fault(await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=mine)) == (400, -2011)


async def test_who_may_ask(autojump_clock: object, tmp_path: Path) -> None:
    """Unknown keys, wrong signatures, old and early times, and rights that a key has not."""
    async with world(tmp_path) as here:
        web = here.web()
        now_ms = here.clock.now_ns() // 1_000_000
        assert fault(await web.get("account")) == (401, -2014)
        assert fault(await web.signed("GET", "account", "nobody")) == (401, -2015)
        assert fault(await web.signed("GET", "account", secret="0" * 32)) == (400, -1022)
        assert fault(await web.signed("GET", "account", timestamp=now_ms - 5_001)) == (400, -1021)
        assert fault(await web.signed("GET", "account", timestamp=now_ms + 1_000)) == (400, -1021)
        assert (await web.signed("GET", "account", timestamp=now_ms - 9_000, recvWindow=10_000)).status == 200
        assert (await web.signed("GET", "account", timestamp=now_ms * 1_000)).status == 200
        assert fault(await web.ask("GET", "/api/v3/account", f"timestamp={now_ms}", "", KEYED)) == (400, -1102)
        assert fault(await web.ask("GET", "/api/v3/account", "signature=x", "", KEYED)) == (400, -1102)
        assert fault(await web.order("reader", price="1", quantity="1")) == (401, -2015)
        reader = (await web.signed("GET", "account", "reader")).data
        assert (reader["canTrade"], reader["uid"]) == (False, 1)
        twice = await web.ask("GET", "/api/v3/account", "a=1&a=2", "", KEYED)
        assert fault(twice) == (400, -1101)


def test_the_documented_signature() -> None:
    """The venue's own example: this payload and secret give this signature."""
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    )
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    ring = KeyRing([Key("key", Secret(secret, "test"), 1, TRADE)])
    assert ring.verify("key", payload, signature) is not None
    assert ring.verify("key", payload, signature.upper()) is not None
    assert ring.verify("key", payload + "0", signature) is None
    assert ring.verify("other", payload, signature) is None
    assert ring.verify("key", payload, "ä" * 64) is None


async def test_weights_and_orders_are_counted(autojump_clock: object, tmp_path: Path) -> None:
    """Headers tell what was used; past the limit comes 429 with the time to wait, far past it 418; then it ends."""
    async with world(tmp_path, weight_per_minute=100, orders_per_10_seconds=2) as here:
        web = here.web("one")
        first = await web.get("depth", symbol="BTCUSDT", limit=1_000)
        assert (first.status, first.headers["x-mbx-used-weight-1m"]) == (200, "50")
        assert (await web.get("depth", symbol="BTCUSDT", limit=1_000)).headers["x-mbx-used-weight-1m"] == "100"
        limited = await web.get("ping")
        assert fault(limited) == (429, -1003)
        assert 0 < int(limited.headers["retry-after"]) <= 60
        assert (await here.web("other").get("ping")).status == 200
        for _ in range(3):
            last = await web.get("depth", symbol="BTCUSDT", limit=1_000)
        assert fault(last) == (418, -1003)
        with trio.move_on_after(61):
            await trio.Event().wait()
        web = here.web("one")
        assert fault(await web.get("ping")) == (418, -1003)
        with trio.move_on_after(60):
            await trio.Event().wait()
        web = here.web("one")
        assert (await web.get("ping")).status == 200
        counts = [await web.order(price="50000", quantity="0.1") for _ in range(3)]
        assert [one.headers.get("x-mbx-order-count-10s") for one in counts] == ["1", "2", None]
        assert fault(counts[-1]) == (429, -1015)


async def test_public_answers(autojump_clock: object, tmp_path: Path) -> None:
    """Every public path, with and without symbols, before and after trades."""
    async with world(tmp_path) as here:
        web = here.web()
        assert (await web.get("ping")).data == {}
        assert (await web.get("time")).data["serverTime"] == here.clock.now_ns() // 1_000_000
        info = (await web.get("exchangeInfo", symbols='["BTCUSDT"]')).data
        filters = {one["filterType"]: one for one in info["symbols"][0]["filters"]}
        assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
        assert filters["LOT_SIZE"]["stepSize"] == "0.00100000"
        assert len((await web.get("exchangeInfo")).data["symbols"]) == 2
        await web.order(side="SELL", price="60000", quantity="0.2")
        await web.order(side="SELL", price="60001", quantity="0.2")
        await here.web().order("bob", type="MARKET", timeInForce=None, quantity="0.3")
        rows = (await web.get("trades", symbol="BTCUSDT")).data
        assert [(row["qty"], row["quoteQty"], row["isBuyerMaker"]) for row in rows] == [
            ("0.20000000", "12000.00000000", False), ("0.10000000", "6000.10000000", False),
        ]  # fmt: skip
        assert (await web.get("trades", symbol="BTCUSDT", limit=1)).data == rows[1:]
        many = (await web.get("aggTrades", symbol="BTCUSDT", fromId=2)).data
        assert [(row["a"], row["q"]) for row in many] == [(2, "0.10000000")]
        top = (await web.get("ticker/bookTicker", symbol="BTCUSDT")).data
        assert (top["askPrice"], top["bidPrice"]) == ("60001.00000000", "0.00000000")
        assert [row["symbol"] for row in (await web.get("ticker/bookTicker")).data] == ["BTCUSDT", "ODDUSDT"]
        assert (await web.get("ticker/price", symbol="BTCUSDT")).data["price"] == "60001.00000000"
        day = (await web.get("ticker/24hr", symbol="BTCUSDT")).data
        assert (day["volume"], day["count"], day["openPrice"]) == ("0.30000000", 2, "60000.00000000")
        for path, values, code in (
            ("depth", {}, -1102), ("depth", {"symbol": "btcusdt"}, -1121), ("ticker/price", {"symbols": "x"}, -1100),
            ("ticker/price", {"symbols": '["X"]'}, -1121), ("depth", {"symbol": "BTCUSDT", "limit": "ten"}, -1100),
            ("ticker/price", {"symbol": "BTCUSDT", "symbols": '["BTCUSDT"]'}, -1128),
            ("aggTrades", {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128),
        ):  # fmt: skip
            assert fault(await web.get(path, **values)) == (400, code)
        assert fault(await web.get("nowhere")) == (404, -1000)
        assert fault(await web.ask("POST", "/api/v3/depth")) == (405, -1000)


async def test_an_exchange_that_does_not_answer(autojump_clock: object, tmp_path: Path) -> None:
    """A request ends with a timeout that says that nobody knows, and books that are not there are not told."""
    async with world(tmp_path, exchange_id=77, answer_ms=1_000) as here:
        web = here.web()
        assert fault(await web.order(price="50000", quantity="0.1")) == (504, -1007)
        here.gateway.side.by_symbol["BTCUSDT"].is_synced = False
        assert fault(await web.get("depth", symbol="BTCUSDT")) == (503, -1000)


WORDS = (
    "symbol", "BTCUSDT", "side", "BUY", "0", "1", "-1", "", "%", "limit", "orderId", "timestamp", "ä", "9" * 40, "null",
)  # fmt: skip


async def storm(web: Web, chance: random.Random, count: int) -> None:
    """Requests of every path with parameters that make no sense."""
    paths = list(ENDPOINTS)
    for _ in range(count):
        method, path = chance.choice(paths)
        names = [*ENDPOINTS[(method, path)].known(), *WORDS]
        values = {chance.choice(names): chance.choice(WORDS) for _ in range(chance.randrange(6))}
        signed = chance.random() < 0.7
        if signed:
            values.pop("timestamp", None)
            values.pop("signature", None)
            answer = await web.signed(method, path.removeprefix("/api/v3/"), in_body=method == "POST", **values)
        else:
            text = "&".join(f"{name}={value}" for name, value in values.items()).encode("ascii", "ignore").decode()
            answer = await web.ask(method, path, text.replace(" ", ""), "", KEYED)
        assert answer.status in (200, 400, 401), answer
        if answer.status != 200:
            assert set(answer.data) == {"code", "msg"}


async def test_nonsense_is_always_answered(autojump_clock: object, tmp_path: Path) -> None:
    """Any parameters at any path, signed or not, end in an answer of the venue's form, and the gateway goes on."""
    unlimited = {"weight_per_minute": 10**9, "orders_per_10_seconds": 10**9}
    async with world(tmp_path, **unlimited) as here:
        await storm(here.web(), random.Random(11), examples(600, 20_000))
        assert (await here.web().order(price="50000", quantity="0.1")).status == 200


@pytest.mark.parametrize("kept", [1, 3])
async def test_ended_orders_are_kept_up_to_a_number(autojump_clock: object, tmp_path: Path, kept: int) -> None:
    """Beyond it the one that ended longest ago is forgotten; open ones never are."""
    async with world(tmp_path, orders_kept=kept) as here:
        web = here.web()
        stays = (await web.order(price="50000", quantity="0.1")).data["orderId"]
        numbers = []
        for _ in range(5):
            number = (await web.order(price="50001", quantity="0.1")).data["orderId"]
            await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=number)
            numbers.append(number)
        rows = (await web.signed("GET", "allOrders", symbol="BTCUSDT")).data
        assert [row["orderId"] for row in rows] == [stays, *numbers[-kept:]]


async def test_what_is_signed_is_what_is_sent(autojump_clock: object, tmp_path: Path) -> None:
    """A symbol in other letters is percent-encoded before it is signed; signed as it reads, it is refused."""
    async with world(tmp_path) as here:
        web = here.web()
        now_ms = here.clock.now_ns() // 1_000_000
        sent = urlencode({"symbol": "\u5e01USDT", "orderId": 1, "timestamp": now_ms})
        for signed, code in ((sent, -1121), (unquote(sent), -1022)):
            digest = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
            answer = await web.ask("GET", "/api/v3/order", f"{sent}&signature={digest}", "", KEYED)
            assert fault(answer) == (400, code)


async def test_a_session_that_the_exchange_forgot(autojump_clock: object, tmp_path: Path) -> None:
    """The order is entered from a new one, once, and the client hears nothing of it."""
    async with world(tmp_path) as here:
        web = here.web()
        assert (await web.order(price="50000", quantity="0.1")).status == 200
        here.gateway.link.forward(here.gateway.desk.farewell())
        assert (await web.order(price="50001", quantity="0.1")).status == 200
        assert len((await web.signed("GET", "openOrders")).data) == 2


async def test_a_market_that_halts(autojump_clock: object, tmp_path: Path) -> None:
    """`exchangeInfo` says so, orders are refused as the venue refuses them, cancels pass."""
    async with world(tmp_path) as here, here.native("alice") as admin:
        web = here.web()
        number = (await web.order(price="50000", quantity="0.1")).data["orderId"]
        assert (await admin.ask(SetStatus(id=900, symbol="BTCUSDT", status="halted"))).ok
        info = (await web.get("exchangeInfo", symbol="BTCUSDT")).data
        assert info["symbols"][0]["status"] == "HALT"
        refused = await web.order(price="50000", quantity="0.1")
        assert (fault(refused), refused.data["msg"]) == ((400, -2010), "Market is closed.")
        assert (await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=number)).status == 200
