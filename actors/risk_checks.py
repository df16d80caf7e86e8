"""The checks of one order before it leaves, in exact integers: every limit of docs/risk.md, one after the other.

The ledger holds the order already, so its sums are what would be if everything open filled. What is asked of one side
is asked only about that side, so that an order which leads a position back is never refused for the position being too
large. It fails closed: what is not known does not pass. Texts are made only when an order is refused.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from actors.risk_limits import Bound
from actors.risk_watched import Watched
from actors.risk_window import Window
from market.messages import (
    BUY,
    LIMIT,
    REJECT_BAD_SIZE,
    REJECT_BALANCE,
    REJECT_CONNECTION,
    REJECT_DUPLICATE,
    REJECT_GROSS_EXPOSURE,
    REJECT_NET_EXPOSURE,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_NOTIONAL,
    REJECT_ORDER_RATE,
    REJECT_ORDER_SIZE,
    REJECT_POSITION,
    REJECT_POSITION_COUNT,
    REJECT_PRICE_COLLAR,
    REJECT_SELF_TRADE,
    REJECT_STALE_BOOK,
)
from market.order_life import is_cancel_pending
from runtime.ledger import Ledger
from runtime.ledger_orders import LedgerOrder

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
# The value of an exposure that nobody knows.
UNKNOWN: Final = -1
# What an order is refused by while something is held that no live book says the worth of.
HELD: Final = "held"
# What an order is refused by whose money has no known rate.
RATES: Final = "rates"


@final
class RiskChecks:
    """See the head of this file."""

    def __init__(
        self,
        ledger: Ledger,
        currency: str,
        watched: list[Watched],
        open_orders: Bound,
        orders: Bound,
        requests: Bound,
        positions: Bound,
        gross: Bound,
        net: Bound,
        window_ms: Bound,
        cancel_room: Bound,
        book_age_ms: Bound,
        self_trade: Bound,
        duplicates: Bound,
    ) -> None:
        self.ledger: Final = ledger
        self.currency: Final = currency
        self.watched: Final = watched
        self.open_orders: Final = open_orders
        self.orders: Final = orders
        self.requests: Final = requests
        self.positions: Final = positions
        self.gross: Final = gross
        self.net: Final = net
        self.bounds: Final = (window_ms, cancel_room, book_age_ms, self_trade, duplicates)
        # What these say now; `aim` sets them.
        self.cancel_room: i64 = 0
        self.book_age_ns: i64 = 0
        self.refuses_self_trade: bool = True
        self.refuses_duplicates: bool = True
        self.order_window: Final = Window(0, orders.value)
        self.request_window: Final = Window(0, requests.value)
        # Over all instruments, in the common currency, at the worst.
        self.gross_total: int = 0
        self.long_total: int = 0
        self.short_total: int = 0
        self.active: i64 = 0
        self.unknown: i64 = 0
        # In so many instruments something was traded in money that never had a rate: what was lost is not known.
        self.rateless: i64 = 0
        # Whether the book of any instrument is not live.
        self.dark: bool = False
        # Why the last order was refused.
        self.code: i64 = 0
        self.limit: str = ""
        self.value: int = 0
        self.bound: int = 0
        self.refused_at: Watched | None = None
        self.price: i64 = 0
        self.side: i64 = 0
        self.exposure_on: bool = False
        self.aim()

    def aim(self) -> None:
        """A limit has changed."""
        window_ms, cancel_room, book_age_ms, self_trade, duplicates = self.bounds
        self.cancel_room = cancel_room.value
        self.book_age_ns = book_age_ms.value * NANOSECONDS_PER_MILLISECOND
        self.refuses_self_trade = self_trade.value > 0
        self.refuses_duplicates = duplicates.value > 0
        self.order_window.length_ns = window_ms.value * NANOSECONDS_PER_MILLISECOND
        self.request_window.length_ns = self.order_window.length_ns
        self.exposure_on = self.gross.on or self.net.on or self.positions.on
        if self.order_window.capacity != self.orders.value:
            self.order_window.resize(self.orders.value)
        if self.request_window.capacity != self.requests.value:
            self.request_window.resize(self.requests.value)
        for watched in self.watched:
            watched.aim()
            watched.seen_version = -1

    def refuse(self, watched: Watched | None, code: i64, limit: str, value: int, bound: int) -> bool:
        """Remember why an order does not pass."""
        self.refused_at = watched
        self.code = code
        self.limit = limit
        self.value = value
        self.bound = bound
        return False

    # ---- one order

    def passes(
        self, watched: Watched, order: LedgerOrder, side: i64, order_type: i64, price: i64, size: i64, now_ns: i64,
        is_new: bool,
    ) -> bool:  # fmt: skip
        """Whether an order, or a change of one, may leave: `price` and `size` are what it would be."""
        self.price = price
        return (
            self.is_known(watched, now_ns)
            and self.is_sized(watched, price, size)
            and self.is_priced(watched, order_type, price)
            and self.is_alone(watched, order, side, price, size, is_new)
            and self.has_room(watched, now_ns, is_new)
            and (self.adds_nothing(order, side, price, size, is_new) or self.is_bearable(watched, order, side))
        )

    def is_known(self, watched: Watched, now_ns: i64) -> bool:
        """Whether there is a live book, young enough, a rate of its money, and somebody to take the order."""
        if watched.collar.double == 0:
            return self.refuse(watched, REJECT_STALE_BOOK, "book_state", 0, 1)
        if self.book_age_ns > 0 and now_ns - watched.told_ns > self.book_age_ns:
            age_ms: int = (now_ns - watched.told_ns) // NANOSECONDS_PER_MILLISECOND
            most_ms: int = self.book_age_ns // NANOSECONDS_PER_MILLISECOND
            return self.refuse(watched, REJECT_STALE_BOOK, "maximum_book_age_ms", age_ms, most_ms)
        if not watched.rate.known:
            return self.refuse(watched, REJECT_STALE_BOOK, RATES, 0, 1)
        if len(watched.gateway_down) > 0:
            return self.refuse(watched, REJECT_CONNECTION, "gateways", 0, 1)
        return True

    def is_sized(self, watched: Watched, price: i64, size: i64) -> bool:
        """Whether the order itself is within its limits."""
        if size <= 0:
            return self.refuse(watched, REJECT_BAD_SIZE, "size", size, 1)
        # A limit may be larger than any size there is.
        wide_size: int = size
        if wide_size > watched.most_order_size:
            most = watched.order_size
            return self.refuse(watched, REJECT_ORDER_SIZE, most.key, wide_size * watched.multiplier, most.value)
        # An order without a price of its own is taken at the mid, rounded up.
        at: i64 = price if price > 0 else watched.reference()
        notional = watched.terms.worth(at, size)
        most = watched.order_notional
        if notional > most.value:
            return self.refuse(watched, REJECT_ORDER_NOTIONAL, most.key, notional, most.value)
        return True

    def is_priced(self, watched: Watched, order_type: i64, price: i64) -> bool:
        """Whether a limit price lies within the collars."""
        if order_type != LIMIT and price == 0:
            return True
        collar = watched.collar
        if collar.lowest <= price <= collar.highest:
            collar = watched.fair_collar
            if not collar.bound.on or collar.lowest <= price <= collar.highest:
                return True
        away: int = collar.away_bps(price) if collar.double > 0 else 0
        return self.refuse(watched, REJECT_PRICE_COLLAR, collar.bound.key, away, collar.bound.value)

    def is_alone(self, watched: Watched, order: LedgerOrder, side: i64, price: i64, size: i64, is_new: bool) -> bool:
        """Whether it neither repeats a working order nor could trade with one of ours."""
        standing = watched.standing
        if self.refuses_self_trade:
            other = standing.sells if side == BUY else standing.buys
            if other.size > 0:
                nearest = other.nearest()
                crosses = nearest > 0 and (price >= nearest if side == BUY else price <= nearest)
                if price <= 0 or other.unpriced > 0 or crosses:
                    return self.refuse(watched, REJECT_SELF_TRADE, "refuse_self_trade", price, nearest)
        if is_new and self.refuses_duplicates:
            own = standing.buys if side == BUY else standing.sells
            one = own.first
            while one is not None:
                if one.size == size and one.price == price and self.repeats(one, order):
                    return self.refuse(watched, REJECT_DUPLICATE, "refuse_duplicates", one.order_id, 0)
                one = one.later
        return True

    def repeats(self, one: LedgerOrder, order: LedgerOrder) -> bool:
        """Whether an open order is another one of the same strategy, and is to stay."""
        if one.order_id == order.order_id or one.strategy_id != order.strategy_id:
            return False
        return not is_cancel_pending(one.state)

    def has_room(self, watched: Watched, now_ns: i64, is_new: bool) -> bool:
        """Whether it is not one too many, in number or in rate."""
        if is_new:
            count: i64 = len(self.ledger.open)
            if count > self.open_orders.value:
                return self.refuse(watched, REJECT_OPEN_ORDERS, self.open_orders.key, count, self.open_orders.value)
        sent = self.order_window.count(now_ns) + 1
        if sent > self.orders.value:
            return self.refuse(watched, REJECT_ORDER_RATE, self.orders.key, sent, self.orders.value)
        if self.requests.on:
            asked = self.request_window.count(now_ns) + 1
            room: int = self.requests.value - self.cancel_room
            if asked > room:
                return self.refuse(watched, REJECT_ORDER_RATE, self.requests.key, asked, room)
        return True

    def adds_nothing(self, order: LedgerOrder, side: i64, price: i64, size: i64, is_new: bool) -> bool:
        """Whether a change leaves no more at risk than the order that it changes."""
        return not is_new and size <= order.size and (side != BUY or 0 < price <= order.price)

    # ---- what would be held

    def is_bearable(self, watched: Watched, order: LedgerOrder, side: i64) -> bool:
        """Whether what would be held, with everything open filled, is within every limit."""
        standing = watched.standing
        worst = standing.longest() if side == BUY else -standing.shortest()
        if worst > watched.most_position:
            position = watched.position
            signed = (worst if side == BUY else -worst) * watched.multiplier
            return self.refuse(watched, REJECT_POSITION, position.key, signed, position.value)
        self.measure()
        if self.rateless > 0:
            return self.refuse(self.without_rate(watched), REJECT_STALE_BOOK, RATES, 0, 1)
        if self.dark:
            for one in self.watched:
                if one.is_dark():
                    return self.refuse(one, REJECT_STALE_BOOK, HELD, one.standing.net_size * one.multiplier, 0)
        group = watched.group
        if group is not None and group.bound.on:
            together = group.longest if side == BUY else -group.shortest
            if together > group.bound.value:
                signed = together if side == BUY else -together
                return self.refuse(watched, REJECT_POSITION, group.bound.key, signed, group.bound.value)
        if self.exposure_on and not self.is_within_exposure(watched, order, side):
            return False
        balance = watched.quote_balance if side == BUY else watched.base_balance
        if balance is None or balance.needed <= balance.total:
            return True
        self.side = side
        return self.refuse(watched, REJECT_BALANCE, "balances", balance.needed, balance.total)

    def is_within_exposure(self, watched: Watched, order: LedgerOrder, side: i64) -> bool:
        """Whether number of positions, gross and net exposure are within their limits; what adds nothing passes."""
        if self.positions.on and self.active > self.positions.value and self.is_first(watched, order):
            return self.refuse(
                watched, REJECT_POSITION_COUNT, self.positions.key, self.active, self.positions.value
            )  # fmt: skip
        gross, net = self.gross, self.net
        if not gross.on and not net.on:
            return True
        if not watched.rate.known or self.unknown > 0:
            bound, code = (gross, REJECT_GROSS_EXPOSURE) if gross.on else (net, REJECT_NET_EXPOSURE)
            return self.refuse(watched, code, bound.key, UNKNOWN, bound.value)
        if gross.on and self.gross_total > gross.value and self.adds_to_gross(watched, order, side):
            return self.refuse(watched, REJECT_GROSS_EXPOSURE, gross.key, self.gross_total, gross.value)
        if net.on:
            worst = self.long_total if side == BUY else -self.short_total
            if worst > net.value:
                return self.refuse(watched, REJECT_NET_EXPOSURE, net.key, worst, net.value)
        return True

    def is_first(self, watched: Watched, order: LedgerOrder) -> bool:
        """Whether nothing but this order is held or open in its instrument."""
        standing = watched.standing
        return standing.net_size == 0 and standing.buys.size + standing.sells.size == order.counted_size

    def adds_to_gross(self, watched: Watched, order: LedgerOrder, side: i64) -> bool:
        """Whether the sum would be smaller without this order."""
        size: int = order.counted_size
        long_worth, short_worth = watched.long_worth, watched.short_worth
        if side == BUY:
            long_worth = watched.worth(watched.standing.longest() - size)
        else:
            short_worth = watched.worth(watched.standing.shortest() + size)
        without = long_worth if long_worth > -short_worth else -short_worth
        return without < watched.gross_worth

    def without_rate(self, watched: Watched) -> Watched:
        """The first instrument whose results nobody can count."""
        return next((one for one in self.watched if one.counted_rateless), watched)

    def measure(self) -> None:
        """Bring the sums over all instruments up to date, where something has changed."""
        self.dark = False
        for watched in self.watched:
            if watched.seen_version != watched.standing.version or watched.seen_rate != watched.rate.version:
                self.measure_one(watched)
            if watched.collar.double == 0:
                self.dark = True

    def measure_one(self, watched: Watched) -> None:
        """Bring one instrument's part in the sums up to date."""
        self.gross_total -= watched.gross_worth
        self.long_total -= watched.long_worth
        self.short_total -= watched.short_worth
        if watched.is_active:
            self.active -= 1
        if watched.counted_unknown:
            self.unknown -= 1
        if watched.counted_rateless:
            self.rateless -= 1
        watched.measure()
        watched.counted_unknown = watched.is_unknown()
        watched.counted_rateless = watched.is_rateless()
        if watched.counted_rateless:
            self.rateless += 1
        self.gross_total += watched.gross_worth
        self.long_total += watched.long_worth
        self.short_total += watched.short_worth
        if watched.is_active:
            self.active += 1
        if watched.counted_unknown:
            self.unknown += 1

    # ---- what has passed

    def note_sent(self, now_ns: i64) -> None:
        """An order or a change leaves."""
        self.order_window.add(now_ns)
        if self.requests.on:
            self.request_window.add(now_ns)

    def note_cancel(self, now_ns: i64) -> None:
        """A cancel leaves; it takes room of the requests, and is never refused."""
        if self.requests.on:
            self.request_window.add(now_ns)

    # ---- state

    def save(self) -> list[object]:
        """What has passed lately, as plain data."""
        return [self.order_window.save(), self.request_window.save()]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        self.order_window.load(state[0])
        self.request_window.load(state[1])
