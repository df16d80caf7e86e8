"""Logs: levels by module, terminal and file, repeats, masked secrets, and disks and terminals that fail."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import runtime.logs
from runtime.config.errors import ConfigErrors
from runtime.config.model import LogConfig
from runtime.config.secrets import Secret
from runtime.logs import JsonFile, Logs, configure_logs, get_logger

SECOND_NS = 1_000_000_000
START_NS = 1_767_323_045_123_456_789


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now_ns = START_NS

    def __call__(self) -> int:
        """The time now."""
        return self.now_ns


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


Setup = Callable[..., tuple[Logs, io.StringIO, Clock]]


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    """Configures logs of a test's own; what was configured before is put back."""
    monkeypatch.setattr(runtime.logs, "_current", Logs(io.StringIO(), Clock()))
    monkeypatch.delenv("NO_COLOR", raising=False)

    def configure(stream: io.StringIO | None = None, **keys: Any) -> tuple[Logs, io.StringIO, Clock]:  # noqa: ANN401
        clock, out = Clock(), stream or io.StringIO()
        return configure_logs(LogConfig(**keys), out, clock), out, clock

    yield configure
    structlog.reset_defaults()


def records(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_line_on_a_stream(setup: Setup) -> None:
    """An event is one line: time, level, logger, event, fields; no colour where there is no terminal."""
    _, out, _ = setup()
    get_logger("runtime.lane").bind(lane="main").info("lane started", actors=3, note="two words", empty="")
    assert out.getvalue() == (
        '2026-01-02T03:04:05.123Z info     runtime.lane lane started lane=main actors=3 note="two words" empty=""\n'
    )


def test_colour_only_on_a_terminal(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colours, unless NO_COLOR is set."""
    _, out, _ = setup(Terminal())
    get_logger("a").error("x")
    assert "\x1b[31merror" in out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    _, plain, _ = setup(Terminal())
    get_logger("a").error("x")
    assert "\x1b" not in plain.getvalue()


def test_json_lines_in_a_file(setup: Setup, tmp_path: Path) -> None:
    """The file holds every event as one JSON object with nanoseconds, whatever the values are."""
    path = tmp_path / "logs" / "system.jsonl"
    logs, _, _ = setup(file=str(path))
    cyclic: list[object] = []
    cyclic.append(cyclic)
    get_logger("a").warning("odd", nan=float("nan"), huge=1 << 20_000, data=b"\xff", nested={"x": [1, None]}, c=cyclic)
    get_logger("a").warning("taken names", time=5, level="x")
    logs.close()
    odd, taken = records(path)
    assert odd["time"] == "2026-01-02T03:04:05.123456789Z"
    assert (odd["nan"], odd["huge"], odd["nested"]) == ("nan", "a number too large to show", {"x": [1, None]})
    assert (taken["time_"], taken["level"]) == (5, "warning")


def test_levels_by_module(setup: Setup) -> None:
    """The longest prefix of a logger's name decides; a prefix ends at a dot."""
    _, out, _ = setup(level="warning", levels={"runtime": "error", "runtime.lane": "debug"})
    for name in ("runtime.lane", "runtime.lane.drain", "runtime.lanes", "runtime", "actors"):
        logger = get_logger(name)
        logger.debug("d")
        logger.warning("w")
        logger.error("e")
    shown = [tuple(line.split()[1:4]) for line in out.getvalue().splitlines()]
    assert [(name, event) for _, name, event in shown] == [
        ("runtime.lane", "d"), ("runtime.lane", "w"), ("runtime.lane", "e"),
        ("runtime.lane.drain", "d"), ("runtime.lane.drain", "w"), ("runtime.lane.drain", "e"),
        ("runtime.lanes", "e"), ("runtime", "e"), ("actors", "w"), ("actors", "e"),
    ]  # fmt: skip


def test_logger_made_before_configuring_works(setup: Setup) -> None:
    """Loggers of modules are made at import and follow what is configured later."""
    logger = get_logger("early")
    _, out, _ = setup()
    logger.info("hello")
    assert "early hello" in out.getvalue()


def test_repeats_are_counted_and_told(setup: Setup) -> None:
    """Within the window an event is told once; the next one after it says how often it came meanwhile."""
    _, out, clock = setup(repeat_window_ms=1_000)
    logger = get_logger("a")
    for _ in range(5):
        logger.info("gap", size=1)
    get_logger("b").info("gap")
    logger.info("gap", actor="maker")
    clock.now_ns += SECOND_NS
    logger.info("gap", size=2)
    logger.info("gap", size=3)
    clock.now_ns += 5 * SECOND_NS
    logger.info("gap", size=4)
    told = [line.partition("info     ")[2] for line in out.getvalue().splitlines()]
    assert told == ["a gap size=1", "b gap", "a gap actor=maker", "a gap size=2 repeats=4", "a gap size=4 repeats=1"]


def test_repeats_are_told_at_the_end_and_never_lost(setup: Setup) -> None:
    """What is still counted at the end, or when the bounded table is full, is told."""
    logs, out, _ = setup(repeat_window_ms=1_000)
    logger = get_logger("a")
    for index in range(1_100):
        logger.info(f"event {index}")
        logger.info(f"event {index}")
    logs.close()
    lines = out.getvalue().splitlines()
    assert len(lines) == 2_200
    assert sum("repeats=1" in line for line in lines) == 1_100


def test_window_of_zero_tells_everything(setup: Setup) -> None:
    """Repeats can be turned off."""
    _, out, _ = setup(repeat_window_ms=0)
    for _ in range(3):
        get_logger("a").info("x")
    assert len(out.getvalue().splitlines()) == 3


def test_exceptions_keep_their_traceback(setup: Setup, tmp_path: Path) -> None:
    """An exception is logged with its traceback and its causes; another error of the same event is no repeat."""
    path = tmp_path / "x.jsonl"
    _, out, _ = setup(file=str(path))
    logger = get_logger("runtime.supervisor")

    def fail(text: str) -> None:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError(text) from inner

    for text in ("first", "second", "second"):
        try:
            fail(text)
        except ValueError as error:
            logger.error("actor failed", actor="maker", exc_info=error)
    try:
        fail("third")
    except ValueError:
        logger.exception("actor failed", actor="maker")
    assert [record["exception"].splitlines()[-1] for record in records(path)] == [
        "ValueError: first",
        "ValueError: second",
        "ValueError: third",
    ]
    assert "    KeyError: 'inner'\n" in out.getvalue()


def test_secrets_are_masked(setup: Setup, tmp_path: Path) -> None:
    """By type, by name, and by value wherever a text quotes it, in tracebacks too."""
    path = tmp_path / "x.jsonl"
    _, out, _ = setup(file=str(path))
    secret = Secret('quo"ted\\s3cret', "env:K")
    value = secret.reveal()
    logger = get_logger("a")
    logger.info("by type", key=secret, inside={"x": [secret]})
    logger.info("by name", api_key="plainly", inside={"password": "plainly"})
    logger.info(f"by value {value}", url=f"wss://host/?k={value}", as_repr=(repr(value),), data=value.encode())
    logger.error("in an error", exc_info=ValueError(f"refused {value}"))
    for text in (out.getvalue(), path.read_text()):
        assert "s3cret" not in text
        assert "plainly" not in text
        assert "***" in text


def test_terminal_is_safe_from_texts(setup: Setup) -> None:
    """Control characters of events, fields and errors do nothing to a terminal and make no second line."""
    _, out, _ = setup()
    get_logger("a\x1b").info("x\ny\x1b[2J", key="\x07\n", **{"odd\nname": 1})
    get_logger("a").error("e", exc_info=ValueError("\x1b]0;title\x07"))
    assert all(line.isprintable() for line in out.getvalue().splitlines())
    assert "x\\ny\\x1b[2J" in out.getvalue().splitlines()[0]


def test_full_disk_does_not_stop_anything(setup: Setup) -> None:
    """A disk that takes nothing is told once on the stream; the lines are counted, and logging goes on."""
    logs, out, _ = setup(file="/dev/full")
    for index in range(5):
        get_logger("a").info(f"event {index}")
    assert logs.lost_file_lines == 5
    told = [line for line in out.getvalue().splitlines() if "cannot be written" in line]
    assert told == ["hftrun: the log file /dev/full cannot be written (No space left on device); going on"]
    assert "event 4" in out.getvalue()


def test_file_goes_on_after_a_full_disk(tmp_path: Path) -> None:
    """A line that was cut is ended, so that every later line is whole again."""
    taken = bytearray()
    room = [10, 0, 1_000, 1_000]

    def write(_: int, data: bytes) -> int:
        space = room.pop(0)
        if not space:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken.extend(data[:space])
        return min(space, len(data))

    file = JsonFile(str(tmp_path / "x"), write)
    assert [file.write(f"line number {index}") for index in range(4)] == [False, False, True, True]
    file.close()
    assert file.lost_lines == 2
    assert taken.decode() == "line numbe\nline number 2\nline number 3\n"


def test_dead_terminal_does_not_stop_anything(setup: Setup, tmp_path: Path) -> None:
    """A closed or broken stream is counted; the file still gets every line."""
    path = tmp_path / "x.jsonl"
    logs, out, _ = setup(file=str(path))
    out.close()
    get_logger("a").info("one")
    logs.stream = open("/dev/full", "w")  # noqa: SIM115  closed below
    get_logger("a").info("two")
    assert logs.lost_stream_lines == 2
    assert [record["event"] for record in records(path)] == ["one", "two"]
    with pytest.raises(OSError, match="No space"):
        logs.stream.close()


def test_terminal_without_unicode(setup: Setup) -> None:
    """A stream that cannot show a character shows its escape."""
    raw = io.BytesIO()
    _, _, _ = setup(io.TextIOWrapper(raw, encoding="ascii"))
    get_logger("a").info("café €", lone="\udcff")
    assert b"caf\\xe9 \\u20ac" in raw.getvalue()


def test_file_that_cannot_be_opened_is_a_configuration_error(setup: Setup, tmp_path: Path) -> None:
    """A path that is no file is told like every error of a configuration."""
    (tmp_path / "file").touch()
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "file" / "x", "File exists")):
        with pytest.raises(ConfigErrors) as caught:
            setup(file=str(path))
        assert f'log.file = "{path}": expected a file that can be written; {reason}' in str(caught.value)


def test_structlog_of_libraries_takes_the_same_way(setup: Setup) -> None:
    """What is logged through structlog itself is filtered and shown alike."""
    _, out, _ = setup(level="warning")
    structlog.get_logger().info("no")
    structlog.get_logger().bind(logger="library").warning("yes", x=1)
    assert out.getvalue().endswith("warning  library yes x=1\n")
    assert "no" not in out.getvalue()
