"""The bench command: what it measures, how it judges, what it writes. No test here looks at how long anything took."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import hftrun_kernel
from benchmarks import books, system_traffic, tick_to_order
from benchmarks.catalogue import FIGURES
from benchmarks.figures import (
    KEPT,
    MISSED,
    NO_LIMIT,
    NOT_JUDGED,
    ChecksumMismatch,
    Figure,
    Measured,
    Run,
    Sample,
    figure,
)
from benchmarks.machine import calibrate, look_at_machine, quiet
from desk import cli
from desk.bench_command import BenchUsage, as_data, bench, choose, measure_all, run_benchmarks

NAMES = [
    "book.level_update_ns",
    "book.depth_message_ns",
    "aggregated.update_ns",
    "decode.binance_us",
    "decode.binance_usdm_us",
    "decode.binance_coinm_us",
    "decode.bitfinex_us",
    "decode.bybit_us",
    "decode.okx_us",
    "decode.coinbase_us",
    "decode.deribit_us",
    "decode.kraken_us",
    "decode.checksum_us",
    "transport.message_us",
    "feed.end_to_end_messages_per_second",
    "message.make_ns",
    "message.make_compiled_ns",
    "lane.hop_ns",
    "lane.hop_interpreted_ns",
    "channel.message_ns",
    "journal.append_ns",
    "journal.replay_records_per_second",
    "histogram.record_ns",
    "position.fill_ns",
    "risk.check_ns",
    "router.split_us",
    "strategy.quote_us",
    "paper.fill_step_ns",
    "paper.quiet_touch_ns",
    "matching.op_ns",
    "matching.op_p99_ns",
    "matching.op_p999_ns",
    "matching.orders_per_second",
    "matching.memory_mb",
    "matching.sweep_ns",
    "exchange.order_us",
    "exchange.durable_orders_per_second",
    "exchange.ws_roundtrip_p50_us",
    "exchange.ws_roundtrip_p99_us",
    "recovery.gap_ms",
    "tick_to_order.p50_us",
    "tick_to_order.p99_us",
    "tick_to_order.p999_us",
    "tick_to_order.wire_p50_us",
    "tick_to_order.wire_p99_us",
    "system.ticks_per_second",
    "system.memory_growth_percent",
    "dashboard.lag_p99_percent",
    "start.help_ms",
    "pure.slowdown",
]
# What starts processes is left to the command itself.
OF_PROCESSES = (
    "start.help_ms", "pure.slowdown", "matching.memory_mb", "system.", "tick_to_order.wire", "recovery.", "transport.",
    "feed.", "exchange.durable", "exchange.ws", "dashboard.",
)  # fmt: skip


def played(*values: float, checksum: int = 7) -> Callable[[], Sample]:
    """Something to measure whose samples are these values, one after the other, the last for ever."""
    left = list(values)
    return lambda: (left.pop(0) if len(left) > 1 else left[0], checksum)


def fake(
    name: str = "fake.one_ns",
    limit: float | None = 10,
    reference: float | None = None,
    at_least: bool = False,
    ratio_at_least: float | None = None,
) -> Figure:
    """A figure that always measures 5."""
    other = None if reference is None else played(reference)

    def measure(run: Run) -> Measured:
        return run.measure(played(5), "peer", other)

    make = figure(name=name, unit="ns", limit=limit, at_least=at_least, ratio_at_least=ratio_at_least, repeats=3)
    return make(measure)


def test_the_first_pair_warms_up_and_the_median_counts() -> None:
    """The cold samples are dropped, the value is the median, and the reference's samples stand beside the subject's."""
    # The first call only asks for the checksum, the second is the cold pair.
    measured = Run(3).measure(played(99, 98, 5, 1, 3), "peer", played(97, 30, 20, 40))
    assert measured.subject == [5, 1, 3]
    assert measured.value == 3
    assert measured.reference == ("peer", [30, 20, 40])
    assert measured.reference_value == 30


def test_subject_and_reference_take_turns() -> None:
    """A busy moment of the machine meets both, so their samples alternate."""
    calls: list[str] = []

    def note(name: str) -> Sample:
        calls.append(name)
        return 1.0, 0

    Run(2).measure(lambda: note("subject"), "peer", lambda: note("peer"))
    assert calls == ["subject", *["peer", "subject"] * 3]


def test_each_sample_is_told() -> None:
    """Whoever waits sees how far it is, the warming up as sample 0."""
    told: list[tuple[int, int]] = []
    Run(2, lambda done, repeats: told.append((done, repeats))).measure(played(1))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_a_reference_with_another_result_is_refused() -> None:
    """Times of different work are not compared; the error names who differed and both checksums."""
    with pytest.raises(ChecksumMismatch, match="peer gave the checksum 8 where the subject first gave 7"):
        Run(3).measure(played(1), "peer", played(1, checksum=8))


def test_a_subject_that_changes_its_result_is_refused() -> None:
    """The same input must give the same result in every sample."""
    checksums = iter(range(10))
    with pytest.raises(ChecksumMismatch):
        Run(3).measure(lambda: (1.0, next(checksums)))


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (fake(limit=5), KEPT),
        (fake(limit=4.9), MISSED),
        (fake(limit=5, at_least=True), KEPT),
        (fake(limit=5.1, at_least=True), MISSED),
        (fake(limit=None), NO_LIMIT),
        (fake(reference=50, ratio_at_least=10), KEPT),
        (fake(reference=49, ratio_at_least=10), MISSED),
        (fake(reference=1), KEPT),
    ],
)
def test_verdicts(one: Figure, verdict: str) -> None:
    """Limit and required ratio are both kept or the figure is missed; interpreted modules are not judged."""
    measured = one.measure(Run(3))
    assert one.verdict(measured, compiled=True) == verdict
    assert one.verdict(measured, compiled=False) == (NO_LIMIT if verdict == NO_LIMIT else NOT_JUDGED)


def test_the_ratio_is_the_median_over_pairs() -> None:
    """Each pair met the same moment of the machine; more is better where a rate is measured."""
    slower = Measured([1, 2, 10], ("peer", [10, 10, 10]))
    assert fake().ratio(slower) == 5
    assert fake(at_least=True).ratio(slower) == 0.2
    assert fake().ratio(Measured([1])) is None


def test_limits_decide_the_exit_code_only_when_compiled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missed limit is exit code 1 and named, but interpreted modules never promised it."""
    monkeypatch.setattr(hftrun_kernel, "mode", lambda: "compiled")
    assert bench([fake(), fake("fake.slow_ns", limit=1)], [], None, 0) == 1
    assert "limits missed: fake.slow_ns" in capsys.readouterr().out
    assert bench([fake()], [], None, 0) == 0
    monkeypatch.setattr(hftrun_kernel, "mode", lambda: "pure")
    assert bench([fake("fake.slow_ns", limit=1)], [], None, 0) == 0
    assert NOT_JUDGED in capsys.readouterr().out


def test_a_wrong_result_fails_in_every_mode_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What differs is named and has no figure; the others are still told."""
    monkeypatch.setattr(hftrun_kernel, "mode", lambda: "pure")
    wrong = figure(name="fake.wrong_ns", unit="ns")(lambda run: run.measure(played(1), "peer", played(1, checksum=8)))
    assert bench([wrong, fake()], [], None, 0) == 1
    printed = capsys.readouterr().out
    assert "fake.wrong_ns: WRONG, peer gave" in printed
    assert "wrong results: fake.wrong_ns" in printed
    assert "fake.one_ns" in printed


def test_json_has_exactly_the_documented_keys(tmp_path: Path) -> None:
    """What others compare with stays as documented: value is the median, and no reference is null."""
    path = tmp_path / "figures.json"
    assert bench([fake(reference=50, ratio_at_least=10), fake("fake.two_ns", limit=None)], [], path, 0) == 0
    data = json.loads(path.read_text(encoding="utf-8"))
    assert list(data) == ["machine", "figures"]
    assert data["figures"] == [
        {
            "name": "fake.one_ns", "value": 5, "unit": "ns", "min": 5, "max": 5, "limit": 10,
            "reference": {"name": "peer", "value": 50},
        },
        {"name": "fake.two_ns", "value": 5, "unit": "ns", "min": 5, "max": 5, "limit": None, "reference": None},
    ]  # fmt: skip
    assert set(data["machine"]) >= {"processor", "cores", "system", "python", "mode", "garbage_collector"}
    assert data["machine"]["calibration_ns"] > 0


def test_only_chooses_by_the_beginning_of_the_name() -> None:
    """Several prefixes add up, and the order stays that of the list."""
    figures = [fake("book.a_ns"), fake("lane.b_ns"), fake("lane.c_ns")]
    assert [one.name for one in choose(figures, ["lane.c", "book"])] == ["book.a_ns", "lane.c_ns"]
    assert choose(figures, []) == figures


def test_only_with_an_unknown_name_tells_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """A prefix that fits nothing is an error of use even beside one that fits, and nothing is measured."""
    assert cli.main(["bench", "--only", "lane", "--only", "lame"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--only lame" in captured.err
    assert all(name in captured.err for name in NAMES)


@pytest.mark.parametrize("place", [".", "absent/figures.json"])
def test_a_json_file_that_cannot_be_is_told_before_anything_is_measured(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A minute of measuring is not lost to a wrong path."""
    with pytest.raises(BenchUsage, match="--json"):
        bench([fake()], [], tmp_path / place, 0)
    assert capsys.readouterr().out == ""


def test_repeats_replace_what_a_figure_says_itself() -> None:
    """`--repeats` counts for every figure; without it each has its own number; less than none is refused."""
    assert len(measure_all([fake()], 0).measured[0][1].subject) == 3
    assert len(measure_all([fake()], 2).measured[0][1].subject) == 2
    with pytest.raises(BenchUsage, match="--repeats -1"):
        bench([fake()], [], None, -1)


def test_the_catalogue_has_every_claimed_figure_once() -> None:
    """The catalogue holds exactly the figures listed above, in this order, and each says what it measures."""
    assert [one.name for one in FIGURES] == NAMES
    assert all(one.measure.__doc__ for one in FIGURES)


def test_a_real_figure_from_the_command_to_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way, with the checksums of a real subject and its reference compared."""
    path = tmp_path / "figures.json"
    code = run_benchmarks(["position"], path, 1)
    data = json.loads(path.read_text(encoding="utf-8"))
    assert [one["name"] for one in data["figures"]] == ["position.fill_ns"]
    assert data["figures"][0]["reference"]["name"] == "Decimal"
    assert data["machine"]["mode"] == hftrun_kernel.mode()
    printed = capsys.readouterr().out
    assert "garbage collector off while timing" in printed
    assert "calibrated" in printed
    # Whether the limit is kept here and now is not this test's business.
    assert code == ("limits missed" in printed)


def test_subjects_and_references_of_every_figure_agree(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every figure can be measured without recordings too, and its reference comes to the same checksum."""
    for module in (books, system_traffic):
        monkeypatch.setattr(module, "recording", lambda _name: None)
    # A beginning of the traffic leads to orders already.
    monkeypatch.setattr(system_traffic, "SEEDED_STEPS", 1_000)
    caches = (books.depth_frames, system_traffic.traffic, tick_to_order.passes, tick_to_order.passes_apart)
    for cache in caches:
        cache.cache_clear()
    figures = [one for one in FIGURES if not one.name.startswith(OF_PROCESSES)]
    report = measure_all(figures, 1)
    for cache in caches:
        cache.cache_clear()
    assert report.wrong == []
    assert [one.name for one, _ in report.measured] == [one.name for one in figures]
    assert "seeded frames of 40 levels" in capsys.readouterr().out


def test_named_but_absent_recordings_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong `HFTRUN_DATA` is an error of use, not a silent change of what is measured."""
    books.depth_frames.cache_clear()
    monkeypatch.setenv("HFTRUN_DATA", str(tmp_path / "absent"))
    assert cli.main(["bench", "--only", "book.depth"]) == 2
    assert "is not a folder: name the folder of recordings, or unset it" in capsys.readouterr().err
    books.depth_frames.cache_clear()


def test_quiet_puts_the_collector_back() -> None:
    """No collection falls into a sample, and afterwards all is as before."""
    assert gc.isenabled()
    with quiet():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_the_machine_is_described_without_names_of_people_or_places() -> None:
    """Figures can be published: processor, cores, system and versions, no host, no user, no path."""
    machine = look_at_machine()
    assert machine.processor
    assert machine.cores >= 1
    assert not any("/" in text for text in (machine.system, machine.python))
    assert calibrate() > 0


def test_the_report_without_figures_is_still_a_document() -> None:
    """A run whose every figure was wrong has an empty list, not a missing one."""
    assert as_data(measure_all([], 0))["figures"] == []
