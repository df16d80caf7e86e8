"""`hftrun serve VENUE FILE...`: makes a local venue of a recording, to which any client can connect."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs
import trio

from desk.exits import EXIT_OK, EXIT_USAGE
from desk.output import Output
from exchange.outside.params import OutsideParams
from exchange.outside.replayer import NothingRecorded, Replayer, Served, read_served
from runtime.clock import LiveClock
from runtime.config.errors import RuleBroken
from runtime.faults import FaultError, parse_faults
from runtime.feed_faults import FeedFaults
from runtime.logs import get_logger
from venues.recordings import RecordingError
from venues.registry import UnknownVenue, venue_named

# What a fault calls the one feed there is.
FEED = "feed"
# The largest frame of a venue, a whole book of Coinbase, has 5 MB; a few of them may wait for one client.
QUEUE_BYTES = 64 * 1024 * 1024


@attrs.frozen(kw_only=True)
class ServeRequest:
    """What was asked for on the command line."""

    venue: str
    files: Sequence[Path]
    host: str = "127.0.0.1"
    port: int = 0
    speed: float = 1.0
    faults: str = ""


def serve(request: ServeRequest) -> int:
    """Serve until Ctrl-C; gives the exit code."""
    output = Output(sys.stdout)
    try:
        if request.speed < 0:
            raise ValueError(f"--speed {request.speed:g}: write 1 for the recorded pace, 10 for ten times, 0 for none")
        make_faults = _faults_of(request.faults)
        served = read_served(venue_named(request.venue), request.files)
        params = OutsideParams(
            host=request.host, port=request.port, frames_per_second=1_000, frames_burst=1_000, queue_bytes=QUEUE_BYTES
        )
        trio.run(_serve, request, served, params, output, make_faults)
    except (UnknownVenue, RecordingError, NothingRecorded, RuleBroken, ValueError) as error:
        Output(sys.stderr).say(f"hftrun: {error}")
        return EXIT_USAGE
    except OSError as error:
        Output(sys.stderr).say(f"hftrun: cannot listen on {request.host}:{request.port}: {error.strerror or error}")
        return EXIT_USAGE
    return EXIT_OK


def _faults_of(text: str) -> Callable[[], FeedFaults] | None:
    """What is done to the frames of each client anew; None where nothing is asked for."""
    faults = parse_faults(text)
    if faults.kills or any(one.target != FEED for one in faults.feeds):
        raise FaultError(f"--faults {text}: what is served is called {FEED}, as in drop:{FEED}:rate=0.01")
    return partial(FeedFaults, FEED, faults.feeds, faults.seed) if faults.feeds else None


async def _serve(
    request: ServeRequest,
    served: Served,
    params: OutsideParams,
    output: Output,
    make_faults: Callable[[], FeedFaults] | None,
) -> None:
    replayer = Replayer(served, params, LiveClock(), get_logger("serve"), request.speed, make_faults)
    listeners = await replayer.listen()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(replayer.run, listeners)
            output.say_all(_words(request, served, replayer.server.port))
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()
    done = ", ".join(f"{kind} {count}" for kind, count in sorted(replayer.injected.items()))
    output.say(f"{replayer.sent} frames were served{f'; faults injected: {done}' if done else ''}")


def _words(request: ServeRequest, served: Served, port: int) -> list[str]:
    address = f"{request.host}:{port}"
    lines = [f"a recording of {request.venue}: ws://{address} and http://{address}, Ctrl-C stops"]
    for number, (frames, path) in enumerate(zip(served.connections, served.paths, strict=True)):
        lines.append(f"  /{number}  {len(frames)} frames{f', recorded at {path}' if path else ''}")
    lines.append(f"  {len(served.answers)} recorded answers to requests")
    lines.append(
        f"  hftrun watch {request.venue}:SYMBOL --url {request.venue}=ws://{address} "
        f"--rest-url {request.venue}=http://{address}"
    )
    return lines
