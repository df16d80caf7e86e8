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
    "order, or ended halted; 2 the command, the configuration or the state directory cannot be used; 3 the run failed; "
    "4 no public feed can be reached; 130 interrupted.",
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
    resume_quoting: bool = False,
    limit: list[str] | None = None,
    plain: bool = False,
    offline: bool = False,
    online: bool = False,
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
    resume_quoting
        End a pause of quoting that an earlier run left in the state. Kept in the journal with who asked.
    limit
        Change a limit of the risk actor, also to a looser one: KEY=VALUE. Kept in the journal with who asked.
    plain
        Print status lines instead of drawing a dashboard, as without a terminal.
    offline
        Trade on a simulated market, without looking whether the venues can be reached.
    online
        Trade on the venues' public data, without looking whether they can be reached.
    """
    if not config.suffix and not config.exists():
        return _refuse(f"there is neither a command nor a configuration file called {str(config)!r}")
    if offline and online:
        return _refuse("--offline and --online exclude each other")
    from desk.run_command import RunRequest, run_system

    market = "offline" if offline else "online" if online else ""
    return run_system(
        RunRequest(
            config, duration or "", summary, state, faults or "", live, status_every, reset_halt, resume_quoting,
            tuple(limit or ()), market, not plain,
        )
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
def watch(
    *targets: str,
    depth: int = 10,
    plain: bool = False,
    duration: str | None = None,
    every: str | None = None,
    quote: str | None = None,
    parity: list[str] | None = None,
    url: list[str] | None = None,
    rest_url: list[str] | None = None,
    ca_file: Path | None = None,
    faults: str | None = None,
) -> int:
    """Watch live books of venues, and all of them as one, until Ctrl-C or for a time. No key is needed.

    Parameters
    ----------
    targets
        What to watch, each as VENUE:SYMBOL, such as kraken:BTC/USD or binance:BTCUSDT. `hftrun venues` lists venues.
    depth
        Levels a side.
    plain
        Print lines instead of drawing, as without a terminal.
    duration
        How long: 30s, 5m, 1h30m. Without it, until Ctrl-C.
    every
        Time between two lines (1s) or drawings (250ms).
    quote
        The currency in which several venues' books are put together.
    parity
        What another currency is held to be worth in it, such as USDT=1; dollars and stablecoins of the dollar are 1.
    url
        Connect to another address than the venue's own: VENUE=URL.
    rest_url
        Ask another address than the venue's own: VENUE=URL.
    ca_file
        Trust the authorities in this file too.
    faults
        Damage what comes, on purpose; `docs/faults.md` has the words.
    """
    if not targets:
        return _refuse("nothing to watch: name VENUE:SYMBOL, for example kraken:BTC/USD")
    from desk.watch_command import WatchRequest
    from desk.watch_command import watch as run_watch

    return run_watch(
        WatchRequest(
            targets=targets, depth=depth, plain=plain, duration=duration or "", every=every or "", quote=quote or "",
            parity=parity or (), url=url or (), rest_url=rest_url or (), ca_file=str(ca_file or ""),
            faults=faults or "",
        )
    )  # fmt: skip


@app.command
def serve(
    venue: str,
    /,
    *files: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 1.0,
    faults: str | None = None,
) -> int:
    """Make a local venue of a recording: clients connect to it as to the venue and get what was recorded.

    Parameters
    ----------
    venue
        Whose recording it is; `hftrun venues` lists venues.
    files
        The recording, as `hftrun verify` takes it; files that continue each other are given together.
    host
        The address to listen on.
    port
        The port to listen on; 0 takes a free one.
    speed
        The recorded pace (1), a multiple of it, or 0: as fast as it is taken.
    faults
        Damage what is sent, on purpose, such as drop:feed:rate=0.01; `docs/faults.md`.
    """
    if not files:
        return _refuse("nothing to serve: name a file of recorded frames")
    from desk.serve_command import ServeRequest
    from desk.serve_command import serve as run_serve

    return run_serve(
        ServeRequest(venue=venue, files=files, host=host, port=port, speed=speed, faults=faults or "")
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
def replay(journal: Path, /, *, orders: bool = False, json: bool = False) -> int:
    """Feed a recorded journal to the same actors again and compare every decision.

    Parameters
    ----------
    journal
        The state directory of a run (what --state named).
    orders
        Print every order, change, cancel and refusal, each with why.
    json
        Print as JSON.
    """
    from desk.replay_command import replay_journal

    return replay_journal(journal, json, orders)


@app.command
def verify(
    venue: str,
    /,
    *files: Path,
    symbol: list[str] | None = None,
    depth: int = 0,
    faults: str | None = None,
    json: bool = False,
) -> int:
    """Take recorded frames through a venue's rules and checksums, and say whether they are whole and right.

    Parameters
    ----------
    venue
        The venue, such as binance; `hftrun venues` lists them.
    files
        Recordings that continue each other: text or JSON lines, plain, gzip or zstd, or a state directory.
    symbol
        Verify only this instrument, as the venue writes it; may be given several times.
    depth
        The levels a side that were subscribed to, where the recording does not say.
    faults
        Damage the frames on purpose and see what is detected, such as drop:feed:rate=0.01; `docs/faults.md`.
    json
        Print as JSON.
    """
    if not files:
        return _refuse("verify needs a recording: hftrun verify VENUE FILE...")
    from desk.verify_command import VerifyRequest, verify_recordings

    return verify_recordings(VerifyRequest(venue, files, tuple(symbol or ()), depth, faults or "", json))


@app.command
def venues(
    *names: str,
    probe: bool = False,
    timeout: str = "10s",
    url: list[str] | None = None,
    rest_url: list[str] | None = None,
    ca_file: Path | None = None,
    json: bool = False,
) -> int:
    """Print the venues that are supported, with their limits and rules, or try whether they answer.

    Parameters
    ----------
    names
        Only these venues.
    probe
        Connect to each, subscribe to one instrument and wait for its first frame. No key is needed.
    timeout
        How long each may take.
    url
        Connect to another address than the venue's own: VENUE=URL.
    rest_url
        Ask another address than the venue's own: VENUE=URL.
    ca_file
        Trust the authorities in this file too.
    json
        Print as JSON.
    """
    from desk.venues_command import VenuesRequest, tell_venues

    return tell_venues(
        VenuesRequest(
            names=names, probe=probe, timeout=timeout, url=url or (), rest_url=rest_url or (),
            ca_file=str(ca_file or ""), json=json,
        )
    )  # fmt: skip


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


new = App(name="new", help="Write something new to begin with: hftrun new strategy NAME.")
app.command(new)


@new.command(name="strategy")
def new_strategy(name: str, /, *, folder: Path = Path()) -> int:
    """Write a strategy with its configuration and its test, ready to check, run and change. Nothing is overwritten.

    Parameters
    ----------
    name
        What it is called: small letters, digits and underscores, such as my_strategy.
    folder
        Where to write; made if it is not there. Here, where nothing is said.
    """
    from desk.new_command import new_strategy as write_strategy

    return write_strategy(name, folder)


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
