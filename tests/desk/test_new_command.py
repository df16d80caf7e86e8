"""`hftrun new strategy`: what it writes is checked, tested and run as a user would, in a folder outside the project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from desk import cli
from desk.exits import EXIT_OK, EXIT_USAGE
from desk.new_command import NameRefused, check_module, check_word
from tests.data import ROOT
from tests.desk.processes import environment, run


def written(folder: Path, name: str, *more: str) -> int:
    """The command in this process."""
    return cli.main(["new", "strategy", name, "--folder", str(folder), *more])


def test_what_it_writes_is_right_at_once(tmp_path: Path) -> None:
    """Check, the test beside it, and a run on paper all pass from a folder that knows nothing of the project."""
    code, output, errors = run("new", "strategy", "my_strategy", cwd=tmp_path)
    assert code == EXIT_OK, errors
    assert output.splitlines()[0] == "wrote my_strategy.py, my_strategy.toml, test_my_strategy.py"
    code, output, errors = run("check", "my_strategy.toml", cwd=tmp_path)
    assert code == EXIT_OK, errors
    assert "my_strategy.toml: no errors; 6 actors in 1 lane, 1 service, 1 instrument" in output
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_strategy.py"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "3 passed" in tested.stdout
    code, output, errors = run("my_strategy.toml", "--offline", "--plain", "--duration", "3s", cwd=tmp_path)
    assert code == EXIT_OK, errors
    assert "my_strategy ran 3." in output
    assert "failures 0" in output


def test_it_is_typed_and_tidy(tmp_path: Path) -> None:
    """What it writes passes the checks that the project itself passes."""
    assert written(tmp_path, "my_strategy") == EXIT_OK
    files = [str(path) for path in sorted(tmp_path.glob("*.py"))]
    assert len(files) == 2
    settings = ["--config", str(ROOT / "pyproject.toml"), "--ignore", "INP001"]
    where = {**os.environ, "MYPYPATH": str(ROOT)}
    for tool in (["ruff", "check", *settings], ["mypy", "--strict"]):
        done = subprocess.run(
            [sys.executable, "-m", *tool, *files],
            cwd=ROOT, env=where, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_it_writes_is_explained(tmp_path: Path) -> None:
    """A value on a line of its own has a comment beside it; what stands in one line with others is said above."""
    assert written(tmp_path, "my_strategy") == EXIT_OK
    lines = (tmp_path / "my_strategy.toml").read_text(encoding="utf-8").splitlines()
    silent = [one for one in lines if "=" in one and "#" not in one and not one.startswith(("class =", "params ="))]
    assert silent == []


@pytest.mark.parametrize("file", ["mine.py", "mine.toml", "test_mine.py"])
def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str) -> None:
    """One file that is there already is enough to write none of the three, and it is named."""
    (tmp_path / file).write_text("precious", encoding="utf-8")
    assert written(tmp_path, "mine") == EXIT_USAGE
    assert f"there already: {tmp_path / file}." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [file]
    assert (tmp_path / file).read_text(encoding="utf-8") == "precious"


def test_a_folder_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there yet is made, and the next steps begin with going there."""
    assert written(tmp_path / "a" / "b", "mine") == EXIT_OK
    assert f"  cd {tmp_path / 'a' / 'b'}\n  hftrun check mine.toml\n" in capsys.readouterr().out
    assert (tmp_path / "a" / "b" / "mine.py").exists()


def test_a_folder_that_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the place of the folder is named in one line."""
    (tmp_path / "file").touch()
    assert written(tmp_path / "file", "mine") == EXIT_USAGE
    told = capsys.readouterr().err
    assert str(tmp_path / "file") in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("My", "cannot name a strategy"), ("a-b", "cannot name a strategy"), ("", "cannot name a strategy"),
        ("../evil", "cannot name a strategy"), ("1st", "cannot name a strategy"), ("a" * 41, "cannot name a strategy"),
        ("naïve", "cannot name a strategy"), ("a\nb", "cannot name a strategy"), ("class", "a word of Python"),
        ("match", "a word of Python"), ("test_mine", "taken for a test"), ("strategy", "another part"),
        ("risk", "another part"), ("top_of_book", "another part"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_are_refused(name: str, why: str) -> None:
    """With the reason, and a name that could be."""
    with pytest.raises(NameRefused, match=why):
        check_word(name)


@pytest.mark.parametrize("name", ["json", "market", "strategies", "pytest"])
def test_names_of_modules_are_refused(name: str) -> None:
    """A file of that name would hide the module from what is beside it."""
    with pytest.raises(NameRefused, match="already, which a file"):
        check_module(name)


def test_a_name_becomes_the_name_of_a_class() -> None:
    """Words are joined, each with a capital."""
    assert check_word("mean_reversion_2") == "MeanReversion2"
