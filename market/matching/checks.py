"""The rules by which an order is refused for its own fields and the settings alone; `docs/matching.md` has them all.

`NO_FAULT` says that none applies. What needs the book, its count of orders and its prices, is asked by the engine.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.matching.entry import OrderEntry
from market.matching.settings import MatchingSettings
from market.matching.triggers import is_trailing
from market.messages.constants import (
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    PEG_FAR,
    PEG_NONE,
    PEGGED,
    POST_ONLY_NONE,
    POST_ONLY_REPRICE,
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_EXPIRED,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_UNSUPPORTED,
    SELL,
    STOP,
    STOP_LIMIT,
    STP_DECREMENT_BOTH,
    STP_NONE,
    TAKE_PROFIT,
    TAKE_PROFIT_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
)

NO_FAULT: Final = -1


def is_market_like(order_type: i64) -> bool:
    """Whether it takes what the book offers, within a band, and never rests."""
    return order_type in (MARKET, STOP, TAKE_PROFIT, TRAILING_STOP)


def has_limit(order_type: i64) -> bool:
    """Whether its price is a limit that it must have."""
    return order_type in (LIMIT, STOP_LIMIT, TRAILING_STOP_LIMIT, TAKE_PROFIT_LIMIT)


def is_stop(order_type: i64) -> bool:
    """Whether it waits for a price."""
    return STOP <= order_type <= TRAILING_STOP_LIMIT or order_type in (TAKE_PROFIT, TAKE_PROFIT_LIMIT)


def fault_of(entry: OrderEntry, settings: MatchingSettings, last_price: i64, now_ns: i64) -> i64:
    """The first fault of an order by rules 3 to 7, `NO_FAULT` for none."""
    if is_unsupported(entry):
        return REJECT_UNSUPPORTED
    if is_bad_size(entry, settings):
        return REJECT_BAD_SIZE
    if is_bad_price(entry, settings, last_price):
        return REJECT_BAD_PRICE
    if (entry.time_in_force == GTD or entry.time_in_force == DAY) and entry.expire_ns <= now_ns:
        return REJECT_EXPIRED
    measured: i64 = 0
    if has_limit(entry.order_type):
        measured = entry.price
    elif is_stop(entry.order_type):
        measured = first_stop(entry, last_price)
    if measured != 0 and settings.below_minimum(measured, entry.size):
        return REJECT_MINIMUM_NOTIONAL
    return NO_FAULT


def is_unsupported(entry: OrderEntry) -> bool:
    """Whether type, time in force and flags are unknown or do not go together."""
    order_type = entry.order_type
    force = entry.time_in_force
    post_only = entry.post_only
    if (entry.side != BUY and entry.side != SELL) or order_type < LIMIT or order_type > TAKE_PROFIT_LIMIT:
        return True
    if force < GTC or force > DAY or post_only < POST_ONLY_NONE or post_only > POST_ONLY_REPRICE:
        return True
    if entry.self_trade < STP_NONE or entry.self_trade > STP_DECREMENT_BOTH:
        return True
    if entry.peg_reference < PEG_NONE or entry.peg_reference > PEG_FAR:
        return True
    at_once = force in (IOC, FOK)
    market_like = is_market_like(order_type)
    if post_only != POST_ONLY_NONE and (market_like or at_once):
        return True
    if (order_type == PEGGED) != (entry.peg_reference != PEG_NONE):
        return True
    if order_type == PEGGED and (at_once or entry.display_size != 0):
        return True
    if market_like and entry.display_size != 0:
        return True
    if force == FOK and is_stop(order_type):
        return True
    return order_type == MARKET and (force in (GTD, DAY))


def is_bad_size(entry: OrderEntry, settings: MatchingSettings) -> bool:
    """Whether the size or the display size is out of bounds or off the lot."""
    size = entry.size
    if size < settings.minimum_size or size > settings.maximum_size or size % settings.lot != 0:
        return True
    display_size = entry.display_size
    if display_size < -1 or (display_size > 0 and display_size % settings.lot != 0):
        return True
    return has_too_many_slices(size, display_size, settings)


def has_too_many_slices(size: i64, display_size: i64, settings: MatchingSettings) -> bool:
    """Whether an iceberg of this size would be cut too often."""
    if display_size <= 0 or display_size >= size:
        return False
    return (size + display_size - 1) // display_size > settings.most_slices


def is_bad_limit(price: i64, settings: MatchingSettings) -> bool:
    """Whether no order can have this price."""
    return price <= 0 or price > settings.maximum_price or price % settings.tick != 0


def is_bad_price(entry: OrderEntry, settings: MatchingSettings, last_price: i64) -> bool:
    """Whether a price, stop price, offset or time of expiry is missing or out of bounds."""
    order_type = entry.order_type
    if (has_limit(order_type) or entry.price != 0) and is_bad_limit(entry.price, settings):
        return True
    if is_trailing(order_type):
        if is_bad_limit(entry.offset, settings):
            return True
        if entry.stop_price == 0 and last_price == 0:
            return True
        if is_bad_limit(first_stop(entry, last_price), settings):
            return True
    elif is_stop(order_type):
        if is_bad_limit(entry.stop_price, settings):
            return True
    elif order_type == PEGGED and entry.offset != 0 and is_bad_limit(entry.offset, settings):
        return True
    return entry.time_in_force in (GTD, DAY) and entry.expire_ns == 0


def first_stop(entry: OrderEntry, last_price: i64) -> i64:
    """The stop price that a stop order begins with; its offset, where it has one, has been checked."""
    if entry.stop_price != 0 or not is_trailing(entry.order_type):
        return entry.stop_price
    return trailing_stop(entry.side, entry.offset, last_price)


def trailing_stop(side: i64, offset: i64, last_price: i64) -> i64:
    """The stop price that follows a last price."""
    return last_price + side * offset
