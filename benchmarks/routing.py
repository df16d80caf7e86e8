"""The router's split: an order over five venues with twenty levels each, with fees, slippage, fills and latency."""

from __future__ import annotations

from math import ceil, sqrt
from random import Random
from time import perf_counter_ns
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from benchmarks.figures import Measured, Run, Sample, figure
from market.messages import BUY
from market.routing import MEAN_ADVERSE, PPM, RouteVenue, set_add_ons, split

VENUES: Final = 5
LEVELS: Final = 20
SPLITS: Final = 300
NANOSECONDS_PER_MICROSECOND: Final = 1_000
NANOSECONDS_PER_SECOND: Final = 1e9
# Prices have two decimals, costs three more; sizes have five decimals, and a lot is one of the last.
FACTOR: Final = 1_000
MIDDLE: Final = 6_000_000
FEES_PPM: Final = (1_000, 4_000, 1_000, 1_000, 800)
FILL_PPM: Final = (950_000, 900_000, 980_000, 850_000, 999_000)
LATENCY_NS: Final = (5_000_000, 40_000_000, 20_000_000, 10_000_000, 80_000_000)
DEVIATION: Final = 3_000.0
LATENCY_WEIGHT: Final = 0.25

Levels = list[tuple[int, int]]


def seeded_books(seed: int = 1) -> list[tuple[list[Levels], int]]:
    """For each split the asks of every venue, best first, and the size wanted: from a touch to many levels."""
    random = Random(seed)
    books = []
    for _ in range(SPLITS):
        venues = []
        for _ in range(VENUES):
            price = MIDDLE + random.randrange(200)
            levels = []
            for _ in range(LEVELS):
                levels.append((price, random.randrange(1_000, 100_000)))
                price += random.randrange(1, 50)
            venues.append(levels)
        books.append((venues, random.randrange(10_000, 1_500_000)))
    return books


def compiled_split() -> Sample:
    """Microseconds a split, the books shown and what is known of the venues taken anew each time."""
    shown = [
        ([(vec[i64]([p for p, _ in one]), vec[i64]([s for _, s in one])) for one in venues], size)
        for venues, size in seeded_books()
    ]
    routes = [RouteVenue(number + 1, FACTOR, 1, 1, 10, 0, FEES_PPM[number]) for number in range(VENUES)]
    for route, fill_ppm, latency_ns in zip(routes, FILL_PPM, LATENCY_NS, strict=True):
        route.fill_ppm = fill_ppm
        route.latency_ns = latency_ns
    checksum = 0
    start_ns = perf_counter_ns()
    for books, size in shown:
        for route, (prices, sizes) in zip(routes, books, strict=True):
            route.show(prices, sizes)
        set_add_ons(routes, BUY, DEVIATION, LATENCY_WEIGHT)
        found = split(routes, BUY, size, 0)
        for place in range(len(found.units)):
            checksum += found.units[place] * found.prices[place] + found.all_in[place]
        checksum += found.unplaced
    return (perf_counter_ns() - start_ns) / len(shown) / NANOSECONDS_PER_MICROSECOND, checksum


def naive_split() -> Sample:
    """The same as one would write it: every level with its all-in price, sorted, and taken from the top."""
    books = seeded_books()
    checksum = 0
    start_ns = perf_counter_ns()
    for venues, size in books:
        add_ons = naive_add_ons(venues)
        rows = []
        for number, levels in enumerate(venues):
            for level, (price, shown) in enumerate(levels):
                fine = price * FACTOR
                cost = fine - (-fine * FEES_PPM[number] // PPM) + add_ons[number]
                rows.append((cost, number, level, price, shown))
        rows.sort()
        left = size
        units: dict[int, int] = {}
        worst: dict[int, int] = {}
        spent: dict[int, int] = {}
        for cost, number, _, price, shown in rows:
            if left == 0:
                break
            taken = min(left, shown)
            left -= taken
            units[number] = units.get(number, 0) + taken
            worst[number] = price
            spent[number] = spent.get(number, 0) + taken * cost
        for number in sorted(units):
            checksum += units[number] * worst[number] - (-spent[number] // units[number])
        checksum += left
    return (perf_counter_ns() - start_ns) / len(books) / NANOSECONDS_PER_MICROSECOND, checksum


def naive_add_ons(venues: list[Levels]) -> list[int]:
    """Slippage, latency and missed fills as prices."""
    touches = [
        levels[0][0] * FACTOR - (-levels[0][0] * FACTOR * fee // PPM)
        for levels, fee in zip(venues, FEES_PPM, strict=True)
    ]
    found = []
    for number, touch in enumerate(touches):
        move = DEVIATION * sqrt(LATENCY_NS[number] / NANOSECONDS_PER_SECOND)
        others = [other for place, other in enumerate(touches) if place != number and other >= touch]
        second = venues[number][1][0] * FACTOR
        following = min(others) if others else second - (-second * FEES_PPM[number] // PPM)
        missed = float(following - touch) * float(PPM - FILL_PPM[number]) / float(PPM)
        found.append(ceil(MEAN_ADVERSE * move + LATENCY_WEIGHT * move + missed))
    return found


@figure(name="router.split_us", unit="us", limit=15)
def router_split(run: Run) -> Measured:
    """One order over five venues with twenty levels each."""
    return run.measure(compiled_split, "a sorted list of all levels", naive_split)
