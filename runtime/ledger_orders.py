"""Orders as the ledger knows them, and the sums over those that are open: by instrument, and by strategy in it.

Every open order counts at its worst: what is left of it unfilled, and while a change is on its way the larger of the
old and the new size at the dearer of the old and the new price. The sums are kept as orders change, so that a question
costs the same however many orders there are. Nothing here decides anything.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.numbers import notional
from market.order_life import PENDING, is_replace_pending
from market.positions import AveragePosition

BUYS: Final = 1
# The product of two numbers below it fits 64 bits.
QUICK: Final = 2147483648  # 2 ** 31


@final
class MoneyTerms:
    """How price times size of one instrument becomes money."""

    def __init__(self, multiplier: int, divisor: int, inverse: bool) -> None:
        self.multiplier: Final = multiplier
        self.divisor: Final = divisor
        self.inverse: Final = inverse
        self.plain: Final = not inverse and multiplier == divisor

    def worth(self, price: i64, size: i64) -> int:
        """What a size is worth at a price above zero, rounded up."""
        if self.plain:
            if 0 <= price < QUICK and 0 <= size < QUICK:
                return price * size
            return notional(price, size)
        if self.inverse:
            wide_size: int = size
            wide_price: int = price
            return -((-wide_size * self.multiplier) // (wide_price * self.divisor))
        return -((-notional(price, size) * self.multiplier) // self.divisor)


@final
class LedgerOrder:
    """One order as the ledger knows it."""

    def __init__(
        self,
        order_id: i64,
        parent_id: i64,
        strategy_id: i64,
        instrument_id: i64,
        side: i64,
        price: i64,
        size: i64,
        post_only: bool,
    ) -> None:
        self.order_id: Final = order_id
        # 0 for an order of its own, such as a quote; the routed order for a child of the router.
        self.parent_id: Final = parent_id
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = instrument_id
        self.side: Final = side
        self.post_only: Final = post_only
        self.price: i64 = price
        self.size: i64 = size
        self.filled: i64 = 0
        self.state: i64 = PENDING
        self.sent: bool = False
        # Risk has refused it; its `OrderRejected` is on the way within the same step.
        self.refused: bool = False
        self.replace_price: i64 = 0
        self.replace_size: i64 = 0
        self.trade_ids: list[i64] = []
        # Those of which the fee was taken out of what was bought; none for most orders.
        self.fee_trade_ids: list[i64] | None = None
        # What the sums hold of it.
        self.counted_size: i64 = 0
        self.counted_unpriced: i64 = 0
        self.counted_money: int = 0
        # The younger an order, the larger; given when it is added to the open ones.
        self.serial: i64 = 0
        # Its neighbours among the open orders of its side and instrument, the one before and the one after.
        self.earlier: LedgerOrder | None = None
        self.later: LedgerOrder | None = None
        # Where it counts while it is open.
        self.of_all: Standing | None = None
        self.of_own: Standing | None = None

    @property
    def remaining(self) -> int:
        """What is still to be filled."""
        return self.size - self.filled

    def worst_size(self) -> i64:
        """The most that may still be filled of it, whether or not a change that is on its way succeeds."""
        if self.refused:
            return 0
        size = self.size
        if is_replace_pending(self.state) and self.replace_size > size:
            size = self.replace_size
        left = size - self.filled
        return left if left > 0 else 0

    def lowest_price(self) -> i64:
        """Its price, or the one that it may have soon if that is lower; 0 when it has none of its own."""
        price = self.price
        if price <= 0:
            return 0
        if is_replace_pending(self.state) and self.replace_price < price:
            price = self.replace_price
        return price if price > 0 else 0

    def highest_price(self) -> i64:
        """Its price, or the one that it may have soon if that is higher; 0 when it has or may have none of its own."""
        price = self.price
        if price <= 0:
            return 0
        if is_replace_pending(self.state):
            if self.replace_price <= 0:
                return 0
            if self.replace_price > price:
                price = self.replace_price
        return price

    def save(self) -> list[object]:
        """The order as plain data."""
        return [
            self.order_id,
            self.parent_id,
            self.strategy_id,
            self.instrument_id,
            self.side,
            self.price,
            self.size,
            self.post_only,
            self.filled,
            self.state,
            self.sent,
            self.replace_price,
            self.replace_size,
            list(self.trade_ids),
            None if self.fee_trade_ids is None else list(self.fee_trade_ids),
        ]


def load_order(state: object) -> LedgerOrder:
    """The order that `save` described."""
    assert isinstance(state, list)
    order_id, parent_id, strategy_id, instrument_id, side, price, size, post_only = state[:8]
    order = LedgerOrder(order_id, parent_id, strategy_id, instrument_id, side, price, size, post_only)
    order.filled, order.state, order.sent, order.replace_price, order.replace_size, trade_ids, fee_ids = state[8:]
    order.trade_ids = list(trade_ids)
    order.fee_trade_ids = None if fee_ids is None else list(fee_ids)
    return order


@final
class OpenSide:
    """The open orders of one side, oldest first, and their sums at the worst."""

    def __init__(self, buys: bool, chained: bool) -> None:
        self.buys: Final = buys
        # Those of all strategies together are a chain through `earlier` and `later`, quick to walk and to keep; those
        # of one strategy stand in `orders`. `listed` gives either.
        self.chained: Final = chained
        self.count: i64 = 0
        self.orders: Final[dict[int, LedgerOrder]] = {}
        self.first: LedgerOrder | None = None
        self.last: LedgerOrder | None = None
        # What may still be filled, and what those with a price of their own are worth.
        self.size: int = 0
        self.money: int = 0
        # The part of the size that has no price of its own: it trades at what the market offers.
        self.unpriced: int = 0
        self.nearest_price: i64 = 0
        self.nearest_known: bool = True
        # Counts every change of an order of this side.
        self.version: i64 = 0

    def listed(self) -> list[LedgerOrder]:
        """The orders, oldest first."""
        if not self.chained:
            return list(self.orders.values())
        found: list[LedgerOrder] = []
        one = self.first
        while one is not None:
            found.append(one)
            one = one.later
        return found

    def nearest(self) -> i64:
        """The price nearest to the other side: the highest of buys, the lowest of sells; 0 when none has a price."""
        if self.nearest_known:
            return self.nearest_price
        best: i64 = 0
        for order in self.listed():
            price = order.highest_price() if self.buys else order.lowest_price()
            if price > 0 and (best == 0 or (price > best) == self.buys):
                best = price
        self.nearest_price = best
        self.nearest_known = True
        return best

    def add(self, order: LedgerOrder) -> None:
        """An order more; it counts for nothing until `change`."""
        self.count += 1
        if not self.chained:
            self.orders[order.order_id] = order
            return
        order.earlier = self.last
        if self.last is None:
            self.first = order
        else:
            self.last.later = order
        self.last = order

    def remove(self, order: LedgerOrder) -> None:
        """An order less; `change` has taken out what it counted for."""
        self.count -= 1
        if not self.chained:
            self.orders.pop(order.order_id, None)
            return
        earlier, later = order.earlier, order.later
        if earlier is None:
            self.first = later
        else:
            earlier.later = later
        if later is None:
            self.last = earlier
        else:
            later.earlier = earlier
        order.earlier = None
        order.later = None

    def change(self, size: int, money: int, unpriced: int) -> None:
        """One of its orders counts for so much more, or less."""
        self.size += size
        self.money += money
        self.unpriced += unpriced
        self.nearest_known = False
        self.version += 1

    def clear(self) -> None:
        """Forget everything."""
        while self.first is not None:
            self.remove(self.first)
        self.orders.clear()
        self.count = 0
        self.size = 0
        self.money = 0
        self.unpriced = 0
        self.nearest_known = False
        self.version += 1


def age_of(order: LedgerOrder) -> int:
    """By which orders are put in the order of their age."""
    return order.serial


@final
class Standing:
    """Where one instrument stands, for all strategies together or for one of them: open orders and net position."""

    def __init__(self, strategy_id: i64, instrument_id: i64) -> None:
        # -1 for all strategies together.
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = instrument_id
        self.buys: Final = OpenSide(True, strategy_id < 0)
        self.sells: Final = OpenSide(False, strategy_id < 0)
        self.net_size: int = 0
        # One for each strategy that ever traded here.
        self.positions: list[AveragePosition] = []
        # Counts every change of what is above.
        self.version: i64 = 0

    def side(self, side: i64) -> OpenSide:
        """The buys or the sells."""
        return self.buys if side == BUYS else self.sells

    def longest(self) -> int:
        """The position if every open buy filled and no sell."""
        return self.net_size + self.buys.size

    def shortest(self) -> int:
        """The position if every open sell filled and no buy."""
        return self.net_size - self.sells.size

    def count(self) -> i64:
        """How many orders are open."""
        return self.buys.count + self.sells.count

    def listed(self) -> list[LedgerOrder]:
        """The open orders, oldest first."""
        return sorted(self.buys.listed() + self.sells.listed(), key=age_of)

    def change(self, side: i64, size: int, money: int, unpriced: int) -> None:
        """One of its orders counts for so much more, or less."""
        self.side(side).change(size, money, unpriced)
        self.version += 1

    def trade(self, signed_size: int) -> None:
        """A fill, or a fill of one of its strategies."""
        self.net_size += signed_size
        self.version += 1

    def clear(self) -> None:
        """Forget everything; whoever holds it sees what comes next."""
        self.buys.clear()
        self.sells.clear()
        self.net_size = 0
        self.positions.clear()
        self.version += 1


@final
class OpenOrders:
    """Every open order, and where each instrument and each strategy in it stands."""

    def __init__(self) -> None:
        # Oldest first.
        self.orders: dict[int, LedgerOrder] = {}
        self.by_instrument: dict[int, Standing] = {}
        self.by_strategy: dict[int, dict[int, Standing]] = {}
        self.added: i64 = 0

    def clear(self) -> None:
        """Forget everything; a `Standing` that somebody holds stays the one that is kept up to date."""
        self.orders.clear()
        for standing in self.by_instrument.values():
            standing.clear()
        for own in self.by_strategy.values():
            for standing in own.values():
                standing.clear()

    def of_instrument(self, instrument_id: i64) -> Standing:
        """Where an instrument stands for all strategies together."""
        found = self.by_instrument.get(instrument_id)
        if found is None:
            found = Standing(-1, instrument_id)
            self.by_instrument[instrument_id] = found
        return found

    def of_strategy(self, strategy_id: i64, instrument_id: i64) -> Standing:
        """Where one strategy stands in an instrument."""
        own = self.by_strategy.get(strategy_id)
        if own is None:
            own = {}
            self.by_strategy[strategy_id] = own
        found = own.get(instrument_id)
        if found is None:
            found = Standing(strategy_id, instrument_id)
            own[instrument_id] = found
        return found

    def add(self, order: LedgerOrder, terms: MoneyTerms) -> None:
        """An order more."""
        self.orders[order.order_id] = order
        of_all = self.of_instrument(order.instrument_id)
        of_own = self.of_strategy(order.strategy_id, order.instrument_id)
        order.of_all = of_all
        order.of_own = of_own
        self.added += 1
        order.serial = self.added
        of_all.side(order.side).add(order)
        of_own.side(order.side).add(order)
        recount(order, terms)

    def remove(self, order: LedgerOrder) -> bool:
        """An order that is at its end; says whether it was open."""
        if self.orders.pop(order.order_id, None) is None:
            return False
        of_all, of_own = order.of_all, order.of_own
        count(order, 0, 0, 0)
        if of_all is not None and of_own is not None:
            of_all.side(order.side).remove(order)
            of_own.side(order.side).remove(order)
        order.of_all = None
        order.of_own = None
        return True

    def trade(self, strategy_id: i64, instrument_id: i64, side: i64, size: i64) -> None:
        """A fill moves the net position."""
        signed: int = size if side == BUYS else -size
        self.of_instrument(instrument_id).trade(signed)
        self.of_strategy(strategy_id, instrument_id).trade(signed)

    def hold(self, strategy_id: i64, instrument_id: i64, position: AveragePosition) -> None:
        """A strategy has a position where it had none."""
        self.of_instrument(instrument_id).positions.append(position)
        self.of_strategy(strategy_id, instrument_id).positions.append(position)


def recount(order: LedgerOrder, terms: MoneyTerms) -> None:
    """Count an open order anew, after it has changed."""
    size = order.worst_size()
    highest = order.highest_price()
    if highest == 0:
        count(order, size, size, 0)
    elif terms.inverse:
        # A contract whose money is size over price is worth most at the lowest.
        count(order, size, 0, terms.worth(order.lowest_price(), size))
    else:
        count(order, size, 0, terms.worth(highest, size))


def count(order: LedgerOrder, size: i64, unpriced: i64, money: int) -> None:
    """Let an open order count for this much in the sums."""
    of_all, of_own = order.of_all, order.of_own
    if of_all is None or of_own is None:
        return
    more: int = size - order.counted_size
    more_unpriced: int = unpriced - order.counted_unpriced
    more_money = money - order.counted_money
    order.counted_size = size
    order.counted_unpriced = unpriced
    order.counted_money = money
    of_all.change(order.side, more, more_money, more_unpriced)
    of_own.change(order.side, more, more_money, more_unpriced)
