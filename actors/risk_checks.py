"""The checks of one order before it leaves, in exact integers: every limit of docs/risk.md, one after the other.

The ledger holds the order already, so its sums are what would be if everything open filled. What is asked of one side
is asked only about that side, so that an order which leads a position back is never refused for the position being too
large. It fails closed: what is not known does not pass. Texts are made only when an order is refused.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.portfolio_rates import BASE_SCALE
from actors.risk_limits import Bound
from actors.risk_watched import Balance, Group, Watched
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
from market.numbers import format_decimal_short
from market.order_life import is_cancel_pending
from runtime.ledger import Ledger
from runtime.ledger_orders import LedgerOrder

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


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
        window_ns: i64,
        cancel_room: i64,
        book_age_ns: i64,
        self_trade: bool,
        duplicates: bool,
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
        self.cancel_room: Final = cancel_room
        self.book_age_ns: Final = book_age_ns
        self.refuses_self_trade: Final = self_trade
        self.refuses_duplicates: Final = duplicates
        self.order_window: Final = Window(window_ns, orders.value)
        self.request_window: Final = Window(window_ns, requests.value)
        # Over all instruments, in the common currency, at the worst.
        self.gross_total: int = 0
        self.long_total: int = 0
        self.short_total: int = 0
        self.active: i64 = 0
        self.unknown: i64 = 0
        # Why the last order was refused.
        self.code: i64 = 0
        self.limit: str = ""
        self.value: int = 0
        self.bound: int = 0
        self.reason: str = ""
        self.exposure_on: bool = False
        self.aim()

    def aim(self) -> None:
        """A limit has changed."""
        self.exposure_on = self.gross.on or self.net.on or self.positions.on
        if self.order_window.capacity != self.orders.value:
            self.order_window.resize(self.orders.value)
        if self.request_window.capacity != self.requests.value:
            self.request_window.resize(self.requests.value)
        for watched in self.watched:
            watched.aim()
            watched.seen_version = -1

    def refuse(self, code: i64, limit: str, value: int, bound: int, reason: str) -> bool:
        """Remember why an order does not pass."""
        self.code = code
        self.limit = limit
        self.value = value
        self.bound = bound
        self.reason = reason
        return False

    # ---- one order

    def passes(
        self, watched: Watched, order: LedgerOrder, side: i64, order_type: i64, price: i64, size: i64, now_ns: i64,
        is_new: bool,
    ) -> bool:  # fmt: skip
        """Whether an order, or a change of one, may leave: `price` and `size` are what it would be."""
        return (
            self.is_known(watched, now_ns)
            and self.is_sized(watched, price, size)
            and self.is_priced(watched, order_type, price)
            and self.is_alone(watched, order, side, price, size, is_new)
            and self.has_room(now_ns, is_new)
            and (self.adds_nothing(order, side, price, size, is_new) or self.is_bearable(watched, order, side))
        )

    def is_known(self, watched: Watched, now_ns: i64) -> bool:
        """Whether there is a live book, young enough, and somebody to take the order."""
        if watched.collar.double == 0:
            symbol = watched.instrument.symbol
            return self.refuse(
                REJECT_STALE_BOOK, "book_state", 0, 1, f"the book of {symbol} is not live with two sides"
            )
        if self.book_age_ns > 0 and now_ns - watched.told_ns > self.book_age_ns:
            age_ms: int = (now_ns - watched.told_ns) // NANOSECONDS_PER_MILLISECOND
            most_ms: int = self.book_age_ns // NANOSECONDS_PER_MILLISECOND
            reason = f"the touch of {watched.name} is {age_ms} ms old, above maximum_book_age_ms {most_ms}"
            return self.refuse(REJECT_STALE_BOOK, "maximum_book_age_ms", age_ms, most_ms, reason)
        if len(watched.gateway_down) > 0:
            return self.refuse(REJECT_CONNECTION, "gateways", 0, 1, f"{watched.gateway_down} is down")
        return True

    def is_sized(self, watched: Watched, price: i64, size: i64) -> bool:
        """Whether the order itself is within its limits."""
        if size <= 0:
            told = watched.instrument.format_size(size)
            return self.refuse(REJECT_BAD_SIZE, "size", size, 1, f"size {told} is not above 0")
        if size > watched.order_size.value:
            return self.is_too_large(watched, size)
        # An order without a price of its own is taken at the mid, rounded up.
        at: i64 = price if price > 0 else watched.reference()
        notional = watched.terms.worth(at, size)
        if notional > watched.order_notional.value:
            return self.is_too_dear(watched, notional)
        return True

    def is_too_large(self, watched: Watched, size: int) -> bool:
        """Above the size of one order."""
        bound = watched.order_size
        value, most = watched.instrument.format_size(size), watched.instrument.format_size(bound.value)
        return self.refuse(
            REJECT_ORDER_SIZE, bound.key, size, bound.value, f"size {value} is above {bound.key} {most}"
        )

    def is_too_dear(self, watched: Watched, notional: int) -> bool:
        """Above the notional of one order."""
        bound = watched.order_notional
        value, most = watched.instrument.format_money(notional), watched.instrument.format_money(bound.value)
        reason = f"notional {value} is above {bound.key} {most}"
        return self.refuse(REJECT_ORDER_NOTIONAL, bound.key, notional, bound.value, reason)

    def is_priced(self, watched: Watched, order_type: i64, price: i64) -> bool:
        """Whether a limit price lies within the collars."""
        if order_type != LIMIT and price == 0:
            return True
        collar = watched.collar
        if price < collar.lowest or price > collar.highest:
            value = f"price {watched.instrument.format_price(price)} at {collar.away_bps(price)} bps from the mid"
            bound = collar.bound
            reason = f"{value} is outside {bound.key} {bound.value}"
            return self.refuse(REJECT_PRICE_COLLAR, bound.key, collar.away_bps(price), bound.value, reason)
        fair = watched.fair_collar
        if not fair.bound.on or fair.lowest <= price <= fair.highest:
            return True
        key, most = fair.bound.key, fair.bound.value
        if fair.double == 0:
            return self.refuse(REJECT_PRICE_COLLAR, key, 0, most, f"{watched.name} has no fair value for {key} {most}")
        away: int = fair.away_bps(price)
        told = watched.instrument.format_price(price)
        reason = f"price {told} at {away} bps from the fair value is outside {key} {most}"
        return self.refuse(REJECT_PRICE_COLLAR, key, away, most, reason)

    def is_alone(self, watched: Watched, order: LedgerOrder, side: i64, price: i64, size: i64, is_new: bool) -> bool:
        """Whether it neither repeats a working order nor could trade with one of ours."""
        standing = watched.standing
        if self.refuses_self_trade:
            other = standing.sells if side == BUY else standing.buys
            if other.size > 0:
                nearest = other.nearest()
                crosses = nearest > 0 and (price >= nearest if side == BUY else price <= nearest)
                if price <= 0 or other.unpriced > 0 or crosses:
                    told = "at the market" if price <= 0 else f"at {watched.instrument.format_price(price)}"
                    reason = f"{told} it could trade with a working order of ours at {watched.name}"
                    return self.refuse(REJECT_SELF_TRADE, "refuse_self_trade", price, nearest, reason)
        if is_new and self.refuses_duplicates:
            own = standing.buys if side == BUY else standing.sells
            one = own.first
            while one is not None:
                if one.size == size and one.price == price and self.repeats(one, order):
                    reason = f"order {one.order_id} of the same strategy, side, price and size works"
                    return self.refuse(REJECT_DUPLICATE, "refuse_duplicates", one.order_id, 0, reason)
                one = one.later
        return True

    def repeats(self, one: LedgerOrder, order: LedgerOrder) -> bool:
        """Whether an open order is another one of the same strategy, and is to stay."""
        if one.order_id == order.order_id or one.strategy_id != order.strategy_id:
            return False
        return not is_cancel_pending(one.state)

    def has_room(self, now_ns: i64, is_new: bool) -> bool:
        """Whether it is not one too many, in number or in rate."""
        if is_new:
            count: i64 = len(self.ledger.open)
            if count > self.open_orders.value:
                reason = f"open orders {count} with this one are above {self.open_orders.key} {self.open_orders.value}"
                return self.refuse(REJECT_OPEN_ORDERS, self.open_orders.key, count, self.open_orders.value, reason)
        sent = self.order_window.count(now_ns) + 1
        if sent > self.orders.value:
            return self.is_too_often("orders", sent, self.orders, self.orders.value)
        if self.requests.on:
            asked = self.request_window.count(now_ns) + 1
            room: int = self.requests.value - self.cancel_room
            if asked > room:
                return self.is_too_often("requests", asked, self.requests, room)
        return True

    def is_too_often(self, what: str, count: int, bound: Bound, room: int) -> bool:
        """Above a rate."""
        window_ms = self.order_window.length_ns // NANOSECONDS_PER_MILLISECOND
        reason = f"{what} {count} within {window_ms} ms are above {bound.key} {bound.value}"
        if room < bound.value:
            reason += f" less cancel_room {self.cancel_room}"
        return self.refuse(REJECT_ORDER_RATE, bound.key, count, room, reason)

    def adds_nothing(self, order: LedgerOrder, side: i64, price: i64, size: i64, is_new: bool) -> bool:
        """Whether a change leaves no more at risk than the order that it changes."""
        return not is_new and size <= order.size and (side != BUY or 0 < price <= order.price)

    # ---- what would be held

    def is_bearable(self, watched: Watched, order: LedgerOrder, side: i64) -> bool:
        """Whether what would be held, with everything open filled, is within every limit."""
        standing = watched.standing
        position = watched.position
        worst = standing.longest() if side == BUY else -standing.shortest()
        if worst > position.value:
            signed = worst if side == BUY else -worst
            value, most = watched.instrument.format_size(signed), watched.instrument.format_size(position.value)
            reason = f"position {value} at worst is above {position.key} {most}"
            return self.refuse(REJECT_POSITION, position.key, signed, position.value, reason)
        self.measure()
        group = watched.group
        if group is not None and group.bound.on:
            together = group.longest if side == BUY else -group.shortest
            if together > group.bound.value:
                return self.is_too_much_together(group, together if side == BUY else -together)
        if self.exposure_on and not self.is_within_exposure(watched, order, side):
            return False
        balance = watched.quote_balance if side == BUY else watched.base_balance
        return balance is None or balance.needed <= balance.total or self.is_uncovered(balance)

    def is_too_much_together(self, group: Group, worst: int) -> bool:
        """Above the position of a group."""
        bound = group.bound
        value, most = format_decimal_short(worst, group.scale), bound.told(bound.value)
        reason = f"position {value} {group.name} over all venues at worst is above {bound.key} {most}"
        return self.refuse(REJECT_POSITION, bound.key, worst, bound.value, reason)

    def is_within_exposure(self, watched: Watched, order: LedgerOrder, side: i64) -> bool:
        """Whether number of positions, gross and net exposure are within their limits; what adds nothing passes."""
        if self.positions.on and self.active > self.positions.value and self.is_first(watched, order):
            key, most = self.positions.key, self.positions.value
            reason = f"positions {self.active} with this one are above {key} {most}"
            return self.refuse(REJECT_POSITION_COUNT, key, self.active, most, reason)
        gross, net = self.gross, self.net
        if not gross.on and not net.on:
            return True
        if not watched.rate.known or self.unknown > 0:
            asset = watched.instrument.money_asset
            bound, code = (gross, REJECT_GROSS_EXPOSURE) if gross.on else (net, REJECT_NET_EXPOSURE)
            reason = f"what is at risk in {asset} has no known worth in {self.currency} for {bound.key}"
            return self.refuse(code, bound.key, 0, bound.value, reason)
        if gross.on and self.gross_total > gross.value and self.adds_to_gross(watched, order, side):
            return self.is_exposed(REJECT_GROSS_EXPOSURE, "gross", gross, self.gross_total)
        if net.on:
            worst = self.long_total if side == BUY else -self.short_total
            if worst > net.value:
                return self.is_exposed(REJECT_NET_EXPOSURE, "net", net, worst)
        return True

    def is_first(self, watched: Watched, order: LedgerOrder) -> bool:
        """Whether nothing but this order is held or open in its instrument."""
        return watched.standing.net_size == 0 and len(watched.standing.orders) == 1 and order.filled == 0

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

    def is_exposed(self, code: i64, what: str, bound: Bound, value: int) -> bool:
        """Above an exposure."""
        told, most = format_decimal_short(value, BASE_SCALE), format_decimal_short(bound.value, BASE_SCALE)
        reason = f"{what} exposure {told} {self.currency} at worst is above {bound.key} {most}"
        return self.refuse(code, bound.key, value, bound.value, reason)

    def is_uncovered(self, balance: Balance) -> bool:
        """The account at the venue does not cover everything open there."""
        needed = balance.needed
        told, most = format_decimal_short(needed, balance.scale), format_decimal_short(balance.total, balance.scale)
        reason = f"open orders need {told} {balance.asset} at {balance.venue}, above the {most} of balances"
        return self.refuse(REJECT_BALANCE, "balances", needed, balance.total, reason)

    def measure(self) -> None:
        """Bring the sums over all instruments up to date, where something has changed."""
        for watched in self.watched:
            if watched.seen_version != watched.standing.version or watched.seen_rate != watched.rate.version:
                self.measure_one(watched)

    def measure_one(self, watched: Watched) -> None:
        """Bring one instrument's part in the sums up to date; also when its mid has moved."""
        self.gross_total -= watched.gross_worth
        self.long_total -= watched.long_worth
        self.short_total -= watched.short_worth
        if watched.is_active:
            self.active -= 1
        if watched.counted_unknown:
            self.unknown -= 1
        watched.measure()
        watched.counted_unknown = watched.is_unknown()
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
