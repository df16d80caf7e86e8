"""kill -9 at random moments: the next run goes on with the same orders, positions and profit, as the journal tells.

The process kills itself, from a thread that knows nothing of the rest, at a moment that follows from the seed: during
the start, right after it, or later. The seed of a failure is printed; the moments are times, so it repeats the plan
and not the very instruction.
"""

from __future__ import annotations

import json
import random
import re
import signal
from pathlib import Path

import pytest

import runtime.replay
from desk.exits import EXIT_OK, EXIT_WRONG
from market.messages import ChildOrder, Message
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.lane_core import LaneCore
from runtime.replay import LaneReplay, replay_state
from runtime.state import CONFIG_NAME
from tests.desk.main_job import CONFIG
from tests.desk.processes import kill_after, run
from tests.seeds import SOAK, seeds

FAULTS = (
    "",
    "",
    "",
    "kill:fair_value:every=40",
    "kill:market_maker:every=50",
    "kill:feed:every=30",
    "kill:risk:every=60",
)
COUNTS = re.compile(r"orders (\d+) fills (\d+)")


def moment(draw: random.Random) -> float:
    """Seconds from the start of the process: while it starts, soon after, or later."""
    latest = 3.0 if SOAK else 1.2
    return draw.choice([draw.uniform(0.1, 0.5), draw.uniform(0.35, 0.7), draw.uniform(0.5, latest)])


def configuration(folder: Path, draw: random.Random) -> Path:
    """The shipped one, with snapshots so often that kills meet them, or seldom, or never."""
    path = folder / "kill.toml"
    every = draw.choice([0, 50, 300, 60_000])
    path.write_text(f'include = ["{CONFIG}"]\n[journal]\nsnapshot_every_ms = {every}\n', encoding="utf-8")
    return path


def run_and_kill(config: Path, state: Path, draw: random.Random) -> tuple[int, int]:
    """One run that ends by kill -9; gives the orders and fills that it had told of."""
    words = ["--state", str(state), "--status-every", draw.choice(["1ms", "10ms", "50ms"])]
    faults = draw.choice(FAULTS)
    if faults:
        words += ["--faults", faults]
    code, output, errors = run(config, *words, before=kill_after(moment(draw)))
    assert code == -signal.SIGKILL, errors
    assert "Traceback" not in errors
    told = COUNTS.findall(output)
    return (int(told[-1][0]), int(told[-1][1])) if told else (0, 0)


def replayed(state: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[LaneReplay, list[int]]:
    """The journal's own account: the lane as it ends, and every order that was ever asked for, in order."""
    orders: list[int] = []
    cores: list[LaneCore] = []

    def note(message: Message, _sequence: int) -> None:
        if isinstance(message, ChildOrder):
            orders.append(int(message.order_id))

    def build(blueprint: Blueprint, lane: str) -> LaneCore:
        core = build_core(blueprint, lane)
        if not cores:
            # The first one is the lane itself, later ones are brought up to rebuild an actor from.
            core.on_decision = note
        cores.append(core)
        return core

    with monkeypatch.context() as patch:
        patch.setattr(runtime.replay, "build_core", build)
        (lane,) = replay_state(state)
    return lane, orders


def plain(value: object) -> object:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("seed", seeds(3, 100))
def test_a_killed_run_is_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Killed once or twice: nothing that was told is lost, and the next run begins where the journal ends."""
    print(f"seed: kill {seed}")
    draw = random.Random(f"kill {seed}")
    config, state = configuration(tmp_path, draw), tmp_path / "state"
    for _ in range(draw.choice([1, 2])):
        orders_told, fills_told = run_and_kill(config, state, draw)
        if not (state / CONFIG_NAME).exists():
            assert (orders_told, fills_told) == (0, 0)
            continue
        lane, _ = replayed(state, monkeypatch)
        assert lane.agrees, (lane.divergence, lane.damage)
        assert lane.core.ledger.orders >= orders_told
        assert lane.core.ledger.fills >= fills_told
        assert lane.core.anomalies == []
    before = plain(replayed(state, monkeypatch)[0].core.ledger.save()) if (state / CONFIG_NAME).exists() else None

    path = tmp_path / "summary.json"
    code, _, errors = run(config, "--state", state, "--duration", "200ms", "--summary", path)
    summary = json.loads(path.read_text(encoding="utf-8"))
    # A fault of the killed run may have halted trading, which its successor keeps to and ends with.
    assert code == (EXIT_WRONG if summary["shutdown"]["halted"] else EXIT_OK), errors
    recovered = summary["recovered"]["main"]
    if before is not None:
        # Open orders with their states, ended ones, positions with realised profit and fees, counts, a latched halt.
        assert recovered["ledger"] == before
    lane, orders = replayed(state, monkeypatch)
    assert lane.agrees, (lane.divergence, lane.damage)
    assert f"{lane.digest:016x}" == summary["lanes"]["main"]["digest"]
    assert len(set(orders)) == len(orders) == summary["totals"]["orders"]
    assert summary["totals"]["open_orders"] == 0
    assert summary["lanes"]["main"]["anomalies"] == []
