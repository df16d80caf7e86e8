"""Faults on request: what the text means, what is refused, and that an armed fault strikes when it should."""

from __future__ import annotations

import pytest

from runtime.faults import DRAWS, FaultError, Faults, FeedFault, Kill, inject, parse_faults
from runtime.service import InjectedKill
from tests.simulation.disk import SimulatedDisk
from tests.simulation.factory import Plan, system_of


def test_specifications_are_read() -> None:
    """Several are separated by commas, with or without spaces; nothing asks for nothing."""
    assert parse_faults("") == Faults()
    assert parse_faults("kill:risk:every=5") == Faults((Kill("risk", 5),))
    assert parse_faults(" kill:risk:every=5 , kill:a.b-c:every=100,").kills == (Kill("risk", 5), Kill("a.b-c", 100))
    assert parse_faults("drop:feed:rate=0.25,seed=7") == Faults((), (FeedFault("drop", "feed", 0, DRAWS // 4),), 7)
    assert parse_faults("stall:a:every=50:ms=3000, delay:a:ms=50:rate=.5,corrupt:b:rate=1:what=digit") == Faults(
        (),
        (
            FeedFault("stall", "a", 50, 0, 3_000_000_000),
            FeedFault("delay", "a", 0, DRAWS // 2, 50_000_000),
            FeedFault("corrupt", "b", 0, DRAWS, 0, "digit"),
        ),
    )


@pytest.mark.parametrize(
    "text",
    ["risk", "kill:risk", "kill:risk:5", "kill:risk:every=0", "kill:risk:every=-1", "kill:risk:every=1.5",
     "kill:risk:every=", "kill:risk:every=\u0665", "stop:risk:every=5", "kill:risk:every=5:x", "kill::every",
     "kill:risk:every=5;kill:x:every=2"],
)  # fmt: skip
def test_what_is_no_specification_is_refused(text: str) -> None:
    """The message shows what was written and how it should look."""
    with pytest.raises(FaultError, match="every="):
        parse_faults(text)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("drop:feed", "either every=N or rate=SHARE"),
        ("drop:feed:rate=0.1:every=5", "either every=N or rate=SHARE"),
        ("drop::rate=0.1", "needs a feed"),
        ("drop:feed:rate=0", "above 0"),
        ("drop:feed:rate=1.5", "at most 1"),
        ("drop:feed:rate=1e-3", "such as 0.01"),
        ("drop:feed:every=0", "at least 1"),
        ("drop:feed:every=5:ms=5", "no setting of drop"),
        ("delay:feed:every=5", "needs ms=N"),
        ("corrupt:feed:every=5:what=word", "what=byte or digit"),
        ("drop:feed:every=5,seed=x", "whole number"),
        ("lose:feed:every=5", "drop, duplicate, reorder, delay, corrupt, disconnect, stall"),
    ],
)
def test_what_is_no_fault_of_a_feed_is_refused(text: str, remedy: str) -> None:
    """The message says what is wrong and how it should look."""
    with pytest.raises(FaultError, match=remedy):
        parse_faults(text)


async def test_only_what_sends_frames_is_a_feed() -> None:
    """A service that sends no frames has none that could be dropped."""
    disks: dict[str, SimulatedDisk] = {}
    system = system_of(Plan(1), disks)
    with pytest.raises(FaultError, match="'sink' is no feed, so there is nothing to drop"):
        inject(system, parse_faults("drop:sink:every=5"))


async def test_unknown_target_is_refused_with_the_known_ones() -> None:
    """A name that is neither an actor nor a service is told with those that there are."""
    disks: dict[str, SimulatedDisk] = {}
    system = system_of(Plan(1), disks)
    with pytest.raises(FaultError, match="no actor or service 'nobody' to kill: there are observer, fragile"):
        inject(system, Faults((Kill("nobody", 3),)))


async def test_actors_and_services_are_armed_by_name() -> None:
    """An actor's slot and a service's trigger count down from the number that was asked for."""
    disks: dict[str, SimulatedDisk] = {}
    system = system_of(Plan(1), disks)
    inject(system, Faults((Kill("fragile", 3), Kill("feed", 7))))
    armed = {slot.name: (slot.kill_every, slot.kill_countdown) for lane in system.lanes for slot in lane.core.slots}
    assert armed["fragile"] == (3, 3)
    assert armed["observer"] == (0, 0)
    assert system.kills["feed"] == InjectedKill(7, 7)
    assert system.kills["sink"] == InjectedKill(0, 0)
