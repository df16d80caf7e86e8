"""The metrics of a whole system agree with what it did."""

from __future__ import annotations

from tests.simulation.factory import Plan
from tests.simulation.test_supervisor import simulated


def test_the_metrics_of_a_run_agree_with_its_parts() -> None:
    """Inputs, failures, channels and latencies are read from where they are counted."""
    system, _, _ = simulated(Plan(5, one_in=12), lanes=2)
    snapshot = system.metrics.snapshot()
    values = {(one.name, one.labels): one.value for one in snapshot.gauges}
    for lane in system.lanes:
        assert values["lane_inputs", (("lane", lane.name),)] == lane.core.sequence
        for slot in lane.core.slots:
            labels = (("actor", slot.name), ("lane", lane.name))
            assert values["actor_failures", labels] == slot.failures
    assert sum(value for (name, _), value in values.items() if name == "actor_failures") > 0
    channel = system.lane("main").channels.inbox
    assert values["channel_sent", (("channel", channel.name),)] == channel.core.sent
    main = system.lane("main")
    for port in main.core.ports:
        labels = (("lane", "main"), ("receiver", port.name))
        assert values["outbox_high_water", labels] == port.high_water
    assert any(port.high_water > 0 for port in main.core.ports)
    times = {one.labels: one for one in snapshot.histograms if one.name == "lane_input_ns"}
    assert times[(("lane", "main"),)].count > 0
