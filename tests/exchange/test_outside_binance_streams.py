"""The streams of the Binance gateway before the real exchange: control messages, market data, the user stream."""

from __future__ import annotations

import random
import ssl
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from trio_websocket import ConnectionClosed

from tests.exchange.outside import Listener, Web, world
from tests.seeds import examples, seeds


async def pause(seconds: float) -> None:
    """Let simulated time pass."""
    with trio.move_on_after(seconds):
        await trio.Event().wait()


async def next_of(listener: Listener, event: str) -> Any:  # noqa: ANN401  JSON is anything
    """The next message of a type."""
    while True:
        found = await listener.next()
        if found.get("e") == event:
            return found


async def subscribe(listener: Listener, *names: str) -> None:
    """Have streams."""
    assert await listener.ask(method="SUBSCRIBE", params=list(names), id=1) == {"result": None, "id": 1}


def kept(book: dict[str, dict[str, str]], event: dict[str, Any]) -> None:
    """Apply a change as the venue's documentation says."""
    for side in ("b", "a"):
        for price, size in event[side]:
            book[side].pop(price, None)
            if float(size):
                book[side][price] = size


async def quote(web: Web, side: str, price: str, size: str = "0.1", key: str = "alice") -> int:
    """Enter an order; gives its number."""
    answer = await web.order(key, side=side, price=price, quantity=size)
    assert answer.status == 200, answer.body
    return int(answer.data["orderId"])


async def test_control_messages(autojump_clock: object, tmp_path: Path) -> None:
    """Subscriptions, their list, the property, ids of all kinds, and every documented error."""
    async with world(tmp_path, frames_per_second=100, frames_burst=100) as here, here.listen("/ws") as one:
        assert await one.ask(method="LIST_SUBSCRIPTIONS", id=3) == {"result": [], "id": 3}
        await subscribe(one, "btcusdt@aggTrade", "btcusdt@depth", "nothing@depth")
        listed = ["btcusdt@aggTrade", "btcusdt@depth", "nothing@depth"]
        assert await one.ask(method="LIST_SUBSCRIPTIONS", id="x") == {"result": listed, "id": "x"}
        assert await one.ask(method="UNSUBSCRIBE", params=["btcusdt@depth"], id=-5) == {"result": None, "id": -5}
        assert (await one.ask(method="LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@aggTrade", "nothing@depth"]
        assert await one.ask(method="GET_PROPERTY", params=["combined"], id=2) == {"result": False, "id": 2}
        assert await one.ask(method="SET_PROPERTY", params=["combined", True], id=5) == {"result": None, "id": 5}
        assert await one.ask(method="GET_PROPERTY", params=["combined"], id=2) == {"result": True, "id": 2}
        wrong: list[tuple[dict[str, Any], int, str]] = [
            ({"method": "SUBSCRIB", "id": 1}, 2, "unknown variant SUBSCRIB, expected one of `SUBSCRIBE`, "),
            ({"id": 1}, 2, "missing field `method`"),
            ({"method": "SUBSCRIBE", "id": 1}, 2, "params must be a list"),
            ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2, "a stream is text"),
            ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1, "expected Boolean"),
            ({"method": "SET_PROPERTY", "params": ["other", True], "id": 1}, 0, "Unknown property"),
            ({"method": "SET_PROPERTY", "params": [1, True], "id": 1}, 2, "property name must be a string"),
            ({"method": "GET_PROPERTY", "params": ["combined", 1], "id": 1}, 2, "too many parameters"),
        ]
        for request, code, text in wrong:
            answer = await one.ask(**request)
            assert (answer["code"], answer["id"]) == (code, 1)
            assert text in answer["msg"]
        for bad_id in (2**63, 1.5, "x" * 37, [1]):
            answer = await one.ask(method="LIST_SUBSCRIPTIONS", id=bad_id)
            assert (answer["code"], "id" in answer) == (2, False)
        for text in ("", "{", "nonsense", '{"method":}', "[" * 5_000):
            await one.socket.send_message(text)
            assert (await one.next())["code"] == 3
        await one.socket.send_message("[1]")
        assert (await one.next())["code"] == 2


async def test_a_book_is_followed_without_a_gap(autojump_clock: object, tmp_path: Path) -> None:
    """Changes are put together by the clock, their ids follow one another, and with the snapshot they give the book."""
    async with world(tmp_path) as here, here.listen("/ws/btcusdt@depth@100ms") as one:
        web = here.web()
        await quote(web, "BUY", "59000")
        snapshot: dict[str, Any] = {}
        events: list[dict[str, Any]] = []
        for step in range(12):
            if step == 3:
                snapshot = (await web.get("depth", symbol="BTCUSDT", limit=100)).data
            number = await quote(web, "SELL", str(60_000 + step % 5))
            if step % 2:
                await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=number)
            await pause(0.03)
        await pause(0.2)
        final = (await web.get("depth", symbol="BTCUSDT")).data
        while not events or events[-1]["u"] < final["lastUpdateId"]:
            events.append(await one.next())
        assert 2 <= len(events) < 10
        for before, after in pairwise(events):
            assert after["U"] == before["u"] + 1
        book = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        joined = [event for event in events if event["u"] > snapshot["lastUpdateId"]]
        assert joined[0]["U"] <= snapshot["lastUpdateId"] + 1 <= joined[0]["u"]
        for event in joined:
            kept(book, event)
        assert book == {"b": dict(final["bids"]), "a": dict(final["asks"])}


async def test_every_public_stream(autojump_clock: object, tmp_path: Path) -> None:
    """Each stream in its wrapper, from one order that trades at two prices."""
    names = ["depth5", "depth10@100ms", "depth20", "depth", "trade", "aggTrade", "bookTicker", "ticker", "miniTicker"]
    target = "/stream?streams=" + "/".join(f"btcusdt@{name}" for name in names) + "/nothing@trade"
    async with world(tmp_path) as here:
        web = here.web()
        for price in ("60000", "60000", "60001"):
            await quote(web, "SELL", price)
        async with here.listen(target) as one:
            await here.web().order("bob", type="MARKET", timeInForce=None, quantity="0.25")
            found: dict[str, list[Any]] = {}
            with trio.move_on_after(3):
                while True:
                    frame = await one.next()
                    assert list(frame) == ["stream", "data"]
                    found.setdefault(frame["stream"].partition("@")[2], []).append(frame["data"])
    assert set(found) == set(names)
    assert [row["q"] for row in found["trade"]] == ["0.10000000", "0.10000000", "0.05000000"]
    assert [(row["q"], row["l"] - row["f"]) for row in found["aggTrade"]] == [("0.20000000", 1), ("0.05000000", 0)]
    assert {row["m"] for row in found["trade"] + found["aggTrade"]} == {False}
    assert [(row["a"], row["A"]) for row in found["bookTicker"]] == [("60001.00000000", "0.05000000")]
    (change,) = found["depth"]
    assert change["a"] == [["60000.00000000", "0.00000000"], ["60001.00000000", "0.05000000"]]
    for name in ("depth5", "depth10@100ms", "depth20"):
        assert found[name][-1]["asks"] == [["60001.00000000", "0.05000000"]]
        assert list(found[name][-1]) == ["lastUpdateId", "bids", "asks"]
    assert (found["ticker"][-1]["c"], found["miniTicker"][-1]["v"]) == ("60001.00000000", "0.25000000")


async def test_the_user_stream(autojump_clock: object, tmp_path: Path) -> None:
    """Orders and balances of the account, whoever entered them, under a key that is renewed, closed and expires."""
    async with world(tmp_path) as here:
        web = here.web()
        key = (await web.ask("POST", "/api/v3/userDataStream", headers=[("X-MBX-APIKEY", "alice")])).data["listenKey"]
        again = (await web.ask("POST", "/api/v3/userDataStream", headers=[("X-MBX-APIKEY", "alice")])).data
        assert again == {"listenKey": key}
        async with here.listen(f"/ws/{key}") as one:
            made = (await web.order(price="60000", quantity="0.2", newClientOrderId="first")).data
            new = await one.next()
            assert (new["e"], new["x"], new["X"], new["c"]) == ("executionReport", "NEW", "NEW", "first")
            position = await one.next()
            assert position["e"] == "outboundAccountPosition"
            (row,) = position["B"]
            assert (row["a"], float(row["l"]) >= 12_000) == ("USDT", True)
            await here.web().order("bob", side="SELL", price="60000", quantity="0.05")
            trade = await next_of(one, "executionReport")
            assert (trade["x"], trade["X"], trade["l"], trade["z"]) == (
                "TRADE", "PARTIALLY_FILLED", "0.05000000", "0.05000000",
            )  # fmt: skip
            assert (trade["m"], trade["Y"], trade["i"]) == (True, "3000.00000000", made["orderId"])
            assert {one["a"] for one in (await one.next())["B"]} == {"BTC", "USDT"}
            await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=made["orderId"], newClientOrderId="stop")
            gone = await next_of(one, "executionReport")
            assert (gone["x"], gone["X"], gone["c"], gone["C"]) == ("CANCELED", "CANCELED", "stop", "first")
            keyed = [("X-MBX-APIKEY", "alice")]
            assert (await web.ask("PUT", "/api/v3/userDataStream", f"listenKey={key}", headers=keyed)).data == {}
            assert (await web.ask("DELETE", "/api/v3/userDataStream", f"listenKey={key}", headers=keyed)).data == {}
            assert (await next_of(one, "listenKeyExpired"))["listenKey"] == key
            missing = await web.ask("PUT", "/api/v3/userDataStream", f"listenKey={key}", headers=keyed)
            assert (missing.status, missing.data["code"]) == (400, -1125)


async def test_a_listen_key_that_is_not_renewed_ends(autojump_clock: object, tmp_path: Path) -> None:
    """Its clients hear it, and hear nothing of the account any more."""
    async with world(tmp_path, listen_key_ms=2_000) as here:
        web = here.web()
        key = (await web.ask("POST", "/api/v3/userDataStream", headers=[("X-MBX-APIKEY", "bob")])).data["listenKey"]
        async with here.listen(f"/stream?streams={key}") as one:
            frame = await one.next()
            assert (frame["stream"], frame["data"]["e"]) == (key, "listenKeyExpired")
            await web.order("bob", price="50000", quantity="0.1")
            with trio.move_on_after(2) as scope:
                await one.next()
            assert scope.cancelled_caught


async def test_pings_age_and_the_end(autojump_clock: object, tmp_path: Path) -> None:
    """Who answers no ping is cut, a connection reaches its age, and the gateway says that it ends."""
    async with world(tmp_path, ping_ms=1_000, pong_ms=3_000, life_ms=10_000) as here:
        async with here.listen("/ws") as one:
            with pytest.raises(ConnectionClosed):
                await one.next()
            assert trio.current_time() >= 9
            assert one.socket.closed is not None
            assert "age" in (one.socket.closed.reason or "")
        async with here.listen("/ws") as one, here.listen("/stream") as other:
            here.gateway.fault.set()
            assert list(await one.next()) == ["e", "E"]
            assert (await other.next())["stream"] == "!serverShutdown"
            with pytest.raises(ConnectionClosed):
                await one.next()
            assert one.socket.closed is not None
            assert one.socket.closed.code == 1001


async def test_a_gateway_that_comes_back_knows_the_account(autojump_clock: object, tmp_path: Path) -> None:
    """After a failure open orders, fills and balances are asked for again."""
    async with world(tmp_path) as here:
        web = here.web()
        number = await quote(web, "SELL", "60000", "0.3")
        await here.web().order("bob", price="60000", quantity="0.1")
        here.gateway.fault.set()
        running = here.gateway
        while here.gateway is running:
            await pause(0.1)
        await pause(2)
        web = here.web()
        (row,) = (await web.signed("GET", "openOrders", symbol="BTCUSDT")).data
        assert (row["orderId"], row["executedQty"], row["status"]) == (number, "0.10000000", "PARTIALLY_FILLED")
        assert [one["qty"] for one in (await web.signed("GET", "myTrades", symbol="BTCUSDT")).data] == ["0.10000000"]
        assert (await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=number)).data["status"] == "CANCELED"
        bob = (await web.signed("GET", "allOrders", "bob", symbol="BTCUSDT")).data
        assert [(one["status"], one["executedQty"]) for one in bob] == [("FILLED", "0.10000000")]


async def test_tls_on_a_real_socket(tmp_path: Path) -> None:
    """With a certificate, requests and streams come over TLS, one connection for a request and then a WebSocket."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with world(tmp_path, certificate_file=str(chain), certificate_key_file=str(key)) as here:
        port = here.gateway.server.port
        tcp = await trio.open_tcp_stream("127.0.0.1", port)
        stream = trio.SSLStream(tcp, context, server_hostname="localhost", https_compatible=True)
        assert (await Web(stream, here.clock).get("ping")).data == {}
        async with here.listen("/ws", stream) as one:
            assert await one.ask(method="LIST_SUBSCRIPTIONS", id=1) == {"result": [], "id": 1}


@pytest.mark.parametrize("seed", seeds(3, 100))
@pytest.mark.parametrize("period", ["depth@100ms", "depth"])
async def test_any_follower_has_the_true_book(autojump_clock: object, tmp_path: Path, seed: int, period: str) -> None:
    """Whatever happens and whenever the snapshot is taken, the documented rule gives the exchange's own book."""
    chance = random.Random(seed)
    limits = {"orders_per_10_seconds": 10**9, "weight_per_minute": 10**9}
    events: deque[dict[str, Any]] = deque()
    async with (
        world(tmp_path, **limits) as here,
        here.listen(f"/ws/btcusdt@{period}") as one,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(follow, one, events)
        web, buyer = here.web(), here.web()
        snapshot: dict[str, Any] = {}
        taken_at = chance.randrange(80)
        numbers: list[int] = []
        for step in range(examples(100, 1_000)):
            if step == taken_at:
                snapshot = (await web.get("depth", symbol="BTCUSDT", limit=5_000)).data
            side = chance.choice(("BUY", "SELL"))
            if numbers and chance.random() < 0.3:
                await web.signed("DELETE", "order", symbol="BTCUSDT", orderId=numbers.pop())
            elif chance.random() < 0.2:
                await buyer.order("bob", side=side, type="MARKET", timeInForce=None, quantity="0.3")
            else:
                price = 60_000 + chance.randrange(10) * (1 if side == "SELL" else -1)
                numbers.append(await quote(web, side, str(price), f"0.{chance.randrange(1, 9)}"))
            await pause(chance.choice((0, 0, 0.05, 0.3)))
        await pause(2)
        final = (await web.get("depth", symbol="BTCUSDT", limit=5_000)).data
        book = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        last = snapshot["lastUpdateId"]
        while last < final["lastUpdateId"]:
            event = events.popleft()
            if event["u"] > last:
                assert event["U"] <= last + 1
                kept(book, event)
                last = event["u"]
        assert book == {"b": dict(final["bids"]), "a": dict(final["asks"])}
        nursery.cancel_scope.cancel()


async def follow(one: Listener, events: deque[dict[str, Any]]) -> None:
    """Read on, as the venue asks of whoever listens: one that does not answer its pings is disconnected."""
    while True:
        events.append(await one.next())


async def test_clients_that_come_and_go_leave_nothing(autojump_clock: object, tmp_path: Path) -> None:
    """Neither connections nor streams nor questions on their way, however they end."""
    limits = {"sockets_per_5_minutes": 10**6, "orders_per_10_seconds": 10**9, "weight_per_minute": 10**9}
    async with world(tmp_path, **limits) as here:
        gateway = here.gateway
        for count in range(examples(40, 1_000)):
            stream = here.connect()
            async with here.listen(f"/stream?streams=btcusdt@depth/btcusdt@trade/s{count}", stream) as one:
                if count % 3 == 0:
                    await stream.aclose()
                elif count % 3 == 1:
                    await one.ask(method="UNSUBSCRIBE", params=["btcusdt@trade"], id=1)
            web = here.web()
            await web.order(price="50000", quantity="0.001")
            await web.signed("DELETE", "openOrders", symbol="BTCUSDT")
            await web.stream.aclose()
        await pause(1)
        assert gateway.server.connections == 0
        assert (len(gateway.streams), len(gateway.desk)) == (0, 0)
