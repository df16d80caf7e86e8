"""`hftrun verify` and `hftrun venues` as a user meets them: what they print, their exit codes, their remedies."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from desk.cli import main
from desk.exits import EXIT_OK, EXIT_USAGE, EXIT_WRONG
from tests.data import recordings
from tests.desk.main_job import run_main_job
from tests.venues.test_verification import BEGIN_NS, SNAPSHOT, event, quote
from venues.registry import DIALECTS

WHOLE = [event(9, 10), SNAPSHOT, event(11, 12), quote(12), event(13, 13)]
TORN = [event(9, 10), SNAPSHOT, *(event(number, number) for number in range(13, 45))]


def recording(folder: Path, frames: list[bytes], name: str = "recording.gz") -> Path:
    """A recording of Binance, compressed."""
    lines = [b"%d %s\n" % (BEGIN_NS + number * 100_000_000, data) for number, data in enumerate(frames)]
    path = folder / name
    path.write_bytes(gzip.compress(b"".join(lines)))
    return path


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed."""
    captured = capsys.readouterr()
    return captured.out + captured.err


def as_data(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What was printed as JSON."""
    data = json.loads(capsys.readouterr().out)
    assert isinstance(data, dict)
    return data


def test_a_whole_recording_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames, messages by type, the book at the end, and that everything agrees."""
    assert main(["verify", "binance", str(recording(tmp_path, WHOLE))]) == EXIT_OK
    text = told(capsys)
    assert "depthUpdate 3, bookTicker 1" in text
    assert "BTCUSDT: LIVE; 1 snapshot, 2 deltas applied (1 waited), 0 gaps, 0 resyncs" in text
    assert "agreed 1 of 1 times" in text
    assert "at the end 100.5 x 1.5 / 101.25 x 2; 1 bids and 1 asks, update 13" in text
    assert text.rstrip().endswith("everything agrees")


def test_what_failed_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A gap: exit code 1, the line, and the cause."""
    assert main(["verify", "binance", str(recording(tmp_path, TORN))]) == EXIT_WRONG
    text = told(capsys)
    assert "FAILED       BTCUSDT: 1 gap\n" in text
    assert "recording.gz, line " in text


def test_the_same_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every number of the report has a key."""
    assert main(["verify", "binance", str(recording(tmp_path, WHOLE)), "--json"]) == EXIT_OK
    data = as_data(capsys)
    (book,) = data["books"]
    assert data["ok"] is True
    assert data["types"] == {"depthUpdate": 3, "bookTicker": 1}
    assert (book["deltas_applied"], book["top_agreed"], book["best_bid"]) == (2, 1, ["100.5", "1.5"])
    assert data["faults"] is None


def test_files_that_continue_each_other_are_one_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The book goes on over the end of a file."""
    first = recording(tmp_path, WHOLE[:3], "first")
    second = recording(tmp_path, WHOLE[3:], "second")
    assert main(["verify", "binance", str(first), str(second)]) == EXIT_OK
    assert "2 deltas applied" in told(capsys)


def test_a_damaged_file_is_told_after_what_came_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was cut short: the good records are verified, the damage has its line, exit code 1."""
    path = recording(tmp_path, WHOLE * 200)
    path.write_bytes(path.read_bytes()[:-40])
    assert main(["verify", "binance", str(path)]) == EXIT_WRONG
    text = told(capsys)
    assert "cut short" in text
    assert "recording.gz, line " in text


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["nowhere", "FILE"], "there are binance,"),
        (["binance", "absent"], "No such file"),
        (["okx", "FILE"], "is it a recording of another venue?"),
        (["binance"], "verify needs a recording"),
        (["binance", "FILE", "--symbol", "ETHUSDT"], "there are BTCUSDT"),
        (["binance", "FILE", "--faults", "kill:a:every=1"], "nothing to kill"),
        (["binance", "FILE", "--faults", "drop:book:every=1"], "one feed, which is called 'feed'"),
        (["binance", "FILE", "--faults", "lose:feed"], "is no fault"),
        (["kraken", "FILE", "--depth", "7"], "1000"),
        (["binance", "FILE", "--depth", "-1"], "--depth -1"),
    ],
)
def test_what_cannot_be_done_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], remedy: str
) -> None:
    """One line that says what to do, exit code 2, nothing printed as an answer."""
    path = str(recording(tmp_path, WHOLE))
    assert main(["verify", *(path if one == "FILE" else one for one in arguments)]) == EXIT_USAGE
    captured = capsys.readouterr()
    assert remedy in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_journal_is_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The frames that a run kept verify too, with the scales of its instruments; another venue is told."""
    run_main_job(tmp_path, 1.0)
    assert main(["verify", "binance", str(tmp_path)]) == EXIT_OK
    text = told(capsys)
    assert "scales from state" in text
    assert "LIVE until its connection ended" in text
    assert main(["verify", "kraken", str(tmp_path)]) == EXIT_USAGE
    assert "it has instruments of binance" in told(capsys)


def test_a_damaged_run_keeps_what_was_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal holds the frames as fault injection left them, so their verification finds it again."""
    run_main_job(tmp_path, 3.0, "drop:feed:every=40")
    assert main(["verify", "binance", str(tmp_path)]) == EXIT_WRONG
    assert "gaps" in told(capsys)


def test_faults_are_told_with_what_was_detected(capsys: pytest.CaptureFixture[str]) -> None:
    """The recording as it is verifies; of the damaged frames is told what was seen, and that nothing was missed."""
    path = recordings() / "cryptofeed/dev/BYBIT.first20s.jsonl.zst"
    faults = "drop:feed:rate=0.02,duplicate:feed:rate=0.02,reorder:feed:rate=0.02,corrupt:feed:rate=0.01,seed=3"
    assert main(["verify", "bybit", str(path), "--faults", faults, "--json"]) == EXIT_OK
    data = as_data(capsys)
    assert data["failures"] == []
    assert set(data["faults"]["injected"]) == {"drop", "duplicate", "reorder", "corrupt"}
    assert data["faults"]["detected"]["gaps"] > 0
    assert data["faults"]["silent"] == 0


def test_a_damage_that_nobody_can_see_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A changed digit of a size is well formed: only the undamaged recording beside it shows that a book is wrong."""
    path = recordings() / "cryptofeed/dev/BYBIT.first20s.jsonl.zst"
    assert main(["verify", "bybit", str(path), "--faults", "corrupt:feed:rate=0.05:what=digit"]) == EXIT_WRONG
    assert "NOT SEEN" in told(capsys)


# ---- hftrun venues


def test_every_venue_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """The table names all of them, with limits and rules; the same as data."""
    assert main(["venues"]) == EXIT_OK
    text = told(capsys)
    assert all(f"\n{name} " in text for name in DIALECTS)
    assert "6000 in 60 s" in text
    assert main(["venues", "--json"]) == EXIT_OK
    assert [one["venue"] for one in as_data(capsys)["venues"]] == list(DIALECTS)


def test_a_venue_that_cannot_be_reached_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Without anybody at the address: words, exit code 1, no traceback."""
    nobody = ["--url", "kraken=ws://127.0.0.1:9", "--rest-url", "kraken=http://127.0.0.1:9"]
    assert main(["venues", "kraken", "--probe", "--timeout", "2s", *nobody]) == EXIT_WRONG
    text = told(capsys)
    assert "kraken         BAD   BTC/USD" in text
    assert "stream: no connection to 127.0.0.1:9" in text
    assert "Is there a network?" in text
    assert "Traceback" not in text


def test_unknown_venues_and_times_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that there is not, and a time without a unit."""
    assert main(["venues", "mtgox"]) == EXIT_USAGE
    assert "there are binance," in told(capsys)
    assert main(["venues", "--probe", "--timeout", "3"]) == EXIT_USAGE
    assert "is no duration" in told(capsys)
