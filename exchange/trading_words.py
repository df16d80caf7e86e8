"""Orders in the words of the exchange's protocol, and its words in our numbers. Exact both ways; it knows no state."""

from __future__ import annotations

from typing import Final

from exchange.protocol import (
    CAUSES,
    LIQUIDITIES,
    NANOSECONDS_PER_MILLISECOND,
    ORDER_TYPES,
    PEGS,
    REJECT_CODES,
    SELF_TRADES,
    SIDE_NUMBERS,
    SIDES,
    TIMES_IN_FORCE,
    Order,
)
from exchange.protocol_events import Report
from market.instruments import Instrument
from market.messages import (
    CAUSE_VENUE,
    GTD,
    REJECT_AUTHENTICATION,
    REJECT_BAD_SIZE,
    REJECT_OTHER,
    REJECT_RATE_LIMITED,
    REJECT_UNSUPPORTED,
    STP_DECREMENT_BOTH,
    UNKNOWN_LIQUIDITY,
    NewOrder,
)
from venues.gateway_money import fee_of, scaled
from venues.gateway_orders import Trade

_CODES: Final = {
    **{word: number for number, word in REJECT_CODES.items()},
    "malformed": REJECT_OTHER,
    "not_logged_in": REJECT_AUTHENTICATION,
    "scope": REJECT_AUTHENTICATION,
    "too_many_pending": REJECT_RATE_LIMITED,
}
_CAUSES: Final = {word: number for number, word in CAUSES.items()}
_LIQUIDITIES: Final = {word: number for number, word in LIQUIDITIES.items()}


class Unsupported(Exception):
    """An order that this exchange cannot be asked for."""

    def __init__(self, reason: str, code: int = REJECT_UNSUPPORTED) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def code_of(word: str) -> int:
    """Why something was refused."""
    return _CODES.get(word, REJECT_OTHER)


def cause_of(word: str) -> int:
    """Why an order is no longer working."""
    return _CAUSES.get(word, CAUSE_VENUE)


def side_of(word: str) -> int:
    """Which side an order is on."""
    return SIDE_NUMBERS[word]


def order_request(request_id: int, new: NewOrder, instrument: Instrument, name: str) -> Order:
    """The request that enters an order; raises `Unsupported` for what has no words here."""
    if new.reduce_only:
        raise Unsupported("the exchange trades spot: there is no reduce-only")
    if new.group_id:
        raise Unsupported("orders of a group cannot be entered through this gateway")
    if new.self_trade == STP_DECREMENT_BOTH:
        raise Unsupported("an order that another one makes smaller cannot be followed here: choose another self_trade")
    if new.size <= 0:
        raise Unsupported(f"a size of {new.size} is not above 0", REJECT_BAD_SIZE)

    def price(value: int) -> str:
        return instrument.format_price(value) if value else ""

    return Order(
        id=request_id, symbol=instrument.venue_symbol, side=SIDES[new.side],  # type: ignore[arg-type]
        size=instrument.format_size(new.size), order_type=ORDER_TYPES[new.order_type],  # type: ignore[arg-type]
        price=price(new.price), time_in_force=TIMES_IN_FORCE[new.time_in_force],  # type: ignore[arg-type]
        client_order_id=name, stop_price=price(new.stop_price), display_size=_display(new, instrument),
        post_only="reject" if new.post_only else "none",
        expire_ms=new.expire_ns // NANOSECONDS_PER_MILLISECOND if new.time_in_force == GTD else 0,
        self_trade=SELF_TRADES[new.self_trade], peg=PEGS[new.peg_reference],  # type: ignore[arg-type]
        offset=price(new.offset),
    )  # fmt: skip


def _display(new: NewOrder, instrument: Instrument) -> str:
    if new.display_size < 0:
        return "hidden"
    return instrument.format_size(new.display_size) if new.display_size else ""


def trade_of(report: Report, instrument: Instrument) -> Trade:
    """The trade that a report, or a row of fills, tells."""
    price = scaled(report.trade_price, instrument.price_scale)
    size = scaled(report.trade_size, instrument.size_scale)
    liquidity = _LIQUIDITIES.get(report.liquidity, UNKNOWN_LIQUIDITY)
    fee = fee_of(instrument, report.fee_asset, report.fee, price, size, liquidity)
    return Trade(
        report.trade_id, price, size, fee.money, liquidity, report.time_ns, fee.other_asset, fee.size_parts
    )


def price_in(report: Report, instrument: Instrument) -> int:
    """The limit price of a report's order."""
    return scaled(report.price, instrument.price_scale) if report.price else 0


def size_in(text: str, instrument: Instrument) -> int:
    """A size."""
    return scaled(text, instrument.size_scale) if text else 0
