"""The aggregated book: a venue's touch changes, and the best over five venues is known again."""

from __future__ import annotations

from random import Random
from time import perf_counter_ns
from typing import Final

from benchmarks.figures import Measured, Run, Sample, figure
from market.aggregated import RATE_ONE, AggregatedBook, VenueTerms

VENUES: Final = 5
UPDATES: Final = 20_000
MIDDLE: Final = 6_000_000
# Two of the five are quoted in another currency, a little below par.
RATES: Final = (RATE_ONE, RATE_ONE, RATE_ONE, 999_200_000, 999_500_000)

Touch = tuple[int, int, int, int, int]


def seeded_touches(seed: int = 1) -> list[Touch]:
    """Venue, bid, its size, ask, its size: walks of five venues around one price."""
    random = Random(seed)
    touches = []
    for _ in range(UPDATES):
        bid = MIDDLE + random.randrange(-20, 20)
        ask = bid + random.randrange(1, 5)
        bid_size, ask_size = random.randrange(1, 10**8), random.randrange(1, 10**8)
        touches.append((random.randrange(VENUES), bid, bid_size, ask, ask_size))
    return touches


def aggregated() -> Sample:
    """Nanoseconds an update, called from Python."""
    touches = seeded_touches()
    book = AggregatedBook([VenueTerms(place + 1, 2, 8, 1, 1, False, 1_000, 2, 8) for place in range(VENUES)])
    for place, rate in enumerate(RATES):
        book.set_rate(place, rate, rate)
        book.include(place, True)
    update = book.update
    checksum = 0
    start_ns = perf_counter_ns()
    for place, bid, bid_size, ask, ask_size in touches:
        update(place, bid, bid_size, ask, ask_size)
        checksum += book.bid_price + book.ask_price
    return (perf_counter_ns() - start_ns) / len(touches), checksum


def plain() -> Sample:
    """The same with a dictionary of touches, `max` and `min`."""
    touches = seeded_touches()
    held: dict[int, tuple[int, int]] = {}
    checksum = 0
    start_ns = perf_counter_ns()
    for place, bid, _, ask, _ in touches:
        rate = RATES[place]
        held[place] = (bid * rate // RATE_ONE, -(-ask * rate // RATE_ONE))
        checksum += max(one[0] for one in held.values()) + min(one[1] for one in held.values())
    return (perf_counter_ns() - start_ns) / len(touches), checksum


@figure(name="aggregated.update_ns", unit="ns", limit=300)
def aggregated_update(run: Run) -> Measured:
    """The best over five venues after a change, two of them converted from another currency."""
    return run.measure(aggregated, "a dictionary, max and min", plain)
