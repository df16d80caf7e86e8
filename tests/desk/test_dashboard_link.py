"""The link between the trading process and its dashboard: frames, states, commands, and readers that misbehave."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from desk.dashboard.screen import Screen
from desk.link import EVERY_SECONDS, MOST_CLIENTS, DeskLink, private_socket
from desk.link_codec import MOST_COMMAND_BYTES, MOST_STATE_BYTES, FrameReader, LinkError, framed
from desk.link_log import LONGEST_LINE, SHOWN_LINES, LogTail
from desk.link_state import MOST_PANEL_BYTES, StateBuilder, panel_of
from desk.loading import load_and_plan
from market.messages import HaltReset, Message, OperatorCommand, PauseQuoting, TradingHalted
from runtime.clock import ManualClock
from runtime.logs import get_logger
from runtime.session import Session
from tests.data import ROOT

NOW_NS = 1_700_000_000_000_000_000
CONFIGS = (
    "tests/desk/one_venue.toml", "configs/mm.toml", "configs/mm-multi.toml", "configs/crossover.toml",
    "configs/exchange.toml",
)  # fmt: skip


def session_of(config: str, state: Path) -> Session:
    """A system that is built and does not run."""
    _, blueprint = load_and_plan(ROOT / config)
    return Session(blueprint, ManualClock(NOW_NS), get_logger("test"), state)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """The main job at one venue."""
    with session_of(CONFIGS[0], tmp_path / "state") as made:
        yield made


def told_lanes(session: Session) -> list[Message]:
    """What the lane was told urgently."""
    told: list[Message] = []
    session.system.lanes[0].channels.urgent.core.drain_into(told)
    return told


async def connected(link: DeskLink) -> trio.SocketStream:
    """A client of the link."""
    return await trio.open_unix_socket(str(link.path))


async def heard(
    stream: trio.SocketStream, wanted: int, reader: FrameReader | None = None
) -> list[dict[str, Any]]:
    """The next so many messages or more; a reader keeps what has come of the one after."""
    reader = reader or FrameReader(MOST_STATE_BYTES)
    messages: list[dict[str, Any]] = []
    while len(messages) < wanted:
        data = await stream.receive_some(65_536)
        assert data, "the link was closed"
        messages += reader.feed(data)
    return messages


# ---- frames


TOLD = st.dictionaries(st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), max_size=3)


@given(st.lists(TOLD, max_size=4), st.data())
def test_frames_come_out_as_they_went_in_however_they_are_cut(told: list[dict[str, int]], data: st.DataObject) -> None:
    """Whole, byte by byte, or in pieces of any size."""
    whole = b"".join(framed({"t": "x", "told": one}) for one in told)
    reader = FrameReader(MOST_STATE_BYTES)
    out: list[dict[str, Any]] = []
    place = 0
    while place < len(whole):
        size = data.draw(st.integers(1, 50))
        out += reader.feed(whole[place : place + size])
        place += size
    assert [one["told"] for one in out] == told


def test_frames_that_cannot_be_are_refused() -> None:
    """Too long before it is there, no MessagePack, or without a word of what it is."""
    with pytest.raises(LinkError, match="bytes came"):
        FrameReader(100).feed((101).to_bytes(4, "big"))
    with pytest.raises(LinkError, match="no MessagePack"):
        FrameReader(100).feed(b"\0\0\0\1\xc1")
    with pytest.raises(LinkError, match="what it is"):
        FrameReader(100).feed(framed([1, 2]))
    assert FrameReader(100).feed(framed({"t": "x", "odd": {1, 2}}))[0]["t"] == "x"


def test_the_log_keeps_its_end_and_nothing_more(tmp_path: Path) -> None:
    """Bounded in lines and in the length of each; what is written also goes where it would have gone."""
    with open(tmp_path / "log", "w") as file:
        tail = LogTail(file)
        for number in range(1_000):
            tail.write(f"line {number}\n")
        tail.write("x" * 10_000)
        tail.write("y\n")
        tail.flush()
    assert len(tail.lines) == SHOWN_LINES
    assert tail.count == 1_001
    assert len(tail.lines[-1]) <= LONGEST_LINE
    assert tail.lines[-2] == "line 999"
    assert (tmp_path / "log").read_text().count("\n") == 1_001


# ---- states


@pytest.mark.parametrize("config", CONFIGS)
async def test_any_system_has_a_state_that_can_be_drawn(config: str, tmp_path: Path) -> None:
    """With strategies and without, before anything has happened: on every page, at both sizes."""
    with session_of(config, tmp_path / "state") as made:
        builder = StateBuilder(made, LogTail(), "tester", "SIMULATED MARKET")
        reader = FrameReader(MOST_STATE_BYTES)
        screen = Screen()
        screen.view.greet(reader.feed(framed(builder.hello()))[0], 1.0)
        screen.view.update(reader.feed(framed(await builder.state()))[0], 1.0)
        for page in range(6):
            screen.page = page
            for size in ((80, 24), (200, 60)):
                assert len(screen.lines(*size, 1.0)) == size[1]
    assert screen.view.hello["name"] == made.blueprint.config.name
    assert len(screen.view.state["units"]) == len(made.system.supervisor.units)


class Speechless:
    """What has no words for itself."""

    def __str__(self) -> str:
        raise LookupError("no words")


def test_a_panel_that_fails_costs_the_panel_only(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises, is too large, or is nothing that can be sent: told in its place."""
    slot = session.system.lanes[0].core.slots[-1]

    class Bad:
        def __init__(self, told: object) -> None:
            self.told = told

        def panel(self) -> object:
            if isinstance(self.told, Exception):
                raise self.told
            return self.told

    class Slot:
        name = slot.name

        def __init__(self, told: object) -> None:
            self.actor = Bad(told)

    circle: dict[str, object] = {"kind": "x"}
    circle["again"] = circle
    much = {"kind": "x", "much": "x" * (MOST_PANEL_BYTES + 1)}
    for told in (ValueError("no"), KeyError("no"), much, {"kind": "x", "n": 2**70}, circle):
        found = panel_of(Slot(told))  # type: ignore[arg-type]
        assert found is not None
        assert b"failed" in bytes(found)
    nothings: tuple[object, ...] = ({}, None, [1])
    for nothing in nothings:
        assert panel_of(Slot(nothing)) is None  # type: ignore[arg-type]
    odd = panel_of(Slot({"kind": "x", "what": Speechless(), "where": Path("here")}))  # type: ignore[arg-type]
    assert odd is not None
    assert b"<Speechless>" in bytes(odd)
    assert b"here" in bytes(odd)


# ---- connections and commands


async def test_a_client_hears_the_greeting_and_then_states(session: Session, autojump_clock: trio.abc.Clock) -> None:
    """Four a second, and none is built while nobody listens."""
    with private_socket() as path:
        link = DeskLink(session, path, "tester")
        async with trio.open_nursery() as nursery:
            await nursery.start(link.run)
            await trio.sleep(5)
            assert link.states_sent == 0
            begun_at = trio.current_time()
            async with await connected(link) as stream:
                messages = await heard(stream, 9)
                assert [one["t"] for one in messages[:3]] == ["hello", "state", "state"]
                assert messages[0]["operator"] == "tester"
                assert trio.current_time() - begun_at == pytest.approx(7 * EVERY_SECONDS, abs=EVERY_SECONDS)
            await trio.sleep(2)
            sent = link.states_sent
            assert link.clients == 0
            await trio.sleep(2)
            assert link.states_sent == sent
            nursery.cancel_scope.cancel()


async def test_commands_become_numbered_inputs(session: Session, autojump_clock: trio.abc.Clock) -> None:
    """Pause, resume, kill, reset: urgent messages to every lane, with the operator's name; quit asks the supervisor."""
    session.started_ns = NOW_NS
    with private_socket() as path:
        read_again: list[str] = []
        link = DeskLink(session, path, "tester", reload=lambda: read_again.append("files"))
        async with trio.open_nursery() as nursery:
            await nursery.start(link.run)
            async with await connected(link) as stream:
                for command in ("pause", "resume", "reload", "kill", "reset_halt", "nonsense", "quit"):
                    await stream.send_all(framed({"t": "command", "command": command}))
                await trio.sleep(2)
            nursery.cancel_scope.cancel()
    told = told_lanes(session)
    assert read_again == ["files"]
    assert [type(one) for one in told] == [PauseQuoting, PauseQuoting, OperatorCommand, TradingHalted, HaltReset]
    pause, resume, killed, halt, reset = told
    assert isinstance(pause, PauseQuoting)
    assert isinstance(resume, PauseQuoting)
    assert [pause.paused, resume.paused, pause.operator] == [True, False, "tester"]
    assert isinstance(killed, OperatorCommand)
    assert killed.command == "kill"
    assert isinstance(halt, TradingHalted)
    assert "tester" in halt.reason
    assert isinstance(reset, HaltReset)
    assert reset.operator == "tester"
    assert not session.paused
    session.request_shutdown("again")
    assert session.system.supervisor._hurry.is_set()


async def test_a_reader_that_has_stopped_delays_nobody_and_gets_what_is_new(
    session: Session, autojump_clock: trio.abc.Clock
) -> None:
    """What lies in between is bounded by the socket; another reader goes on, and the slow one is soon up to date."""
    clock = session.clock
    assert isinstance(clock, ManualClock)
    with private_socket() as path:
        link = DeskLink(session, path, "tester")
        async with trio.open_nursery() as nursery:
            await nursery.start(link.run)
            async with await connected(link) as slow, await connected(link) as quick:
                reader = FrameReader(MOST_STATE_BYTES)
                count = 0
                with trio.move_on_after(120):
                    while True:
                        count += len(reader.feed(await quick.receive_some(65_536)))
                        clock.advance_by(1_000_000_000)
                assert count >= 100 / EVERY_SECONDS
                late = FrameReader(MOST_STATE_BYTES)
                seen = await heard(slow, 1, late)
                old = len(seen)
                while seen[-1].get("now_ns", 0) < clock.now_ns() - 2_000_000_000:
                    seen = await heard(slow, 1, late)
                    old += len(seen)
                assert old < 200
            nursery.cancel_scope.cancel()


async def test_the_end_of_the_run_is_told(session: Session, autojump_clock: trio.abc.Clock) -> None:
    """A dashboard that hears goodbye knows that nothing was left behind."""
    with private_socket() as path:
        link = DeskLink(session, path, "tester")
        async with trio.open_nursery() as nursery:
            await nursery.start(link.run)
            stream = await connected(link)
            await heard(stream, 2)
            nursery.cancel_scope.cancel()
        last: list[dict[str, Any]] = []
        reader = FrameReader(MOST_STATE_BYTES)
        while data := await stream.receive_some(65_536):
            last += reader.feed(data)
        assert last[-1]["t"] == "goodbye"
        await stream.aclose()


async def test_a_client_that_speaks_nonsense_is_let_go(session: Session, autojump_clock: trio.abc.Clock) -> None:
    """Too much, or nothing that can be read: that connection ends, and nothing else."""
    with private_socket() as path:
        link = DeskLink(session, path, "tester")
        async with trio.open_nursery() as nursery:
            await nursery.start(link.run)
            for nonsense in (b"\xff" * 8, (MOST_COMMAND_BYTES + 1).to_bytes(4, "big"), b"\0\0\0\1\xc1"):
                async with await connected(link) as stream:
                    await stream.send_all(nonsense)
                    while await stream.receive_some(65_536):
                        pass
            await trio.sleep(1)
            assert link.clients == 0
            async with await connected(link) as stream:
                assert (await heard(stream, 1))[0]["t"] == "hello"
            nursery.cancel_scope.cancel()


async def test_only_so_many_may_look(session: Session, autojump_clock: trio.abc.Clock) -> None:
    """One more is let go at once."""
    with private_socket() as path:
        link = DeskLink(session, path, "tester")
        async with trio.open_nursery() as nursery:
            await nursery.start(link.run)
            streams = [await connected(link) for _ in range(MOST_CLIENTS)]
            for stream in streams:
                await heard(stream, 1)
            async with await connected(link) as more:
                assert await more.receive_some(1) == b""
            for stream in streams:
                await stream.aclose()
            nursery.cancel_scope.cancel()


def test_nobody_else_can_connect() -> None:
    """The directory and the socket are this user's alone, and both are gone afterwards."""
    with private_socket() as path:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.parent.stat().st_uid == os.getuid()
    assert not path.parent.exists()


async def test_the_socket_has_no_permissions_for_others(session: Session, autojump_clock: trio.abc.Clock) -> None:
    """Also where somebody names a path in an open directory."""
    with private_socket() as path:
        async with trio.open_nursery() as nursery:
            await nursery.start(DeskLink(session, path, "tester").run)
            assert stat.S_ISSOCK(path.stat().st_mode)
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
            with socket.socket(socket.AF_UNIX) as plain:
                plain.connect(str(path))
            nursery.cancel_scope.cancel()
