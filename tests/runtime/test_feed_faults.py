"""What fault injection does to a feed's frames: what strikes, what is told, what still arrives, and that it repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from desk.loading import load_and_plan
from desk.summary import summary_lines
from market.messages import ConnectionDown, FaultInjected, Message, RawFrame
from runtime.config.errors import ConfigErrors
from runtime.faults import parse_faults
from runtime.feed_faults import MOST_DELAYED, FeedFaults, draw
from runtime.replay import replay_state
from tests.data import ROOT
from tests.desk.main_job import CONFIG, run_main_job
from tests.seeds import examples

MILLISECOND = 1_000_000


def faults_named(text: str) -> FeedFaults:
    """The faults of the feed called feed."""
    faults = parse_faults(text)
    return FeedFaults("feed", faults.feeds, faults.seed)


def frame(number: int, connection_id: int = 1) -> RawFrame:
    """A frame that tells its number."""
    return RawFrame(connection_id, 0, 0, number, b'{"u":%d}' % number)


def told(messages: list[Message]) -> list[str]:
    """Frames by their bytes and faults by their kinds, in order."""
    return [
        one.data.decode("latin-1")[5:-1] if isinstance(one, RawFrame)
        else one.kind if isinstance(one, FaultInjected) else "down"
        for one in messages
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "batches"),
    [
        ("drop:feed:every=2", [["1", "drop", "3"], ["drop", "5"]]),
        ("duplicate:feed:every=3", [["1", "2", "duplicate", "3", "3"], ["4", "5"]]),
        ("reorder:feed:every=2", [["1", "reorder", "3", "2"], ["reorder", "5", "4"]]),
        ("reorder:feed:every=3", [["1", "2", "reorder"], ["4", "3", "5"]]),
        ("delay:feed:every=2:ms=5", [["1", "delay", "3"], ["2", "delay", "5"]]),
        ("disconnect:feed:every=2", [["1", "disconnect"], ["4", "disconnect"]]),
        ("stall:feed:every=4:ms=3", [["1", "2", "3"], ["stall", "4", "5"]]),
    ],
)
def test_each_fault_does_what_its_name_says(text: str, batches: list[list[str]]) -> None:
    """Five frames in two batches, 10 ms apart; each fault is told before what it does, in the same batch."""
    faults = faults_named(text)
    assert told(faults.apply([frame(1), frame(2), frame(3)], 0)) == batches[0]
    assert told(faults.apply([frame(4), frame(5)], 10 * MILLISECOND)) == batches[1]
    assert faults.stall_ns == (3 * MILLISECOND if text.startswith("stall") else 0)
    assert faults.disconnects == text.startswith("disconnect")
    assert faults.injected[text.partition(":")[0]] > 0


def test_a_foreign_byte_spoils_a_frame_and_a_digit_only_changes_it() -> None:
    """The first is no text of the venue any more; the second is one, with another number."""
    foreign = faults_named("corrupt:feed:rate=1").apply([frame(12345)], 0)[1]
    assert isinstance(foreign, RawFrame)
    assert foreign.data.count(b"\xff") == 1
    for seed in range(20):
        digit = faults_named(f"corrupt:feed:rate=1:what=digit,seed={seed}").apply([frame(12345)], 0)[1]
        assert isinstance(digit, RawFrame)
        changed = [(one, other) for one, other in zip(digit.data, frame(12345).data, strict=True) if one != other]
        assert len(changed) == 1
        assert all(chr(byte).isdigit() for byte in changed[0])


def test_what_is_on_its_way_is_lost_with_its_connection() -> None:
    """Delayed and overtaken frames of the connection that ends never come; those of others do."""
    faults = faults_named("delay:feed:every=1:ms=5")
    faults.apply([frame(1, 1), frame(2, 2)], 0)
    assert told(faults.apply([ConnectionDown(1, 7, "gone")], 1)) == ["down"]
    assert told(faults.apply([], 6 * MILLISECOND)) == ["2"]


def test_the_delayed_are_bounded() -> None:
    """Beyond the bound the first of them arrives early; nothing grows without end."""
    faults = faults_named("delay:feed:every=1:ms=1000")
    arrived = [one for number in range(2 * MOST_DELAYED) for one in faults.apply([frame(number)], 0)]
    assert faults.waiting == MOST_DELAYED
    assert sum(isinstance(one, RawFrame) for one in arrived) == MOST_DELAYED


def test_draws_depend_on_seed_fault_and_frame_alone() -> None:
    """The same seed strikes the same frames however they are batched; another seed strikes others, as often."""
    def struck(seed: int, size: int) -> list[str]:
        faults = faults_named(f"drop:feed:rate=0.1,duplicate:feed:rate=0.1,seed={seed}")
        numbers = range(1, 2_001)
        batches = [list(numbers[at : at + size]) for at in range(0, len(numbers), size)]
        return [one.target for batch in batches for one in faults.apply([frame(number) for number in batch], 0)
                if isinstance(one, FaultInjected)]  # fmt: skip

    first = struck(1, 1)
    assert first == struck(1, 7) == struck(1, 2_000)
    assert first != struck(2, 1)
    for seed in range(examples(3, 50)):
        # 380 of 2,000 on average, with a standard deviation of 18.
        assert 280 < len(struck(seed, 100)) < 480


def test_draws_are_the_same_everywhere() -> None:
    """A seed in a report means the same on every machine and in every version."""
    drawn = [draw(1, 2, 3), draw(1, 2, 4), draw(0, 0, 0)]
    assert drawn == [14100619211913272001, 6476339886556440092, 2558736989570252433]


EVERYTHING = (
    "drop:feed:rate=0.02,duplicate:feed:rate=0.02,reorder:feed:rate=0.02,delay:feed:rate=0.02:ms=30,"
    "corrupt:feed:rate=0.01,stall:feed:every=150:ms=400,disconnect:feed:every=220,seed=5"
)


def test_faults_are_inputs_and_a_replay_repeats_them(tmp_path: Path) -> None:
    """A run under all faults at once is told with what was injected and detected, and replays to the same digest."""
    summary = run_main_job(tmp_path, 4.0, EVERYTHING)
    faults = cast("dict[str, Any]", summary["faults"])
    assert set(faults["injected"]["feed"]) == {
        "drop", "duplicate", "reorder", "delay", "corrupt", "stall", "disconnect"
    }  # fmt: skip
    assert faults["detected"]["malformed frames"] >= faults["injected"]["feed"]["corrupt"] > 0
    assert any(line.startswith("  injected   feed: ") for line in summary_lines(cast("dict[str, Any]", summary)))
    (lane,) = replay_state(tmp_path)
    assert lane.agrees
    lanes = cast("dict[str, dict[str, Any]]", summary["lanes"])
    assert f"{lane.digest:016x}" == lanes["main"]["digest"]


def configuration(folder: Path, faults: str) -> Path:
    """The main job with faults of its own."""
    text = CONFIG.read_text(encoding="utf-8").replace("standard-", str(ROOT / "configs" / "standard-"))
    path = folder / "mm.toml"
    path.write_text(f"faults = {faults}\n{text}", encoding="utf-8")
    return path


def test_a_configuration_asks_for_faults_too(tmp_path: Path) -> None:
    """They add to those of the command; what cannot be understood is an error at its key."""
    config = configuration(tmp_path, '["drop:feed:every=50", "seed=9"]')
    summary = run_main_job(tmp_path / "state", 1.0, "duplicate:feed:every=70", config=config)
    assert set(cast("dict[str, Any]", summary["faults"])["injected"]["feed"]) == {"drop", "duplicate"}
    with pytest.raises(ConfigErrors, match="faults"):
        load_and_plan(configuration(tmp_path, '["drop:feed"]'))
