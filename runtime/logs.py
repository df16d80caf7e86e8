"""Logs: one event, readable on the terminal and as a JSON line in a file, by module levels, repeats told once.

A log line is never the reason why anything stops: a full disk or a closed terminal is counted and told, and logging
goes on. Time comes from the clock that is handed in. Secrets are masked by type, by name and by value. What libraries
log through structlog takes the same way.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from runtime.config.errors import MASK, ConfigError, ConfigErrors, names_a_secret, render_text
from runtime.config.secrets import scrub

if TYPE_CHECKING:
    from runtime.config.model import LogConfig

EventDict = MutableMapping[str, Any]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
COLOURS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
DIM, BOLD, PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"

SUBJECTS = ("unit", "actor", "service", "lane", "venue", "instrument", "channel")
"""Fields that make two events of one name different events: a repeat is the same thing about the same subject."""

MAX_REPEATING_EVENTS = 1_024
MAX_TEXT_CHARACTERS = 4_096
MAX_TRACEBACK_CHARACTERS = 65_536
MAX_ITEMS = 64
MAX_DEPTH = 4


class Logger(structlog.BoundLoggerBase):
    """Logs the events of one module: `log.info("book is live", instrument=3)`."""

    def debug(self, event: str, **fields: object) -> None:
        """Log what helps to find an error."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Log what a person may want to know."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what may need a person."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log what failed; `exc_info=error` adds an exception with its traceback."""
        self._log("error", event, fields)

    def critical(self, event: str, **fields: object) -> None:
        """Log what ends trading."""
        self._log("critical", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Log the exception that is being handled, with its traceback."""
        self._log("error", event, {"exc_info": True, **fields})

    def _log(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        if LEVELS[level] >= _current.threshold(str(self._context.get("logger", ""))):
            self._proxy_to_logger(level, event, **fields)


class Logs:
    """Where events go: a stream, a file, and the table of what repeats. Made by `configure_logs`."""

    def __init__(
        self,
        stream: TextIO,
        now_ns: Callable[[], int],
        level: str = "warning",
        levels: Mapping[str, str] | None = None,
        file: JsonFile | None = None,
        repeat_window_ns: int = 0,
    ) -> None:
        self.stream = stream
        self.now_ns = now_ns
        self.level = LEVELS[level]
        self.levels = {prefix: LEVELS[name] for prefix, name in (levels or {}).items()}
        self.file = file
        self.lost_stream_lines = 0
        self.repeats = Repeats(repeat_window_ns, self._tell_repeats)
        self.coloured = _is_terminal(stream)
        self._thresholds: dict[str, int] = {}
        self._lock = threading.RLock()  # events come from threads too: the watchdog, the journal's fsync

    @property
    def lost_file_lines(self) -> int:
        """Lines that the file did not take."""
        return 0 if self.file is None else self.file.lost_lines

    def adjust(self, level: str, levels: Mapping[str, str], repeat_window_ns: int) -> None:
        """Other levels and another window of repeats from now on."""
        with self._lock:
            self.level = LEVELS[level]
            self.levels = {prefix: LEVELS[name] for prefix, name in levels.items()}
            self.repeats.window_ns = repeat_window_ns
            self._thresholds.clear()

    def threshold(self, logger: str) -> int:
        """The level from which on a logger's events are logged: that of the longest matching prefix."""
        found = self._thresholds.get(logger)
        if found is None:
            matching = [prefix for prefix in self.levels if logger == prefix or logger.startswith(f"{prefix}.")]
            found = self.levels[max(matching, key=len)] if matching else self.level
            if len(self._thresholds) >= MAX_REPEATING_EVENTS:
                self._thresholds.clear()
            self._thresholds[logger] = found
        return found

    def take(self, event: EventDict) -> None:
        """Log an event that has passed its level, unless it repeats another."""
        with self._lock:
            now_ns = self.now_ns()
            repeats = self.repeats.admit(event, now_ns)
            if repeats >= 0:
                self._write(event, now_ns, repeats)

    def close(self) -> None:
        """Tell the repeats that are still counted, and close the file."""
        with self._lock:
            self.repeats.tell_all()
            if self.file is not None:
                self.file.close()
                self.file = None

    def _tell_repeats(self, event: EventDict, repeats: int) -> None:
        self._write(event, self.now_ns(), repeats)

    def _write(self, event: EventDict, now_ns: int, repeats: int) -> None:
        record = _record(event, now_ns, repeats)
        self._to_stream(console_line(record, self.coloured))
        if self.file is None:
            return
        told_before = self.file.lost_lines > 0
        if not self.file.write(json.dumps(record, ensure_ascii=False)) and not told_before:
            self._to_stream(f"hftrun: the log file {self.file.path} cannot be written ({self.file.failure}); going on")

    def _to_stream(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        try:
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self.stream.flush()
        except (OSError, ValueError):  # the terminal is gone, or closed
            self.lost_stream_lines += 1


class Repeats:
    """Which events were told a short while ago, and how often they came again since. Bounded."""

    def __init__(self, window_ns: int, tell: Callable[[EventDict, int], None]) -> None:
        self.window_ns = window_ns
        self._tell = tell
        self._seen: OrderedDict[tuple[str, ...], tuple[int, int, EventDict]] = OrderedDict()

    def admit(self, event: EventDict, now_ns: int) -> int:
        """How many repeats to tell with this event; -1 when it is itself a repeat and is only counted."""
        if self.window_ns <= 0:
            return 0
        key = _identity(event)
        told_ns, repeats, _ = self._seen.get(key, (now_ns - self.window_ns, 0, event))
        if 0 <= now_ns - told_ns < self.window_ns:
            # Without the exception: its traceback would keep the failed handler's frames alive.
            kept = {name: value for name, value in event.items() if name != "exc_info"}
            self._seen[key] = (told_ns, repeats + 1, kept)
            return -1
        self._seen[key] = (now_ns, 0, {})
        self._seen.move_to_end(key)
        if len(self._seen) > MAX_REPEATING_EVENTS:
            self._tell_and_forget(next(iter(self._seen)))
        return repeats

    def tell_all(self) -> None:
        """Tell what is still counted, and forget everything."""
        while self._seen:
            self._tell_and_forget(next(iter(self._seen)))

    def _tell_and_forget(self, key: tuple[str, ...]) -> None:
        _, repeats, event = self._seen.pop(key)
        if repeats:
            self._tell(event, repeats)


class JsonFile:
    """A file of JSON lines that survives a full disk: what it cannot take is counted in `lost_lines`."""

    def __init__(self, path: str, write: Callable[[int, bytes], int] = os.write) -> None:
        self.path = path
        self.lost_lines = 0
        self.failure = ""
        self._write = write
        self._is_torn = False
        directory = os.path.dirname(path)
        if directory:
            os.makedirs(directory, exist_ok=True)
        # Non-blocking, so that a pipe without a reader is an error at start and not a wait.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(path, flags, 0o640)

    def write(self, line: str) -> bool:
        """Append one line; False when the file did not take all of it."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._is_torn:
            data = b"\n" + data  # ends the line that was cut when the disk was full
        try:
            written = self._write(self._descriptor, data)
        except OSError as error:
            written, self.failure = 0, error.strerror or str(error)
        if written == len(data):
            self._is_torn = False
            return True
        if written:
            self._is_torn, self.failure = True, "no space left"
        self.lost_lines += 1
        return False

    def close(self) -> None:
        """Close the file; nothing is written after it."""
        os.close(self._descriptor)


def configure_logs(config: LogConfig, stream: TextIO, now_ns: Callable[[], int]) -> Logs:
    """Send all events to `stream` and to the configured file; raises `ConfigErrors` when the file cannot be opened."""
    global _current
    file = None
    if config.file:
        try:
            file = JsonFile(config.file)
        except OSError as error:
            problem = f"a file that can be written; {error.strerror or error}"
            shown = render_text(config.file)
            remedy = "check the path and its permissions, or leave it empty"
            raise ConfigErrors([ConfigError("", 0, 0, "log.file", shown, problem, remedy)]) from error
    _current.close()
    _current = Logs(stream, now_ns, config.level, config.levels, file, config.repeat_window_ms * 1_000_000)
    structlog.configure(
        processors=list(PROCESSORS), wrapper_class=Logger, logger_factory=lambda *_: _sink, context_class=dict
    )
    return _current


def adjust_logs(config: LogConfig) -> None:
    """Log from now on at the levels of another configuration; the file stays where it is."""
    _current.adjust(config.level, config.levels, config.repeat_window_ms * 1_000_000)


def get_logger(name: str) -> Logger:
    """The logger of a module, by its name; cheap, and good before and after `configure_logs`."""
    return Logger(_sink, PROCESSORS, {"logger": name})


def console_line(record: Mapping[str, Any], coloured: bool) -> str:
    """A record as a terminal shows it; a traceback follows on lines of its own."""
    fields = dict(record)
    moment, level = f"{fields.pop('time')[:23]}Z", fields.pop("level")
    logger, event = _one_line(fields.pop("logger")), _one_line(fields.pop("event"))
    traceback = fields.pop("exception", "")
    shown = " ".join(f"{_one_line(name)}={_field_text(value)}" for name, value in fields.items())
    if coloured:
        line = f"{DIM}{moment}{PLAIN} {COLOURS[level]}{level:<8}{PLAIN} {DIM}{logger}{PLAIN} {BOLD}{event}{PLAIN}"
    else:
        line = f"{moment} {level:<8} {logger} {event}"
    if shown:
        line = f"{line} {shown}"
    return "\n".join([line, *(f"    {_one_line(part)}" for part in str(traceback).splitlines())])


# ---------------------------------------------------------------- the way of an event through structlog


def _add_level(_: object, method: str, event: EventDict) -> EventDict:
    event["level"] = method
    return event


def _hand_over(_: object, __: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    return (event,), {}


class _Sink:
    """What structlog calls at the end of its chain, by the name of the level."""

    def __getattr__(self, name: str) -> Callable[[EventDict], None]:
        if name not in LEVELS:
            raise AttributeError(name)
        return _current.take


# ---------------------------------------------------------------- what an event becomes


def _identity(event: EventDict) -> tuple[str, ...]:
    """What makes an event a repeat of another: logger, event, subject, and the exception where there is one."""
    subject = (f"{name}={event[name]}" for name in SUBJECTS if name in event)
    error = _error_of(event.get("exc_info"))
    failure = () if error is None else (type(error).__name__, str(error)[:200])
    return (str(event.get("logger", "")), str(event.get("event", "")), *subject, *failure)


def _record(event: EventDict, now_ns: int, repeats: int) -> dict[str, Any]:
    """An event as plain, masked data, with the traceback of its exception as text."""
    fields = dict(event)
    error = _error_of(fields.pop("exc_info", None))
    seconds, nanoseconds = divmod(now_ns, 1_000_000_000)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    record: dict[str, Any] = {
        "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z",
        "level": fields.pop("level"),
        "logger": str(fields.pop("logger", "")),
        "event": _plain(str(fields.pop("event", ""))),
    }
    for name, value in fields.items():
        record[f"{name}_" if name in record else name] = MASK if names_a_secret((name,)) else _plain(value)
    if repeats:
        record["repeats"] = repeats
    if error is not None:
        record["exception"] = _traceback_of(error)
    return record


def _error_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == 3:
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def _traceback_of(error: BaseException) -> str:
    import traceback  # only when something failed

    text = scrub("".join(traceback.format_exception(error)))
    if len(text) <= MAX_TRACEBACK_CHARACTERS:
        return text.rstrip("\n")
    half = MAX_TRACEBACK_CHARACTERS // 2
    return f"{text[:half]}\n... shortened ...\n{text[-half:]}".rstrip("\n")


def _plain(value: object, depth: int = 0) -> object:
    """A value as JSON can hold it: bounded, masked, without NaN."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= 4_096 else "a number too large to show"
    if isinstance(value, float):
        return value if value - value == 0.0 else str(value)
    if isinstance(value, str):
        return _cut(scrub(value))
    if depth < MAX_DEPTH and isinstance(value, Mapping):
        items = list(value.items())[:MAX_ITEMS]
        return {str(key): MASK if names_a_secret((str(key),)) else _plain(item, depth + 1) for key, item in items}
    if depth < MAX_DEPTH and isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value[:MAX_ITEMS]]
    return _cut(scrub(repr(value)))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARACTERS else f"{text[:MAX_TEXT_CHARACTERS]}..."


def _field_text(value: object) -> str:
    if isinstance(value, str):
        is_simple = bool(value) and value.isprintable() and not any(mark in value for mark in " \"'=")
        return value if is_simple else render_text(value, MAX_TEXT_CHARACTERS)
    if isinstance(value, (dict, list)):
        return _one_line(json.dumps(value, ensure_ascii=False))
    return str(value)


def _one_line(text: str) -> str:
    """Text without anything that a terminal would act on."""
    return text if text.isprintable() else render_text(text, MAX_TRACEBACK_CHARACTERS)[1:-1]


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")


PROCESSORS: tuple[Any, ...] = (_add_level, _hand_over)
_sink = _Sink()
_current = Logs(sys.stderr, time.time_ns)
