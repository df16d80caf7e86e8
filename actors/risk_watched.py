"""What `Risk` knows of one instrument, and of the instruments of one base asset together.

References are taken from the instrument's own live book and nowhere else. Positions and open orders are those of the
ledger, which keeps their sums. Everything is an exact integer; what is at risk is rounded up.
"""

from __future__ import annotations

from math import gcd
from typing import Final, final

from mypy_extensions import i64

from actors.portfolio_rates import BASE_SCALE, Rate
from actors.risk_limits import Bound
from market.instruments import Instrument
from runtime.ledger_orders import MoneyTerms, OpenSide, Standing

BASIS_POINTS: Final = 10_000
NO_PRICE: Final[i64] = 9223372036854775807
# Products up to this one are taken in 64 bits, with room left for rounding up.
QUICK: Final = 2305843009213693952  # 2 ** 61
QUICK_AMOUNT: Final = 2147483648  # 2 ** 31
QUICK_DOUBLE: Final = 70368744177664  # 2 ** 46
QUICK_FACTOR: Final = 1073741824  # 2 ** 30
PPM: Final = 1_000_000
# No fee is the whole trade or more.
MOST_PPM: Final = 1_000_000


@final
class Collar:
    """The prices that an order may have around a reference."""

    def __init__(self, bound: Bound) -> None:
        self.bound: Final = bound
        # Twice the reference, so that a mid stays a whole number; 0 while there is none.
        self.double: int = 0
        self.lowest: i64 = NO_PRICE
        self.highest: i64 = -1

    def set(self, double: int) -> None:
        """Another reference: doubled, or 0 for none."""
        if double == self.double:
            return
        self.double = double
        self.aim()

    def aim(self) -> None:
        """The prices p for which abs(2 p - double) * 10,000 <= bps * double, with nothing lost by rounding."""
        if self.double <= 0:
            self.lowest = NO_PRICE
            self.highest = -1
            return
        if self.double < QUICK_DOUBLE and self.bound.value <= BASIS_POINTS:
            double: i64 = self.double
            bps: i64 = self.bound.value
            away = bps * double // BASIS_POINTS
            self.lowest = -((away - double) >> 1)
            self.highest = (double + away) >> 1
            return
        room: int = self.bound.value * self.double // BASIS_POINTS
        lowest = -((room - self.double) // 2)
        highest = (self.double + room) // 2
        most: int = NO_PRICE
        self.lowest = lowest if lowest < most else most
        self.highest = highest if highest < most else most

    def away_bps(self, price: int) -> int:
        """How far a price is from the reference, rounded up."""
        distance: int = abs(2 * price - self.double) * BASIS_POINTS
        return -(-distance // self.double)


@final
class Group:
    """The instruments of one base asset, whose positions add up."""

    def __init__(self, name: str, scale: int, bound: Bound) -> None:
        self.name: Final = name
        # All sizes are brought to the finest scale among them.
        self.scale: Final = scale
        self.bound: Final = bound
        self.members: Final[list[Watched]] = []
        # The position if every open buy of all its instruments filled, and every open sell; kept by `Watched.measure`.
        self.longest: int = 0
        self.shortest: int = 0


@final
class Balance:
    """What there is of one asset at one venue, and what all open orders together could take of it."""

    def __init__(self, venue: str, asset: str, scale: int, total: int) -> None:
        self.venue: Final = venue
        self.asset: Final = asset
        self.scale: Final = scale
        # What it began with, and what it is after every fill since.
        self.start: int = total
        self.total: int = total
        self.needed: int = 0


@final
class Watched:
    """One instrument: its limits, its references, and what is at risk in it."""

    def __init__(
        self,
        instrument: Instrument,
        standing: Standing,
        terms: MoneyTerms,
        rate: Rate,
        order_size: Bound,
        order_notional: Bound,
        position: Bound,
        collar: Bound,
        fair_collar: Bound,
    ) -> None:
        self.instrument: Final = instrument
        self.instrument_id: Final[i64] = instrument.instrument_id
        self.venue: Final[str] = instrument.venue
        self.standing: Final = standing
        self.terms: Final = terms
        self.rate: Final = rate
        self.order_size: Final = order_size
        # Limits on sizes are in base, a whole number of contracts of which is held or asked for; `aim` sets these.
        self.multiplier: Final[int] = instrument.multiplier
        self.most_order_size: int = 0
        self.most_position: int = 0
        self.order_notional: Final = order_notional
        self.position: Final = position
        self.collar: Final = Collar(collar)
        self.fair_collar: Final = Collar(fair_collar)
        # The same pair at other venues: what is held here is marked to them while the own book is not live.
        self.peers: Final[list[Watched]] = []
        self.group: Group | None = None
        self.group_factor: int = 0
        # What the accounts at its venue hold of what it is paid with, and of what it sells; with what brings its
        # amounts to their scales.
        self.quote_balance: Balance | None = None
        self.quote_factor: int = 0
        self.base_balance: Balance | None = None
        self.base_factor: int = 0
        fee_ppm: int = instrument.taker_fee_ppm
        self.fee_ppm: Final[int] = fee_ppm if fee_ppm > 0 else 0
        self.told_ns: i64 = 0
        # The last reference there was, for what is held while the book is not live.
        self.last_double: int = 0
        self.gateway_down: str = ""
        # What one size unit times twice the mid is in the common currency: a fraction.
        self.worth_above: int = 0
        self.worth_below: int = 1
        # The same at the last mid, for sizes up to `quick_size` in 64 bits.
        self.quick_above: i64 = 0
        self.quick_below: i64 = 1
        self.quick_size: i64 = 0
        self.seen_version: i64 = -1
        self.seen_rate: i64 = -1
        # What the figures below were made from.
        self.longest: int = 0
        self.shortest: int = 0
        self.seen_double: int = 0
        self.quote_money: int = 0
        # What it adds to its group and takes of the accounts.
        self.group_long: int = 0
        self.group_short: int = 0
        self.quote_needed: int = 0
        self.base_needed: int = 0
        # In the common currency, at the worst: what would be long, what would be short (below zero), and the larger.
        self.long_worth: int = 0
        self.short_worth: int = 0
        self.gross_worth: int = 0
        self.is_active: bool = False
        self.counted_unknown: bool = False
        self.counted_rateless: bool = False

    @property
    def name(self) -> str:
        """Venue and symbol, as limits name them."""
        return f"{self.venue} {self.instrument.symbol}"

    @property
    def base_scale(self) -> int:
        """The scale of a number of contracts times what one is."""
        scale: int = self.instrument.size_scale + self.instrument.multiplier_scale
        return scale

    @property
    def size_asset(self) -> str:
        """What sizes are counted in: base, and for an inverse contract, whose size is worth a fixed amount, quote."""
        return self.instrument.quote if self.instrument.inverse else self.instrument.base

    def reference(self) -> int:
        """The mid, rounded up; 0 without a live book."""
        return (self.collar.double + 1) // 2

    def set_reference(self, double_mid: int, now_ns: i64) -> None:
        """The mid of a live book, doubled; 0 when it is not live."""
        self.collar.set(double_mid)
        if double_mid > 0:
            self.told_ns = now_ns
            if double_mid != self.last_double:
                self.last_double = double_mid
                # What is at risk is worth something else; found when an order asks.
                self.seen_version = -1

    def aim(self) -> None:
        """A limit has changed: the collars and the most contracts are others."""
        self.collar.aim()
        self.fair_collar.aim()
        self.most_order_size = self.order_size.value // self.multiplier
        self.most_position = self.position.value // self.multiplier

    def find_worth(self) -> None:
        """Take the rate of its money into the common currency."""
        self.seen_rate = self.rate.version
        instrument = self.instrument
        above: int = self.rate.above * instrument.money_multiplier * 10**BASE_SCALE
        below: int = self.rate.below * instrument.money_divisor * 2 * 10**instrument.money_scale
        shared = gcd(above, below)
        self.worth_above = above // shared if shared > 0 else 0
        self.worth_below = below // shared if shared > 0 else 1
        self.be_quick()
        # Whatever was found at another rate is to be found anew.
        self.seen_double = -1

    def be_quick(self) -> None:
        """Prepare `worth` for sizes whose products fit 64 bits."""
        above = self.last_double * self.worth_above
        self.quick_size = 0
        if not self.terms.inverse and 0 < above <= QUICK and self.worth_below <= QUICK:
            self.quick_above = above
            self.quick_below = self.worth_below
            self.quick_size = QUICK // above

    def worth(self, size: int) -> int:
        """What a size is worth at the last mid in the common currency, away from zero."""
        most: int = self.quick_size
        if -most <= size <= most:
            small: i64 = size
            product = small * self.quick_above
            if self.quick_below == 1:
                return product
            # Both terms are at most 2 ** 61, so that their sum fits.
            if product >= 0:
                return (product + self.quick_below - 1) // self.quick_below
            return -((self.quick_below - 1 - product) // self.quick_below)
        return self.wide_worth(size)

    def wide_worth(self, size: int) -> int:
        """The same for any size and any contract."""
        if self.last_double == 0:
            return 0
        if self.terms.inverse:
            # Money is size over price, and the mid is doubled.
            above = size * self.worth_above * 4
            below = self.last_double * self.worth_below
        else:
            above = size * self.last_double * self.worth_above
            below = self.worth_below
        return -(-above // below) if above > 0 else above // below

    def measure(self) -> None:
        """Find what is at risk in it, all open orders counted as filled, and tell its group and its accounts."""
        if self.seen_rate != self.rate.version:
            self.find_worth()
        standing = self.standing
        self.seen_version = standing.version
        longest = standing.longest()
        shortest = standing.shortest()
        moved = self.seen_double != self.last_double
        self.seen_double = self.last_double
        if moved:
            self.be_quick()
        if longest != self.longest or moved:
            self.measure_long(longest)
        if shortest != self.shortest or moved:
            self.measure_short(shortest)
        self.is_active = longest != 0 or shortest != 0
        self.gross_worth = self.long_worth if self.long_worth > -self.short_worth else -self.short_worth
        quote, base = self.quote_balance, self.base_balance
        if quote is not None and (standing.buys.money != self.quote_money or standing.buys.unpriced > 0):
            self.quote_money = standing.buys.money
            needed = self.needed_money(standing.buys)
            quote.needed += needed - self.quote_needed
            self.quote_needed = needed
        if base is not None:
            needed = scaled_up(standing.sells.size, self.base_factor)
            base.needed += needed - self.base_needed
            self.base_needed = needed

    def measure_long(self, longest: int) -> None:
        """The position if every open buy filled is another, or worth something else."""
        self.longest = longest
        self.long_worth = self.worth(longest)
        group = self.group
        if group is not None:
            long = scaled_up(longest, self.group_factor)
            group.longest += long - self.group_long
            self.group_long = long

    def measure_short(self, shortest: int) -> None:
        """The position if every open sell filled is another, or worth something else."""
        self.shortest = shortest
        self.short_worth = self.worth(shortest)
        group = self.group
        if group is not None:
            short = scaled_up(shortest, self.group_factor)
            group.shortest += short - self.group_short
            self.group_short = short

    def needed_money(self, buys: OpenSide) -> int:
        """What open buys could cost with their fees, at the scale of the account."""
        money = buys.money
        if buys.unpriced > 0:
            money += self.terms.worth(self.reference(), buys.unpriced)
        most: int = QUICK // MOST_PPM
        if self.fee_ppm > 0:
            if money <= most:
                small: i64 = money
                fee_ppm: i64 = self.fee_ppm
                money += (small * fee_ppm + PPM - 1) // PPM
            else:
                money += -(-money * self.fee_ppm // PPM)
        return scaled_up(money, self.quote_factor)

    def mark_double(self) -> int:
        """Twice what an open position is marked to: the mid, and without a live book the worst mid that is known."""
        double = self.last_double
        if self.collar.double > 0:
            return double
        net = self.standing.net_size
        if net == 0:
            return double
        for peer in self.peers:
            other = peer.double_for(self.instrument.price_scale, net < 0)
            if other > 0 and (double == 0 or (other < double) == (net > 0)):
                double = other
        return double

    def double_for(self, scale: int, up: bool) -> int:
        """Twice the mid of its live book at another scale, rounded; 0 without one."""
        double = self.collar.double
        own_scale: int = self.instrument.price_scale
        if own_scale <= scale:
            larger: int = 10 ** (scale - own_scale)
            return double * larger
        smaller: int = 10 ** (own_scale - scale)
        return -(-double // smaller) if up else double // smaller

    def is_dark(self) -> bool:
        """Whether something is held that no live book says the worth of."""
        if self.collar.double > 0 or self.standing.net_size == 0:
            return False
        return all(peer.collar.double == 0 for peer in self.peers)

    def is_unknown(self) -> bool:
        """Whether something is at risk of which nobody can say what it is worth."""
        return self.is_active and (self.last_double == 0 or self.rate.above == 0)

    def is_rateless(self) -> bool:
        """Whether something was traded in money that never had a rate."""
        return self.rate.above == 0 and len(self.standing.positions) > 0

    def save(self) -> list[object]:
        """References as plain data."""
        return [
            self.instrument_id, self.collar.double, self.fair_collar.double, self.told_ns, self.last_double,
        ]  # fmt: skip

    def load(self, row: list[object]) -> None:
        """Take back what `save` gave."""
        double, fair, told_ns, last = row[1], row[2], row[3], row[4]
        assert isinstance(double, int)
        assert isinstance(fair, int)
        assert isinstance(told_ns, int)
        assert isinstance(last, int)
        self.collar.double = double
        self.fair_collar.double = fair
        self.aim()
        self.told_ns = told_ns
        self.last_double = last
        self.seen_version = -1
        self.seen_rate = -1


def scaled_up(amount: int, factor: int) -> int:
    """An amount times a power of ten, or another factor."""
    if factor == 1:
        return amount
    if -QUICK_AMOUNT < amount < QUICK_AMOUNT and factor < QUICK_FACTOR:
        small: i64 = amount
        by: i64 = factor
        return small * by
    return amount * factor
