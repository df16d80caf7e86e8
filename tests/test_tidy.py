"""House rules as tests: floors, forbidden calls, dead files, sizes, docstrings, machine paths. One table for each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import hftrun_kernel
from tests.data import ROOT

# What each floor may import of this project. Folders that do not exist yet are named so that they start out right.
MAY_IMPORT: dict[str, set[str]] = {
    "market": set(),
    "runtime": {"market"},
    "venues": {"market", "runtime"},
    "actors": {"market", "runtime"},
    "strategies": {"market", "runtime"},
    "exchange": {"market", "runtime", "venues"},
    "history": {"market", "runtime", "venues", "actors", "strategies", "exchange"},
    "benchmarks": {"market", "runtime", "venues", "actors", "strategies", "exchange", "history"},
    "desk": {"market", "runtime", "venues", "actors", "strategies", "exchange", "history", "benchmarks"},
}
# The loader stands below every floor.
EXEMPT_FROM_FLOORS = {"hftrun_kernel"}

CLOCK_AND_CHANCE = {"time", "random", "secrets", "uuid"}
OUTSIDE_WORLD = {
    "trio", "trio_websocket", "asyncio", "anyio", "threading", "multiprocessing", "concurrent", "subprocess", "signal",
    "logging", "structlog", "warnings", "os", "sys", "io", "pathlib", "shutil", "tempfile", "socket", "ssl", "select",
    "urllib", "http", "websockets", "requests", "aiohttp", "ccxt", "pickle", "copy",
}  # fmt: skip
FORBIDDEN_IMPORTS: dict[str, set[str]] = {
    "market": CLOCK_AND_CHANCE | OUTSIDE_WORLD,
    "actors": CLOCK_AND_CHANCE,
    "strategies": CLOCK_AND_CHANCE,
}
FORBIDDEN_CALLS: dict[str, set[str]] = {
    "market": {"open", "print", "input", "exec", "eval", "now", "utcnow", "today", "urandom"},
    "actors": {"utcnow", "today", "urandom"},
    "strategies": {"utcnow", "today", "urandom"},
}

# By file the functions that may catch everything, each with its reason.
BROAD_EXCEPT_ALLOWED: dict[str, dict[str, str]] = {
    "runtime/supervisor.py": {"_keep": "the last to see what a service or a lane raised"},
    "runtime/lane.py": {
        "told_by": "users write `summary` and `panel`; words must never stop the trade",
        "work_at_once": "what fails in a lane is its own: raised in its task, not in that of a service",
    },
    "runtime/service.py": {
        "work_at_once": "what fails in a service is its own: raised in its task, not in that of a lane",
    },
    "runtime/lane_core.py": {
        "call": "users write handlers: an actor's failure is its lane's to judge",
        "call_hook": "users write hooks: the same care as for a handler",
    },
    "runtime/lane_parts.py": {
        "saved_state": "users write `save`; raised on as SaveFailed",
        "load_state": "users write `load`; raised on as LoadFailed",
    },
    "desk/entry.py": {"main": "the command's entry: shows a fault of the program whole"},
    "tests/simulation/world.py": {"simulate": "names the seed of whatever failed, and raises it on"},
}

# Tests that take real time to wait, each with its reason.
REAL_SLEEP_ALLOWED = {
    "tests/desk/processes.py": "a child process kills itself at a moment of real time, which is what is tested",
}
# Helpers that take trio's sleep and leave the clock to whoever calls them.
CALLERS_SIMULATE = {
    "tests/simulation/factory.py": "its services live in worlds of `simulate` alone",
    "tests/venues/venue_server.py": "a venue in memory, for tests under trio's mock clock",
}
SIMULATED_CLOCKS = {"MockClock", "autojump_clock", "mock_clock", "simulate"}

LONGEST_FUNCTION = 70
LONGEST_FILE = 500
GENERATED = "written by tools/generate_messages.py from one schema, a section for each message"
LONG_FILES: dict[str, str] = {
    "market/messages/control.py": GENERATED,
    "market/messages/exchange.py": GENERATED,
    "market/messages/executions.py": GENERATED,
    "market/messages/market_data.py": GENERATED,
    "market/messages/orders.py": GENERATED,
}
LONG_FUNCTIONS: dict[str, str] = {}

# Modules that nothing imports, each with what starts it.
ENTRY_POINTS: dict[str, str] = {
    "setup.py": "the build back end runs it",
    "desk/entry.py": "the hftrun command, named in pyproject.toml",
    "desk/dashboard/__main__.py": "the trading process starts it as `python -m desk.dashboard`",
    "tests/conftest.py": "pytest loads it",
}

SKIPPED_FOLDERS = {"__pycache__", "build", "dist", "state", "node_modules"}
TEXT_SUFFIXES = {".py", ".toml", ".txt", ".md", ".sh", ".in", ".json", ".jsonl", ".html", ".js", ".css", ".dot", ""}


def project_files() -> Iterator[Path]:
    """Every file of the project that a person wrote, relative to the root; nothing that was built."""
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            if path.is_dir():
                hidden = path.name.startswith(".") and path.name != ".ci"
                if not hidden and path.name not in SKIPPED_FOLDERS and not path.name.endswith(".egg-info"):
                    pending.append(path)
            elif path.suffix in TEXT_SUFFIXES and path.relative_to(ROOT).as_posix() != hftrun_kernel.STAMP:
                yield path.relative_to(ROOT)


@cache
def sources() -> dict[str, ast.Module]:
    """Every Python file of the project, parsed, by its path."""
    return {
        path.as_posix(): ast.parse((ROOT / path).read_text(encoding="utf-8"))
        for path in project_files()
        if path.suffix == ".py"
    }


def folder_of(path: str) -> str:
    """The top-level folder or module that a file belongs to."""
    return path.split("/")[0].removesuffix(".py")


def module_of(path: str) -> str:
    """The dotted name of a file."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_names(path: str, tree: ast.AST) -> set[str]:
    """Every dotted name that a file imports, relative imports resolved; `from a import b` counts as `a` and `a.b`."""
    package = module_of(path) if path.endswith("__init__.py") else module_of(path).rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def called_name(call: ast.Call) -> str:
    """The last part of the name that a call goes to."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, methods and nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def floor_faults(files: dict[str, ast.Module]) -> list[str]:
    """Imports that go upward or sideways."""
    faults = []
    for path, tree in files.items():
        floor = folder_of(path)
        if floor in MAY_IMPORT:
            ours = {name.split(".")[0] for name in imported_names(path, tree)}
            ours &= {*MAY_IMPORT, "tests", "tools", *EXEMPT_FROM_FLOORS}
            faults += [f"{path} imports {name}" for name in ours - MAY_IMPORT[floor] - EXEMPT_FROM_FLOORS - {floor}]
    return faults


def forbidden_faults(files: dict[str, ast.Module]) -> list[str]:
    """Imports and calls that a floor may not have."""
    faults = []
    for path, tree in files.items():
        floor = folder_of(path)
        roots = {name.split(".")[0] for name in imported_names(path, tree)}
        faults += [f"{path} imports {name}" for name in sorted(roots & FORBIDDEN_IMPORTS.get(floor, set()))]
        calls = {called_name(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        faults += [f"{path} calls {name}()" for name in sorted(calls & FORBIDDEN_CALLS.get(floor, set()))]
    return faults


def in_functions(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every node of a file with the name of the innermost function around it, which is empty outside of any."""
    for node in ast.iter_child_nodes(tree):
        yield function, node
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from in_functions(node, inner)


def broad_excepts(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Handlers that catch everything, and suppressions of everything: the function and the line of each."""
    broad = {"Exception", "BaseException"}
    for function, node in in_functions(tree):
        caught: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield function, node.lineno
                continue
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and called_name(node) == "suppress":
            caught = node.args
        if any(isinstance(name, ast.Name) and name.id in broad for name in caught):
            yield function, node.lineno  # type: ignore[attr-defined]


def broad_except_faults(files: dict[str, ast.Module]) -> list[str]:
    """What catches everything in a function that may not."""
    return [
        f"{path}:{line} {function} catches everything"
        for path, tree in files.items()
        for function, line in broad_excepts(tree)
        if function not in BROAD_EXCEPT_ALLOWED.get(path, {})
    ]


def sleep_faults(files: dict[str, ast.Module]) -> list[str]:
    """Tests that wait in real time, as far as their text shows: in their own code, or in a child's that they hold.

    A test that takes trio's sleep takes a simulated clock as well; for what a helper does, its file must know of one.
    """
    faults = []
    for path, tree in files.items():
        if folder_of(path) != "tests" or path in REAL_SLEEP_ALLOWED:
            continue
        if "time.sleep" in imported_names(path, tree):
            faults.append(f"{path} imports sleep from time")
        for node in ast.walk(tree):
            is_call = isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep")
            is_text = (
                isinstance(node, ast.Constant) and isinstance(node.value, str) and "time" + ".sleep(" in node.value
            )
            if is_call or is_text:
                faults.append(f"{path}:{node.lineno} sleeps in real time")  # type: ignore[attr-defined]
        if path not in CALLERS_SIMULATE and sleeps_in_trio(tree) and not words_in(tree) & SIMULATED_CLOCKS:
            faults.append(f"{path} takes trio's sleep and knows no simulated clock")
        faults += [
            f"{path}:{node.lineno} {node.name} takes trio's sleep without a simulated clock"
            for node in functions(tree)
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_") and sleeps_in_trio(node)
            if not words_in(node) & SIMULATED_CLOCKS
        ]
    return faults


def sleeps_in_trio(tree: ast.AST) -> bool:
    """Whether anything in it calls one of trio's ways to sleep."""
    calls = (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(call in ("trio.sleep", "trio.sleep_until", "trio.sleep_forever") for call in calls)


def words_in(tree: ast.AST) -> set[str]:
    """Every name, attribute, parameter and imported name in it."""
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.arg):
            words.add(node.arg)
        elif isinstance(node, ast.alias):
            words.add(node.name)
    return words


def dead_files(files: dict[str, ast.Module], texts: str) -> list[str]:
    """Modules that nothing imports and nothing names, by dotted name or by path, in any other file."""
    used: set[str] = set()
    for path, tree in files.items():
        used |= {name for name in imported_names(path, tree) if name != module_of(path)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value.split(":")[0])
    faults = []
    for path in files:
        name = Path(path).name
        started = path in ENTRY_POINTS or name == "__init__.py" or path in texts
        is_test = folder_of(path) == "tests" and name.startswith("test_")
        if not started and not is_test and module_of(path) not in used and path not in used:
            faults.append(path)
    return faults


def started_by_text() -> str:
    """The files that start modules by path or by name: make, CI, configurations."""
    paths = [ROOT / "Makefile", ROOT / ".ci/run", *(ROOT / "tools").glob("*.sh"), *(ROOT / "configs").glob("*.toml")]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_floors_import_only_downward() -> None:
    """Lower floors know nothing of higher ones, and folders of one floor nothing of each other."""
    assert floor_faults(sources()) == []


def test_market_and_actors_have_no_clock_no_chance_and_no_outside_world() -> None:
    """What decides must be a function of its inputs; the vocabulary knows no scheduler, log, file or socket."""
    assert forbidden_faults(sources()) == []


def test_broad_except_stands_only_where_it_may() -> None:
    """An exception that nobody expected reaches the supervisor; a function that no longer needs it leaves the list."""
    assert broad_except_faults(sources()) == []
    allowed = {(path, name) for path, names in BROAD_EXCEPT_ALLOWED.items() for name in names}
    used = {(path, name) for path, tree in sources().items() for name, _ in broad_excepts(tree)}
    assert allowed - used == set(), "catches no longer everything: take it off the list"


def test_no_test_sleeps_for_real() -> None:
    """Tests wait in simulated time; the few that cannot are listed with a reason."""
    assert sleep_faults(sources()) == []
    assert [path for path in (*REAL_SLEEP_ALLOWED, *CALLERS_SIMULATE) if path not in sources()] == []


def test_no_file_is_dead() -> None:
    """Every module is imported by another, or is started by name and listed here with what starts it."""
    assert dead_files(sources(), started_by_text()) == []


def test_no_function_is_long() -> None:
    """A function fits on a screen."""
    long = {
        f"{path}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, tree in sources().items()
        for node in functions(tree)
        if (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert {name: lines for name, lines in long.items() if name not in LONG_FUNCTIONS} == {}
    assert [name for name in LONG_FUNCTIONS if name not in long] == [], "no longer long: take it off the list"


def test_no_file_is_long_without_a_reason() -> None:
    """A file is one thing; the few longer ones say why on a list."""
    lines = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in sources()}
    long = {path: count for path, count in lines.items() if count > LONGEST_FILE}
    assert {path: count for path, count in long.items() if path not in LONG_FILES} == {}
    assert [path for path in LONG_FILES if path not in long] == [], "no longer long: take it off the list"


def test_every_test_says_what_it_holds() -> None:
    """A test's docstring states the behaviour, so that a failure can be read without its code."""
    silent = [
        f"{path}:{node.name}"
        for path, tree in sources().items()
        if path.startswith("tests/") and Path(path).name.startswith("test_")
        for node in functions(tree)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_every_listed_module_exists() -> None:
    """The list of compiled modules names files that are there, once each."""
    listed = hftrun_kernel.read_list(str(ROOT / hftrun_kernel.LIST))
    assert [path for path in listed if not (ROOT / path).is_file()] == []
    assert len(set(listed)) == len(listed)


def test_no_machine_is_named() -> None:
    """No path of a developer's machine and no host of a package registry stands in the project."""
    folders = "|".join(("wo" + "rk", "fa" + "rm", "ro" + "ot", "ho" + "me"))
    hosts = "|".join((r"py" + r"pi\.org", "python" + "hosted", "npm" + "js", r"deb\." + "debian"))
    pattern = re.compile(rf"(^|[^A-Za-z0-9_.])/({folders})/|({hosts})|bash" + "_jobs", re.MULTILINE)
    named = [
        f"{path}: {found.group(0).strip()}"
        for path in project_files()
        for found in pattern.finditer((ROOT / path).read_text(encoding="utf-8", errors="replace"))
    ]
    assert named == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("market/x.py", "import runtime.clock"),
        ("venues/x.py", "from actors import fair_value"),
        ("actors/x.py", "def f() -> None:\n    from desk.cli import main"),
        ("runtime/journal/x.py", "from market import book\nimport market.book, venues.binance"),
        ("strategies/x.py", "import tests.data"),
    ],
)
def test_upward_imports_would_be_found(path: str, source: str) -> None:
    """The floor rule sees plain, late and second imports, and imports of tests."""
    assert len(floor_faults({path: ast.parse(source)})) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("market/x.py", "import time"),
        ("market/x.py", "from random import Random"),
        ("market/x.py", "import trio"),
        ("market/x.py", "def f(p: str) -> str:\n    return open(p).read()"),
        ("actors/x.py", "import time as clock"),
        ("strategies/x.py", "from datetime import datetime\nT = datetime.today()"),
    ],
)
def test_forbidden_calls_would_be_found(path: str, source: str) -> None:
    """The rule sees modules under another name and calls anywhere in a file."""
    assert len(forbidden_faults({path: ast.parse(source)})) == 1


@pytest.mark.parametrize(
    "handler", ["except:", "except Exception:", "except BaseException as e:", "except (OSError, Exception):"]
)
def test_broad_excepts_would_be_found(handler: str) -> None:
    """The rule sees bare, named and listed broad handlers, and allows them only in the functions that are listed."""
    text = f"    try:\n        pass\n    {handler}\n        pass\n"
    listed, other = (ast.parse(f"class A:\n  async def {name}(self):\n{text}") for name in ("_keep", "_other"))
    assert len(broad_except_faults({"venues/x.py": listed})) == 1
    assert len(broad_except_faults({"runtime/supervisor.py": other})) == 1
    assert broad_except_faults({"runtime/supervisor.py": listed}) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.@(1)",
        "from time import sleep",
        "CHILD = 'import time; time.@(1)'",
        "import trio\nasync def helper():\n    await trio.@(1)",
        "import trio\nfrom trio.testing import MockClock\nasync def test_it():\n    await trio.@(1)",
    ],
)
def test_real_sleeps_would_be_found(source: str) -> None:
    """The rule sees calls, imports, code of a child and trio's sleep without a simulated clock, in tests alone."""
    tree = ast.parse(source.replace("@", "sleep"))
    assert sleep_faults({"tests/x.py": tree}) != []
    assert sleep_faults({"runtime/x.py": tree}) == []
    assert sleep_faults({"tests/desk/processes.py": tree}) == []


def test_simulated_sleeps_may_stand() -> None:
    """A test that takes a simulated clock may sleep as long as it likes."""
    source = "import trio\nasync def test_it(autojump_clock):\n    await trio.sleep(60)"
    assert sleep_faults({"tests/x.py": ast.parse(source)}) == []


def test_dead_files_would_be_found() -> None:
    """A module that only itself mentions is dead; one that another imports or a configuration names is not."""
    files = {
        "market/lonely.py": ast.parse("import market.used"),
        "market/used.py": ast.parse(""),
        "strategies/named.py": ast.parse(""),
        "tests/test_x.py": ast.parse("STRATEGY = 'strategies.named:Maker'"),
    }
    assert dead_files(files, "") == ["market/lonely.py"]
