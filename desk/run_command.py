"""`hftrun CONFIG`: runs a system with a dashboard in this terminal, or with status lines, and ends with a summary.

Ctrl-C, SIGTERM and a terminal that closes ask for an orderly shutdown: stop quoting, cancel, confirm, flush. A second
one makes it hurry. So does nobody reading the output any more, as in `hftrun CONFIG | head`, ask for it. SIGUSR1 is the
kill switch: everything is cancelled, and nothing is sent until a person resets it. SIGUSR2 pauses the quoting, and
resumes it. A SIGHUP that a person sends reads the configuration again.
"""

from __future__ import annotations

import getpass
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import attrs
import trio

import hftrun_kernel
from actors.risk_limits import LimitError, Limits
from desk.dashboard.process import can_show, run_dashboard
from desk.durations import DurationError, parse_duration_ns
from desk.exits import EXIT_FAILED, EXIT_OFFLINE, EXIT_OK, EXIT_USAGE, EXIT_WRONG
from desk.hang_up import has_terminal
from desk.held_signals import held_back
from desk.link_log import LogTail
from desk.loading import load_and_plan, tell_errors
from desk.offline import MarketChoice, NoFeedReached, OfflineError, bind_state, check_state, choose_market
from desk.offline_market import SimulatedMarketError, market_process
from desk.output import Output, abandon
from desk.reload import Reloader
from desk.status import status_line
from desk.summary import summary_lines, summary_of
from market.messages import OperatorCommand, RawFrame
from runtime.blueprint import Blueprint
from runtime.build_core import make_actor
from runtime.clock import LiveClock
from runtime.config.errors import ConfigErrors
from runtime.faults import FaultError, Faults, check_targets, parse_faults
from runtime.journal.errors import JournalError
from runtime.logs import Logs, configure_logs, get_logger
from runtime.session import Session, asked_faults
from runtime.state import StateError, StateUnusable
from runtime.supervisor import ShutdownReport
from venues.gateway_lock import live_problem

if TYPE_CHECKING:
    from rich.console import RenderableType

NANOSECONDS = 1_000_000_000


def no_greeting(_: Session) -> list[str]:
    """Nothing to say beyond what every run says."""
    return []


def no_check(_: Blueprint) -> None:
    """Nothing to find out before the start beyond what every run does."""


@attrs.frozen
class Face:
    """What a run looks at before it starts, and shows of itself: lines at its start, and a status line or a screen."""

    check: Callable[[Blueprint], None] = no_check
    greeting: Callable[[Session], list[str]] = no_greeting
    status: Callable[[Session], str] = status_line
    screen: Callable[[Session], RenderableType] | None = None
    # Where the log goes instead of the error stream, for a screen that lines would tear.
    log: TextIO | None = None


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
    reset_halt: bool = False
    resume_quoting: bool = False
    limits: Sequence[str] = ()
    # Which market: one that can be reached, or the one that was asked for by `online` or `offline`.
    market: str = ""
    # Whether a dashboard is drawn where there is a terminal for it.
    dashboard: bool = False
    face: Face = attrs.field(factory=Face)


@attrs.frozen
class RunSettings:
    """The same, understood."""

    duration_ns: int | None
    status_every_ns: int
    faults: Faults


class RequestError(ValueError):
    """What was asked for cannot be done; the message says why and what to do."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Before there is anything to shut down, and after it is, SIGTERM is what Ctrl-C is: nothing is left behind."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    heeded = [signal.SIGTERM]
    # Under nohup the hang-up is ignored already, and stays so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
    before = [signal.signal(one, interrupt) for one in heeded]
    try:
        yield
    finally:
        for one, handler in zip(heeded, before, strict=True):
            signal.signal(one, handler)


def run_system(request: RunRequest) -> int:
    """Run it; every way in which it cannot start is told in words, with exit code 2."""
    with ended_by_sigterm():
        return _run_system(request)


def _run_system(request: RunRequest) -> int:
    try:
        settings = RunSettings(
            parse_duration_ns(request.duration) if request.duration else None,
            parse_duration_ns(request.status_every),
            parse_faults(request.faults),
        )
        _, blueprint = load_and_plan(request.config)
        names = [node.name for node in (*blueprint.actors, *blueprint.services)]
        feeds = [node.name for node in blueprint.services if RawFrame in node.gives]
        check_targets(asked_faults(blueprint, settings.faults), names, feeds)
        _check_mode(blueprint, request.live)
        request.face.check(blueprint)
        if request.reset_halt and request.state is None:
            raise RequestError("--reset-halt needs --state: only a state directory remembers a halt")
        if request.resume_quoting and request.state is None:
            raise RequestError("--resume-quoting needs --state: only a state directory remembers a pause")
        for limit in request.limits:
            _check_limit(limit, _limits_of(blueprint))
        if request.summary is not None:
            _check_writable(request.summary)
        choice = choose_market(blueprint, request.market)
        check_state(request.state, choice.market)
    except ConfigErrors as errors:
        tell_errors(errors)
        return EXIT_USAGE
    except (DurationError, FaultError, RequestError, OfflineError) as error:
        return _refuse(str(error))
    except NoFeedReached as error:
        return _refuse(str(error), EXIT_OFFLINE)
    return run_choice(request, settings, choice)


def _operator() -> str:
    """Who runs this, as the journal shall remember it; in a container there may be no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"user {os.getuid()}"


def _check_mode(blueprint: Blueprint, live: bool) -> None:
    """Live trading needs the configuration and the command to say so, and keys; paper has no way to a real venue."""
    problem = live_problem(blueprint, live, os.environ)
    if problem is not None:
        raise RequestError(problem)


def _check_limit(limit: str, keepers: Sequence[Limits]) -> None:
    """Find out before the run that nobody keeps such a limit, or that it cannot have such a value."""
    name, equals, value = limit.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise RequestError(f"--limit {limit}: write KEY=VALUE with a limit, such as maximum_position=0.2")
    if not keepers:
        raise RequestError(f"--limit {limit}: no actor of this configuration keeps limits")
    told = []
    for keeper in keepers:
        try:
            keeper.read(limit)
        except LimitError as error:
            told.append(str(error))
    # Lanes have their own: one that binds what is named is enough.
    if len(told) == len(keepers):
        raise RequestError(f"--limit {limit}: {told[0]}")


def _limits_of(blueprint: Blueprint) -> list[Limits]:
    """What actors keep that an operator may change."""
    actors = [make_actor(blueprint, node) for node in blueprint.actors if OperatorCommand in node.takes]
    found = [getattr(actor, "limits", None) for actor in actors]
    return [one for one in found if isinstance(one, Limits)]


def _check_writable(path: Path) -> None:
    """Find out before the run, and not after it, that a summary cannot be written; the file is not touched yet."""
    folder = path.parent
    if path.is_dir():
        raise RequestError(f"--summary {path} is a directory: name a file")
    if not folder.is_dir():
        raise RequestError(f"--summary {path}: there is no directory {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise RequestError(f"--summary {path} cannot be written: check its permissions")


def run_choice(request: RunRequest, settings: RunSettings, choice: MarketChoice) -> int:
    """Run a plan with the market that was chosen for it; a simulated one lives as long as the run."""
    market = market_process(choice.blueprint)
    if market is None:
        return run_blueprint(request, settings, choice.blueprint, choice)
    try:
        market.start()
        market.wait_until_listening()
        return run_blueprint(request, settings, choice.blueprint, choice)
    except SimulatedMarketError as error:
        return _refuse(str(error), EXIT_FAILED)
    finally:
        market.stop()


def run_blueprint(
    request: RunRequest, settings: RunSettings, blueprint: Blueprint, choice: MarketChoice | None = None
) -> int:
    """Run a plan in this terminal, to its summary; gives the exit code."""
    clock = LiveClock()
    # A plan without a choice, such as that of `watch`, was made of words on the command line.
    is_from_file = choice is not None
    choice = choice or MarketChoice(blueprint)
    tail = _tail() if request.dashboard and can_show() else None
    stream = request.face.log or cast("TextIO", tail or sys.stderr)
    try:
        logs = configure_logs(blueprint.config.log, stream, clock.now_ns)
    except ConfigErrors as errors:
        tell_errors(errors)
        return EXIT_USAGE
    output = Output(sys.stdout)
    try:
        with _session(request, settings, blueprint, clock) as session:
            session.market = choice.market
            bind_state(session.state.path, choice.market)
            output.say_all(choice.words)
            _greet(session, request, output)
            if request.reset_halt:
                session.reset_halt(_operator())
            if request.resume_quoting and session.paused:
                session.pause_quoting(False, _operator())
            for limit in request.limits:
                session.change_limit(limit, _operator())
            reloader = Reloader(session, request.config, request.limits) if is_from_file else None
            view = View(session, settings.status_every_ns, request.face, output, tail, choice.words, reloader)
            # Trio would make a Ctrl-C of it that cancels the run, which lanes survive until they are to end in order.
            with held_back() as came:
                report = trio.run(_run, view, settings.duration_ns, came)
            return _finish(session, report, request, output, logs)
    except (JournalError, StateError, FaultError) as error:
        return _refuse(str(error))
    finally:
        logs.close()
        if output.failure:
            abandon(sys.stdout)


def _session(request: RunRequest, settings: RunSettings, blueprint: Blueprint, clock: LiveClock) -> Session:
    try:
        return Session(blueprint, clock, get_logger("hftrun"), request.state, settings.faults)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        raise StateUnusable(f"the state cannot be kept: {place}{error.strerror or error}") from error


def _tail() -> LogTail:
    """Where the log goes while a dashboard is drawn; to an error stream that is no terminal as well."""
    return LogTail(None if sys.stderr.isatty() else sys.stderr)


@attrs.frozen
class View:
    """How a run is shown while it goes on: by a dashboard, on a screen of the face's own, or in lines."""

    session: Session
    every_ns: int
    face: Face
    output: Output
    tail: LogTail | None = None
    banner: tuple[str, ...] = ()
    # Reads the files of the run again; a run that no file describes has none.
    reloader: Reloader | None = None
    had_terminal: bool = attrs.field(factory=has_terminal)

    async def show(self) -> None:
        """Show it until cancelled."""
        if self.tail is not None:
            banner = self.banner[0] if self.banner else ""
            await run_dashboard(self.session, _operator(), self.tail, banner, self.reload)
            # It could not be kept in the terminal.
            self.tail.also = sys.stderr
        if self.face.screen is not None:
            await self._draw()
        elif self.every_ns:
            await self._tell()

    async def _tell(self) -> None:
        """Print a line now and then."""
        while True:
            await trio.sleep(self.every_ns / NANOSECONDS)
            if not self.output.say(self.face.status(self.session)):
                self.session.request_shutdown("nobody reads the output any more")
                return

    async def _draw(self) -> None:
        """Draw the face's screen in place of lines, as long as this terminal is there."""
        from rich.console import Console
        from rich.live import Live

        assert self.face.screen is not None
        console = Console()
        try:
            with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
                while self.every_ns:
                    live.update(self.face.screen(self.session), refresh=True)
                    await trio.sleep(self.every_ns / NANOSECONDS)
        except OSError:
            self.session.request_shutdown("nobody sees the screen any more")

    def reload(self) -> None:
        """Read the files of the run again, as its operator wants."""
        if self.reloader is not None:
            self.reloader.ask(_operator())

    def hang_up(self) -> bool:
        """A SIGHUP came; says whether it is the end, because the terminal has gone, or a person wants files read."""
        if self.reloader is None or (self.had_terminal and not has_terminal()):
            return True
        self.reloader.ask(f"{_operator()} (SIGHUP)")
        return False

    def say(self, words: str) -> None:
        """Tell a person of what was just asked for, beside the lines or in the dashboard's log."""
        if self.tail is None:
            Output(sys.stderr).say("", f"hftrun: {words}")
        else:
            get_logger("hftrun").warning(words)


async def _run(view: View, duration_ns: int | None, came: list[int]) -> ShutdownReport:
    async with trio.open_nursery() as nursery:
        await nursery.start(_heed_signals, view, came)
        nursery.start_soon(view.show)
        if view.reloader is not None:
            nursery.start_soon(view.reloader.run)
        report = await view.session.run(duration_ns)
        nursery.cancel_scope.cancel()
    return report


async def _heed_signals(
    view: View, came: list[int], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    heeded = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2]
    # Under nohup the hang-up is ignored already, and stays so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
    with trio.open_signal_receiver(*heeded) as signals:
        for number in came:
            signal.raise_signal(number)
        task_status.started()
        async for number in signals:
            name = signal.Signals(number).name
            if number == signal.SIGUSR1:
                view.say(f"{name}, the kill switch: everything is cancelled and trading is halted")
                view.session.kill(f"{_operator()} ({name})")
            elif number == signal.SIGUSR2:
                resumes = view.session.paused
                view.say(f"{name}: " + ("quoting resumes" if resumes else "quoting is paused; once more to resume"))
                view.session.pause_quoting(not resumes, f"{_operator()} ({name})")
            elif number != signal.SIGHUP or view.hang_up():
                view.say(f"{name}, stopping in order; once more to hurry")
                view.session.request_shutdown(name)


def _greet(session: Session, request: RunRequest, output: Output) -> None:
    config = session.blueprint.config
    lines = [f"hftrun {config.name}: {config.mode} trading, {hftrun_kernel.mode()} modules, Ctrl-C stops"]
    lines += [
        f"lane {one.lane} resumes after input {one.sequence}: snapshot of {one.snapshot_sequence} and {one.records} "
        f"journal records"
        for one in session.recovered
        if not one.is_new
    ]
    for lane in session.system.lanes:
        if lane.core.ledger.halted:
            how = "reset now" if request.reset_halt else "--reset-halt ends that, once the cause is understood"
            lines.append(
                f"lane {lane.name}: trading is HALTED since an earlier run: {lane.core.ledger.halt_reason} ({how})"
            )
    if session.paused:
        how = "resumed now" if request.resume_quoting else "--resume-quoting, SIGUSR2, or p in the dashboard resumes it"
        lines.append(f"quoting is PAUSED since an earlier run, as an operator asked ({how})")
    if request.state is None:
        lines.append("no --state: the journal of this run is not kept")
    output.say_all([*lines, *request.face.greeting(session)])


def _finish(session: Session, report: ShutdownReport, request: RunRequest, output: Output, logs: Logs) -> int:
    summary = summary_of(session, report)
    summary["log"] = {"lost_stream_lines": logs.lost_stream_lines, "lost_file_lines": logs.lost_file_lines}
    output.say_all(summary_lines(summary))
    lost = sum(summary["log"].values())
    if lost:
        output.say(f"  LOST       {lost} lines of the log could not be written")
    # Somebody has to look at a halt, whoever watches over this process: the next run begins halted.
    code = EXIT_OK if report.orderly and not summary["shutdown"]["halted"] else EXIT_WRONG
    if request.summary is not None:
        code = max(code, _write_summary(summary, request.summary))
    if report.fatal or session.failure:
        return _refuse(report.fatal or session.failure, EXIT_FAILED)
    return code


def _write_summary(summary: dict[str, Any], path: Path) -> int:
    # What an actor of a user's own tells of itself may be of any type.
    text = json.dumps(summary, indent=2, default=str) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        return _refuse(f"the summary could not be written to {path}: {error.strerror or error}", EXIT_WRONG)
    return EXIT_OK


def _refuse(reason: str, code: int = EXIT_USAGE) -> int:
    Output(sys.stderr).say(f"hftrun: {reason}")
    return code
