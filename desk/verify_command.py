"""`hftrun verify VENUE FILE...`: are these recorded frames whole and right, as the venue's own rules see them?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from desk.exits import EXIT_OK, EXIT_USAGE, EXIT_WRONG
from desk.loading import tell_errors
from desk.verify_words import plain, words
from runtime.config.errors import ConfigErrors
from runtime.faults import FaultError, Faults, parse_faults
from runtime.feed_faults import FeedFaults
from runtime.replay import open_state
from runtime.state import StateError
from venues.damaged import DamagedVerification, FaultReport
from venues.facts import UnknownDepth, Venue
from venues.recording_survey import Survey, read_all, survey
from venues.recordings import RecordingDamaged, RecordingError
from venues.registry import UnknownVenue, venue_named
from venues.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.instruments import Instrument
    from venues.verified import Report

# A progress bar is drawn for recordings of at least so many records.
_MANY_RECORDS = 2_000
_STEP = 500
# What --faults calls the frames of a recording.
FEED = "feed"


@attrs.frozen
class VerifyRequest:
    """What was asked for on the command line."""

    venue: str
    files: tuple[Path, ...]
    symbols: tuple[str, ...] = ()
    depth: int = 0
    faults: str = ""
    json: bool = False


class _Unusable(ValueError):
    """What was asked for cannot be done; the message says why and what to do."""


def verify_recordings(request: VerifyRequest) -> int:
    """Verify; exit code 0 when all is well, 1 when anything failed, 2 when it cannot be looked at."""
    try:
        faults = _faults(request.faults)
        if request.depth < 0:
            raise _Unusable(f"--depth {request.depth}: name the levels a side, or leave it out")
        report, told = _verified(request, venue_named(request.venue, request.depth), faults)
    except ConfigErrors as errors:
        tell_errors(errors)
        return EXIT_USAGE
    except (UnknownVenue, UnknownDepth, RecordingError, StateError, FaultError, _Unusable) as error:
        sys.stderr.write(f"hftrun: {error}\n")
        return EXIT_USAGE
    if request.json:
        print(json.dumps(plain(report, told), indent=2))
    else:
        sys.stdout.writelines(line + "\n" for line in words(report, told))
    return EXIT_WRONG if report.failures or (told is not None and told.silent) else EXIT_OK


def _faults(text: str) -> Faults:
    """What is to be done to the frames; of a recording they are one feed."""
    faults = parse_faults(text)
    if faults.kills:
        raise _Unusable("a recording has no actors: there is nothing to kill")
    other = [target for target in faults.targets() if target != FEED]
    if other:
        raise _Unusable(f"a recording is one feed, which is called {FEED!r}: there is no {', '.join(other)}")
    return faults


def _verified(request: VerifyRequest, venue: Venue, faults: Faults) -> tuple[Report, FaultReport | None]:
    """The report of the recording as it is, and what became of the faults where there are any."""
    known = _known_instruments(request)
    with _progress("looking through") as tell:
        found = survey(venue, request.files, known, tell)
    _check_found(request, found)
    if found.depth and not request.depth:
        venue = venue_named(request.venue, found.depth)
    verification: Verification
    damaged: DamagedVerification | None = None
    if faults.feeds:
        injected = FeedFaults(FEED, faults.feeds, faults.seed)
        verification = damaged = DamagedVerification(venue, found, request.files, injected, request.symbols)
    else:
        verification = Verification(venue, found, request.files, request.symbols)
    damage = ""
    with _progress("verifying", found.records) as tell:
        try:
            for count, (path, record) in enumerate(read_all(request.files), 1):
                verification.take(path, record)
                tell(count)
        except RecordingDamaged as error:
            damage = str(error)
    report = verification.finish(damage)
    return (report, None) if damaged is None else (damaged.truth.finish(damage), damaged.told)


def _known_instruments(request: VerifyRequest) -> list[Instrument]:
    """The instruments of the venue that state directories among the files tell."""
    known: list[Instrument] = []
    for path in request.files:
        if not path.is_dir():
            continue
        table = open_state(path).instruments
        told = [one for one in table if one.venue == request.venue]
        if not told:
            there = ", ".join(sorted({one.venue for one in table})) or "none"
            raise _Unusable(f"{path} keeps no instrument of {request.venue}: it has instruments of {there}")
        known += told
    return known


def _check_found(request: VerifyRequest, found: Survey) -> None:
    symbols = found.all_symbols()
    if not symbols and not found.damage:
        raise _Unusable(
            f"no frame names an instrument as {request.venue} does: is it a recording of another venue? "
            f"`hftrun venues` lists them"
        )
    unknown = [symbol for symbol in request.symbols if symbol not in symbols]
    if unknown:
        raise _Unusable(f"no frame is of {', '.join(unknown)}: there are {', '.join(symbols)}")


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, for what takes a while; nothing anywhere else."""
    if not sys.stderr.isatty() or (total is not None and total < _MANY_RECORDS):
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress  # only where somebody sees it

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def tell(count: int) -> None:
            if count % _STEP == 0:
                bar.update(task, completed=count)

        yield tell
