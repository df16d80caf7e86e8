"""How pegged orders of the reference engine find their prices and move; after docs/matching.md. Nothing trades here."""

from __future__ import annotations

from benchmarks.naive_book import (
    NaiveBook,
)
from benchmarks.naive_orders import (
    PARKED,
    RESTING,
    Order,
    down_to_tick,
    is_price,
    up_to_tick,
)
from market.messages import (
    BUY,
    EVENT_REPRICED,
    PEG_FAR,
    PEG_NEAR,
    PEGGED,
    SELL,
)


def reference_price(book: NaiveBook, order: Order) -> int | None:
    """What a pegged order follows: best displayed prices of orders that are not pegged, or their middle."""
    best = {
        side: next((other.price for other in book.book[side] if other.order_type != PEGGED and not other.hidden), 0)
        for side in (BUY, SELL)
    }
    near, far = best[order.side], best[-order.side]
    if order.entry.peg_reference == PEG_NEAR:
        return near or None
    if order.entry.peg_reference == PEG_FAR:
        return far or None
    if near == 0 or far == 0:
        return None
    to_tick = down_to_tick if order.side == BUY else up_to_tick
    return to_tick(near + far, 2, book.settings.tick)


def further(side: int, price: int, other: int) -> int:
    """The one of two prices that is further from the market for this side."""
    return min(price, other) if side == BUY else max(price, other)


def wanted_price(book: NaiveBook, order: Order) -> int | None:
    """Where a pegged order wants to be, None for nowhere."""
    reference = reference_price(book, order)
    if reference is None:
        return None
    price = reference - order.side * order.entry.offset
    if order.cap:
        price = further(order.side, price, order.cap)
    for other in book.book[-order.side]:
        if other.order_type != PEGGED:
            price = further(order.side, price, other.price - order.side * book.settings.tick)
    return price if is_price(price, book.settings) else None


def open_price(book: NaiveBook, order: Order, wanted: int) -> int | None:
    """The wanted price, but behind the best opposite order of any kind; None where that is no price."""
    if book.best_opposite(order.side):
        wanted = further(order.side, wanted, book.behind_opposite(order.side))
    return wanted if is_price(wanted, book.settings) else None


def place_new(book: NaiveBook, order: Order) -> None:
    """Rests or parks a pegged order that was just accepted."""
    wanted = wanted_price(book, order)
    price = None if wanted is None else open_price(book, order, wanted)
    if price is None:
        order.place = PARKED
    else:
        order.price = price
        book.rest(order)


def move(book: NaiveBook, order: Order, price: int | None) -> None:
    """Moves a pegged order to the back of the queue at another price, or parks it."""
    book.take_out(order, PARKED)
    order.price = price or 0
    if price is not None:
        book.rest(order)
    book.tell(EVENT_REPRICED, order, remaining=order.remaining, number=order.shown)


def move_pegged(book: NaiveBook) -> None:
    """The end of an input: all that must retreat do so, then all that may advance."""
    pegged = [order for order in book.orders.values() if order.order_type == PEGGED]
    wanted = {order.order_id: wanted_price(book, order) for order in pegged}
    for order in pegged:
        want = wanted[order.order_id]
        if order.place == RESTING and (want is None or want * order.side < order.price * order.side):
            move(book, order, want)
    for order in pegged:
        want = wanted[order.order_id]
        price = None if want is None else open_price(book, order, want)
        if price is not None and (order.place == PARKED or price * order.side > order.price * order.side):
            move(book, order, price)
