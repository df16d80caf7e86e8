"""The `hftrun` command: what it understands. Everything heavy is imported where it is used, so that help is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError, Parameter

from desk.exits import EXIT_OK, EXIT_USAGE

app = App(
    name="hftrun",
    help="An actor-based trading runtime. `hftrun configs/mm.toml` trades on paper.",
    help_epilogue="Exit codes: 0 all went well; 1 what was looked at is not as it should be, or the run did not end in "
    "order; 2 the command, the configuration or the state directory cannot be used; 3 the run failed; 130 interrupted.",
    version="0.1.0",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=""),
)


@app.default
def run(
    config: Path,
    /,
    *,
    duration: str | None = None,
    summary: Path | None = None,
    state: Path | None = None,
    faults: str | None = None,
    live: bool = False,
    status_every: str = "1s",
    reset_halt: bool = False,
) -> int:
    """Run the system of a configuration until Ctrl-C, or for a time.

    Parameters
    ----------
    config
        The configuration file, such as configs/mm.toml.
    duration
        How long to run: 30s, 5m, 1h30m, 250ms. Without it, until Ctrl-C.
    summary
        Write the summary of the run to this file, as JSON.
    state
        Keep the journal here and go on from it: a run that was killed resumes with the same orders and positions.
    faults
        Make units fail on purpose: kill:ACTOR:every=N, several separated by commas.
    live
        Trade with real money; needs mode = "live" and keys as well.
    status_every
        Time between two status lines; 0s prints none.
    reset_halt
        End a halt that an earlier run left in the state: you have looked at its cause. Kept in the journal.
    """
    if not config.suffix and not config.exists():
        return _refuse(f"there is neither a command nor a configuration file called {str(config)!r}")
    from desk.run_command import RunRequest, run_system

    return run_system(
        RunRequest(config, duration or "", summary, state, faults or "", live, status_every, reset_halt)
    )


@app.command
def exchange(
    config: Path,
    /,
    *,
    duration: str | None = None,
    summary: Path | None = None,
    state: Path | None = None,
    faults: str | None = None,
    status_every: str = "1s",
    reset_halt: bool = False,
) -> int:
    """Run a local exchange that bots can trade at over WebSocket, until Ctrl-C or for a time.

    It says where to connect, and makes demo keys at its first start. `docs/exchange.md` and
    `docs/exchange-protocol.md` tell the rest.

    Parameters
    ----------
    config
        The configuration file, such as configs/exchange.toml.
    duration
        How long to run: 30s, 5m, 1h30m, 250ms. Without it, until Ctrl-C.
    summary
        Write the summary of the run to this file, as JSON.
    state
        Keep accounts, orders and the journal here, and go on from it; exchange-state where nothing is said.
    faults
        Make units fail on purpose: kill:ACTOR:every=N, several separated by commas.
    status_every
        Time between two status lines; 0s prints none.
    reset_halt
        End a halt that an earlier run left in the state: you have looked at its cause. Kept in the journal.
    """
    from desk.exchange_command import run_exchange
    from desk.run_command import RunRequest

    return run_exchange(
        RunRequest(config, duration or "", summary, state, faults or "", False, status_every, reset_halt)
    )


@app.command
def check(config: Path, /, *, show: bool = False, json: bool = False) -> int:
    """Say everything that is wrong with a configuration, at once.

    Parameters
    ----------
    config
        The configuration file.
    show
        Print every value in effect with where it was said; secrets are masked.
    json
        Print as JSON.
    """
    from desk.inspect_commands import check_config

    return check_config(config, show, json)


@app.command
def graph(config: Path, /, *, dot: bool = False) -> int:
    """Print who gives what to whom in the system of a configuration.

    Parameters
    ----------
    config
        The configuration file.
    dot
        Print Graphviz instead of text.
    """
    from desk.inspect_commands import print_graph

    return print_graph(config, dot)


@app.command
def doctor(*, json: bool = False) -> int:
    """Look at this machine and this installation, with a verdict on each thing.

    Parameters
    ----------
    json
        Print as JSON.
    """
    from desk.doctor import print_diagnosis

    return print_diagnosis(json)


@app.command
def replay(journal: Path, /, *, json: bool = False) -> int:
    """Feed a recorded journal to the same actors again and compare every decision.

    Parameters
    ----------
    journal
        The state directory of a run (what --state named).
    json
        Print as JSON.
    """
    from desk.replay_command import replay_journal

    return replay_journal(journal, json)


@app.command
def bench(*, only: list[str] | None = None, json: Path | None = None, repeats: int = 0) -> int:
    """Measure the figures that this project claims, each beside a reference in the same run.

    Parameters
    ----------
    only
        Measure only figures whose name begins so; may be given several times.
    json
        Write the result to this file, as JSON.
    repeats
        Measure each figure so often instead of what it says itself.
    """
    from desk.bench_command import run_benchmarks

    return run_benchmarks(only or [], json, repeats)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and give the exit code; a wrong command is told in one line."""
    try:
        code = app(list(sys.argv[1:] if arguments is None else arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _refuse(str(error).strip())
    return code if isinstance(code, int) else EXIT_OK


def _refuse(reason: str) -> int:
    sys.stderr.write(f"hftrun: {reason}\nTry `hftrun --help`.\n")
    return EXIT_USAGE


__all__ = ["app", "main"]
