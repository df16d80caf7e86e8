"""Damaged and malicious configurations: each gives an error message or a valid system, never anything else."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.config.errors import ConfigErrors
from runtime.config.load import Loaded
from runtime.config.model import SystemConfig
from runtime.config.show import config_sha256, show_data, show_lines
from tests.runtime.configurations import VALID, load, write
from tests.seeds import seeds

ODD_VALUES = (
    "nan", "-inf", "1e400", "9" * 30, "9" * 5_000, "0x" + "f" * 400, "-1", "0", "0.1", "true", '""', '"\\u0000"',
    '"\\ud800"', "[]", "[[[[]]]]", "{}", "{ a = { b = {} } }", "1979-05-27", "07:32:00", "[" * 450 + "]" * 450,
    "{a=" * 450 + "1" + "}" * 450, '"' + "x" * 70_000 + '"', '"\u202e\U0001f600"', "'''\n\n'''", '{ env = "HOME" }',
    '{ file = "/dev/zero" }', '{ file = "/etc/shadow" }', '{ env = 1 }', '["btc", "btc"]', '"live"', '"../../.."',
)  # fmt: skip

ODD_LINES = (
    "[runtime]", "[[actors]]", "[actors.quoter.params.spread.bps]", "include = ['system.toml']", "include = ['.']",
    "include = ['/dev/zero', '/dev/stdin', '/proc/self/mem', '/proc']", "include = '\\'", "[" + "a." * 900 + "a]",
    "[" + "a." * 5_000 + "a]", "a." * 30 + "a = 1", '"" = 1', '"\\u001b[2J" = 1', "= 1", "[", "]", '"""', "'''", "\x00",
    "\ufeff", "[instruments.'a b']", "[instruments.btc.btc]", "[services.quoter]", "[log.levels]\nx = 1",
    "[channels.x]\ncapacity = 1e3", "mode = 'live'", "x = [\n" * 300,
)  # fmt: skip


def _delete_line(lines: list[str], draw: random.Random) -> None:
    del lines[draw.randrange(len(lines))]


def _repeat_line(lines: list[str], draw: random.Random) -> None:
    lines.insert(draw.randrange(len(lines)), draw.choice(lines))


def _swap_lines(lines: list[str], draw: random.Random) -> None:
    first, second = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]


def _insert_odd_line(lines: list[str], draw: random.Random) -> None:
    lines.insert(draw.randrange(len(lines)), draw.choice(ODD_LINES))


def _replace_value(lines: list[str], draw: random.Random) -> None:
    place = draw.choice([index for index, line in enumerate(lines) if "=" in line] or [0])
    lines[place] = f"{lines[place].partition('=')[0]}= {draw.choice(ODD_VALUES)}"


def _misspell(lines: list[str], draw: random.Random) -> None:
    place = draw.randrange(len(lines))
    line = lines[place]
    if line:
        at = draw.randrange(len(line))
        instead = draw.choice(["", "x", line[at] * 2, '"', ".", "\\", "\t", "é", "\x7f"])
        lines[place] = line[:at] + instead + line[at + 1 :]


def _cut(lines: list[str], draw: random.Random) -> None:
    del lines[draw.randrange(1, len(lines)) :]


MUTATIONS: tuple[Callable[[list[str], random.Random], None], ...] = (
    _delete_line, _repeat_line, _swap_lines, _insert_odd_line, _replace_value, _replace_value, _misspell,
    _misspell, _cut,
)  # fmt: skip


def _mutated(draw: random.Random) -> bytes:
    lines = VALID.split("\n")
    for _ in range(draw.choice([1, 1, 1, 2, 3, 8])):
        if len(lines) > 1:
            draw.choice(MUTATIONS)(lines, draw)
    content = bytearray("\n".join(lines).encode())
    if draw.random() < 0.3:
        for _ in range(draw.choice([1, 2, 20])):
            place = draw.randrange(len(content) + 1)
            content[place : place + draw.choice([0, 1, 5])] = draw.randbytes(draw.choice([0, 1, 4]))
    return bytes(content)


def _outcome(path: Path, environment: dict[str, str]) -> str:
    """Load and do what the command does with the outcome; anything but a system or errors fails the test."""
    try:
        loaded = load(path, environment)
    except ConfigErrors as errors:
        refused = errors
    else:
        return _system_is_whole(loaded)
    assert refused.errors
    assert all(line.isprintable() and len(line) < 2_000 for line in refused.lines())
    return "errors"


def _system_is_whole(loaded: Loaded) -> str:
    assert isinstance(loaded.config, SystemConfig)
    assert all(line.isprintable() for line in show_lines(loaded))
    assert show_data(loaded)["config_sha256"] == config_sha256(loaded.config)
    return "system"


@pytest.mark.parametrize("block", range(10))
def test_mutated_files(tmp_path: Path, block: int) -> None:
    """A valid configuration with lines and bytes deleted, repeated, exchanged and garbled."""
    outcomes = []
    for seed in seeds(40, 1_000):
        path = tmp_path / "system.toml"
        print(f"seed: file {block} {seed}")  # shown when the test fails; the last one repeats it
        path.write_bytes(_mutated(random.Random(f"file {block} {seed}")))
        outcomes.append(_outcome(path, {}))
    assert {"errors", "system"} == set(outcomes)


def test_mutated_environments(tmp_path: Path) -> None:
    """Overrides with odd names and odd values over a valid file."""
    names = (
        "RUNTIME__SEED", "NAME", "ACTORS__QUOTER__PARAMS__SIZE", "ACTORS__QUOTER__PARAMS__SPREAD", "LOG__LEVELS__A",
        "ACTORS__QUOTER__PARAMS__SPREAD__BPS__X", "INSTRUMENTS__BTC__TICK", "INCLUDE", "ACTORS", "_", "__", "A__B",
        "CHANNELS__ORDERS__CAPACITY", "SERVICES__FEED__PARAMS__KEY", "ACTORS__QUOTER__INSTRUMENTS", "\u20ac",
    )  # fmt: skip
    path = write(tmp_path)
    outcomes = []
    for seed in seeds(200, 1_000):
        print(f"seed: environment {seed}")
        draw = random.Random(f"environment {seed}")
        values = (*ODD_VALUES, "1\nname = 2", "#", "\udcff", "= =", "x")
        chosen = draw.sample(names, draw.choice([1, 1, 2, 4]))
        outcomes.append(_outcome(path, {f"HFTRUN_{name}": draw.choice(values) for name in chosen}))
    assert {"errors", "system"} == set(outcomes)


def test_mutated_includes(tmp_path: Path) -> None:
    """Files that include each other at random, in circles, wide and deep."""
    outcomes = []
    for seed in seeds(40, 1_000):
        print(f"seed: include {seed}")
        draw = random.Random(f"include {seed}")
        count = draw.choice([2, 4, 12])
        for index in range(count):
            first = draw.choice([0, index])
            names = [f"{draw.randrange(first, count)}.toml" for _ in range(draw.choice([0, 0, 1, 3]))]
            body = draw.choice(["", "[runtime]\nseed = 1", "runtime = 1", "[runtime.seed]\nx = 1", "[actors]", "\x00"])
            write(tmp_path, f"include = {names}\n{body}\n", f"{index}.toml")
        outcomes.append(_outcome(tmp_path / "0.toml", {}))
    assert {"errors", "system"} == set(outcomes)
