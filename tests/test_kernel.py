"""The choice between compiled and interpreted modules, judged on small trees made for each test."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import hftrun_kernel
from tests.data import ROOT

SUFFIX = EXTENSION_SUFFIXES[0]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A clone in small: one listed module, `market/one.py`, compiled and stamped."""
    (tmp_path / "market").mkdir()
    (tmp_path / "runtime").mkdir()
    (tmp_path / "market/__init__.py").write_text("import hftrun_kernel\n")
    (tmp_path / "market/one.py").write_text("VALUE = 1\n")
    (tmp_path / f"market/one{SUFFIX}").write_bytes(b"not loaded by these tests")
    (tmp_path / f"market/one__mypyc{SUFFIX}").write_bytes(b"")
    (tmp_path / "hftrun_kernel.py").write_text((ROOT / "hftrun_kernel.py").read_text())
    (tmp_path / "compiled_modules.txt").write_text("# list\nmarket/one.py  # the only one\n")
    stamp(tmp_path, {"market/one.py": hftrun_kernel.sha256_of(str(tmp_path / "market/one.py"))})
    return tmp_path


def stamp(tree: Path, modules: dict[str, str], python: str = str(sys.implementation.cache_tag)) -> None:
    """Writes the tree's stamp."""
    text = json.dumps({"python": python, "reason": "", "modules": modules})
    (tree / "runtime/kernel_stamp.json").write_text(text)


def refusal(tree: Path) -> str:
    """Why the tree may not run."""
    return hftrun_kernel.decide(str(tree), pure_asked=False).refusal


def test_matching_modules_run_compiled(tree: Path) -> None:
    """A module whose source has the recorded digest is compiled, named by its source path."""
    decision = hftrun_kernel.decide(str(tree), pure_asked=False)
    assert (decision.mode, decision.modules, decision.refusal) == ("compiled", ("market/one.py",), "")


def test_changed_source_is_refused_with_the_remedy(tree: Path) -> None:
    """A source edited after compilation is refused by name, with the command that mends it."""
    (tree / "market/one.py").write_text("VALUE = 2\n")
    assert "market/one.py has changed since it was compiled: run `make compile`" in refusal(tree)


def test_remedy_of_an_installed_copy_is_another_install(tree: Path) -> None:
    """Outside a clone there is no Makefile, so the remedy is to install again."""
    (tree / "market/one.py").write_text("VALUE = 2\n")
    (tree / "compiled_modules.txt").unlink()
    assert "install hftrun again" in refusal(tree)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"python": 1, "reason": "", "modules": 3}'])
def test_compiled_module_without_a_sound_stamp_is_refused(tree: Path, text: str | None) -> None:
    """A missing, damaged or foreign stamp vouches for nothing."""
    path = tree / "runtime/kernel_stamp.json"
    path.unlink() if text is None else path.write_text(text)
    assert "the build did not record it" in refusal(tree)


def test_stamp_of_another_python_is_refused(tree: Path) -> None:
    """What another interpreter's build recorded says nothing about this one's files."""
    stamp(tree, {"market/one.py": hftrun_kernel.sha256_of(str(tree / "market/one.py"))}, python="cpython-399")
    assert "for this Python" in refusal(tree)


def test_unrecorded_compiled_module_is_refused(tree: Path) -> None:
    """A compiled file that the stamp does not name is stale."""
    (tree / "runtime/two.py").write_text("")
    (tree / f"runtime/two{SUFFIX}").write_bytes(b"")
    assert refusal(tree).startswith("runtime/two.py is compiled but the build did not record it")


def test_compiled_module_without_source_is_refused(tree: Path) -> None:
    """A compiled file whose source was deleted must not live on."""
    (tree / "market/one.py").unlink()
    assert "its source is gone" in refusal(tree)


def test_half_compiled_tree_is_refused(tree: Path) -> None:
    """Compiled and interpreted modules are never mixed: a recorded file that is missing is a fault."""
    (tree / "runtime/two.py").write_text("")
    digest = hftrun_kernel.sha256_of(str(tree / "market/one.py"))
    stamp(tree, {"market/one.py": digest, "runtime/two.py": "00"})
    assert "runtime/two.py is recorded as compiled but its compiled file is missing" in refusal(tree)


def test_listed_but_uncompiled_module_is_refused(tree: Path) -> None:
    """A module added to the list after the build is named."""
    (tree / "compiled_modules.txt").write_text("market/one.py\nmarket/late.py\n")
    assert "market/late.py is listed in compiled_modules.txt but not compiled" in refusal(tree)


def test_nothing_compiled_is_pure_with_a_reason(tree: Path) -> None:
    """Without compiled files everything is interpreted, and the stamp's reason is handed on."""
    (tree / f"market/one{SUFFIX}").unlink()
    (tree / "runtime/kernel_stamp.json").write_text('{"python": "x", "reason": "no compiler", "modules": {}}')
    decision = hftrun_kernel.decide(str(tree), pure_asked=False)
    assert (decision.mode, decision.reason, decision.refusal) == ("pure", "no compiler", "")


def test_files_of_another_python_do_not_count(tree: Path) -> None:
    """Compiled files tagged for another interpreter are neither used nor refused."""
    (tree / f"market/one{SUFFIX}").rename(tree / "market/one.cpython-399-plan9.so")
    assert hftrun_kernel.decide(str(tree), pure_asked=False).mode == "pure"


def test_asking_for_pure_wins_over_stale_modules(tree: Path) -> None:
    """HFTRUN_PURE=1 is a remedy for a stale module."""
    (tree / "market/one.py").write_text("VALUE = 2\n")
    decision = hftrun_kernel.decide(str(tree), pure_asked=True)
    assert (decision.mode, decision.refusal) == ("pure", "")


def run_in(tree: Path, code: str, pure: bool) -> subprocess.CompletedProcess[str]:
    """Runs code against a tree in an interpreter of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "HFTRUN_PURE"}
    if pure:
        environment["HFTRUN_PURE"] = "1"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_pure_process_loads_the_source_beside_a_compiled_file(tree: Path) -> None:
    """With HFTRUN_PURE=1 the interpreter never opens the compiled file; here it could not even be loaded."""
    done = run_in(tree, "import market.one as m; print(m.VALUE, m.__file__.endswith('one.py'))", pure=True)
    assert (done.stdout.split(), done.stderr) == (["1", "True"], "")


def test_stale_process_refuses_the_import(tree: Path) -> None:
    """Any way to a stale module ends in StaleKernel, not only the command."""
    (tree / "market/one.py").write_text("VALUE = 2\n")
    done = run_in(tree, "import market; import market.one", pure=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("hftrun_kernel.StaleKernel: market/one.py has changed")


def test_stale_command_says_one_line_and_ends_with_two(tree: Path) -> None:
    """A user sees what is wrong and what to type, never a traceback."""
    (tree / "desk").mkdir()
    for name in ("__init__.py", "entry.py", "exits.py", "held_signals.py", "output.py"):
        (tree / "desk" / name).write_text((ROOT / "desk" / name).read_text())
    (tree / "market/one.py").write_text("VALUE = 2\n")
    done = run_in(tree, "import sys; from desk.entry import main; sys.exit(main())", pure=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("hftrun: market/one.py has changed since it was compiled")


def test_this_run_is_what_it_says() -> None:
    """In this process every listed module is compiled, or every one is interpreted, as the mode says."""
    listed = hftrun_kernel.read_list(str(ROOT / "compiled_modules.txt"))
    compiled = {
        path
        for path in listed
        if not str(importlib.import_module(path[:-3].replace("/", ".")).__file__).endswith(".py")
    }
    assert compiled == set(listed if hftrun_kernel.mode() == "compiled" else ())
    assert hftrun_kernel.compiled_modules() == tuple(sorted(compiled))


def test_interpreted_by_accident_is_noticed_and_by_wish_is_not() -> None:
    """The notice is for a user who does not know; who set HFTRUN_PURE=1 knows."""
    code = "import hftrun_kernel; print(bool(hftrun_kernel.notice()), hftrun_kernel.mode())"
    assert run_in(ROOT, code, pure=True).stdout.split() == ["False", "pure"]
