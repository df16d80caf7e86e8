"""What one venue allows of an order in one instrument, and what the order manager may change there.

Prices are rounded away from the other side, sizes down; what is too small then is no order. The numbers are taken from
the instrument once. What can be changed of a working order is what the settings say; where they say nothing, what the
venue documents and its gateway can. It never decides what is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

from mypy_extensions import i64

from market.instruments import Instrument

AMEND_NOTHING: Final = 0
AMEND_SIZE: Final = 1
AMEND_ALL: Final = 2
AMENDS: Final[dict[str, int]] = {"nothing": AMEND_NOTHING, "size": AMEND_SIZE, "all": AMEND_ALL}
# What venues document (docs/orders.md says where): all four keep the place of an order that only becomes smaller.
DOCUMENTED: Final[dict[str, int]] = {
    "binance": AMEND_SIZE,
    "kraken": AMEND_ALL,
    "coinbase": AMEND_ALL,
    "bybit": AMEND_ALL,
}
BASIS_POINTS: Final = 10_000
MOST: Final = (1 << 62) - 1


def amend_of(
    instrument: Instrument,
    settings: Mapping[str, str],
    gateways: Mapping[str, tuple[int, ...]],
    amends: Mapping[str, str],
) -> int:
    """What can be changed of a working order: by the settings, or by venue and gateway."""
    if instrument.venue in settings:
        return AMENDS[settings[instrument.venue]]
    most = DOCUMENTED.get(instrument.venue, AMEND_NOTHING)
    for gateway, instrument_ids in gateways.items():
        if not instrument_ids or instrument.instrument_id in instrument_ids:
            most = min(most, AMENDS[amends.get(gateway, "all")])
    return most


@final
class VenueRules:
    """See the head of this file."""

    def __init__(self, instrument: Instrument, amend: int, keep_within_ticks: int, keep_within_bps: float) -> None:
        self.instrument_id: Final[i64] = instrument.instrument_id
        self.venue: Final[str] = instrument.venue
        self.tick: Final[i64] = instrument.tick
        self.lot: Final[i64] = instrument.lot
        self.minimum_size: Final[i64] = minimum_size_of(instrument)
        self.minimum_worth: Final[i64] = minimum_worth_of(instrument)
        # What a change of an order may change; less after the venue has said that it cannot.
        self.amend: i64 = amend
        self.configured_amend: Final[i64] = amend
        self.keep_within: Final[i64] = keep_within_ticks * instrument.tick
        self.keep_within_bps: Final = keep_within_bps

    def price(self, side: i64, price: i64) -> i64:
        """A price on a tick: of a bid not above, of an ask not below."""
        rest = price % self.tick
        if rest == 0:
            return price
        return price - rest if side > 0 else price - rest + self.tick

    def size(self, price: i64, size: i64) -> i64:
        """A size in whole lots that the venue takes at this price; 0 when there is none."""
        if price <= 0 or size <= 0:
            return 0
        whole = size - size % self.lot
        if whole < self.minimum_size or whole == 0:
            return 0
        if self.minimum_worth > 0 and whole < -(-self.minimum_worth // price):
            return 0
        return whole

    def keep_distance(self, price: i64) -> i64:
        """An order this far from the wanted price keeps its place."""
        if self.keep_within_bps <= 0.0:
            return self.keep_within
        whole: int = price
        by_bps: i64 = int(whole * self.keep_within_bps / BASIS_POINTS)
        return by_bps if by_bps > self.keep_within else self.keep_within


def minimum_size_of(instrument: Instrument) -> int:
    """The least size, that of an inverse contract with its least worth, which no price changes."""
    least = instrument.minimum_size
    if instrument.inverse and instrument.minimum_notional > 0:
        one = instrument.multiplier * 10**instrument.price_scale
        least = max(least, -(-instrument.minimum_notional * instrument.money_divisor // one))
    return min(least, MOST)


def minimum_worth_of(instrument: Instrument) -> int:
    """The least of price times size; 0 where there is none."""
    if instrument.inverse:
        return 0
    return min(-(-instrument.minimum_notional * instrument.money_divisor // instrument.multiplier), MOST)
