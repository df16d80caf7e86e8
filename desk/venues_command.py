"""`hftrun venues`: what is supported, with limits and rules; with `--probe` each venue is tried."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import trio

from desk.durations import DurationError, format_duration, parse_duration_ns
from desk.exits import EXIT_OK, EXIT_USAGE, EXIT_WRONG
from desk.listings import Addresses, ListingError, parse_addresses
from market.dialect import BY_CONNECTION, BY_REQUEST, BY_SUBSCRIPTION
from venues.dialing import Dialing
from venues.facts import Venue
from venues.probe import USUAL_SYMBOLS, ProbeResult, probe
from venues.registry import DIALECTS, UnknownVenue, venue_named
from venues.rules import RULES

if TYPE_CHECKING:
    from rich.table import Table

NANOSECONDS = 1_000_000_000
RECOVERIES = {
    BY_REQUEST: "by a request",
    BY_SUBSCRIPTION: "by a new subscription",
    BY_CONNECTION: "by a new connection",
}
STATES = "Books are SYNCING until they are whole, LIVE, STALE when late or silent, BROKEN when recovery keeps failing."
# A width that holds every column, for a pipe that has none.
_PIPE_COLUMNS = 160


@attrs.frozen(kw_only=True)
class VenuesRequest:
    """What was asked for on the command line."""

    names: Sequence[str] = ()
    probe: bool = False
    timeout: str = "10s"
    url: Sequence[str] = ()
    rest_url: Sequence[str] = ()
    ca_file: str = ""
    json: bool = False


def tell_venues(request: VenuesRequest) -> int:
    """Print the venues, or try them; exit code 1 when one that was tried did not answer."""
    try:
        venues = [venue_named(name) for name in request.names or DIALECTS]
        addresses = Addresses(
            streams=parse_addresses(request.url, "--url"),
            rest=parse_addresses(request.rest_url, "--rest-url"),
            ca_file=request.ca_file,
        )
        timeout_s = parse_duration_ns(request.timeout) / NANOSECONDS
    except (UnknownVenue, ListingError, DurationError) as error:
        sys.stderr.write(f"hftrun: {error}\n")
        return EXIT_USAGE
    if request.probe:
        return _tell_probes(trio.run(_probe_all, venues, addresses, timeout_s), request.json)
    if request.json:
        print(json.dumps({"venues": [_plain(venue) for venue in venues]}, indent=2))
    else:
        _print(_limits(venues))
        print()
        _print(_rules(venues))
        print(f"\n{STATES}")
    return EXIT_OK


def _plain(venue: Venue) -> dict[str, Any]:
    rule = RULES[venue.venue]
    return {
        "venue": venue.venue,
        **attrs.asdict(venue.facts),
        "recovery": RECOVERIES[venue.recovery],
        "default_depth": venue.depth,
        "connections_for_one_feed": len(venue.routes),
        "continuity": rule.numbering,
        "checksum": rule.checksum,
        "checked_levels": rule.checked_levels,
    }


def _limits(venues: Sequence[Venue]) -> Table:
    table = _empty_table(
        "venue", "levels", "instruments on one connection", "requests sent", "connections", "weight of answers",
        "silent after",
    )  # fmt: skip
    for venue in venues:
        facts = venue.facts
        table.add_row(
            venue.venue,
            str(venue.depth or "all"),
            str(facts.instruments_per_connection or "-"),
            _rate(facts.requests, facts.requests_per_s),
            _rate(facts.connects, facts.connects_per_s),
            _rate(facts.rest_weight, facts.rest_per_s),
            f"{facts.silence_s:g} s",
        )
    return table


def _rules(venues: Sequence[Venue]) -> Table:
    table = _empty_table("venue", "a lost book is begun anew", "a missing change shows by", "a wrong book shows by")
    for venue in venues:
        rule = RULES[venue.venue]
        table.add_row(venue.venue, RECOVERIES[venue.recovery], rule.numbering, rule.checksum or "-")
    return table


def _empty_table(*columns: str) -> Table:
    from rich.table import Table  # only where somebody looks

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _rate(count: int, per_s: float) -> str:
    return f"{count} in {per_s:g} s" if count else "-"


def _print(table: Table) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(table)


# ---- trying


async def _probe_all(venues: Sequence[Venue], addresses: Addresses, timeout_s: float) -> list[ProbeResult]:
    """All at the same time; the results in the order of the venues."""
    results: dict[str, ProbeResult] = {}
    dialing = Dialing(ca_file=addresses.ca_file, timeout_s=timeout_s)

    async def one(venue: Venue) -> None:
        name = venue.venue
        streams, rest = addresses.streams.get(name, ""), addresses.rest.get(name, "")
        results[name] = await probe(venue, USUAL_SYMBOLS[name], timeout_s, streams, rest, dialing)

    async with trio.open_nursery() as nursery:
        for venue in venues:
            nursery.start_soon(one, venue)
    return [results[venue.venue] for venue in venues]


def _tell_probes(results: Sequence[ProbeResult], as_json: bool) -> int:
    if as_json:
        rows = [{**attrs.asdict(result), "ok": result.ok} for result in results]
        print(json.dumps({"venues": rows}, indent=2))
    else:
        for result in results:
            print(_probe_words(result))
            for failure in sorted(result.failures):
                print(f"{'':<14} {failure}")
        if not any(result.ok for result in results):
            print(
                "None answered. Is there a network? A proxy is taken from HTTPS_PROXY; --url VENUE=URL tries elsewhere."
            )
    return EXIT_OK if all(result.ok for result in results) else EXIT_WRONG


def _probe_words(result: ProbeResult) -> str:
    words = [f"{result.venue:<14} {'good' if result.ok else 'BAD':<5} {result.symbol}"]
    if result.connected_ns:
        words.append(f"connected in {format_duration(result.connected_ns)}")
    if result.first_data_ns:
        words.append(f"first {result.first_message} after {format_duration(result.first_data_ns)}")
    if result.answered_ns:
        words.append(f"a request answered in {format_duration(result.answered_ns)}")
    return ", ".join(words)
