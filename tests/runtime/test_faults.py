"""Faults on request: what the text means, what is refused, and that an armed fault strikes when it should."""

from __future__ import annotations

import pytest

from runtime.faults import FaultError, Kill, inject, parse_faults
from runtime.service import InjectedKill
from tests.simulation.disk import SimulatedDisk
from tests.simulation.factory import Plan, system_of


def test_specifications_are_read() -> None:
    """Several are separated by commas, with or without spaces; nothing asks for nothing."""
    assert parse_faults("") == []
    assert parse_faults("kill:risk:every=5") == [Kill("risk", 5)]
    assert parse_faults(" kill:risk:every=5 , kill:a.b-c:every=100,") == [Kill("risk", 5), Kill("a.b-c", 100)]


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


async def test_unknown_target_is_refused_with_the_known_ones() -> None:
    """A name that is neither an actor nor a service is told with those that there are."""
    disks: dict[str, SimulatedDisk] = {}
    system = system_of(Plan(1), disks)
    with pytest.raises(FaultError, match="no actor or service 'nobody' to kill: there are observer, fragile"):
        inject(system, [Kill("nobody", 3)])


async def test_actors_and_services_are_armed_by_name() -> None:
    """An actor's slot and a service's trigger count down from the number that was asked for."""
    disks: dict[str, SimulatedDisk] = {}
    system = system_of(Plan(1), disks)
    inject(system, [Kill("fragile", 3), Kill("feed", 7)])
    armed = {slot.name: (slot.kill_every, slot.kill_countdown) for lane in system.lanes for slot in lane.core.slots}
    assert armed["fragile"] == (3, 3)
    assert armed["observer"] == (0, 0)
    assert system.kills["feed"] == InjectedKill(7, 7)
    assert system.kills["sink"] == InjectedKill(0, 0)
