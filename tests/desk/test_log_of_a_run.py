"""What the summary of a run tells of the log."""

from __future__ import annotations

import json
from pathlib import Path

from desk.exits import EXIT_OK
from tests.desk.main_job import CONFIG
from tests.desk.processes import run


def test_lines_of_the_log_that_were_lost_are_told(tmp_path: Path) -> None:
    """A log file on a full disk stops nothing; how much is missing stands in the summary and at its end."""
    path = tmp_path / "summary.json"
    text = CONFIG.read_text(encoding="utf-8")
    config = tmp_path / "full.toml"
    config.write_text(text + '\n[log]\nfile = "/dev/full"\n', encoding="utf-8")
    code, output, errors = run(config, "--duration", "300ms", "--summary", path)
    assert "Traceback" not in errors
    assert code == EXIT_OK, errors
    lost = json.loads(path.read_text(encoding="utf-8"))["log"]["lost_file_lines"]
    assert lost > 0
    assert f"LOST       {lost} lines of the log" in output
