"""The loader of configurations: what it reads, how it merges, and how it tells what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from runtime.config.errors import ConfigErrors, ErrorCollector, render_text
from runtime.config.load import load_config
from runtime.config.positions import key_lines
from runtime.config.rules import DecimalText, compare_decimals, decimals_of, each, one_of, setting
from runtime.config.structure import structure_params
from tests.runtime.configurations import ENVIRONMENT, VALID, QuoterParams, Spread, errors_of, load, write
from tools.generate_configuration_docs import PAGE, page

# ---------------------------------------------------------------- reading


def test_valid_file_becomes_classes(tmp_path: Path) -> None:
    """Tables become attrs classes, keys that are not given take their defaults, decimals stay text."""
    config = load(write(tmp_path)).config
    assert (config.name, config.mode, config.offline) == ("maker", "paper", "simulate")
    assert config.runtime.seed == 7
    assert config.runtime.inbox_capacity == 4_096
    assert config.restart.factor == 2.0
    assert config.instruments["btc"].tick == "0.01"
    assert config.instruments["eth-perp"].kind == "perpetual"
    assert config.actors["quoter"].instruments == ("btc", "eth-perp")
    assert config.actors["quoter"].class_ == "strategies.quoter:Quoter"
    assert config.actors["quoter"].lane == "main"
    assert config.channels["orders"].policy == "halt"


def test_settings_of_actors_are_structured(tmp_path: Path) -> None:
    """With the classes at hand, settings become instances of them, secrets included."""
    loaded = load(write(tmp_path))
    quoter = loaded.params_of("actors", "quoter")
    assert quoter == QuoterParams(size=DecimalText("0.25"), levels=3, spread=Spread(bps=4.5, skew=0.1))
    assert loaded.params_of("services", "feed").key.reveal() == ENVIRONMENT["FEED_KEY"]
    assert load(write(tmp_path), checked=False).params_of("actors", "quoter") is None


def test_empty_file_is_a_system_of_defaults(tmp_path: Path) -> None:
    """Nothing has to be said: the defaults are paper trading that fails when it is offline."""
    config = load(write(tmp_path, "")).config
    assert (config.mode, config.offline, len(config.actors)) == ("paper", "fail", 0)


def test_configuration_is_frozen(tmp_path: Path) -> None:
    """A loaded configuration cannot be changed."""
    config = load(write(tmp_path)).config
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.runtime.seed = 8  # type: ignore[misc]


# ---------------------------------------------------------------- includes


def test_including_file_wins_key_by_key(tmp_path: Path) -> None:
    """Included tables are merged key by key; later includes win over earlier ones, the including file over all."""
    one = '[runtime]\nseed = 1\nmax_lag_ms = 1\nwatchdog_ms = 1\n[log.levels]\na = "debug"\n'
    two = '[runtime]\nmax_lag_ms = 2\nwatchdog_ms = 2\n[log.levels]\nb = "error"\n'
    write(tmp_path, one, "parts/one.toml")
    write(tmp_path, two, "parts/two.toml")
    path = write(tmp_path, 'include = ["parts/one.toml", "parts/two.toml"]\n[runtime]\nwatchdog_ms = 3\n')
    loaded = load(path)
    runtime = loaded.config.runtime
    assert (runtime.seed, runtime.max_lag_ms, runtime.watchdog_ms) == (1, 2, 3)
    assert dict(loaded.config.log.levels) == {"a": "debug", "b": "error"}
    assert [Path(file).name for file in loaded.files] == ["system.toml", "one.toml", "two.toml"]


def test_includes_are_relative_to_their_file(tmp_path: Path) -> None:
    """An included file includes relative to itself, and errors name the file that holds the key."""
    write(tmp_path, "[runtime]\n\nbatch_limit = 0\n", "a/b/deep.toml")
    write(tmp_path, 'include = ["b/deep.toml"]\n', "a/middle.toml")
    path = write(tmp_path, 'include = ["a/middle.toml"]\n')
    assert [error.split(" = ")[0] for error in errors_of(path)] == ["a/b/deep.toml:3: runtime.batch_limit"]


def test_circle_of_includes_is_refused(tmp_path: Path) -> None:
    """Files that include each other are an error at the include that closes the circle."""
    write(tmp_path, '\ninclude = [\n "system.toml"]\n', "other.toml")
    errors = errors_of(write(tmp_path, 'include = ["other.toml"]\n'))
    assert len(errors) == 1
    assert errors[0].startswith("other.toml:3: ")
    assert "includes itself" in errors[0]


def test_depth_and_number_of_includes_are_bounded(tmp_path: Path) -> None:
    """A chain that is too long and a tree that is too wide are errors, told once."""
    for index in range(12):
        write(tmp_path, f'include = ["{index + 1}.toml"]\n', f"{index}.toml")
    assert "at most 8 deep" in errors_of(tmp_path / "0.toml")[0]
    for index in range(7):
        twice = f'"w{index + 1}.toml", ' * 4
        write(tmp_path, f"include = [{twice}]\n" if index < 6 else "", f"w{index}.toml")
    errors = errors_of(tmp_path / "w0.toml")
    assert len(errors) == 1
    assert "at most 64 files" in errors[0]


@pytest.mark.parametrize("include", ['"x.toml"', "[1]", '[""]', "{}", '["\\u0000"]', '["missing.toml"]', '["."]'])
def test_wrong_includes_are_refused(tmp_path: Path, include: str) -> None:
    """An include that is no list of readable files is an error with its line."""
    errors = errors_of(write(tmp_path, f"\ninclude = {include}\n"))
    assert [error.split(" ")[0] for error in errors] == ["system.toml:2:"]


# ---------------------------------------------------------------- files that are none


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    """A missing file, a directory, a pipe, a huge file, bytes that are no text: each is told, none is a traceback."""
    assert "No such file" in errors_of(tmp_path / "none.toml")[0]
    assert "not a file" in errors_of(tmp_path)[0]
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in errors_of(tmp_path / "pipe")[0]
    (tmp_path / "bytes").write_bytes(b'name = "x"\n# \xff\n')
    assert errors_of(tmp_path / "bytes") == ["bytes:2: not UTF-8 text"]
    (tmp_path / "huge").write_bytes(b"#" * 1_048_577)
    assert "larger than" in errors_of(tmp_path / "huge")[0]
    assert "Not a directory" in errors_of(write(tmp_path) / "below")[0]


def test_syntax_error_has_line_and_column(tmp_path: Path) -> None:
    """What is no TOML is told with the place, without a guess at the rest."""
    errors = errors_of(write(tmp_path, 'name = "x"\n[runtime\nseed = 1\n'))
    assert len(errors) == 1
    assert errors[0].startswith("system.toml:2:9: not TOML: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = " + "[" * 500 + "]" * 500, "not usable"),
        ("x = " + "9" * 5_000, "not usable"),
        ("x = 0x" + "f" * 5_000, "a whole number of 64 bits"),
        ("x = nan", "a finite number"),
        ("x = -inf", "a finite number"),
        ("x = 1e999", "a finite number"),
        ("x = 2026-01-01", "dates and times as text in quotes"),
        ('x = "\\u001b[2J"', "text without control characters"),
        ('"\\n" = 1', "keys of 1 to 128 printable characters"),
        (".".join("a" * 20) + " = 1", "at most 16 deep"),
        ("x = [" + "0," * 60_000 + "]", "at most 50000 values"),
        (f'x = "{"y" * 70_000}"', "text of at most 65536 characters"),
    ],
)
def test_bounds_of_values(tmp_path: Path, text: str, expected: str) -> None:
    """Depth, size, range and odd characters are bounded before anything looks at the values."""
    assert expected in errors_of(write(tmp_path, text))[0]


# ---------------------------------------------------------------- errors


def test_every_error_at_once(tmp_path: Path) -> None:
    """All problems of all tables are told in one go, by line, with the value and what was expected."""
    text = """\
mode = "live"
ofline = "simulate"
offline = "simulate"
[runtime]
seed = 1.5
max_lag_ms = "100"
inbox_capacity = 0
[restart]
initial_ms = 500
maximum_ms = 100
[log.levels]
a = "loud"
[instruments.btc]
symbol = "BTC/USDT"
venue = 3
venue_symbol = "BTCUSDT"
base = "BTC"
quote = "USDT"
tick = 0.01
lot = "1e-5"
taker_fee_bps = "7.555"
inverse = 1
[actors.quoter]
class = "strategies.quoter:Quoter"
instruments = ["bt", 5]
params = { levels = 99, sise = "1" }
[actors.lost]
class = "nowhere:Lost"
"""
    assert errors_of(write(tmp_path, text)) == [
        "system.toml:2: ofline: unknown key",
        'system.toml:3: offline = "simulate": expected "fail", because mode = "live"',
        "system.toml:5: runtime.seed = 1.5: expected a whole number from 0 to 9223372036854775807",
        'system.toml:6: runtime.max_lag_ms = "100": expected a whole number from 1 to 86400000, in ms',
        "system.toml:7: runtime.inbox_capacity = 0: expected a whole number from 1 to 1048576, in messages",
        "system.toml:10: restart.maximum_ms = 100: expected at least restart.initial_ms, which is 500",
        'system.toml:12: log.levels.a = "loud": expected one of debug, info, warning, error, critical',
        "system.toml:15: instruments.btc.venue = 3: expected a name: a letter, then at most 63 letters, digits, _ . -",
        'system.toml:19: instruments.btc.tick = 0.01: expected a decimal above 0 in quotes, such as "0.01"',
        'system.toml:20: instruments.btc.lot = "1e-5": expected a decimal above 0 in quotes, such as "0.01"',
        'system.toml:21: instruments.btc.taker_fee_bps = "7.555": expected a fee of -10000 to 10000 basis points in'
        ' quotes, with at most 2 digits after the point, such as "7.5"',
        "system.toml:22: instruments.btc.inverse = 1: expected true or false",
        "system.toml:25: actors.quoter.instruments[1] = 5: expected text in quotes",
        'system.toml:25: actors.quoter.instruments[0] = "bt": expected the name of an instrument',
        'system.toml:26: actors.quoter.params.size: missing; expected a decimal above 0 in quotes, such as "0.01"',
        "system.toml:26: actors.quoter.params.levels = 99: expected a whole number from 1 to 20",
        "system.toml:26: actors.quoter.params.sise: unknown key",
        'system.toml:28: actors.lost.class = "nowhere:Lost": expected a class that can be loaded',
    ]


def test_errors_have_remedies(tmp_path: Path) -> None:
    """A float where a price stands is told to be quoted, a misspelt key gets its neighbour, a count ends the list."""
    path = write(tmp_path, VALID.replace('tick = "0.01"', "tick = 0.01").replace("max_lag_ms", "max_lagms"))
    with pytest.raises(ConfigErrors) as caught:
        load(path)
    told = str(caught.value)
    assert "remedy: put it in quotes" in told
    assert "remedy: did you mean max_lag_ms?" in told
    assert told.endswith("3 errors in the configuration")


def test_one_thing_said_twice_is_refused(tmp_path: Path) -> None:
    """Two instruments of one venue symbol, an actor and a service of one name, an instrument listed twice."""
    text = VALID.replace('"ETHUSDT"', '"BTCUSDT"').replace("services.feed", "services.quoter")
    errors = errors_of(write(tmp_path, text.replace('"eth-perp",\n]', '"btc",\n]')))
    assert len(errors) == 3
    assert "a symbol of its own; instruments.btc is the same one" in errors[0]
    assert "each instrument once" in errors[1]
    assert "a name of its own; an actor has it already" in errors[2]


def test_settings_for_a_class_without_settings_are_refused(tmp_path: Path) -> None:
    """A class that declares no settings takes none."""
    path = write(tmp_path, '[actors.bare]\nclass = "actors.bare:Bare"\nparams = { a = 1 }\n')
    assert errors_of(path) == ["system.toml:3: actors.bare.params.a: no settings: the class declares none"]


def test_terminal_is_safe_from_names_and_values(tmp_path: Path) -> None:
    """Control characters of keys and values reach no terminal."""
    errors = errors_of(write(tmp_path, 'name = "\\u001b]0;x\\u0007"\n[instruments."a\\u202eb"]\n'))
    assert all(error.isprintable() for error in errors)
    assert render_text('a"\x1b\\') == '"a\\"\\x1b\\\\"'


def test_lines_of_keys() -> None:
    """The line of every key is found through strings, comments, dots, inline tables and lists of tables."""
    text = '''a = """
b = 1 """"
'c d' = { e = [1, # [
  2], f.g = 'x}' }
[[list]]
h = 1979-05-27 07:32:00
[[list]]
h = "\\"#"
[list.inner] # ]
i = [ { j = 1 },
 { j = 2 } ]
[x."y.z"]
k = 1'''
    lines = key_lines(text)
    assert lines["a",] == 1
    assert lines["c d", "e"] == 3
    assert lines["c d", "e", "[1]"] == 4
    assert lines["c d", "f", "g"] == 4
    assert lines["list", "[0]", "h"] == 6
    assert lines["list", "[1]", "h"] == 8
    assert lines["list", "[1]", "inner", "i", "[1]", "j"] == 11
    assert lines["x", "y.z", "k"] == 13


# ---------------------------------------------------------------- environment


def test_environment_overrides_files(tmp_path: Path) -> None:
    """A variable sets its key, as TOML where it is TOML, as text where text is wanted or nothing else fits."""
    overrides = {
        "HFTRUN_INSTRUMENTS__BTC__SYMBOL": "123",
        "HFTRUN_RUNTIME__MAX_LAG_MS": "100",
        "HFTRUN_RESTART__FACTOR": "3",
        "HFTRUN_INSTRUMENTS__ETH_PERP__TICK": "0.05",
        "HFTRUN_INSTRUMENTS__BTC__LOT": '"0.1"',
        "HFTRUN_ACTORS__QUOTER__CLASS": "actors.bare:Bare",
        "HFTRUN_ACTORS__QUOTER__INSTRUMENTS": '["btc"]',
        "HFTRUN_ACTORS__QUOTER__PARAMS__SPREAD__BPS": "9.5",
        "HFTRUN_LOG__LEVELS__RUNTIME_LANE": "error",
        "HFTRUN_PURE": "1",
        "HFTRUN_DATA": "/data",
        "HFTRUN_SOAK": "1",
        "PATH": "/bin",
    }
    config = load(write(tmp_path), overrides, checked=False).config
    assert config.instruments["btc"].symbol == "123"
    assert config.runtime.max_lag_ms == 100
    assert config.restart.factor == 3.0
    assert config.instruments["eth-perp"].tick == "0.05"
    assert config.instruments["btc"].lot == "0.1"
    assert config.actors["quoter"].class_ == "actors.bare:Bare"
    assert config.actors["quoter"].instruments == ("btc",)
    assert config.actors["quoter"].params["spread"] == {"bps": 9.5, "skew": 0.1}
    assert dict(config.log.levels) == {"runtime.lane": "error"}


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("HFTRUN_RUNTIM__SEED", "no such key: RUNTIM"),
        ("HFTRUN_RUNTIME__SEEDS", "no such key: SEEDS"),
        ("HFTRUN_RUNTIME", "runtime is a table"),
        ("HFTRUN_ACTORS__NOBODY__LANE", "no such key: NOBODY"),
        ("HFTRUN_ACTORS__QUOTER__PARAMS", "actors.quoter.params is a table"),
        ("HFTRUN_NAME__FIRST", "name has no keys inside"),
        ("HFTRUN_INCLUDE", "include is for files only"),
        ("HFTRUN_", "a name is missing between the underscores"),
        ("HFTRUN_RUNTIME____SEED", "a name is missing between the underscores"),
        ("HFTRUN_RUNTIME__seed", "no such key: seed"),
    ],
)
def test_unknown_override_is_an_error(tmp_path: Path, variable: str, told: str) -> None:
    """An override that names no key is not lost silently."""
    assert errors_of(write(tmp_path), {variable: "1"}) == [f"{variable}: {told}"]


def test_wrong_override_names_its_variable(tmp_path: Path) -> None:
    """The place of an error in an overridden value is the variable."""
    overrides = {"HFTRUN_RUNTIME__SEED": "many", "HFTRUN_JOURNAL__DURABILITY": "\x1b", "HFTRUN_NAME": "\udcff"}
    assert errors_of(write(tmp_path), overrides) == [
        "HFTRUN_JOURNAL__DURABILITY: text without control characters, in journal.durability",
        "HFTRUN_NAME: text without control characters, in name",
        'HFTRUN_RUNTIME__SEED: runtime.seed = "many": expected a whole number from 0 to 9223372036854775807',
    ]


# ---------------------------------------------------------------- settings on their own, rules, cost


@attrs.frozen
class Odd:
    """Settings of less usual types."""

    pairs: tuple[tuple[str, int], ...] = setting("Pairs.", factory=tuple)
    words: list[str] = setting("Words.", factory=list, rule=each(one_of("a", "b")))
    maybe: int | None = setting("A number or nothing.", default=None)


def test_settings_alone() -> None:
    """`structure_params` collects problems under the key path that it is given."""
    collector = ErrorCollector("here.toml")
    key = ("actors", "odd", "params")
    assert structure_params({"words": ["a"], "maybe": 4}, Odd, key, collector) == Odd(words=["a"], maybe=4)
    assert collector.errors == []
    assert structure_params({"words": ["a", "c"], "maybe": "4", "x": 1}, Odd, key, collector) is None
    assert [error.key for error in collector.errors] == [
        "actors.odd.params.words[1]",
        "actors.odd.params.maybe",
        "actors.odd.params.x",
    ]


def test_decimals_compare_exactly() -> None:
    """Decimal text is compared and measured without floats."""
    assert compare_decimals("0.1", "0.10") == 0
    assert compare_decimals("-0.000000000000000001", "0") == -1
    assert compare_decimals("9007199254740993", "9007199254740992") == 1
    assert (decimals_of("0.0100"), decimals_of("5"), decimals_of(DecimalText("10.00"))) == (2, 0, 0)


def test_loader_is_imported_only_when_a_configuration_is_loaded() -> None:
    """Naming the errors costs neither attrs nor cattrs nor tomli."""
    program = (
        "import sys; import runtime.config.errors, runtime.config.secrets;"
        "print(sorted({'attrs', 'attr', 'cattrs', 'tomli'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_real_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment of its own the loader reads that of the process."""
    monkeypatch.setenv("HFTRUN_RUNTIME__SEED", "99")
    monkeypatch.setenv("FEED_KEY", "a-key")
    assert load_config(write(tmp_path)).config.runtime.seed == 99


def test_page_of_keys_is_current() -> None:
    """The tables of `docs/configuration.md` are those of the classes."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: python -m tools.generate_configuration_docs"
    assert "| `max_lag_ms` |" in text


def test_example_of_the_page_is_valid(tmp_path: Path) -> None:
    """The configuration that the docs begin with loads as it stands."""
    example = PAGE.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    write(tmp_path, "", "venues.toml")
    assert load(write(tmp_path, example), checked=False).config.name == "first"
