"""The watchdog: one report for each stall, one when it ends, with label, duration and stack; no real sleeping."""

from __future__ import annotations

import threading

from runtime.watchdog import Stall, Watchdog

LIMIT_NS = 1_000_000_000


class FakeLane:
    """What a lane shows, set by hand."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.busy_since_ns = 0

    def current_label(self) -> str:
        """The label as set."""
        return self.label


class Scene:
    """Two lanes, a clock set by hand and a list of reports."""

    def __init__(self) -> None:
        self.now_ns = 100
        self.lanes = [FakeLane("main/book"), FakeLane("orders/risk")]
        self.stalls: list[Stall] = []
        self.watchdog = Watchdog(self.lanes, LIMIT_NS, self.stalls.append, lambda: self.now_ns)

    def look_after(self, elapsed_ns: int) -> list[Stall]:
        """Let time pass, look, and give what was reported by that look."""
        self.now_ns += elapsed_ns
        self.stalls.clear()
        self.watchdog.look()
        return list(self.stalls)


def test_idle_and_quick_lanes_are_silent() -> None:
    """A lane that is idle, or busy for less than the limit, or busy with ever new work, is not reported."""
    scene = Scene()
    assert scene.look_after(10 * LIMIT_NS) == []
    for _ in range(5):
        scene.lanes[0].busy_since_ns = scene.now_ns
        assert scene.look_after(LIMIT_NS - 1) == []


def test_a_stall_is_reported_once_and_again_when_it_ends() -> None:
    """The first look past the limit reports the handler; later ones are silent until it has returned."""
    scene = Scene()
    since_ns = scene.lanes[0].busy_since_ns = scene.now_ns
    (stall,) = scene.look_after(LIMIT_NS)
    assert (stall.label, stall.since_ns, stall.duration_ns, stall.ended) == ("main/book", since_ns, LIMIT_NS, False)
    assert scene.look_after(LIMIT_NS) == []
    scene.lanes[0].busy_since_ns = 0
    scene.lanes[0].label = "main/idle"
    (end,) = scene.look_after(5)
    assert (end.label, end.duration_ns, end.ended) == ("main/book", 2 * LIMIT_NS + 5, True)
    assert scene.look_after(LIMIT_NS) == []


def test_a_second_stall_right_after_the_first_is_told_apart() -> None:
    """When the lane was idle only between two looks, the first stall ends and the second is reported on its own."""
    scene = Scene()
    scene.lanes[0].busy_since_ns = scene.now_ns
    assert len(scene.look_after(LIMIT_NS)) == 1
    scene.lanes[0].busy_since_ns = scene.now_ns + 1
    scene.lanes[0].label = "main/maker"
    first, second = scene.look_after(2 * LIMIT_NS)
    assert (first.label, first.ended) == ("main/book", True)
    assert (second.label, second.ended) == ("main/maker", False)


def test_lanes_are_watched_independently() -> None:
    """Two lanes stall and recover each on its own."""
    scene = Scene()
    scene.lanes[0].busy_since_ns = scene.now_ns
    scene.look_after(LIMIT_NS // 2)
    scene.lanes[1].busy_since_ns = scene.now_ns
    assert [stall.label for stall in scene.look_after(LIMIT_NS // 2)] == ["main/book"]
    assert [stall.label for stall in scene.look_after(LIMIT_NS // 2)] == ["orders/risk"]
    scene.lanes[0].busy_since_ns = 0
    assert [(stall.label, stall.ended) for stall in scene.look_after(1)] == [("main/book", True)]


def test_the_thread_shows_where_the_stuck_one_stands() -> None:
    """Started in the thread that is stuck, the watchdog's own thread reports that thread's stack."""
    lane = FakeLane("main/book")
    lane.busy_since_ns = 1
    reported = threading.Event()
    stalls: list[Stall] = []

    def on_stall(stall: Stall) -> None:
        stalls.append(stall)
        reported.set()

    looks = threading.Event()

    def wait(_seconds: float) -> bool:
        first = not looks.is_set()
        looks.set()
        return not first

    watchdog = Watchdog([lane], LIMIT_NS, on_stall, lambda: LIMIT_NS + 1, wait)

    def stuck_handler() -> None:
        watchdog.start()
        assert reported.wait(10)

    stuck_handler()
    watchdog.stop()
    watchdog.stop()
    assert len(stalls) == 1
    assert "stuck_handler" in stalls[0].stack


def test_stop_ends_the_thread_at_once() -> None:
    """A watchdog with a long limit stops without waiting for its next look, and can be started again."""
    watchdog = Watchdog([FakeLane("main/book")], 3_600 * LIMIT_NS, lambda stall: None)
    for _ in range(2):
        watchdog.start()
        watchdog.start()
        assert sum(thread.name == "watchdog" for thread in threading.enumerate()) == 1
        watchdog.stop()
        assert not any(thread.name == "watchdog" for thread in threading.enumerate())


def test_a_limit_of_zero_switches_it_off() -> None:
    """Without a limit there is no thread."""
    watchdog = Watchdog([FakeLane("main/book")], 0, lambda stall: None)
    watchdog.start()
    assert not any(thread.name == "watchdog" for thread in threading.enumerate())
    watchdog.stop()
