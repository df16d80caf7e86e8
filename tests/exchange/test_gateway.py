"""The gateway with a played lane: logins, requests, private events, and the ends of connections and of the gateway."""

from __future__ import annotations

import itertools
import json

import pytest
import trio
import trio.testing

from exchange.client import ExchangeClient, RequestFailed, open_exchange_stream
from exchange.gateway_params import GatewayParams
from exchange.keys import sign
from exchange.protocol import (
    AnyRequest,
    Cancel,
    CancelAll,
    Group,
    Instruments,
    Login,
    Order,
    OrderForm,
    PingRequest,
    Replace,
    SetStatus,
    State,
    Transfer,
)
from exchange.protocol_events import Answer, Balance, Heartbeat, InstrumentsEvent, Report
from market.messages import (
    REJECT_BAD_PRICE,
    REJECT_OTHER,
    AccountStateWanted,
    BalanceReported,
    CancelAllWanted,
    CancelWanted,
    EntryWanted,
    Message,
    ReplaceWanted,
    RequestAnswered,
    SessionClosed,
    SessionOpened,
    StatusWanted,
    TransferWanted,
)
from market.messages.json_form import to_json
from tests.exchange.gateways import SECRET, START_NS, FrozenStream, World, report, world

FORM = OrderForm(symbol="BTCUSDT", side="buy", price="60000.01", size="0.5")


def order(number: int) -> Order:
    """A plain order."""
    return Order(id=number, symbol="BTCUSDT", side="buy", price="60000.01", size="0.5")


def answered(session_id: int, request_id: int, code: int = -1, affected: int = 1) -> RequestAnswered:
    """The lane's answer, a refusal where a code is given."""
    refused = code >= 0
    return RequestAnswered(
        1, session_id, 7, request_id, refused, max(code, 0), "why" if refused else "", 0, "", affected, 0, START_NS
    )


async def code_of(client: ExchangeClient, request: AnyRequest) -> str:
    """Why a request is refused."""
    with pytest.raises(RequestFailed) as caught:
        await client.request(request)
    return caught.value.answer.code


async def close_of(client: ExchangeClient) -> int:
    """The code with which the gateway ends a connection."""
    reason = await client.wait_closed()
    assert reason is not None
    return reason.code


async def test_an_order_goes_to_the_lane_and_its_answer_comes_back(autojump_clock: object) -> None:
    """Numbers arrive exactly; the client hears of the order and gets one answer."""
    async with world() as here, here.trader() as client:
        answer = await client.order(FORM)
        assert (answer.ok, answer.order_id) == (True, 1_001)
        told = await client.next_event(Report)
        assert isinstance(told, Report)
        assert (told.event, told.price, told.size, told.sequence) == ("accepted", "60000.01", "0.50000", 1)
        assert told.session == client.session_id
        (entry,) = here.lane.taken_of(EntryWanted)
        assert isinstance(entry, EntryWanted)
        assert (entry.price, entry.size, entry.account_id) == (6_000_001, 50_000, 7)
        assert entry.session_id == client.session_id


async def test_every_request_becomes_its_message(autojump_clock: object) -> None:
    """Cancels, replaces, questions and administration reach the lane with their fields."""
    async with world() as here, here.trader() as client, here.trader("admin") as admin:
        session, over = client.session_id, admin.session_id
        wanted: list[tuple[AnyRequest, Message]] = [
            (Cancel(id=10, symbol="BTCUSDT", order_id=4), CancelWanted(1, session, 7, 10, 1, 4, "", 0)),
            (Cancel(id=11, symbol="BTCUSDT", client_order_id="a"), CancelWanted(1, session, 7, 11, 1, 0, "a", 0)),
            (CancelAll(id=12), CancelAllWanted(1, session, 7, 12, 0, 0)),
            (CancelAll(id=13, symbol="BTCUSDT"), CancelAllWanted(1, session, 7, 13, 1, 0)),
            (Replace(id=14, symbol="BTCUSDT", order_id=4, price="1.5", size="2"),
             ReplaceWanted(1, session, 7, 14, 1, 4, "", 150, 200_000, 0)),
            (State(id=15, what="fills", since_sequence=9), AccountStateWanted(1, session, 7, 15, 2, 9, 0)),
            (Transfer(id=16, account=9, asset="USDT", amount="-1.5"),
             TransferWanted(1, over, 7, 16, 9, "USDT", -1_500_000_000_000, 0)),
            (SetStatus(id=17, symbol="BTCUSDT", status="halted"), StatusWanted(1, over, 7, 17, 1, 2, 0)),
        ]  # fmt: skip
        for request, message in wanted:
            asker = admin if isinstance(request, Transfer | SetStatus) else client
            assert (await asker.request(request)).ok
            (taken,) = here.lane.taken_of(type(message))[-1:]
            told, meant = json.loads(to_json(taken)), json.loads(to_json(message))
            assert {**told, "receive_ns": 0} == {**meant, "receive_ns": 0}


async def test_a_group_is_answered_once(autojump_clock: object) -> None:
    """Its orders go to the lane together; of several refusals the one that says most is told."""
    async with world() as here, here.trader() as client:
        here.lane.is_silent = True
        codes: list[str] = []

        async def ask(number: int) -> None:
            answer = await client.ask(Group(id=number, kind="oco", orders=[FORM, FORM]))
            codes.append(f"{number} {answer.ok} {answer.code} {answer.affected}")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, 50)
            nursery.start_soon(ask, 51)
            await trio.testing.wait_all_tasks_blocked()
            session = client.session_id
            here.tell(answered(session, 50), answered(session, 51, REJECT_OTHER, 0), answered(session, 50))
            here.tell(answered(session, 51, REJECT_BAD_PRICE, 0))
        assert sorted(codes) == ["50 True  2", "51 False bad_price 0"]
        kinds = [(entry.group_kind, entry.group_count) for entry in here.lane.taken if isinstance(entry, EntryWanted)]
        assert kinds == [(1, 2)] * 4
        other = OrderForm(symbol="ETHUSDT", side="buy", price="1", size="1")
        assert await code_of(client, Group(id=52, kind="oco", orders=[FORM, other])) == "malformed"


async def test_rows_go_to_who_asked_and_news_to_the_whole_account(autojump_clock: object) -> None:
    """All connections of an account that may read hear of its orders; another account hears nothing."""
    async with world() as here, here.trader() as first, here.trader("reader") as second, here.trader("other") as other:
        rows = await first.state("open_orders")
        assert [type(row) for row in rows] == [Report, Balance]
        balance = rows[1]
        assert isinstance(balance, Balance)
        assert (balance.total, balance.held) == ("5", "1")
        here.tell(report(7, 1), BalanceReported(1, 7, 2, 0, "BTC", 1_500_000_000_000, 0, 0), report(8, 1))
        for client in (first, second):
            events = [await client.next_event((Report, Balance)) for _ in range(2)]
            assert [event.sequence for event in events if isinstance(event, Report | Balance)] == [1, 2]
            assert client.rows == (rows if client is first else [])
        told = await other.next_event((Report, Balance))
        assert isinstance(told, Report)
        assert told.sequence == 1


async def test_the_first_report_after_a_login_follows_its_sequence(autojump_clock: object) -> None:
    """The answer to a login tells how far the account is; the next report has the next number."""
    async with world() as here, here.trader() as early:
        for _ in range(3):
            await early.order(FORM)
        async with here.client() as late:
            answer = await late.login("trader", SECRET)
            assert answer.sequence == 3
            await early.order(FORM)
            told = await late.next_event(Report)
            assert isinstance(told, Report)
            assert told.sequence == 4


async def test_scopes_are_enforced(autojump_clock: object) -> None:
    """What a key may not do is refused with the scope that it lacks; before a login nothing private is served."""
    trades: list[AnyRequest] = [
        order(101), Cancel(id=102, symbol="BTCUSDT", order_id=1), CancelAll(id=103),
        Replace(id=104, symbol="BTCUSDT", order_id=1, price="1", size="1"),
        Group(id=105, kind="oco", orders=[FORM, FORM]),
    ]  # fmt: skip
    orders: list[AnyRequest] = [Transfer(id=106, account=1, asset="BTC", amount="1"),
                                SetStatus(id=107, symbol="BTCUSDT", status="halted")]  # fmt: skip
    asks: list[AnyRequest] = [State(id=108, what="fills")]
    async with world() as here, here.client() as nobody, here.trader("reader") as reader:
        async with here.trader() as trader, here.trader("admin") as admin:
            refused = {nobody: trades + orders + asks, reader: trades + orders, trader: orders, admin: trades + asks}
            for client, requests in refused.items():
                for request in requests:
                    assert await code_of(client, request) == ("not_logged_in" if client is nobody else "scope")
        assert {type(message) for message in here.lane.taken} <= {SessionOpened, SessionClosed} | {
            type(message) for message in here.lane.taken if not hasattr(message, "request_id")
        }
        assert (await nobody.ask(PingRequest(id=109))).ok
        await nobody.send([Instruments(id=110)])
        told = await nobody.next_event(InstrumentsEvent)
        assert isinstance(told, InstrumentsEvent)
        assert [row.symbol for row in told.instruments] == ["BTCUSDT"]


async def test_a_nonce_serves_once(autojump_clock: object) -> None:
    """A login that was overheard cannot be replayed, on another connection neither."""
    async with world() as here, here.trader(nonce=5), here.client() as thief:
        with pytest.raises(RequestFailed, match="the nonce was used before"):
            await thief.login("trader", SECRET, nonce=5)
        assert await code_of(thief, State(id=100, what="fills")) == "not_logged_in"
        assert (await thief.login("trader", SECRET, nonce=6)).ok


async def test_a_second_login_is_refused(autojump_clock: object) -> None:
    """One connection has one key."""
    async with world() as here, here.trader() as client:
        with pytest.raises(RequestFailed, match="open another one"):
            await client.login("other", SECRET)


async def test_stale_logins_and_failed_ones_in_a_row(autojump_clock: object) -> None:
    """A signature of another time is refused with the difference; after five failures the connection is cut."""
    async with world() as here, here.client() as client, here.trader() as other:
        for number in range(5):
            time_ms = here.now_ms() - 60_000
            request = Login(
                id=client.next_id(), key="trader", time_ms=time_ms, nonce=number + 1,
                signature=sign(SECRET, "trader", time_ms, number + 1),
            )  # fmt: skip
            assert "60000 ms behind" in (await client.ask(request)).text
        assert await close_of(client) == 4001
        assert (await other.order(FORM)).ok


async def test_answers_that_do_not_come_are_answered(autojump_clock: object) -> None:
    """A request that the lane forgets gets a timeout, and one that comes late is not answered twice."""
    async with world() as here, here.trader() as client:
        here.lane.is_silent = True
        assert await code_of(client, order(100)) == "timeout"
        here.tell(answered(client.session_id, 100))
        here.lane.is_silent = False
        assert (await client.ask(order(101))).ok
        events: list[object] = []
        with trio.move_on_after(1):
            async for event in client.events():
                events.append(event)
        assert not [event for event in events if isinstance(event, Answer)]


async def test_pending_requests_are_bounded_and_cancels_have_room(autojump_clock: object) -> None:
    """Past the limit orders are refused while a cancel still passes; ids under way are not taken twice."""
    async with world(GatewayParams(port=0, most_pending=3)) as here, here.trader() as client:
        here.lane.is_silent = True
        await client.send([order(number) for number in (100, 101, 101, 102, 103)])
        answers = [await client.next_event(Answer) for _ in range(2)]
        assert [(one.id, one.code) for one in answers if isinstance(one, Answer)] == [
            (101, "duplicate_id"), (103, "too_many_pending"),
        ]  # fmt: skip
        await client.send([Cancel(id=104, symbol="BTCUSDT", order_id=1)])
        await trio.testing.wait_all_tasks_blocked()
        assert len(here.lane.taken_of(CancelWanted)) == 1
        here.tell(answered(client.session_id, 101))
        await client.next_event(Answer)
        await client.send([Cancel(id=101, symbol="BTCUSDT", order_id=1)])
        await trio.testing.wait_all_tasks_blocked()
        assert len(here.lane.taken_of(CancelWanted)) == 2


async def test_requests_that_come_together_go_to_the_lane_together(autojump_clock: object) -> None:
    """A frame of orders is one batch, and its answers come in few frames."""
    async with world() as here, here.trader() as client:
        sent = here.gateway.hub.sessions[client.session_id].outbox.sent_frames
        answers = await client.ask_all([order(number) for number in range(100, 150)])
        assert all(answer.ok for answer in answers)
        assert here.gateway.hub.sessions[client.session_id].outbox.sent_frames - sent <= 3


async def closed_sessions(here: World) -> list[tuple[int, int]]:
    """The sessions and accounts that the lane was told the end of."""
    await trio.testing.wait_all_tasks_blocked()
    return [(one.session_id, one.account_id) for one in here.lane.taken if isinstance(one, SessionClosed)]


async def test_the_lane_learns_of_every_end(autojump_clock: object) -> None:
    """A closed connection, a broken one and a cut one all end their session; one that never logged in had none."""
    async with world() as here:
        sessions = []
        async with here.trader() as client:
            sessions.append((client.session_id, 7))
        async with here.client():
            pass
        async with here.trader() as client:
            sessions.append((client.session_id, 7))
            await trio.aclose_forcefully(client.socket._stream)
        async with here.trader() as client:
            sessions.append((client.session_id, 7))
            await client.send_text(b"bytes")
            assert await close_of(client) == 1003
        assert await closed_sessions(here) == sessions
        assert here.gateway.hub.sessions == {}
        assert here.gateway.hub.accounts == {}


async def test_an_orderly_end_closes_every_connection_and_session(autojump_clock: object) -> None:
    """Clients get 1001, and the lane hears of all sessions; sessions of the next run have other numbers."""
    async with world() as here, here.trader() as first, here.trader("other") as second:
        here.scope.cancel()
        assert [await close_of(first), await close_of(second)] == [1001, 1001]
        with trio.move_on_after(5):
            while len(await closed_sessions(here)) < 2:
                await trio.sleep(0.1)
        assert set(await closed_sessions(here)) == {(first.session_id, 7), (second.session_id, 8)}


async def test_heartbeats_come_and_a_silent_client_is_cut(autojump_clock: object) -> None:
    """A client that answers pings stays as long as it likes; one that does not, as if its cable were cut, is found."""
    async with world() as here, here.client() as client:
        beats = [await client.next_event(Heartbeat) for _ in range(20)]
        times = [beat.time_ms for beat in beats if isinstance(beat, Heartbeat)]
        assert [later - earlier for earlier, later in itertools.pairwise(times)] == [5_000] * 19
        stream = FrozenStream(here.connect())
        async with here.client(stream=stream):
            started = trio.current_time()
            stream.is_frozen = True
            assert await here.until_left(here.connection()) == 4003
            assert 10 <= trio.current_time() - started < 5 + 10 + 1
            assert (await client.ask(PingRequest(id=100))).ok


async def test_a_client_whose_exchange_dies_in_the_handshake_is_told() -> None:
    """It does not wait for an answer that nobody will write."""
    near, far = trio.testing.memory_stream_pair()

    async def die() -> None:
        await far.receive_some()
        await far.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(die)
        with pytest.raises((ConnectionError, ExceptionGroup)) as caught, trio.fail_after(5):
            async with open_exchange_stream(near):
                raise AssertionError("nobody has answered")
    error = caught.value
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, ConnectionError)
