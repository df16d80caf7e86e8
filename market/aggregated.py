"""The books of several venues as one: each in its venue's own numbers, read together in common ones. Compiled.

No merged ladder is kept. Each venue's touch is converted when it changes, the best over all venues is found by looking
at each, and depth is merged when it is read. What is converted never looks better than it is: bids are rounded down and
asks up, sizes down. A venue counts while it is included; prices in another quote currency need a rate, bid and ask, of
that currency in the common one. A level whose converted price or size no book can hold is left out.

Prices have the largest scale of all instruments and sizes too; sizes are in base: contracts are multiplied out, inverse
ones at the level's own price. With `adjusted` a price is what a taker pays or gets after the venue's fee.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL

RATE_SCALE: Final = 9
RATE_ONE: Final = 1_000_000_000
"""A rate of 1: rates are integers with nine decimals."""
PPM: Final = 1_000_000


class AggregateError(ValueError):
    """Instruments that cannot stand in one book; the message says which and why."""


@final
class VenueTerms:
    """How one instrument's numbers become common ones: scales, contract, and the venue's taker fee."""

    def __init__(
        self,
        instrument_id: i64,
        price_scale: i64,
        size_scale: i64,
        multiplier: int,
        multiplier_divisor: int,
        inverse: bool,
        taker_fee_ppm: i64,
        common_price_scale: i64,
        common_size_scale: i64,
    ) -> None:
        """Convert from these scales to the common ones, which are at least as fine."""
        if common_price_scale < price_scale or common_size_scale < size_scale:
            raise AggregateError(f"instrument {instrument_id} has finer scales than the common ones")
        price_power: int = common_price_scale - price_scale
        size_power: int = common_size_scale - size_scale
        price_places: int = price_scale
        self.instrument_id: Final[i64] = instrument_id
        self.inverse: Final[bool] = inverse
        self.taker_fee_ppm: Final[i64] = taker_fee_ppm
        self.price_factor: Final[int] = 10**price_power
        # Base from contracts is contracts times `size_factor` over `size_divisor`, and over the price where inverse.
        self.size_factor: Final[int] = multiplier * 10**size_power * (10**price_places if inverse else 1)
        self.size_divisor: Final[int] = multiplier_divisor
        self.is_plain: Final[bool] = not inverse and self.size_factor % multiplier_divisor == 0
        self.plain_factor: Final[int] = self.size_factor // multiplier_divisor
        # Up to here a product with a factor stays in 63 bits, also with one rate or one fee more.
        self.quick_price: Final[i64] = MOST_PRICE // self.price_factor
        self.quick_size: Final[i64] = MOST_PRICE // max(self.plain_factor, 1)


@final
class VenueEntry:
    """One venue of an aggregated book: what it showed last, and its touch in common numbers."""

    def __init__(self, terms: VenueTerms) -> None:
        """Begin without levels, not included."""
        self.terms: Final[VenueTerms] = terms
        self.included: bool = False
        self.rate_bid: i64 = RATE_ONE
        self.rate_ask: i64 = RATE_ONE
        self.raw_bid_price: i64 = 0
        self.raw_bid_size: i64 = 0
        self.raw_ask_price: i64 = 0
        self.raw_ask_size: i64 = 0
        # In common numbers; size 0 is none.
        self.bid_price: i64 = 0
        self.bid_size: i64 = 0
        self.ask_price: i64 = 0
        self.ask_size: i64 = 0
        # Its depth, best first, in the venue's numbers; empty when it shows no more than its touch.
        self.bid_prices: vec[i64] = vec[i64]()
        self.bid_sizes: vec[i64] = vec[i64]()
        self.ask_prices: vec[i64] = vec[i64]()
        self.ask_sizes: vec[i64] = vec[i64]()

    def price(self, side: i64, price: i64, adjusted: bool) -> i64:
        """A price of this venue in common numbers; `MOST_PRICE` + 1 when no book can hold it."""
        terms = self.terms
        rate = self.rate_bid if side == BUY else self.rate_ask
        if rate == RATE_ONE and not adjusted and -terms.quick_price <= price <= terms.quick_price:
            return price * i64(terms.price_factor)
        wide: int = price
        wide = wide * terms.price_factor
        divisor: int = 1
        if rate != RATE_ONE:
            rate_number: int = rate
            wide *= rate_number
            divisor = RATE_ONE
        if adjusted:
            fee: int = terms.taker_fee_ppm
            # A taker who sells to a bid gets less, one who buys from an ask pays more.
            wide *= PPM - fee if side == BUY else PPM + fee
            divisor *= PPM
        result = wide // divisor if side == BUY else -(-wide // divisor)
        # A price that is rounded away is none, and neither is one that fits no book.
        if result > MOST_PRICE or result < -MOST_PRICE or (result == 0 and price != 0):
            return MOST_PRICE + 1
        return result

    def size(self, price: i64, size: i64) -> i64:
        """A size of this venue, at one of its prices, in base of the common scale; 0 when none or when too large."""
        terms = self.terms
        if terms.is_plain and 0 <= size <= terms.quick_size:
            return size * i64(terms.plain_factor)
        wide: int = size
        wide = wide * terms.size_factor
        divisor = terms.size_divisor
        if terms.inverse:
            if price <= 0:
                return 0
            wide_price: int = price
            divisor = divisor * wide_price
        result = wide // divisor
        return result if 0 <= result <= MOST_PRICE else 0

    def convert(self) -> None:
        """Bring the touch to common numbers: it, or a rate, has changed."""
        self.bid_size = 0
        self.ask_size = 0
        if self.raw_bid_size > 0:
            price = self.price(BUY, self.raw_bid_price, False)
            if price <= MOST_PRICE:
                self.bid_price = price
                self.bid_size = self.size(self.raw_bid_price, self.raw_bid_size)
        if self.raw_ask_size > 0:
            price = self.price(SELL, self.raw_ask_price, False)
            if price <= MOST_PRICE:
                self.ask_price = price
                self.ask_size = self.size(self.raw_ask_price, self.raw_ask_size)


@final
class CommonLevels:
    """One side of an aggregated book, best first: price, size and instrument of each level."""

    def __init__(self, prices: vec[i64], sizes: vec[i64], instruments: vec[i64]) -> None:
        """Hold these three arrays of one length."""
        self.prices: Final[vec[i64]] = prices
        self.sizes: Final[vec[i64]] = sizes
        self.instruments: Final[vec[i64]] = instruments

    def levels(self) -> list[tuple[int, int, int]]:
        """Every (price, size, instrument id)."""
        return [(self.prices[place], self.sizes[place], self.instruments[place]) for place in range(len(self.prices))]


@final
class AggregatedBook:
    """See the head of this file."""

    def __init__(self, terms: list[VenueTerms]) -> None:
        """Aggregate the venues of these terms; an entry's place in `entries` is that of its terms."""
        self.entries: Final[list[VenueEntry]] = [VenueEntry(one) for one in terms]
        self.live_venues: i64 = 0
        # The best over all included venues: sizes are summed over those at the price; 0 is an empty side.
        self.bid_price: i64 = 0
        self.bid_size: i64 = 0
        self.bid_instrument_id: i64 = 0
        self.ask_price: i64 = 0
        self.ask_size: i64 = 0
        self.ask_instrument_id: i64 = 0

    def update(self, place: i64, bid_price: i64, bid_size: i64, ask_price: i64, ask_size: i64) -> None:
        """A venue's touch, in its own numbers; of one that is not included it is only kept."""
        entry = self.entries[place]
        entry.raw_bid_price = bid_price
        entry.raw_bid_size = bid_size
        entry.raw_ask_price = ask_price
        entry.raw_ask_size = ask_size
        entry.convert()
        if entry.included:
            self.find_best()

    def set_depth(
        self, place: i64, bid_prices: vec[i64], bid_sizes: vec[i64], ask_prices: vec[i64], ask_sizes: vec[i64]
    ) -> None:
        """A venue's levels, best first, in its own numbers."""
        if len(bid_prices) != len(bid_sizes) or len(ask_prices) != len(ask_sizes):
            raise AggregateError("a side with as many prices as sizes is wanted")
        entry = self.entries[place]
        entry.bid_prices = bid_prices
        entry.bid_sizes = bid_sizes
        entry.ask_prices = ask_prices
        entry.ask_sizes = ask_sizes

    def set_rate(self, place: i64, rate_bid: i64, rate_ask: i64) -> None:
        """What one unit of the venue's quote currency is worth in the common one; both above 0."""
        if rate_bid <= 0 or rate_ask < rate_bid:
            raise AggregateError(f"a rate is above 0 and its ask not below its bid, not {rate_bid} and {rate_ask}")
        entry = self.entries[place]
        entry.rate_bid = rate_bid
        entry.rate_ask = rate_ask
        entry.convert()
        if entry.included:
            self.find_best()

    def include(self, place: i64, included: bool) -> None:
        """Let a venue count from now on, or no more; one that does not count loses its depth."""
        entry = self.entries[place]
        if entry.included == included:
            return
        entry.included = included
        if not included:
            entry.bid_prices = vec[i64]()
            entry.bid_sizes = vec[i64]()
            entry.ask_prices = vec[i64]()
            entry.ask_sizes = vec[i64]()
        self.live_venues += 1 if included else -1
        self.find_best()

    def find_best(self) -> None:
        """Look at the touch of every included venue."""
        bid_price: i64 = 0
        bid_size: i64 = 0
        bid_most: i64 = 0
        bid_instrument: i64 = 0
        ask_price: i64 = 0
        ask_size: i64 = 0
        ask_most: i64 = 0
        ask_instrument: i64 = 0
        for entry in self.entries:
            if not entry.included:
                continue
            size = entry.bid_size
            if size > 0 and (bid_size == 0 or entry.bid_price >= bid_price):
                if bid_size == 0 or entry.bid_price > bid_price:
                    bid_price = entry.bid_price
                    bid_size = 0
                    bid_most = 0
                # Two sizes are at most 2 ** 62 each: their sum is cut before it could wrap.
                bid_size = min(bid_size + size, MOST_PRICE)
                if size > bid_most:
                    bid_most = size
                    bid_instrument = entry.terms.instrument_id
            size = entry.ask_size
            if size > 0 and (ask_size == 0 or entry.ask_price <= ask_price):
                if ask_size == 0 or entry.ask_price < ask_price:
                    ask_price = entry.ask_price
                    ask_size = 0
                    ask_most = 0
                ask_size = min(ask_size + size, MOST_PRICE)
                if size > ask_most:
                    ask_most = size
                    ask_instrument = entry.terms.instrument_id
        self.bid_price = bid_price
        self.bid_size = bid_size
        self.bid_instrument_id = bid_instrument
        self.ask_price = ask_price
        self.ask_size = ask_size
        self.ask_instrument_id = ask_instrument

    @property
    def crossed(self) -> bool:
        """Whether one venue bids at least what another asks: no error between venues, but an opportunity."""
        return self.bid_size > 0 and self.ask_size > 0 and self.bid_price >= self.ask_price

    def depth(self, side: i64, levels: i64, adjusted: bool = False) -> CommonLevels:
        """The best `levels` levels of one side over all included venues, merged; of one price the larger comes first.

        A level stands for one venue: levels of one price are not added up. A venue without depth shows its touch.
        """
        if side != BUY and side != SELL:
            raise AggregateError(f"a side is {BUY} (bids) or {SELL} (asks), not {side}")
        heads = [SideHead(entry, side, adjusted) for entry in self.entries if entry.included]
        prices = vec[i64]()
        sizes = vec[i64]()
        instruments = vec[i64]()
        while i64(len(prices)) < levels:
            best: SideHead | None = None
            for head in heads:
                if head.left_size > 0 and (best is None or head.is_before(best)):
                    best = head
            if best is None:
                break
            prices = append(prices, best.price)
            sizes = append(sizes, best.left_size)
            instruments = append(instruments, best.entry.terms.instrument_id)
            best.advance()
        return CommonLevels(prices, sizes, instruments)


@final
class SideHead:
    """Where the merge stands in one venue's side: its next level in common numbers, `left_size` 0 at the end."""

    def __init__(self, entry: VenueEntry, side: i64, adjusted: bool) -> None:
        """Begin at the touch."""
        self.entry: Final[VenueEntry] = entry
        self.side: Final[i64] = side
        self.adjusted: Final[bool] = adjusted
        own_prices = entry.bid_prices if side == BUY else entry.ask_prices
        own_sizes = entry.bid_sizes if side == BUY else entry.ask_sizes
        if len(own_prices) == 0:
            raw_price = entry.raw_bid_price if side == BUY else entry.raw_ask_price
            raw_size = entry.raw_bid_size if side == BUY else entry.raw_ask_size
            own_prices = vec[i64]([raw_price])
            own_sizes = vec[i64]([raw_size])
        self.own_prices: Final[vec[i64]] = own_prices
        self.own_sizes: Final[vec[i64]] = own_sizes
        self.place: i64 = -1
        self.price: i64 = 0
        self.left_size: i64 = 0
        self.advance()

    def advance(self) -> None:
        """Go on to the next level that a book can hold."""
        self.left_size = 0
        while self.left_size == 0:
            self.place += 1
            if self.place >= i64(len(self.own_prices)):
                return
            price = self.own_prices[self.place]
            common = self.entry.price(self.side, price, self.adjusted)
            if common <= MOST_PRICE:
                self.price = common
                self.left_size = self.entry.size(price, self.own_sizes[self.place])

    def is_before(self, other: SideHead) -> bool:
        """Whether its level is the better one; of two at one price the larger."""
        if self.price != other.price:
            return (self.price > other.price) == (self.side == BUY)
        return self.left_size > other.left_size

