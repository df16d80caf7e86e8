"""What the router knows of one venue: its book, how its orders fill, how fast it answers, how far its price moves.

Fill rate and latency are means in which each new outcome has a fixed weight; the variance of the price is one in which
a change counts half after a while. All of it is a function of the messages alone. Only a book that is live counts.
"""

from __future__ import annotations

from math import gcd, sqrt
from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

from actors.order_gateways import Gateways, Reach
from actors.order_rules import minimum_size_of, minimum_worth_of
from market.instruments import Instrument
from market.messages import BUY, LIVE, BookSnapshot, TopOfBook
from market.routing import MOST, PPM, RouteVenue

# Costs are counted in this fraction of the finest price unit of a group.
FINE_PLACES: Final = 3
MOST_PLACES: Final = 15
# Most orders to one venue at a time.
MOST_PIECES: Final = 20
SAMPLE_NS: Final = 1_000_000_000
NANOSECONDS_PER_SECOND: Final = 1e9
NANOSECONDS_PER_MILLISECOND: Final = 1e6


@final
class RouterVenue:
    """See the head of this file."""

    def __init__(
        self, instrument: Instrument, price_factor: int, lot_units: int, most_units: int, reach: Reach
    ) -> None:
        self.instrument: Final = instrument
        # Whether its orders reach it now.
        self.reach: Final = reach
        self.instrument_id: Final[i64] = instrument.instrument_id
        self.lot: Final[i64] = instrument.lot
        self.lot_units: Final[i64] = lot_units
        # No venue of the group can write a larger size in its own numbers.
        self.most_units: Final[i64] = most_units
        self.price_factor: Final[i64] = price_factor
        self.route: Final = RouteVenue(
            instrument.instrument_id,
            price_factor,
            instrument.lot,
            lot_units,
            minimum_size_of(instrument),
            minimum_worth_of(instrument),
            instrument.taker_fee_ppm,
        )
        self.live: bool = False
        # Counts what its book has told.
        self.updates: i64 = 0
        self.bid_price: i64 = 0
        self.bid_size: i64 = 0
        self.ask_price: i64 = 0
        self.ask_size: i64 = 0
        self.bid_prices: vec[i64] = vec[i64]()
        self.bid_sizes: vec[i64] = vec[i64]()
        self.ask_prices: vec[i64] = vec[i64]()
        self.ask_sizes: vec[i64] = vec[i64]()
        # Variance of the price over one second, in the fine unit squared; below zero while nothing is known.
        self.variance: float = -1.0
        self.sample_ns: i64 = 0
        self.sample: i64 = 0
        self.fill_rate: float = 0.0
        self.latency_ns: float = 0.0
        self.outcomes: i64 = 0

    # ---- sizes

    def units(self, size: i64) -> i64:
        """A size of the venue in units of the group, whole lots; one unit above the most when it is too large."""
        lots: int = size // self.lot
        factor: int = self.lot_units
        most: int = self.most_units
        return min(lots * factor, most + 1)

    def size(self, units: i64) -> i64:
        """So many units as a size of the venue, whole lots."""
        return units // self.lot_units * self.lot

    def pieces(self, units: i64, most_size: i64) -> vec[i64]:
        """A size to place there in orders that are no larger than this; less of it, or nothing, where they do not fit.

        Of as few orders as can be, about equal, none below the venue's minimum as the last split has it.
        """
        found = vec[i64]()
        lots: i64 = units // self.lot_units
        most_lots: i64 = most_size // self.lot
        least: i64 = -(-self.route.minimum_units // self.lot_units)
        if lots <= most_lots:
            return append(found, units)
        if most_lots <= 0 or most_lots < least:
            return found
        count = -(-lots // most_lots)
        if least > 0 and count * least > lots:
            count = lots // least
        if count > MOST_PIECES:
            count = MOST_PIECES
        if lots > count * most_lots:
            lots = count * most_lots
        for place in range(count):
            more: i64 = 1 if place < lots % count else 0
            found = append(found, (lots // count + more) * self.lot_units)
        return found

    # ---- the book

    def show_top(self, top: TopOfBook, half_life_ns: float) -> None:
        """Take the touch."""
        self.live = top.state == LIVE
        self.updates += 1
        self.bid_price = top.bid_price
        self.bid_size = top.bid_size
        self.ask_price = top.ask_price
        self.ask_size = top.ask_size
        if top.receive_ns < self.sample_ns + SAMPLE_NS or not self.live:
            return
        if top.bid_size > 0 and top.ask_size > 0 and 0 < top.ask_price < self.route.most_price:
            self.take_sample(top.receive_ns, (top.bid_price + top.ask_price) // 2 * self.price_factor, half_life_ns)

    def take_sample(self, now_ns: i64, price: i64, half_life_ns: float) -> None:
        """Take the middle into the variance, no more than once a second."""
        if self.sample_ns > 0:
            elapsed_ns: int = now_ns - self.sample_ns
            change: int = price - self.sample
            seen = float(change) * float(change) / (elapsed_ns / NANOSECONDS_PER_SECOND)
            if self.variance < 0.0:
                self.variance = seen
            else:
                kept: float = 0.5 ** (elapsed_ns / half_life_ns)
                self.variance = kept * self.variance + (1.0 - kept) * seen
        self.sample_ns = now_ns
        self.sample = price

    def show_depth(self, book: BookSnapshot) -> None:
        """Take the levels behind the touch."""
        self.updates += 1
        self.bid_prices = book.bid_prices
        self.bid_sizes = book.bid_sizes
        self.ask_prices = book.ask_prices
        self.ask_sizes = book.ask_sizes

    def prepare(self, side: i64) -> None:
        """Show the split what an order of this side would trade with: the levels where they fit the touch, or it."""
        if side == BUY:
            price, size, prices, sizes = self.ask_price, self.ask_size, self.ask_prices, self.ask_sizes
        else:
            price, size, prices, sizes = self.bid_price, self.bid_size, self.bid_prices, self.bid_sizes
        if len(prices) == 0 or prices[0] != price or len(prices) != len(sizes):
            prices = vec[i64]()
            sizes = vec[i64]()
            if size > 0:
                prices = vec[i64]([price])
                sizes = vec[i64]([size])
        self.route.show(prices, sizes)
        self.route.fill_ppm = int(self.fill_rate * PPM)
        self.route.latency_ns = int(self.latency_ns)

    def forget_book(self) -> None:
        """Nothing of it is live until it is told again."""
        self.live = False
        self.bid_size = 0
        self.ask_size = 0
        self.bid_prices = vec[i64]()
        self.bid_sizes = vec[i64]()
        self.ask_prices = vec[i64]()
        self.ask_sizes = vec[i64]()

    # ---- what it learns

    def learn(self, sent: i64, filled: i64, latency_ns: i64, weight: float) -> None:
        """Take an outcome into the means; a latency of 0 is one that is not known."""
        self.outcomes += 1
        whole: int = sent
        part: int = filled
        self.fill_rate += weight * (part / whole - self.fill_rate)
        if latency_ns > 0:
            taken: int = latency_ns
            self.latency_ns += weight * (float(taken) - self.latency_ns)

    def deviation(self) -> float:
        """The standard deviation of the price over one second, in the fine unit; 0 while nothing is known."""
        return sqrt(self.variance) if self.variance > 0.0 else 0.0

    # ---- what it tells

    def words(self, size: i64, price: i64, all_in: i64, orders: int) -> str:
        """What it gets of a split, in words."""
        instrument = self.instrument
        fee_bps = instrument.taker_fee_ppm / 100
        parts = f" in {orders} orders" if orders > 1 else ""
        return (
            f"{instrument.venue} {instrument.format_size(size)}{parts} up to {instrument.format_price(price)}, all-in "
            f"{instrument.format_price(all_in)} (fee {fee_bps:.1f} bps, fills {100.0 * self.fill_rate:.0f} %, "
            f"{self.latency_ns / NANOSECONDS_PER_MILLISECOND:.0f} ms)"
        )

    # ---- state

    def panel(self) -> dict[str, object]:
        """What a dashboard draws of it."""
        return {
            "venue": self.instrument.venue,
            "symbol": self.instrument.symbol,
            "fill_rate": f"{100.0 * self.fill_rate:.1f} %",
            "latency_ms": f"{self.latency_ns / NANOSECONDS_PER_MILLISECOND:.1f}",
        }

    def save(self) -> list[object]:
        """Book and what was learned as plain data."""
        return [
            int(self.instrument_id),
            self.live,
            int(self.updates),
            [int(self.bid_price), int(self.bid_size), int(self.ask_price), int(self.ask_size)],
            [
                [int(one) for one in self.bid_prices],
                [int(one) for one in self.bid_sizes],
                [int(one) for one in self.ask_prices],
                [int(one) for one in self.ask_sizes],
            ],
            self.variance,
            int(self.sample_ns),
            int(self.sample),
            self.fill_rate,
            self.latency_ns,
            int(self.outcomes),
            self.reach.save(),
        ]

    def load(self, row: list[object]) -> None:
        """Take back what `save` gave."""
        live, updates, touch, depth, variance, sample_ns, sample, fill_rate, latency_ns = row[1:10]
        outcomes, reach = row[10:]
        assert isinstance(live, bool)
        assert isinstance(updates, int)
        assert isinstance(touch, list)
        assert isinstance(depth, list)
        assert isinstance(variance, float)
        assert isinstance(sample_ns, int)
        assert isinstance(sample, int)
        assert isinstance(fill_rate, float)
        assert isinstance(latency_ns, float)
        assert isinstance(outcomes, int)
        self.live = live
        self.updates = updates
        self.bid_price, self.bid_size, self.ask_price, self.ask_size = touch
        self.bid_prices = vec[i64](depth[0])
        self.bid_sizes = vec[i64](depth[1])
        self.ask_prices = vec[i64](depth[2])
        self.ask_sizes = vec[i64](depth[3])
        self.variance = variance
        self.sample_ns = sample_ns
        self.sample = sample
        self.fill_rate = fill_rate
        self.latency_ns = latency_ns
        self.outcomes = outcomes
        self.reach.load(reach)


def make_venues(instruments: list[Instrument], gateways: Gateways) -> list[RouterVenue]:
    """The venues of instruments that are one thing: prices in one fine unit, sizes in the unit of all their lots."""
    price_scale = max(one.price_scale for one in instruments)
    size_scale = max(one.size_scale for one in instruments)
    fine = max(price_scale, min(price_scale + FINE_PLACES, MOST_PLACES))
    lots = []
    for one in instruments:
        if one.inverse:
            lots.append(one.lot)
        else:
            lots.append(one.lot * one.multiplier * 10 ** (size_scale - one.size_scale) // 10**one.multiplier_scale)
    unit = 0
    for lot in lots:
        unit = gcd(unit, lot)
    # Counted in whole numbers of any size, or the product could wrap.
    bound: int = MOST
    most: int = bound
    for one, lot in zip(instruments, lots, strict=True):
        least: int = one.lot
        most = min(most, bound // least * (lot // unit))
    return [
        RouterVenue(one, 10 ** (fine - one.price_scale), lot // unit, most, gateways.reaches[one.instrument_id])
        for one, lot in zip(instruments, lots, strict=True)
    ]


def routes_of(instruments: list[Instrument], gateways: Gateways) -> list[list[RouterVenue]]:
    """All venues in lists of those between which an order can be split: one base, quote and kind, no inverse contracts.

    Inverse contracts and instruments of another quote currency stand alone: their prices cannot be compared.
    """
    by_key: dict[str, list[Instrument]] = {}
    for one in instruments:
        key = f"inverse {one.instrument_id}" if one.inverse else f"{one.base} {one.quote} {one.kind}"
        by_key.setdefault(key, []).append(one)
    return [make_venues(members, gateways) for members in by_key.values()]
