"""Why an order was refused, in words: the limit and the value that it would have led to. Made when somebody asks."""

from __future__ import annotations

from typing import Final

from actors.portfolio_rates import BASE_SCALE
from actors.risk_checks import HELD, NANOSECONDS_PER_MILLISECOND, RATES, UNKNOWN, RiskChecks
from actors.risk_watched import Watched
from market.messages import (
    BUY,
    REJECT_BAD_SIZE,
    REJECT_BALANCE,
    REJECT_CONNECTION,
    REJECT_DUPLICATE,
    REJECT_GROSS_EXPOSURE,
    REJECT_HALTED,
    REJECT_NET_EXPOSURE,
    REJECT_ORDER_NOTIONAL,
    REJECT_ORDER_RATE,
    REJECT_ORDER_SIZE,
    REJECT_PENDING,
    REJECT_POSITION,
    REJECT_PRICE_COLLAR,
    REJECT_SELF_TRADE,
    REJECT_STALE_BOOK,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
)
from market.numbers import format_decimal, format_decimal_short

# Those that say all without a number.
PLAIN: Final[dict[int, str]] = {
    REJECT_UNKNOWN_INSTRUMENT: "its instrument is not watched by risk",
    REJECT_UNKNOWN_ORDER: "no such order works",
    REJECT_PENDING: "it cannot be changed in its present state",
}


def reason_of(checks: RiskChecks) -> str:
    """The last refusal of the checks in words."""
    code: int = checks.code
    if code == REJECT_HALTED:
        return f"trading is halted ({checks.ledger.halt_reason})"
    watched = checks.refused_at
    if watched is None:
        return "its id was used before" if code == REJECT_DUPLICATE else PLAIN[code]
    if code in (REJECT_BAD_SIZE, REJECT_ORDER_SIZE, REJECT_ORDER_NOTIONAL, REJECT_PRICE_COLLAR, REJECT_SELF_TRADE):
        return reason_alone(checks, watched, code)
    if code in (REJECT_STALE_BOOK, REJECT_CONNECTION, REJECT_ORDER_RATE, REJECT_DUPLICATE):
        return reason_of_state(checks, watched, code)
    return reason_of_sum(checks, watched, code)


def above(checks: RiskChecks, what: str) -> str:
    """A number above its limit."""
    return f"{what} {checks.value} with this one are above {checks.limit} {checks.bound}"


def size_text(watched: Watched, size: int) -> str:
    """A size in base; of contracts that are more or less than one of it each, with what it is counted in."""
    told = format_decimal(size, watched.base_scale)
    one = watched.instrument
    return told if one.multiplier == 1 and one.multiplier_scale == 0 else f"{told} {watched.size_asset}"


def reason_alone(checks: RiskChecks, watched: Watched, code: int) -> str:
    """What is wrong with the order itself."""
    one, value, bound, key = watched.instrument, checks.value, checks.bound, checks.limit
    if code == REJECT_BAD_SIZE:
        return f"size {one.format_size(value)} is not above 0"
    if code == REJECT_ORDER_SIZE:
        return f"size {size_text(watched, value)} is above {key} {size_text(watched, bound)}"
    if code == REJECT_ORDER_NOTIONAL:
        return f"notional {one.format_money(value)} is above {key} {one.format_money(bound)}"
    price: int = checks.price
    if code == REJECT_SELF_TRADE:
        told = "at the market" if price <= 0 else f"at {one.format_price(price)}"
        return f"{told} it could trade with a working order of ours at {watched.name}"
    own = key == watched.collar.bound.key
    if not own and watched.fair_collar.double == 0:
        return f"{watched.name} has no fair value for {key} {bound}"
    reference = "the mid" if own else "the fair value"
    return f"price {one.format_price(price)} at {value} bps from {reference} is outside {key} {bound}"


def reason_of_state(checks: RiskChecks, watched: Watched, code: int) -> str:
    """What stands in its way now."""
    if code == REJECT_STALE_BOOK:
        if checks.limit == "book_state":
            return f"the book of {watched.name} is not live with two sides"
        if checks.limit == HELD:
            return (
                f"{size_text(watched, checks.value)} is held at {watched.name}, and no live book says what it is worth"
            )
        if checks.limit == RATES:
            return f"money in {watched.instrument.money_asset} has no known rate to {checks.currency}"
        return f"the touch of {watched.name} is {checks.value} ms old, above {checks.limit} {checks.bound}"
    if code == REJECT_CONNECTION:
        return f"{watched.gateway_down} is down"
    if code == REJECT_DUPLICATE:
        return f"order {checks.value} of the same strategy, side, price and size works"
    window_ms = checks.order_window.length_ns // NANOSECONDS_PER_MILLISECOND
    told = f"{'orders' if checks.limit == checks.orders.key else 'requests'} {checks.value} within {window_ms} ms"
    room = f", of which {checks.cancel_room} are kept for cancels" if checks.limit == checks.requests.key else ""
    return f"{told} are above {checks.limit} {checks.bound}{room}"


def reason_of_sum(checks: RiskChecks, watched: Watched, code: int) -> str:
    """What would be held, with everything open filled."""
    value, bound, key, group = checks.value, checks.bound, checks.limit, watched.group
    if code == REJECT_POSITION and key == watched.position.key:
        return f"position {size_text(watched, value)} at worst is above {key} {size_text(watched, bound)}"
    if code == REJECT_POSITION and group is not None:
        told, most = format_decimal_short(value, group.scale), format_decimal_short(bound, group.scale)
        return f"position {told} {group.name} over all venues at worst is above {key} {most}"
    if code in (REJECT_GROSS_EXPOSURE, REJECT_NET_EXPOSURE):
        if value == UNKNOWN:
            return f"what is at risk in {watched.instrument.money_asset} has no known worth in {checks.currency}"
        what = "gross" if code == REJECT_GROSS_EXPOSURE else "net"
        told, most = format_decimal_short(value, BASE_SCALE), format_decimal_short(bound, BASE_SCALE)
        return f"{what} exposure {told} {checks.currency} at worst is above {key} {most}"
    balance = watched.quote_balance if checks.side == BUY else watched.base_balance
    if code == REJECT_BALANCE and balance is not None:
        told, most = format_decimal_short(value, balance.scale), format_decimal_short(bound, balance.scale)
        return f"open orders need {told} {balance.asset} at {balance.venue}, above the {most} of balances"
    return above(checks, "open orders" if key == checks.open_orders.key else "positions")
