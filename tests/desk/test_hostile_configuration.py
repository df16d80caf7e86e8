"""Mutations of the shipped configuration through everything up to the start: an error list or a valid system.

Where `tests/runtime/test_hostile_config.py` looks at the loader, this goes on through the classes, their settings, the
wiring, and the building of the system with its state directory. Every mutation follows from its seed, which a failure
prints.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from desk.loading import load_and_plan
from desk.status import status_line
from runtime.blueprint import Blueprint
from runtime.clock import ManualClock
from runtime.config.errors import ConfigErrors
from runtime.graph import as_dot, as_text
from runtime.logs import Logger
from runtime.session import Session
from tests.data import ROOT
from tests.seeds import seeds
from tests.simulation.world import Silence

START_NS = 1_700_000_000_000_000_000
FILES = ("mm.toml", "standard-actors.toml")
TOP = "top.toml"
ACTORS = (
    "book_binance", "book_kraken", "aggregated_book", "fair_value", "order_manager", "risk", "paper_venue", "portfolio",
    "market_maker",
)  # fmt: skip

CLASSES = (
    "runtime.actor:Actor", "runtime.actor:Strategy", "runtime.service:Service", "venues.simulated:SimulatedFeed",
    "venues.feed:Feed", "venues.binance:BinanceSpot", "actors.venue_book:VenueBook", "actors.venue_book:KeptBook",
    "actors.risk:Risk",
    "actors.paper_venue:PaperVenue", "actors.risk_params:RiskParams", "market.dialect:Dialect", "builtins:int",
    "os:path", "os.path:join", "json:nothing", "nowhere:Nothing", "strategies.market_maker:BASIS_POINT",
    "missing.py:Actor",
    "strategies.market_maker:MarketMaker", "market.messages:Message", "tests.desk:X", "", ":", "a:b:c", "a b:c",
)  # fmt: skip
NUMBERS = (
    "0", "1", "-1", "2", "65536", "1048576", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "1e18", "1e-300", "1e308", "nan", "inf", "-0.0", "0.5", "3.0", "true", "0x7f", "1_000", "1.0000000000001",
)  # fmt: skip
DECIMALS = (
    '"0"', '"0.01"', '"0.00001"', '"0.000000000000000001"', '"1"', '"1000000000000000000"', '"9999999999999999999"',
    '"-1"', '"1e5"', '"0.123456789012345678"', '"60000.123456"', '"00.10"', '"0.3"', '"7"', '"nan"', '" 1"', '"1."',
)  # fmt: skip
TEXTS = (
    '""', '"own"', '"main"', '"market_maker"', '"book_binance.inbox"', '"a.b-c_d"', '"ü"', '"x" ', '"\\u0000"',
    '"' + "n" * 64 + '"', '"' + "n" * 65 + '"', '"../x"', '"BTC/USDT"', '"spot"', '"perpetual"', '"option"', '"live"',
    '"halt_trading"', '"stop"', '"restart_with_dependents"', '"always"', '"never"', '"coalesce"', '"\U0001f600"',
    '["btc_binance"]', "[]", '["btc_kraken", "btc_kraken"]', '["eth"]', '["btc_kraken", "eth"]', "[1]", "{}",
    "2026-01-01",
)  # fmt: skip
VALUES = (*NUMBERS, *DECIMALS, *TEXTS, *(f'"{one}"' for one in CLASSES))

INSTRUMENT = """
[instruments.{name}]
symbol = "{symbol}"
venue = "binance"
venue_symbol = "{venue_symbol}"
base = "ETH"
quote = "USDT"
kind = "{kind}"
inverse = {inverse}
tick = {tick}
lot = {lot}
multiplier = {multiplier}
"""
SERVICE = '\n[services.{name}]\nclass = "{class_}"\n[services.{name}.params]\ninitial_price = {price}\n'
CHANNEL_NAMES = (
    "main.inbox", "main.lanes", "main.urgent", "feed_binance.inbox", "feed_binance.urgent", "risk.inbox", "main",
    "inbox", "", "main.x",
)  # fmt: skip

SETTINGS = (
    ("actors.market_maker.params", "size", "decimal"), ("actors.market_maker.params", "target", "decimal"),
    ("actors.market_maker.params", "half_spread_bps", "number"), ("actors.market_maker.params", "skew_bps", "number"),
    ("actors.market_maker.params", "maximum_position", "decimal"), ("actors.risk.params", "window_ms", "number"),
    ("actors.risk.params", "maximum_order_notional", "decimal"), ("actors.risk.params", "maximum_position", "decimal"),
    ("actors.risk.params", "maximum_daily_loss", "decimal"), ("actors.book_binance.params", "connection_id", "number"),
    ("actors.book_binance.params", "dialect", "class"), ("actors.paper_venue.params", "latency_us", "number"),
    ("services.feed_kraken.params", "url", "text"), ("services.feed_kraken.params", "connection_id", "number"),
    ("services.feed_kraken.params", "silence_s", "number"), ("services.feed_binance.params", "venue", "text"),
    ("instruments.btc_kraken", "tick", "decimal"), ("instruments.btc_kraken", "lot", "decimal"),
    ("instruments.btc_kraken", "minimum_size", "decimal"), ("instruments.btc_kraken", "taker_fee_bps", "decimal"),
    ("instruments.btc_kraken", "multiplier", "decimal"), ("runtime", "inbox_capacity", "number"),
    ("runtime", "urgent_capacity", "number"), ("runtime", "dispatch_limit", "number"), ("restart", "factor", "number"),
    ("restart", "maximum_ms", "number"), ("journal", "segment_mb", "number"), ("journal", "keep_snapshots", "number"),
)  # fmt: skip

Texts = dict[str, list[str]]
Mutation = Callable[[list[str], random.Random], None]


def _places(lines: list[str], *words: str) -> list[int]:
    """The lines that say something, of the keys that are asked for."""
    keys = [(index, line.partition("=")[0].strip()) for index, line in enumerate(lines) if "=" in line]
    return [index for index, key in keys if not words or key in words] or [0]


def _say(lines: list[str], index: int, value: str) -> None:
    lines[index] = f"{lines[index].partition('=')[0]}= {value}"


def change_any_value(lines: list[str], draw: random.Random) -> None:
    """Some key gets some value."""
    _say(lines, draw.choice(_places(lines)), draw.choice(VALUES))


def change_number(lines: list[str], draw: random.Random) -> None:
    """A plain number becomes another."""
    numbers = [index for index in _places(lines) if lines[index].partition("=")[2].strip()[:1].isdigit()]
    if numbers:
        _say(lines, draw.choice(numbers), draw.choice(NUMBERS))


def change_decimal(lines: list[str], draw: random.Random) -> None:
    """An exact decimal becomes another, most of them well formed and wrong in size or digits."""
    decimals = [index for index in _places(lines) if lines[index].partition("=")[2].strip()[:2].strip('"-').isdigit()]
    if decimals:
        _say(lines, draw.choice(decimals), draw.choice(DECIMALS))


def change_class(lines: list[str], draw: random.Random) -> None:
    """A class becomes another one, or nothing that could be one."""
    _say(lines, draw.choice(_places(lines, "class", "dialect")), f'"{draw.choice(CLASSES)}"')


def delete_line(lines: list[str], draw: random.Random) -> None:
    """A key or the head of a table is missing."""
    del lines[draw.randrange(len(lines))]


def delete_table(lines: list[str], draw: random.Random) -> None:
    """A whole table is missing, such as an actor that others need."""
    heads = [index for index, line in enumerate(lines) if line.startswith("[")]
    if heads:
        begin = draw.choice(heads)
        end = next((index for index in heads if index > begin), len(lines))
        del lines[begin:end]


def misspell(lines: list[str], draw: random.Random) -> None:
    """A character is another, doubled or gone."""
    index = draw.randrange(len(lines))
    line = lines[index]
    if line:
        at = draw.randrange(len(line))
        lines[index] = line[:at] + draw.choice(["", "x", line[at] * 2, '"', ".", "=", "[", "\u202e"]) + line[at + 1 :]


def add_to_actor(lines: list[str], draw: random.Random) -> None:
    """An actor or the feed gets a lane, a policy, instruments, or another class."""
    key, values = draw.choice(
        [
            ("lane", ('"own"', '"main"', '"other"', '"feed"', '"risk"')),
            ("policy", ('"restart"', '"stop"', '"halt_trading"', '"restart_with_dependents"')),
            ("instruments", ('["btc_binance"]', "[]", '["eth"]', '["btc_kraken", "btc_kraken"]')),
            ("class", tuple(f'"{one}"' for one in CLASSES)),
            ("nonsense", TEXTS),
        ]
    )
    place = draw.choice(["services.feed_kraken", *(f"actors.{name}" for name in ACTORS)])
    lines += ["", f"[{place}]", f"{key} = {draw.choice(values if draw.random() < 0.8 else TEXTS)}"]


def add_setting(lines: list[str], draw: random.Random) -> None:
    """A setting gets another value, most of them of the right kind."""
    place, key, kind = draw.choice(SETTINGS)
    classes = tuple(f'"{one}"' for one in CLASSES)
    values = {"decimal": DECIMALS, "number": NUMBERS, "class": classes, "text": TEXTS}[kind]
    lines += ["", f"[{place}]", f"{key} = {draw.choice(values if draw.random() < 0.9 else VALUES)}"]


def add_actor(lines: list[str], draw: random.Random) -> None:
    """One more actor or service, which may own what another owns or be called as another is."""
    section, name = draw.choice(["actors", "services"]), draw.choice(["second", "feed_kraken", "main", *ACTORS])
    lines += ["", f"[{section}.{name}]", f'class = "{draw.choice(CLASSES)}"']


def add_instrument(lines: list[str], draw: random.Random) -> None:
    """One more instrument, of any kind, maybe the same one again."""
    text = INSTRUMENT.format(
        name=draw.choice(["eth", "btc_binance", "x"]), symbol=draw.choice(["ETH/USDT", "BTC/USDT", "X"]),
        venue_symbol=draw.choice(["ETHUSDT", "BTCUSDT", '\\"']), kind=draw.choice(["spot", "perpetual", "option"]),
        inverse=draw.choice(["false", "false", "true"]), tick=draw.choice(DECIMALS), lot=draw.choice(DECIMALS),
        multiplier=draw.choice(['"1"', *DECIMALS]),
    )  # fmt: skip
    lines += text.split("\n")


def add_channel(lines: list[str], draw: random.Random) -> None:
    """A channel that there is or is not, with any capacity and policy."""
    policy = draw.choice(["block", "coalesce", "drop_oldest", "halt", "", "lose"])
    capacity = draw.choice(["0", "1", "64", "1048576", *NUMBERS])
    lines += ["", f'[channels."{draw.choice(CHANNEL_NAMES)}"]', f"capacity = {capacity}", f'policy = "{policy}"']


def add_service(lines: list[str], draw: random.Random) -> None:
    """A second feed, of which nobody may want to hear."""
    class_ = draw.choice(["venues.simulated:SimulatedFeed", *CLASSES])
    name = draw.choice(["second", "feed_kraken", "main", "risk"])
    lines += SERVICE.format(name=name, class_=class_, price=draw.choice(DECIMALS)).split("\n")


# In the shipped files themselves, and in a file that includes them and wins over what they say.
WITHIN: tuple[Mutation, ...] = (
    change_any_value, change_number, change_decimal, change_class, delete_line, delete_table, misspell,
)  # fmt: skip
ON_TOP: tuple[Mutation, ...] = (
    add_to_actor, add_to_actor, add_to_actor, add_setting, add_setting, add_setting, add_actor, add_instrument,
    add_channel, add_service,
)  # fmt: skip


def write_mutated(folder: Path, draw: random.Random) -> Path:
    """The shipped configuration with a few things changed in it and on top of it."""
    texts: Texts = {name: (ROOT / "configs" / name).read_text(encoding="utf-8").split("\n") for name in FILES}
    # Without the comments: a change of one is no change.
    texts = {name: [line.partition(" #")[0].rstrip() for line in lines] for name, lines in texts.items()}
    texts[TOP] = [f'include = ["{FILES[0]}"]']
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        if draw.random() < 0.4:
            draw.choice(WITHIN)(texts[draw.choice(FILES)], draw)
        else:
            draw.choice(ON_TOP)(texts[TOP], draw)
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    return folder / TOP


def outcome(path: Path, state: Path) -> str:
    """What becomes of a configuration; anything but errors or a system fails the test."""
    try:
        _, blueprint = load_and_plan(path)
    except ConfigErrors as errors:
        refused = errors
    else:
        return build(blueprint, state)
    assert refused.errors
    assert all(line.isprintable() and len(line) < 2_000 for line in refused.lines())
    return "errors"


def build(blueprint: Blueprint, state: Path) -> str:
    """Build everything as the command does, and do with it what the command does first."""
    with Session(blueprint, ManualClock(START_NS), cast("Logger", Silence()), state) as session:
        assert "inputs 0" in status_line(session)
        assert as_text(blueprint)
        assert as_dot(blueprint)
        assert session.system.channels()
    return "system"


@pytest.mark.parametrize("block", range(3))
def test_a_mutated_configuration_is_refused_or_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Every mutation gives an error list, or a system that is built whole with its state."""
    monkeypatch.chdir(tmp_path)
    outcomes = []
    for seed in seeds(50, 350):
        print(f"seed: hostile {block} {seed}")  # shown when the test fails; the last one repeats it
        path = write_mutated(tmp_path, random.Random(f"hostile {block} {seed}"))
        outcomes.append(outcome(path, tmp_path / f"state-{seed}"))
    assert {"errors", "system"} == set(outcomes)
