"""What the build files promise each other: packages, pins, package data, documents."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import hftrun_kernel
from tests.data import ROOT
from tests.test_tidy import MAY_IMPORT
from tools import record_soak

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
GIVEN = {"trio", "trio-websocket", "attrs", "sortedcontainers", "ccxt", "tomli", "rich", "pytest-trio"}


def normal(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required() -> set[str]:
    """Every package that the project asks for, at run time and for tests."""
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["test"]]
    return {normal(re.split(r"[<>=\[ ]", line)[0]) for line in lines}


def test_every_package_is_in_the_wheel() -> None:
    """Each folder with Python files on a floor is listed by name, and marked as typed at its top."""
    folders = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for floor in MAY_IMPORT
        for path in (ROOT / floor).rglob("*.py")
    }
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(folders)
    assert [f for f in folders if "." not in f and not (ROOT / f / "py.typed").is_file()] == []


def test_kernel_and_floors_know_the_same_packages() -> None:
    """The loader looks for compiled files in every folder that has a floor."""
    assert set(hftrun_kernel.PACKAGES) == set(MAY_IMPORT)


def test_every_package_asks_the_kernel_first() -> None:
    """No module of a package can load before the choice between compiled and interpreted is made."""
    late = [
        floor
        for floor in MAY_IMPORT
        if (ROOT / floor).is_dir()
        and not re.search(r'"""\n\nimport hftrun_kernel\b', (ROOT / floor / "__init__.py").read_text(encoding="utf-8"))
    ]
    assert late == []


def test_every_requirement_is_pinned_and_explained() -> None:
    """A package that the project asks for has an exact version and a row in the document."""
    pinned = {normal(line.partition("==")[0]) for line in PINS if "==" in line}
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    explained = {normal(name) for name in re.findall(r"[A-Za-z0-9_.-]+", page)}
    assert required() - pinned == set()
    assert required() - explained == set()
    assert required() >= GIVEN


def test_pins_name_versions_and_nothing_else() -> None:
    """The constraints work on any machine: no host, no path, no option."""
    odd = [line for line in PINS if line and not re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+]+", line)]
    assert odd == []


@pytest.mark.parametrize("name", ["mypy", "librt"])
def test_translator_is_the_same_in_every_build(name: str) -> None:
    """The pin for `make setup` and the one for `pip install .` agree, so both translate alike."""
    pin = next(line for line in PINS if line.startswith(f"{name}=="))
    assert pin in PROJECT["build-system"]["requires"]


def test_list_with_a_missing_module_stops_the_build(tmp_path: Path) -> None:
    """A name on the list that is no file is an error that names it, not a module silently left out."""
    for name in ("setup.py", "hftrun_kernel.py", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "compiled_modules.txt").write_text("market/absent.py\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "setup.py", "--name"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "names market/absent.py, which does not exist" in done.stderr


def test_interpreter_that_is_named_but_unusable_is_told() -> None:
    """`PYTHON=...` that cannot serve ends with what it would have to be."""
    done = subprocess.run(
        ["sh", "tools/find_python.sh"],
        cwd=ROOT, env={"PYTHON": "/nonexistent/python", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "must be Python 3.11 or newer" in done.stderr


def test_record_of_a_soak_names_what_repeats_it() -> None:
    """The page names result, commit, seed and the counts that the tests themselves ask for."""
    page = record_soak.record(1, "1 failed, 9 passed in 2.00s", 77, "abc", ["-q"], 120.0)
    assert "FAILED (exit code 1): 1 failed, 9 passed in 2.00s" in page
    assert "`make soak ARGS=\"--hypothesis-seed=77\"`" in page
    assert "| abc |" in page
    assert "2.0 minutes" in page
