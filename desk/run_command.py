"""`hftrun CONFIG`: runs a system in this terminal, prints status lines, and ends with a summary.

Ctrl-C and SIGTERM ask for an orderly shutdown: stop quoting, cancel, confirm, flush. A second one makes it hurry.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import attrs
import trio

import hftrun_kernel
from desk.durations import DurationError, parse_duration_ns
from desk.loading import load_and_plan, tell_errors
from desk.status import status_line, summary_lines, summary_of
from runtime.blueprint import Blueprint
from runtime.clock import LiveClock
from runtime.config.errors import ConfigErrors
from runtime.faults import FaultError, Kill, parse_faults
from runtime.journal.errors import JournalError
from runtime.logs import configure_logs, get_logger
from runtime.session import Session
from runtime.state import StateMismatch
from runtime.supervisor import ShutdownReport

EXIT_OK, EXIT_NOT_ORDERLY, EXIT_USAGE, EXIT_FATAL = 0, 1, 2, 3
NANOSECONDS = 1_000_000_000


@attrs.frozen
class RunRequest:
    """What was asked for on the command line."""

    config: Path
    duration: str
    summary: Path | None
    state: Path | None
    faults: str
    live: bool
    status_every: str


@attrs.frozen
class RunSettings:
    """The same, understood."""

    duration_ns: int | None
    status_every_ns: int
    faults: list[Kill]


def run_system(request: RunRequest) -> int:
    """Run it; every way in which it cannot start is told in words, with exit code 2."""
    try:
        settings = RunSettings(
            parse_duration_ns(request.duration) if request.duration else None,
            parse_duration_ns(request.status_every),
            parse_faults(request.faults),
        )
        _, blueprint = load_and_plan(request.config)
        _check_mode(blueprint, request.live)
    except ConfigErrors as errors:
        tell_errors(errors)
        return EXIT_USAGE
    except (DurationError, FaultError, ModeError) as error:
        return _refuse(str(error))
    return _run_blueprint(request, settings, blueprint)


class ModeError(ValueError):
    """Paper and live were mixed up."""


def _check_mode(blueprint: Blueprint, live: bool) -> None:
    configured = blueprint.config.mode == "live"
    if live and not configured:
        raise ModeError('--live needs mode = "live" in the configuration as well')
    if configured and not live:
        raise ModeError('the configuration says mode = "live": add --live if real money is meant')
    if configured:
        raise ModeError("this version has no gateway to a real venue yet: live mode cannot be started")


def _run_blueprint(request: RunRequest, settings: RunSettings, blueprint: Blueprint) -> int:
    clock = LiveClock()
    try:
        logs = configure_logs(blueprint.config.log, sys.stderr, clock.now_ns)
    except ConfigErrors as errors:
        tell_errors(errors)
        return EXIT_USAGE
    try:
        with Session(blueprint, clock, get_logger("hftrun"), request.state, settings.faults) as session:
            _greet(session, request)
            report = trio.run(_run, session, settings)
            return _finish(session, report, request)
    except (JournalError, StateMismatch, FaultError, OSError) as error:
        return _refuse(str(error))
    finally:
        logs.close()


async def _run(session: Session, settings: RunSettings) -> ShutdownReport:
    async with trio.open_nursery() as nursery:
        await nursery.start(_heed_signals, session)
        if settings.status_every_ns:
            nursery.start_soon(_tell_status, session, settings.status_every_ns)
        report = await session.run(settings.duration_ns)
        nursery.cancel_scope.cancel()
    return report


async def _heed_signals(session: Session, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            name = signal.Signals(number).name
            sys.stderr.write(f"\n{name}: stopping in order; once more to hurry\n")
            session.system.supervisor.request_shutdown(name)


async def _tell_status(session: Session, every_ns: int) -> None:
    while True:
        await trio.sleep(every_ns / NANOSECONDS)
        print(status_line(session), flush=True)


def _greet(session: Session, request: RunRequest) -> None:
    config = session.blueprint.config
    print(f"hftrun {config.name}: {config.mode} trading, {hftrun_kernel.mode()} modules, Ctrl-C stops")
    for recovered in session.recovered:
        if not recovered.is_new:
            print(
                f"lane {recovered.lane} resumes after input {recovered.sequence}: snapshot of "
                f"{recovered.snapshot_sequence} and {recovered.records} journal records"
            )
    if request.state is None:
        print("no --state: the journal of this run is not kept")
    sys.stdout.flush()


def _finish(session: Session, report: ShutdownReport, request: RunRequest) -> int:
    summary = summary_of(session, report)
    sys.stdout.writelines(line + "\n" for line in summary_lines(summary))
    sys.stdout.flush()
    if request.summary is not None:
        request.summary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if report.fatal:
        return _refuse(report.fatal, EXIT_FATAL)
    return EXIT_OK if report.orderly else EXIT_NOT_ORDERLY


def _refuse(reason: str, code: int = EXIT_USAGE) -> int:
    sys.stderr.write(f"hftrun: {reason}\n")
    return code


