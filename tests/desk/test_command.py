"""The command as a person or a script uses it: what it prints, what it answers, and which exit code it gives."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import desk.inspect_commands
from desk.entry import main
from desk.exits import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, EXIT_WRONG
from tests.desk.main_job import CONFIG, journals, run_main_job
from tests.desk.processes import Command, run

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No override of a configuration comes from where the tests run."""
    for name in ("HFTRUN_RUNTIME__SEED",):
        monkeypatch.delenv(name, raising=False)


def call(monkeypatch: pytest.MonkeyPatch, capsys: Captured, *arguments: str | Path) -> tuple[int, str, str]:
    """Call the command in this process: exit code, output, errors."""
    monkeypatch.setattr(sys, "argv", ["hftrun", *map(str, arguments)])
    code = main()
    output, errors = capsys.readouterr()
    return code, output, errors


# ---- asked for wrongly


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "CONFIG"),
        (["--nonsense"], "Unknown option"),
        (["chekc"], "neither a command nor a configuration file called 'chekc'"),
        (["gone.toml"], "cannot read gone.toml: No such file or directory"),
        (["check"], "CONFIG"),
        (["check", "gone.toml"], "cannot read gone.toml"),
        (["check", str(CONFIG), "another"], "another"),
        (["graph", "."], "not a file"),
        (["replay"], "JOURNAL"),
        (["replay", "gone"], "is no state directory"),
        (["replay", str(CONFIG)], "cannot be read"),
        ([str(CONFIG), "--duration", "soon"], "'soon' is no duration: write 30s"),
        ([str(CONFIG), "--duration", "30"], "'30' is no duration"),
        ([str(CONFIG), "--status-every", "x"], "'x' is no duration"),
        ([str(CONFIG), "--faults", "risk"], "write kill:NAME:every=N"),
        ([str(CONFIG), "--faults", "kill:nobody:every=5"], "there is no actor or service 'nobody'"),
        ([str(CONFIG), "--live"], '--live needs mode = "live"'),
        ([str(CONFIG), "--summary", "gone/summary.json"], "there is no directory gone"),
        ([str(CONFIG), "--summary", "."], "is a directory: name a file"),
        ([str(CONFIG), "--state", str(CONFIG)], "cannot hold a state"),
        ([str(CONFIG), "--reset-halt"], "--reset-halt needs --state"),
    ],
    ids=lambda value: " ".join(value).replace(str(CONFIG), "CONFIG") if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path, arguments: list[str], told: str
) -> None:
    """A wrong command gives exit code 2, a reason on the error stream, nothing on the output, and no traceback."""
    monkeypatch.chdir(tmp_path)
    code, output, errors = call(monkeypatch, capsys, *arguments)
    assert code == EXIT_USAGE
    assert told in errors
    assert output == ""
    assert "Traceback" not in errors


def test_live_in_the_configuration_alone_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    """Neither the configuration nor the command alone trades with real money, nor both without a gateway."""
    path = tmp_path / "live.toml"
    path.write_text(f'include = ["{CONFIG}"]\nmode = "live"\n', encoding="utf-8")
    for arguments in ((path,), (path, "--live"), ("check", path)):
        code, _, errors = call(monkeypatch, capsys, *arguments)
        assert code == EXIT_USAGE
        assert "no gateway here trades with real money" in errors
    code, _, errors = call(monkeypatch, capsys, CONFIG, "--live")
    assert code == EXIT_USAGE
    assert '--live needs mode = "live" in the configuration as well' in errors


def test_check_of_live_mode_tells_what_the_run_would(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """An override that makes it live is an error of the configuration, told with its place, in words and as data."""
    monkeypatch.setenv("HFTRUN_MODE", "live")
    code, output, errors = call(monkeypatch, capsys, "check", CONFIG)
    assert (code, output) == (EXIT_USAGE, "")
    assert "HFTRUN_MODE: mode: no gateway here trades with real money" in errors
    assert "1 error in the configuration" in errors
    code, output, _ = call(monkeypatch, capsys, "check", CONFIG, "--json")
    told = json.loads(output)
    assert (code, told["ok"], [row["key"] for row in told["errors"]]) == (EXIT_USAGE, False, ["mode"])


def test_an_interruption_is_no_failure(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Ctrl-C where there is nothing to shut down ends the command with one line and exit code 130."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(desk.inspect_commands, "load_and_plan", interrupt)
    code, _, errors = call(monkeypatch, capsys, "check", CONFIG)
    assert code == EXIT_INTERRUPTED
    assert "hftrun: interrupted" in errors
    assert "Traceback" not in errors


def test_a_fault_of_the_program_is_shown_whole(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """What nobody expected is not hidden: it is told as our fault, with all that is needed to mend it."""

    def break_down(*_: object) -> None:
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(desk.inspect_commands, "load_and_plan", break_down)
    code, _, errors = call(monkeypatch, capsys, "check", CONFIG)
    assert code == EXIT_FAILED
    assert "this is a fault of hftrun" in errors
    assert "RuntimeError: a wheel came off" in errors


# ---- looking


def test_help_and_version(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Help names every command and the exit codes; the version is one line."""
    code, output, _ = call(monkeypatch, capsys, "--help")
    assert code == EXIT_OK
    assert all(name in output for name in ("bench", "check", "doctor", "graph", "replay", "--state", "Exit codes"))
    assert "--no-live" not in output
    code, output, _ = call(monkeypatch, capsys, "--version")
    assert (code, output) == (EXIT_OK, "0.1.0\n")


def test_check_of_a_good_configuration(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """It says so in a line, after a note for what nobody takes; `--show` adds every value with its origin, `--json`
    gives the same as data.
    """
    code, output, _ = call(monkeypatch, capsys, "check", CONFIG)
    *notes, last = output.splitlines()
    assert code == EXIT_OK
    assert all(line.startswith("note: ") and line.endswith(", which nobody takes") for line in notes)
    assert "note: venue_book gives BookGap, which nobody takes" in notes
    assert re.fullmatch(re.escape(f"{CONFIG}: no errors; ") + r"\d+ actors in 1 lane, 1 service, 1 instrument", last)
    code, output, _ = call(monkeypatch, capsys, "check", CONFIG, "--show")
    assert code == EXIT_OK
    assert "runtime.max_lag_ms = 250" in output
    assert "one_venue.toml:" in output
    code, output, _ = call(monkeypatch, capsys, "check", CONFIG, "--json")
    told = json.loads(output)
    assert (code, told["ok"], told["notes"]) == (EXIT_OK, True, [line.removeprefix("note: ") for line in notes])
    assert any(row["key"] == "journal.interval_ms" for row in told["values"])


def test_check_tells_every_error_at_once(monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path) -> None:
    """Errors of values are told together, in words and as data, with exit code 2 either way."""
    path = tmp_path / "bad.toml"
    path.write_text(f'include = ["{CONFIG}"]\nnonsense = 1\n[runtime]\nmax_lag_ms = -1\n', encoding="utf-8")
    code, output, errors = call(monkeypatch, capsys, "check", path)
    assert (code, output) == (EXIT_USAGE, "")
    assert f"{path}:2: nonsense" in errors
    assert f"{path}:4: runtime.max_lag_ms = -1" in errors
    assert "2 errors in the configuration" in errors
    code, output, _ = call(monkeypatch, capsys, "check", path, "--json")
    told = json.loads(output)
    assert (code, told["ok"]) == (EXIT_USAGE, False)
    assert [row["key"] for row in told["errors"]] == ["nonsense", "runtime.max_lag_ms"]
    code, _, errors = call(monkeypatch, capsys, path)
    assert (code, "2 errors" in errors) == (EXIT_USAGE, True)


def test_graph_is_printed_as_text_and_for_graphviz(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Who gives what to whom, readable and drawable."""
    code, output, _ = call(monkeypatch, capsys, "graph", CONFIG)
    assert code == EXIT_OK
    assert "WantedQuotes -> order_manager" in output
    code, output, _ = call(monkeypatch, capsys, "graph", CONFIG, "--dot")
    assert code == EXIT_OK
    assert output.startswith("digraph")
    assert '"feed" -> "venue_book"' in output


def test_doctor_has_a_verdict_on_each_thing(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Versions, modules, compiler, processors, clock, files, terminal: each with a verdict, the poor with a remedy."""
    code, output, _ = call(monkeypatch, capsys, "doctor", "--json")
    findings = {one["name"]: one for one in json.loads(output)["findings"]}
    assert code == EXIT_OK
    assert {"python", "modules", "compiler", "packages", "processors", "clock", "files", "terminal"} <= set(findings)
    assert all(one["verdict"] == "good" or one["remedy"] for one in findings.values())
    code, output, _ = call(monkeypatch, capsys, "doctor")
    assert code == EXIT_OK
    assert output.startswith("python")


# ---- replay


def test_replay_of_a_good_journal(monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path) -> None:
    """It says how much was replayed and that everything agrees; the data holds digest, ledger and summaries."""
    run_main_job(tmp_path, 0.5)
    code, output, _ = call(monkeypatch, capsys, "replay", tmp_path)
    assert code == EXIT_OK
    assert "inputs replayed in" in output
    assert "every decision is the recorded one" in output
    code, output, _ = call(monkeypatch, capsys, "replay", tmp_path, "--json")
    (lane,) = json.loads(output)["lanes"]
    assert (code, lane["agrees"], lane["damage"], lane["divergence"]) == (EXIT_OK, True, "", "")
    assert set(lane["ledger"]) >= {"open", "positions", "counts"}
    assert "market_maker" in lane["summaries"]


def test_replay_of_a_torn_and_of_a_damaged_journal(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    """A torn tail is what a crash leaves, told and no fault; damage is told with its place, and the exit code is 1."""
    run_main_job(tmp_path, 0.5)
    (path,) = journals(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    code, output, _ = call(monkeypatch, capsys, "replay", tmp_path)
    assert code == EXIT_OK
    assert "torn tail" in output
    assert "every decision is the recorded one" in output
    path.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
    code, output, errors = call(monkeypatch, capsys, "replay", tmp_path)
    assert code == EXIT_WRONG
    assert "DAMAGED: journal damaged in" in output
    assert "every decision" not in output
    assert "Traceback" not in errors
    code, output, _ = call(monkeypatch, capsys, "replay", tmp_path, "--json")
    assert (code, json.loads(output)["lanes"][0]["agrees"]) == (EXIT_WRONG, False)


def test_a_run_on_a_damaged_journal_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    """Damage that recovery meets is told with segment and byte; nothing is changed and nothing trades."""
    run_main_job(tmp_path, 0.5)
    for snapshot in tmp_path.glob("lanes/main/snapshot-*"):
        snapshot.unlink()
    (path,) = journals(tmp_path)
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    code, output, errors = call(monkeypatch, capsys, CONFIG, "--state", tmp_path, "--duration", "100ms")
    assert (code, output) == (EXIT_USAGE, "")
    assert f"journal damaged in {path} at byte" in errors
    assert "Traceback" not in errors
    assert path.read_bytes() == data


def test_a_run_on_a_diverged_journal_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    """Actors that decide otherwise than their journal says are not let on: which lane and since when is told."""
    run_main_job(tmp_path, 0.5)
    for snapshot in tmp_path.glob("lanes/main/snapshot-*"):
        snapshot.unlink()
    from strategies.market_maker_params import MarketMakerParams

    # As if its source were another one: the compiled strategy itself cannot be changed from here.
    wider = property(lambda _: 50.0, lambda _, __: None)
    monkeypatch.setattr(MarketMakerParams, "half_spread_bps", wider)
    code, output, errors = call(monkeypatch, capsys, CONFIG, "--state", tmp_path, "--duration", "100ms")
    assert (code, output) == (EXIT_USAGE, "")
    assert "cannot be gone on from: lane main does not decide what its journal says it decided" in errors
    assert "Traceback" not in errors


def test_a_state_of_another_configuration_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    """A journal means something only with its configuration; the message names both by hash and a way out."""
    run_main_job(tmp_path / "state", 0.1)
    other = tmp_path / "other.toml"
    other.write_text(f'include = ["{CONFIG}"]\n[runtime]\nseed = 7\n', encoding="utf-8")
    code, _, errors = call(monkeypatch, capsys, other, "--state", tmp_path / "state", "--duration", "100ms")
    assert code == EXIT_USAGE
    assert "was begun with another configuration" in errors
    assert "another directory with --state" in errors


# ---- running


def test_a_run_prints_status_and_summary(tmp_path: Path) -> None:
    """Status lines show book, quotes, position and profit; the summary is printed, and written whole as JSON."""
    path = tmp_path / "summary.json"
    code, output, errors = run(
        CONFIG, "--duration", "600ms", "--status-every", "100ms", "--summary", path, "--state", tmp_path / "state"
    )
    assert code == EXIT_OK, errors
    lines = output.splitlines()
    assert lines[0].startswith("hftrun mm: paper trading, ")
    status = next(line for line in lines if " quotes " in line)
    price = r"\d+\.\d\d"
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d \| BTC/USDT \| LIVE {price}/{price} quotes ({price}|-)/({price}|-) "
        r"\| position -?0(\.\d{1,5})? BTC profit -?[\d.]+ USDT \(\S+ to \S+\) "
        r"\| inputs \d+ orders \d+ fills \d+ failures 0",
        status,
    )
    assert "stopped in order: the duration is over" in output
    assert "tick to order: p50" in output
    assert "Traceback" not in errors
    check_summary(json.loads(path.read_text(encoding="utf-8")))
    code, output, _ = run("replay", tmp_path / "state")
    assert code == EXIT_OK


def check_summary(summary: dict[str, Any]) -> None:
    """Everything that `docs/command.md` promises is there, and the numbers belong together."""
    assert summary["shutdown"]["orderly"] is True
    totals = summary["totals"]
    assert totals["orders_this_run"] == totals["orders"] > 0
    assert totals["open_orders"] == totals["failures"] == totals["anomalies"] == 0
    instrument = summary["instruments"]["binance BTC/USDT"]
    assert {"gaps", "live_percent", "position", "realised", "unrealised", "fees", "profit"} <= set(instrument)
    for name in ("tick_to_order_ns", "input_ns", "lag_ns"):
        values = summary["latency"][name]
        assert values["count"] > 0
        assert values["p50"] <= values["p99"] <= values["p99.99"] <= values["max"]
    assert summary["recovered"]["main"]["is_new"] is True
    assert summary["lanes"]["main"]["inputs"] == totals["inputs"]
    assert summary["units"]["feed"]["state"] == "stopped"
    assert {one["name"] for one in summary["channels"]} == {
        "main.inbox", "main.urgent", "feed.inbox", "feed.urgent",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_stop_it_in_order(tmp_path: Path, name: str) -> None:
    """Ctrl-C and SIGTERM: it cancels, waits for the confirmations, and tells how it went."""
    with Command(CONFIG, "--status-every", "20ms", "--state", tmp_path) as command:
        command.wait_for_status()
        command.process.send_signal(signal.Signals[name])
        code, output, errors = command.end()
    assert code == EXIT_OK, errors
    assert f"stopped in order: {name}" in output
    assert ", 0 open" in output
    assert "once more to hurry" in errors
    assert "Traceback" not in errors


def test_a_second_signal_makes_it_hurry(tmp_path: Path) -> None:
    """It no longer waits for confirmations: whether they came in time is told, and the journal is whole."""
    with Command(CONFIG, "--status-every", "20ms", "--state", tmp_path) as command:
        command.wait_for_status()
        command.process.send_signal(signal.SIGINT)
        command.process.send_signal(signal.SIGTERM)
        code, output, errors = command.end()
    assert code == (EXIT_WRONG if "NOT FLAT" in output else EXIT_OK), errors
    assert "stopped " in output
    assert "Traceback" not in errors
    assert run("replay", tmp_path)[0] == EXIT_OK


def test_a_reader_that_leaves_stops_it_in_order(tmp_path: Path) -> None:
    """`hftrun CONFIG | head -3` ends by itself, quietly, with the journal closed."""
    with Command(CONFIG, "--status-every", "20ms", "--state", tmp_path) as command:
        command.wait_for_status()
        assert command.process.stdout is not None
        command.process.stdout.close()
        assert command.process.stderr is not None
        errors = command.process.stderr.read()
        assert command.process.wait(timeout=30) == EXIT_OK
    assert "nobody reads the output any more" in errors
    assert "Traceback" not in errors
    assert "Broken" not in errors
    assert run("replay", tmp_path)[0] == EXIT_OK


def test_a_reader_that_leaves_a_short_command_is_no_failure() -> None:
    """`hftrun check CONFIG --show | true` says nothing about the pipe."""
    with Command("check", CONFIG, "--show") as command:
        assert command.process.stdout is not None
        command.process.stdout.close()
        assert command.process.stderr is not None
        errors = command.process.stderr.read()
        assert command.process.wait(timeout=30) == EXIT_OK
    assert "Broken" not in errors


def test_a_state_in_use_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path) -> None:
    """Two processes never hold one state; the second is told who has it."""
    with Command(CONFIG, "--status-every", "20ms", "--state", tmp_path) as command:
        command.wait_for_status()
        code, _, errors = call(monkeypatch, capsys, CONFIG, "--state", tmp_path, "--duration", "100ms")
        assert code == EXIT_USAGE
        assert f"is in use by process {command.process.pid}" in errors
        # Looking on is allowed, and what is written in the meantime is a tail that is not there yet.
        code, output, _ = call(monkeypatch, capsys, "replay", tmp_path)
        assert code == EXIT_OK
        assert "every decision is the recorded one" in output
        command.process.send_signal(signal.SIGINT)
        assert command.end()[0] == EXIT_OK


def test_a_full_disk_halts_the_run_and_is_told(tmp_path: Path) -> None:
    """When the journal cannot be written nothing more is traded: exit code 3, the file and the reason, no traceback."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)); "
    code, output, errors = run(CONFIG, "--duration", "20s", "--state", tmp_path, before=limit)
    assert code == EXIT_FAILED
    assert "stopped NOT in order: lane main failed" in output
    assert "could not write to" in errors
    assert "File too large" in errors
    assert "Traceback" not in errors
    code, output, _ = run("replay", tmp_path)
    assert code == EXIT_OK
    assert "every decision is the recorded one" in output


def test_a_state_that_cannot_be_written_does_not_start(tmp_path: Path) -> None:
    """A disk that is full from the beginning, and no place for a temporary state: told, and nothing trades."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
    code, output, errors = run(CONFIG, "--duration", "20s", "--state", tmp_path / "state", before=limit)
    assert (code, output) == (EXIT_USAGE, "")
    assert "the state cannot be kept: File too large" in errors
    nowhere = "import tempfile; tempfile.tempdir = '/dev/null/nowhere'; "
    code, output, errors = run(CONFIG, "--duration", "20s", before=nowhere)
    assert (code, output) == (EXIT_USAGE, "")
    assert "the state cannot be kept: /dev/null/nowhere" in errors
    assert "Traceback" not in errors


def test_a_summary_that_cannot_be_written_in_the_end_is_told(tmp_path: Path) -> None:
    """The disk filled during the run: the summary was still printed, the loss is told, the exit code is 1."""
    code, output, errors = run(CONFIG, "--duration", "100ms", "--summary", "/dev/full")
    assert code == EXIT_WRONG
    assert "stopped in order" in output
    assert "the summary could not be written to /dev/full: No space left on device" in errors
    assert "Traceback" not in errors


def test_output_that_nobody_can_take_stops_nothing() -> None:
    """With the output on a full disk or closed, a run goes its way; a command that only prints says what is wrong."""
    with open("/dev/full", "wb") as full:
        with Command(CONFIG, "--duration", "200ms", "--status-every", "50ms", stdout=full) as command:
            code, _, errors = command.end()
        assert (code, "Traceback" in errors) == (EXIT_OK, False)
        with Command("check", CONFIG, stdout=full) as command:
            code, _, errors = command.end()
        assert (code, "Traceback" in errors) == (EXIT_FAILED, False)
        assert "the output cannot be written: No space left on device" in errors
    closed = "import os; os.close(1); import sys; sys.stdout = None; "
    code, _, errors = run(CONFIG, "--duration", "200ms", before=closed)
    assert (code, "Traceback" in errors) == (EXIT_OK, False)


def test_a_run_goes_on_from_its_state(tmp_path: Path) -> None:
    """The second run says where it resumes, counts on, and tells its own part apart."""
    state, path = tmp_path / "state", tmp_path / "summary.json"
    first = ("--duration", "300ms", "--state", state, "--summary", path)
    run(CONFIG, *first)
    before = json.loads(path.read_text(encoding="utf-8"))
    code, output, _ = run(CONFIG, *first)
    after = json.loads(path.read_text(encoding="utf-8"))
    assert code == EXIT_OK
    assert f"lane main resumes after input {before['lanes']['main']['inputs'] + 1}: snapshot of " in output
    totals = after["totals"]
    assert totals["orders"] == before["totals"]["orders"] + totals["orders_this_run"]
    assert "since the state was begun" in output


def test_a_halt_is_reset_by_a_person(monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path) -> None:
    """A state whose trading was halted says so and how to end it; with `--reset-halt` it trades again."""
    run_main_job(tmp_path, 1.0, "kill:risk:every=5")
    words = (CONFIG, "--state", tmp_path, "--duration", "300ms", "--status-every", "100ms")
    code, output, _ = call(monkeypatch, capsys, *words)
    assert code == EXIT_WRONG
    assert "trading is HALTED since an earlier run: risk failed (--reset-halt ends that" in output
    assert "| HALTED: risk failed |" in output
    assert "0 sent" in output
    code, output, _ = call(monkeypatch, capsys, *words, "--reset-halt")
    assert code == EXIT_OK
    assert "| HALTED" not in output
    assert " 0 sent" not in output
    assert call(monkeypatch, capsys, "replay", tmp_path)[0] == EXIT_OK


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without `--state` keeps its journal in a folder that goes with it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    code, output, _ = run(CONFIG, "--duration", "100ms")
    assert code == EXIT_OK
    assert "no --state" in output
    assert list(folder.iterdir()) == []
