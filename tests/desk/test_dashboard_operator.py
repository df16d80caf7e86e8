"""What an operator asks for takes effect through numbered inputs: tried on the main job in simulated time."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import cast

import trio
import trio.testing

from desk.dashboard.screen import Screen
from desk.dashboard.terminal import line_text
from desk.link import DeskLink, private_socket
from desk.link_codec import MOST_STATE_BYTES, FrameReader, framed
from desk.loading import load_and_plan
from runtime.clock import TrioClock
from runtime.logs import Logger
from runtime.replay import replay_state
from runtime.session import Session
from runtime.supervisor import ShutdownReport
from tests.desk.main_job import CONFIG, SECOND_NS, START_NS
from tests.simulation.world import Silence, run_inline


def session_of(state: Path) -> Session:
    """The main job in small, in simulated time."""
    _, blueprint = load_and_plan(CONFIG)
    return Session(blueprint, TrioClock(START_NS), cast("Logger", Silence()), state, None, run_inline)


def simulate(main: Callable[[], object]) -> None:
    """Run to the end in simulated time."""
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))  # type: ignore[arg-type]


def working(session: Session) -> int:
    """How many orders are open."""
    return session.system.lanes[0].core.ledger.open_order_count()


async def until(wanted: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait in simulated time until it is so."""
    with trio.fail_after(seconds):
        while not wanted():
            await trio.sleep(0.01)


def test_pause_kill_and_reset_take_effect(tmp_path: Path) -> None:
    """Paused: no quotes, and none come. Resumed: they are back. Killed: halted and flat. Reset: they are back."""
    reports: list[ShutdownReport] = []

    async def main() -> None:
        with session_of(tmp_path / "state") as session:
            ledger = session.system.lanes[0].core.ledger

            async def run() -> None:
                reports.append(await session.run())

            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                await until(lambda: working(session) > 0)
                session.pause_quoting(True, "tester")
                await until(lambda: working(session) == 0)
                sent = int(ledger.orders)
                await trio.sleep(2)
                assert int(ledger.orders) == sent
                session.pause_quoting(False, "tester")
                await until(lambda: working(session) > 0)
                session.kill("tester")
                await until(lambda: ledger.halted and working(session) == 0)
                assert "tester" in ledger.halt_reason
                await trio.sleep(2)
                assert working(session) == 0
                assert session.system.supervisor.halts == ["operator: kill switch, by tester"]
                session.reset_halt("tester")
                await until(lambda: not ledger.halted and working(session) > 0)
                session.request_shutdown("tester quit")
        assert reports[0].orderly
        assert reports[0].reason == "tester quit"

    simulate(main)


def test_commands_of_an_operator_are_repeated_by_a_replay(tmp_path: Path) -> None:
    """They stand in the journal: from its first record on a replay comes to the very same decisions."""
    digests: list[int] = []

    async def main() -> None:
        with session_of(tmp_path / "state") as session:

            async def operate() -> None:
                await until(lambda: working(session) > 0)
                session.pause_quoting(True, "tester")
                await until(lambda: working(session) == 0)
                session.pause_quoting(False, "tester")
                await until(lambda: working(session) > 0)
                session.kill("tester")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(operate)
                await session.run(3 * SECOND_NS)
            digests.append(int(session.system.lanes[0].core.digest.value))

    simulate(main)
    [lane] = replay_state(tmp_path / "state")
    assert lane.agrees
    assert lane.decisions > 0
    assert digests == [lane.digest]
    assert lane.core.ledger.halted


def test_a_dashboard_that_looks_on_changes_nothing(tmp_path: Path) -> None:
    """With one connected that reads and one that has stopped, the decisions are those that its inputs alone lead to."""
    digests: list[int] = []

    async def main() -> None:
        with session_of(tmp_path / "state") as session, private_socket() as path:

            async def watch() -> None:
                reader = FrameReader(MOST_STATE_BYTES)
                async with await trio.open_unix_socket(str(path)), await trio.open_unix_socket(str(path)) as stream:
                    while data := await stream.receive_some(65_536):
                        reader.feed(data)

            async with trio.open_nursery() as nursery:
                await nursery.start(DeskLink(session, path, "tester").run)
                nursery.start_soon(watch)
                await session.run(5 * SECOND_NS)
                nursery.cancel_scope.cancel()
            digests.append(int(session.system.lanes[0].core.digest.value))

    simulate(main)
    [lane] = replay_state(tmp_path / "state")
    assert lane.agrees
    assert lane.decisions > 100
    assert digests == [lane.digest]


def test_a_running_system_is_drawn_with_its_quotes(tmp_path: Path) -> None:
    """Books with levels, LIVE, and our orders marked among them; what is drawn is what the ledger holds."""
    seen: list[str] = []

    async def main() -> None:
        with session_of(tmp_path / "state") as session:
            link = DeskLink(session, Path("unused"), "tester")

            async def look() -> None:
                await until(lambda: working(session) > 1)
                screen = Screen()
                reader = FrameReader(MOST_STATE_BYTES)
                screen.view.greet(reader.feed(framed(link.builder.hello()))[0], 1.0)
                screen.view.update(reader.feed(framed(await link.builder.state()))[0], 1.0)
                assert len(screen.view.orders) == working(session)
                for page in (0, 1):
                    screen.page = page
                    seen.append("\n".join(line_text(line) for line in screen.lines(80, 24, 1.0)))
                session.request_shutdown("seen")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(look)
                await session.run()

    simulate(main)
    for whole in seen:
        assert "LIVE" in whole
        assert "fair 6" in whole
        assert whole.count("▶") >= 2


def test_states_leave_no_garbage_to_collect(tmp_path: Path) -> None:
    """The collector does not run in steady state, so what a dashboard is told must make no cycles of references."""
    found: list[int] = []

    async def main() -> None:
        with session_of(tmp_path / "state") as session:
            link = DeskLink(session, Path("unused"), "tester")

            async def count() -> None:
                await until(lambda: working(session) > 0)
                for _ in range(3):
                    framed(await link.builder.state())
                gc.collect()
                gc.disable()
                try:
                    for _ in range(20):
                        framed(await link.builder.state())
                    found.append(gc.collect())
                finally:
                    gc.enable()
                session.request_shutdown("counted")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(count)
                await session.run()

    simulate(main)
    assert found == [0]
