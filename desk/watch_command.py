"""`hftrun watch VENUE:SYMBOL...`: live ladders of venues' books, and of all of them together, in this terminal.

It builds a system of feeds, venue books and an aggregated book, without a strategy and without orders, and draws it;
without a terminal, or with `--plain`, it prints lines. Nothing is kept on disk beyond the run.
"""

from __future__ import annotations

import io
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio

from actors.aggregated_book import AggregatedBookActor
from actors.venue_book import VenueBook
from actors.venue_book_legs import STATE_NAMES
from desk.durations import DurationError, parse_duration_ns
from desk.exits import EXIT_USAGE
from desk.ladder_view import screen_of
from desk.listings import Addresses, Found, ListingError, Target, find_all, parse_addresses, parse_target
from desk.loading import tell_errors
from desk.output import Output
from desk.run_command import Face, RunRequest, RunSettings, run_blueprint
from market.instruments import InstrumentTable
from market.numbers import NumberError, parse_decimal
from runtime.blueprint import Blueprint
from runtime.classes import params_of
from runtime.config.errors import ConfigErrors
from runtime.config.load import load_tree
from runtime.faults import FaultError, parse_faults
from runtime.session import Session
from runtime.trial import plan_checked
from venues.registry import DIALECTS

if TYPE_CHECKING:
    from rich.console import RenderableType

NANOSECONDS = 1_000_000_000
USUAL_DEPTH = 10
MOST_DEPTH = 1_000
SHOWN_TROUBLES = 2
# What a common currency is chosen from first, and what is held to be worth as much unless told otherwise.
DOLLARS = ("USD", "USDC", "USDT")


@attrs.frozen(kw_only=True)
class WatchRequest:
    """What was asked for on the command line."""

    targets: Sequence[str]
    depth: int = USUAL_DEPTH
    plain: bool = False
    duration: str = ""
    every: str = ""
    quote: str = ""
    parity: Sequence[str] = ()
    url: Sequence[str] = ()
    rest_url: Sequence[str] = ()
    ca_file: str = ""
    faults: str = ""


class WatchError(ValueError):
    """What was asked for cannot be watched; the message says why and what to do."""


def watch(request: WatchRequest) -> int:
    """Watch until Ctrl-C, or for a time; gives the exit code."""
    errors = Output(sys.stderr)
    try:
        targets = [parse_target(text) for text in dict.fromkeys(request.targets)]
        if not 1 <= request.depth <= MOST_DEPTH:
            raise WatchError(f"--depth {request.depth}: choose 1 to {MOST_DEPTH}")
        is_plain = request.plain or not sys.stdout.isatty()
        every_ns = parse_duration_ns(request.every or ("1s" if is_plain else "250ms"))
        duration_ns = parse_duration_ns(request.duration) if request.duration else None
        settings = RunSettings(duration_ns, every_ns, parse_faults(request.faults))
        addresses = _addresses(request, targets)
        found = trio.run(find_all, targets, request.depth, addresses, errors.say)
        blueprint = plan(found, request, addresses, is_plain)
    except ConfigErrors as problems:
        tell_errors(problems)
        return EXIT_USAGE
    except (DurationError, FaultError, ListingError, WatchError) as error:
        errors.say(f"hftrun: {error}")
        return EXIT_USAGE
    troubles = LastLines()
    view = View(request.depth, troubles)
    face = Face(status=view.line, screen=None if is_plain else view.screen, log=None if is_plain else troubles)
    run = RunRequest(
        config=Path("hftrun watch"), duration=request.duration, summary=None, state=None, faults=request.faults,
        live=False, status_every=request.every, face=face,
    )  # fmt: skip
    return run_blueprint(run, settings, blueprint)


def _addresses(request: WatchRequest, targets: Sequence[Target]) -> Addresses:
    addresses = Addresses(
        streams=parse_addresses(request.url, "--url"),
        rest=parse_addresses(request.rest_url, "--rest-url"),
        ca_file=request.ca_file,
    )
    watched = {one.venue for one in targets}
    for name in (*addresses.streams, *addresses.rest):
        if name not in watched:
            raise WatchError(f"an address was given for {name}, which is not watched")
    return addresses


# ---- the system


def plan(found: Sequence[Found], request: WatchRequest, addresses: Addresses, is_plain: bool = True) -> Blueprint:
    """A system of feeds and books for what was found."""
    tree = tree_of(found, request, addresses, is_plain)
    blueprint = plan_checked(load_tree(tree, "hftrun watch", params_of=params_of))
    # The configuration knows of less than a venue tells, such as when a future expires.
    return attrs.evolve(blueprint, instruments=InstrumentTable([one.instrument for one in found]))


def tree_of(
    found: Sequence[Found], request: WatchRequest, addresses: Addresses, is_plain: bool = True
) -> dict[str, Any]:
    """The same as the tables of a configuration."""
    instruments = {_name(one): _instrument_table(one) for one in found}
    services: dict[str, Any] = {}
    actors: dict[str, Any] = {}
    connection_id = 1
    for venue in dict.fromkeys(one.venue.venue for one in found):
        own = [one for one in found if one.venue.venue == venue]
        names = [_name(one) for one in own]
        depth = own[0].venue.depth
        services[f"feed_{venue}"] = {
            "class": "venues.feed:Feed",
            "instruments": names,
            "params": {
                "venue": venue, "connection_id": connection_id, "depth": depth, "ca_file": addresses.ca_file,
                "url": addresses.streams.get(venue, ""), "rest_url": addresses.rest.get(venue, ""),
            },
        }  # fmt: skip
        # As the feed spreads its instruments over connections, a book actor reads each of them.
        most = own[0].venue.facts.instruments_per_connection or len(own)
        for number, start in enumerate(range(0, len(own), most)):
            actors[f"book_{venue}_{number}" if number else f"book_{venue}"] = {
                "class": "actors.venue_book:VenueBook",
                "instruments": names[start : start + most],
                "params": {
                    "dialect": DIALECTS[venue], "connection_id": connection_id + number, "depth": depth,
                    "depth_levels": request.depth if len(found) > 1 else 0,
                },
            }  # fmt: skip
        connection_id += -(-len(own) // most)
    # The screen shows the last lines of the log itself.
    log = {"level": "info" if is_plain else "warning"}
    if len(found) > 1:
        actors["aggregated"] = {
            "class": "actors.aggregated_book:AggregatedBookActor",
            "instruments": [_name(one) for one in found],
            "params": _aggregation(found, request),
        }
    return {"name": "watch", "log": log, "instruments": instruments, "services": services, "actors": actors}


def _name(found: Found) -> str:
    return f"i{found.instrument.instrument_id}"


def _instrument_table(found: Found) -> dict[str, Any]:
    """What the configuration asks of an instrument; the rest comes from the venue afterwards."""
    one = found.instrument
    return {
        "symbol": one.symbol, "venue": one.venue, "venue_symbol": one.venue_symbol, "base": one.base,
        "quote": one.quote, "tick": one.format_price(one.tick), "lot": one.format_size(one.lot),
    }  # fmt: skip


def _aggregation(found: Sequence[Found], request: WatchRequest) -> dict[str, Any]:
    """The common currency, and what the others are worth in it: by a watched rate, or at parity."""
    instruments = [one.instrument for one in found]
    quotes = list(dict.fromkeys(one.quote for one in instruments))
    parity = _parities(request.parity)
    common = request.quote
    if not common and len(quotes) > 1:
        common = next((one for one in DOLLARS if one in quotes), "")
        rest = [one for one in quotes if one != common and one not in (*DOLLARS, *parity)]
        if not common or rest:
            raise WatchError(f"the prices are in {', '.join(quotes)}: say --quote, and --parity for the others")
    if common in parity:
        raise WatchError(f"--parity {common}: it is the common currency, which is worth 1 of itself")
    if not common:
        return {}
    rates = {one.base: one.symbol for one in instruments if one.base in quotes and one.quote == common}
    for quote in quotes:
        if quote != common and quote not in rates:
            parity.setdefault(quote, "1" if quote in DOLLARS and common in DOLLARS else "")
            if not parity[quote]:
                raise WatchError(f"what is {quote} worth in {common}? Watch its rate too, or say --parity {quote}=...")
    used = {quote: worth for quote, worth in parity.items() if quote in quotes and quote not in rates}
    return {"quote": common, "rates": rates, "parity": used}


def _parities(texts: Sequence[str]) -> dict[str, str]:
    parities = {}
    for text in texts:
        quote, _, worth = text.partition("=")
        try:
            parse_decimal(worth, 9)
        except NumberError as error:
            raise WatchError(f"--parity {text}: write a currency and its worth, such as USDT=1 ({error})") from error
        parities[quote] = worth
    return parities


# ---- what is shown


class LastLines(io.StringIO):
    """Takes the log where lines would tear the drawing, and keeps what was said last."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=SHOWN_TROUBLES)
        self._begun = ""

    def write(self, text: str) -> int:
        """Take a part of a line, or several lines."""
        *whole, self._begun = (self._begun + text).split("\n")
        self.lines.extend(line for line in whole if line)
        return len(text)


@attrs.frozen
class View:
    """Lines or a screen of a running system."""

    depth: int
    troubles: LastLines = attrs.field(factory=LastLines)

    def line(self, session: Session) -> str:
        """One line: the time, then every book, then all together."""
        parts = [time.strftime("%H:%M:%S", time.gmtime(session.clock.now_ns() // NANOSECONDS))]
        for book in books_of(session):
            parts += [_words_of(book, kept.instrument_id) for kept in book.books]
        for together in aggregated_of(session):
            parts.append(str(together.summary()["status"]))
        return " | ".join(parts)

    def screen(self, session: Session) -> RenderableType:
        """Ladders beside each other."""
        return screen_of(session, books_of(session), aggregated_of(session), self.depth, self.troubles.lines)


def books_of(session: Session) -> list[VenueBook]:
    """Every venue book of a system."""
    actors = [slot.actor for lane in session.system.lanes for slot in lane.core.slots]
    return [one for one in actors if isinstance(one, VenueBook)]


def aggregated_of(session: Session) -> list[AggregatedBookActor]:
    """Every aggregated book of a system."""
    actors = [slot.actor for lane in session.system.lanes for slot in lane.core.slots]
    return [one for one in actors if isinstance(one, AggregatedBookActor)]


def _words_of(book: VenueBook, instrument_id: int) -> str:
    """One book in few words."""
    kept = next(one for one in book.books if one.instrument_id == instrument_id)
    instrument = kept.instrument
    told = kept.summary(book.now)
    losses = told["losses"]
    assert isinstance(losses, dict)
    lost = sum(losses.values())
    touch = str(told["touch"]) if kept.decoder.live else kept.leader.cause
    return (
        f"{instrument.venue} {instrument.venue_symbol} {STATE_NAMES[kept.state]} {touch} "
        f"lost {lost} late {told['late_ms']} ms"
    )
