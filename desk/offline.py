"""Whether the public feeds of a run can be reached, and what becomes of it when none can.

Before a start the host of every feed is dialled, all at the same time and for two seconds at most. If none answers, a
configuration that says `offline = "simulate"` gets a simulated market that speaks the venues' protocols on this
machine, and any other an error. A run with real money has the venues or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import trio

from desk.offline_market import SimulatedMarketError, simulated_market
from market.instruments import InstrumentTable
from market.messages import NewOrder
from runtime.blueprint import Blueprint, Node
from venues.dialing import DialFailed, Dialing, address_of, dial
from venues.feed_params import FeedParams
from venues.registry import venue_named

CHECK_SECONDS: Final = 2.0

PUBLIC: Final = "public"
SIMULATED: Final = "simulated"
MARKET_NAME: Final = "market"

# What the command was told.
ASK: Final = ""
ONLINE: Final = "online"
OFFLINE: Final = "offline"


class NoFeedReached(Exception):
    """No public feed answers, and nothing may stand in for them."""


class OfflineError(ValueError):
    """What was asked for about the market cannot be had; the message says why and what to do."""


@attrs.frozen
class Reach:
    """One feed and what came of dialling it; without a failure it was reached."""

    feed: str
    venue: str
    failure: str = ""


@attrs.frozen
class MarketChoice:
    """The plan with the market it shall have, which market that is, and what people should be told of it."""

    blueprint: Blueprint
    market: str = ""
    """Public, simulated, or empty for a run without feeds of venues."""
    words: tuple[str, ...] = ()


def feeds_of(blueprint: Blueprint) -> list[Node]:
    """The feeds that are connected to venues."""
    return [node for node in blueprint.services if isinstance(node.params, FeedParams)]


def choose_market(
    blueprint: Blueprint, asked: str = ASK, timeout_s: float = CHECK_SECONDS, dialing: Dialing | None = None
) -> MarketChoice:
    """Find out which market this run has; raises `NoFeedReached` or `OfflineError` where it has none."""
    feeds = feeds_of(blueprint)
    is_live = blueprint.config.mode == "live"
    if is_live and asked == OFFLINE:
        raise OfflineError('--offline: mode = "live" trades at the venues, never on a simulated market')
    if is_live and not feeds:
        return MarketChoice(blueprint, PUBLIC)
    if not feeds:
        if asked == OFFLINE:
            raise OfflineError("--offline: this configuration has no feed of a venue that could be simulated")
        return MarketChoice(blueprint)
    if asked == OFFLINE:
        return _simulate(blueprint, feeds, "as --offline asks", [])
    if asked == ONLINE:
        return MarketChoice(blueprint, PUBLIC)
    found = trio.run(reach_all, feeds, blueprint.instruments, timeout_s, dialing)
    missing = [one for one in found if one.failure]
    if len(missing) < len(found):
        words = tuple(f"{one.venue} cannot be reached, tried on: {one.failure}" for one in missing)
        return MarketChoice(blueprint, PUBLIC, words)
    reasons = list(dict.fromkeys(f"{one.venue}: {one.failure}" for one in missing))
    if is_live:
        raise NoFeedReached(
            f"no public feed can be reached ({'; '.join(reasons)}), and mode = \"live\" never trades on a simulated "
            "market. Check the network; --online starts without looking, and waits for the venues"
        )
    if blueprint.config.offline != "simulate":
        raise NoFeedReached(
            f"no public feed can be reached ({'; '.join(reasons)}). Check the network, or trade on a simulated market: "
            'offline = "simulate" in the configuration, or --offline'
        )
    return _simulate(blueprint, feeds, "no public feed can be reached", reasons)


def _simulate(blueprint: Blueprint, feeds: Sequence[Node], reason: str, details: Sequence[str]) -> MarketChoice:
    gateways = [node.name for node in blueprint.services if NewOrder in node.takes]
    if gateways:
        raise OfflineError(
            f"{reason}, and this run may not have a simulated market: its orders leave by {', '.join(gateways)}, and "
            "prices there are others. Let the paper venue take the orders, or mend the network"
        )
    try:
        simulated = simulated_market(blueprint, feeds)
    except SimulatedMarketError as error:
        raise OfflineError(f"{reason}, and it cannot be simulated: {error}") from error
    banner = f"SIMULATED MARKET: {reason}. Prices are made by seeded agents on this machine, and mean nothing."
    return MarketChoice(simulated, SIMULATED, (banner, *(f"  {detail}" for detail in details)))


# ---- a state belongs to one market


def check_state(state: Path | None, market: str) -> None:
    """Refuse to go on in one market with what was held in another."""
    target = None if state is None else state / MARKET_NAME
    if target is None or not market or not target.is_file():
        return
    found = target.read_text(encoding="utf-8").strip()
    if found != market:
        remedy = "--offline goes on there" if found == SIMULATED else "--online goes on there"
        raise OfflineError(
            f"{state} was begun on the {found} market and this run has the {market} one: {remedy}; or give this run "
            "another directory with --state"
        )


def bind_state(path: Path, market: str) -> None:
    """Remember which market a state was begun on."""
    if market:
        (path / MARKET_NAME).write_text(market + "\n", encoding="utf-8")


# ---- looking


async def reach_all(
    feeds: Sequence[Node], instruments: InstrumentTable, timeout_s: float, dialing: Dialing | None = None
) -> list[Reach]:
    """Dial every feed at the same time; gives them in their order."""
    found: dict[str, Reach] = {}
    async with trio.open_nursery() as nursery:
        for feed in feeds:
            nursery.start_soon(_reach, feed, instruments, timeout_s, dialing, found)
    return [found[feed.name] for feed in feeds]


async def _reach(
    feed: Node, instruments: InstrumentTable, timeout_s: float, dialing: Dialing | None, found: dict[str, Reach]
) -> None:
    """Connect to where the feed would connect, through TLS where there is some, and hang up."""
    params = feed.params
    assert isinstance(params, FeedParams)
    venue = venue_named(params.venue, params.depth)
    symbols = [one.venue_symbol for one in instruments if feed.works_on(one.instrument_id)]
    how = attrs.evolve(dialing or Dialing(), ca_file=params.ca_file, timeout_s=timeout_s)
    failure = ""
    try:
        # A resolver that does not answer is left behind, too.
        with trio.fail_after(timeout_s):
            stream = await dial(address_of(venue.route_url(venue.routes[0], symbols, params.url)), how)
            await trio.aclose_forcefully(stream)
    except DialFailed as error:
        failure = str(error)
    except trio.TooSlowError:
        failure = f"no answer in {timeout_s:g} s"
    found[feed.name] = Reach(feed.name, params.venue, failure)
