"""Finds the instruments that a command names, `kraken:BTC/USD`, in what the venues themselves say they trade.

A symbol is the venue's own, or the common one where only one instrument of the venue has it. Everything that can go
wrong, from a misspelt venue to no network, is a `ListingError` that says what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

import attrs
import trio

from market.dialect import BadFrame
from market.instruments import Instrument
from venues.budgets import RateBudget
from venues.dialing import Dialing
from venues.facts import UnknownDepth, Venue
from venues.http import HttpClient, HttpOptions, RequestFailed
from venues.registry import UnknownVenue, venue_named

MOST_SUGGESTED = 5


class ListingError(Exception):
    """What was named cannot be found; the message says why and what to do."""


@attrs.frozen
class Target:
    """One thing that was named: a venue and its own or the common symbol."""

    venue: str
    symbol: str


@attrs.frozen
class Found:
    """It, in the venue's own terms."""

    venue: Venue
    instrument: Instrument


@attrs.frozen(kw_only=True)
class Addresses:
    """Where venues are asked instead of at their own addresses, by name, and whose certificates are trusted too."""

    streams: Mapping[str, str] = attrs.field(factory=dict)
    rest: Mapping[str, str] = attrs.field(factory=dict)
    ca_file: str = ""


def parse_target(text: str) -> Target:
    """Read `VENUE:SYMBOL`; the symbol may have colons of its own."""
    venue, colon, symbol = text.partition(":")
    if not colon or not venue or not symbol:
        raise ListingError(f"{text!r} names no instrument: write VENUE:SYMBOL, for example kraken:BTC/USD")
    return Target(venue, symbol)


def parse_addresses(texts: Sequence[str], option: str) -> dict[str, str]:
    """Read `VENUE=URL` as often as it was given."""
    addresses = {}
    for text in texts:
        venue, equals, url = text.partition("=")
        if not equals or "://" not in url:
            raise ListingError(f"{option} {text}: write VENUE=URL, for example binance=ws://127.0.0.1:9001")
        addresses[venue] = url
    return addresses


async def find_all(
    targets: Sequence[Target], depth: int, addresses: Addresses, tell: Callable[[str], object]
) -> list[Found]:
    """All of them, in their order; each venue is asked once, and all at the same time."""
    venues: dict[str, Venue] = {}
    for target in targets:
        if target.venue not in venues:
            venues[target.venue] = _venue(target.venue, depth)
    listed: dict[str, list[Instrument]] = {}
    problems: list[str] = []

    async def ask(name: str, venue: Venue) -> None:
        tell(f"asking {name} for its instruments")
        try:
            listed[name] = await _listed(venue, addresses.rest.get(name, ""), addresses.ca_file)
            if venue.left_out:
                tell(f"{name} lists {len(venue.left_out)} more that cannot be used, such as {venue.left_out[0]}")
        except RequestFailed as error:
            hint = "" if error.status else ". Is there a network? A proxy is taken from HTTPS_PROXY"
            problems.append(f"{name} cannot be asked for its instruments: {error}{hint}")
        except BadFrame as error:
            problems.append(f"{name} answers what is no list of instruments: {error}")

    async with trio.open_nursery() as nursery:
        for name, venue in venues.items():
            nursery.start_soon(ask, name, venue)
    if problems:
        raise ListingError("; ".join(sorted(problems)) + "; --rest-url VENUE=URL asks elsewhere")
    return [_found(number, one, venues[one.venue], listed[one.venue]) for number, one in enumerate(targets, 1)]


def _venue(name: str, depth: int) -> Venue:
    try:
        venue = venue_named(name)
        # A venue has depths of its own: the smallest that is enough, or its largest.
        if depth and venue.depths:
            enough = [one for one in sorted(venue.depths) if one >= depth]
            return venue_named(name, enough[0] if enough else max(venue.depths))
        return venue
    except (UnknownVenue, UnknownDepth) as error:
        raise ListingError(str(error)) from error


async def _listed(venue: Venue, rest_url: str, ca_file: str) -> list[Instrument]:
    budget = RateBudget(venue.facts.rest_weight, venue.facts.rest_per_s)
    options = HttpOptions(dialing=Dialing(ca_file=ca_file))
    client = HttpClient(rest_url or venue.facts.rest_url, budget, options)
    bodies: list[bytes] = []
    try:
        for first in venue.metadata_paths():
            path = first
            while path:
                bodies.append((await client.get(path)).body)
                path = venue.next_metadata_path(path, bodies[-1])
    finally:
        await client.aclose()
    return venue.instruments(bodies)


def _found(number: int, target: Target, venue: Venue, listed: Sequence[Instrument]) -> Found:
    """The one instrument that a target means, with an id of its own."""
    meant = [one for one in listed if one.venue_symbol == target.symbol]
    meant = meant or [one for one in listed if target.symbol.upper() in (one.symbol.upper(), one.venue_symbol.upper())]
    if len(meant) == 1:
        return Found(venue, attrs.evolve(meant[0], instrument_id=number))
    if meant:
        names = ", ".join(one.venue_symbol for one in meant[:MOST_SUGGESTED])
        raise ListingError(f"{target.venue} has several instruments {target.symbol!r}: name one of {names}")
    names_of = {name: one.venue_symbol for one in listed for name in (one.symbol.upper(), one.venue_symbol.upper())}
    near = difflib.get_close_matches(target.symbol.upper(), names_of, MOST_SUGGESTED)
    hint = f": did you mean {', '.join(dict.fromkeys(names_of[one] for one in near))}?" if near else ""
    raise ListingError(f"{target.venue} does not trade {target.symbol!r} ({len(listed)} instruments){hint}")
