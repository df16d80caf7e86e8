"""Splits an order over venues at the least all-in price: fee, expected slippage, chance of a fill, latency. Compiled.

Costs are integers in one unit, a fine fraction of the common price; sizes are integers in one unit, the finest that all
venues' lots are made of. A level's all-in price is its price, with the venue's fee, and what a try there is expected to
cost on top: `docs/router.md` has the formulas. As much is placed as the limit price, lots and minimum sizes allow, and
what is placed costs the least that is possible. The search is exact: it relaxes lots and minimum sizes, fills greedily,
and branches where the greedy answer breaks one of them. Only after `MOST_NODES` steps does it keep the best so far.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

PPM: Final = 1_000_000
MOST: Final[i64] = 4_000_000_000_000_000_000
MOST_NODES: Final = 256
NANOSECONDS_PER_SECOND: Final = 1e9
# The mean of the adverse half of a normal move of standard deviation 1: one over the root of two pi.
MEAN_ADVERSE: Final = 0.3989422804014327


class RoutingError(ValueError):
    """A venue or an order that cannot be split; the message says which number is wrong."""


def fee_of(price: i64, fee_ppm: i64) -> i64:
    """The fee on one unit of size at a price, rounded up; it cannot wrap."""
    return price // PPM * fee_ppm - (-(price % PPM * fee_ppm) // PPM)


@final
class RouteVenue:
    """One venue of a split: its rules, what it shows on the other side, and what is known of it."""

    def __init__(
        self,
        instrument_id: i64,
        price_factor: i64,
        lot: i64,
        lot_units: i64,
        minimum_size: i64,
        minimum_worth: i64,
        fee_ppm: i64,
    ) -> None:
        """`lot`, `minimum_size` are the venue's; `minimum_worth` is the least of price times size, in its scales."""
        if price_factor <= 0 or lot <= 0 or lot_units <= 0:
            raise RoutingError(f"instrument {instrument_id}: factor {price_factor}, lot {lot}, {lot_units} units")
        self.instrument_id: Final[i64] = instrument_id
        self.price_factor: Final[i64] = price_factor
        self.most_price: Final[i64] = MOST // price_factor
        self.lot: Final[i64] = lot
        self.lot_units: Final[i64] = lot_units
        self.minimum_size: Final[i64] = minimum_size
        self.minimum_worth: Final[i64] = minimum_worth
        self.fee_ppm: Final[i64] = fee_ppm
        # What it shows on the side that is traded with, best first, in its own numbers.
        self.prices: vec[i64] = vec[i64]()
        self.sizes: vec[i64] = vec[i64]()
        # What is known of it.
        self.fill_ppm: i64 = PPM
        self.latency_ns: i64 = 0
        self.add_on: i64 = 0
        # The search: bounds, where it stands, what it found best.
        self.minimum_units: i64 = 0
        self.low: i64 = 0
        self.high: i64 = 0
        self.level: i64 = 0
        self.left: i64 = 0
        self.cost: i64 = 0
        self.taken: i64 = 0
        self.spent: i64 = 0
        self.last_price: i64 = 0
        self.best_units: i64 = 0
        self.best_spent: i64 = 0
        self.best_price: i64 = 0

    def show(self, prices: vec[i64], sizes: vec[i64]) -> None:
        """The levels that an order would trade with, best first."""
        self.prices = prices
        self.sizes = sizes

    def bare_cost(self, side: i64, price: i64) -> i64:
        """What one unit costs at a price with the fee; of a sale, what it brings, below zero."""
        fine = price * self.price_factor
        return side * fine + fee_of(fine, self.fee_ppm)

    def touch(self, side: i64) -> i64:
        """The cost at its best level with the fee; `MOST` when it shows nothing that can be used."""
        if len(self.prices) == 0 or not 0 < self.prices[0] <= self.most_price:
            return MOST
        return self.bare_cost(side, self.prices[0])

    def second(self, side: i64) -> i64:
        """The cost at its next level; that of the touch where there is none."""
        if len(self.prices) < 2 or not 0 < self.prices[1] <= self.most_price:
            return self.touch(side)
        return self.bare_cost(side, self.prices[1])

    def set_minimum(self, side: i64, limit: i64) -> None:
        """The least that it takes, in units: whole lots, at the lowest price that an order may get."""
        least = self.minimum_size
        if self.minimum_worth > 0 and len(self.prices) > 0:
            place: i64 = 0
            if side < 0:
                place = i64(len(self.prices)) - 1
                while place > 0 and self.prices[place] * self.price_factor < limit:
                    place -= 1
            price = self.prices[place]
            if price > 0:
                by_worth = -(-self.minimum_worth // price)
                if by_worth > least:
                    least = by_worth
        self.minimum_units = -(-least // self.lot) * self.lot_units

    def begin(self, side: i64, units: i64, limit: i64) -> None:
        """Stand before the first level with nothing taken."""
        self.taken = 0
        self.spent = 0
        self.level = -1
        self.advance(side, units, limit)

    def advance(self, side: i64, units: i64, limit: i64) -> None:
        """Go on to the next level within the limit that holds a lot; `left` is 0 when there is none."""
        self.left = 0
        while True:
            self.level += 1
            if self.level >= i64(len(self.prices)):
                return
            price = self.prices[self.level]
            if price <= 0 or price > self.most_price:
                return
            if limit > 0 and (price * self.price_factor - limit) * side > 0:
                return
            lots = self.sizes[self.level] // self.lot
            if lots > 0:
                most_lots = units // self.lot_units + 1
                if lots > most_lots:
                    lots = most_lots
                self.left = lots * self.lot_units
                self.cost = self.bare_cost(side, price) + self.add_on
                return

    def take(self, amount: i64, base: i64, most_difference: i64) -> None:
        """Take of the present level."""
        difference = self.cost - base
        if difference > most_difference:
            difference = most_difference
        self.spent += difference * amount
        self.taken += amount
        self.left -= amount
        self.last_price = self.prices[self.level]

    def keep(self) -> None:
        """What stands now is the best so far."""
        self.best_units = self.taken
        self.best_spent = self.spent
        self.best_price = self.last_price if self.taken > 0 else 0


@final
class Split:
    """How an order was split: for each venue in the order given its size in units, worst price, and all-in price."""

    def __init__(
        self,
        instruments: vec[i64],
        units: vec[i64],
        prices: vec[i64],
        all_in: vec[i64],
        unplaced: i64,
        cost: i64,
        nodes: i64,
    ) -> None:
        """Only venues that get something are in it; prices are the venue's own, `all_in` is in the fine unit."""
        self.instruments: Final[vec[i64]] = instruments
        self.units: Final[vec[i64]] = units
        self.prices: Final[vec[i64]] = prices
        self.all_in: Final[vec[i64]] = all_in
        self.unplaced: Final[i64] = unplaced
        # What the placed size costs beyond the best level at all, fine units times size units.
        self.cost: Final[i64] = cost
        self.nodes: Final[i64] = nodes


@final
class Search:
    """One search for the best split; the venues hold where it stands."""

    def __init__(self, venues: list[RouteVenue], side: i64, units: i64, limit: i64) -> None:
        """Look for a split of so many units on a side; a limit of 0 is none."""
        self.venues: Final = venues
        self.side: Final[i64] = side
        self.units: Final[i64] = units
        self.limit: Final[i64] = limit
        self.most_difference: Final[i64] = MOST // units
        self.base: i64 = MOST
        self.unfilled: i64 = 0
        self.spent: i64 = 0
        self.best_unfilled: i64 = units
        self.best_spent: i64 = 0
        self.nodes: i64 = 0
        for venue in venues:
            venue.set_minimum(side, limit)
            venue.low = 0
            venue.high = units
            venue.best_units = 0
            venue.begin(side, units, limit)
            if venue.left > 0 and venue.cost < self.base:
                self.base = venue.cost

    def fill(self) -> bool:
        """Take what must be taken, and then always the cheapest; false when the bounds cannot be kept."""
        left = self.units
        side = self.side
        limit = self.limit
        base = self.base
        for venue in self.venues:
            venue.begin(side, self.units, limit)
            while venue.taken < venue.low:
                if venue.left == 0:
                    return False
                amount = min(venue.left, venue.low - venue.taken)
                venue.take(amount, base, self.most_difference)
                left -= amount
                if venue.left == 0:
                    venue.advance(side, self.units, limit)
        if left < 0:
            return False
        while left > 0:
            best: RouteVenue | None = None
            for venue in self.venues:
                if venue.left > 0 and venue.taken < venue.high and (best is None or venue.cost < best.cost):
                    best = venue
            if best is None:
                break
            amount = min(left, min(best.left, best.high - best.taken))
            best.take(amount, base, self.most_difference)
            left -= amount
            if best.left == 0:
                best.advance(side, self.units, limit)
        self.unfilled = left
        self.spent = 0
        for venue in self.venues:
            self.spent += venue.spent
        return True

    def explore(self) -> None:
        """Fill within the bounds; where a lot or a minimum is broken, try both ways of keeping it."""
        if self.nodes >= MOST_NODES:
            return
        self.nodes += 1
        if not self.fill():
            return
        if self.unfilled > self.best_unfilled or (
            self.unfilled == self.best_unfilled and self.spent >= self.best_spent
        ):
            return
        for venue in self.venues:
            taken = venue.taken
            if taken == 0:
                continue
            down: i64 = 0
            up = venue.minimum_units
            if taken >= up:
                rest = taken % venue.lot_units
                if rest == 0:
                    continue
                down = taken - rest
                up = down + venue.lot_units
            self.branch(venue, down, up)
            return
        self.best_unfilled = self.unfilled
        self.best_spent = self.spent
        for venue in self.venues:
            venue.keep()

    def branch(self, venue: RouteVenue, down: i64, up: i64) -> None:
        """One venue gets at most this, or at least that."""
        high = venue.high
        venue.high = down
        self.explore()
        venue.high = high
        low = venue.low
        if up <= high:
            venue.low = up
            self.explore()
            venue.low = low


def split(venues: list[RouteVenue], side: i64, units: i64, limit: i64) -> Split:
    """The split of an order of so many units that places most and then costs least; side 1 buys, -1 sells.

    `limit` is the worst price in the fine unit, 0 for any.
    """
    if units <= 0 or units > MOST or (side != 1 and side != -1) or limit < 0:
        raise RoutingError(f"an order of side {side}, {units} units and limit {limit} cannot be split")
    search = Search(venues, side, units, limit)
    # Nothing placed is the answer to beat; it costs nothing, so a first answer has to place something.
    search.explore()
    instruments = vec[i64]()
    sizes = vec[i64]()
    prices = vec[i64]()
    all_in = vec[i64]()
    for venue in venues:
        if venue.best_units > 0:
            instruments = append(instruments, venue.instrument_id)
            sizes = append(sizes, venue.best_units)
            prices = append(prices, venue.best_price)
            all_in = append(all_in, side * (search.base - (-venue.best_spent // venue.best_units)))
    return Split(instruments, sizes, prices, all_in, search.best_unfilled, search.best_spent, search.nodes)


def set_add_ons(venues: list[RouteVenue], side: i64, deviation: float, latency_weight: float) -> None:
    """What a try at each venue is expected to cost on top of price and fee.

    `deviation` is the standard deviation of the price over one second, in the fine unit.
    """
    for venue in venues:
        touch = venue.touch(side)
        latency_ns: int = venue.latency_ns
        move = deviation * sqrt(latency_ns / NANOSECONDS_PER_SECOND)
        missed: float = 0.0
        if touch < MOST and venue.fill_ppm < PPM:
            worse: int = next_cost(venues, venue, side, touch) - touch
            unfilled_ppm: int = PPM - venue.fill_ppm
            missed = float(worse) * float(unfilled_ppm) / float(PPM)
        venue.add_on = ceil(MEAN_ADVERSE * move + latency_weight * move + missed)


def next_cost(venues: list[RouteVenue], venue: RouteVenue, side: i64, touch: i64) -> i64:
    """Where what one venue does not fill would go: the cheapest other touch that is no better, or its next level."""
    best = MOST
    for other in venues:
        if other is not venue:
            cost = other.touch(side)
            if touch <= cost < best:
                best = cost
    return best if best < MOST else venue.second(side)
