"""The crowd of a simulated market: the many who know nothing, as one account.

Limit orders come at power-law distances from the touch with sizes near log-normal; each is cancelled after a random
time that is shorter near the touch; now and then one takes at the market. Side is a coin that leans against what the
crowd holds. It never has more than twice the orders that it is meant to have.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.agent_base import SECOND_NS, Agent, AgentOrder, Desk, Sight
from exchange.latent import FINE
from market.messages import BUY, GTC, IOC, LIMIT, MARKET, POST_ONLY_NONE, SELL

# Of a thousand limit orders so many step in front of the touch where the spread has room.
IMPROVING: Final = 40
# The rest a few steps away at even chance, and further by a power law.
SPREAD_OUT: Final = 6
DISTANCE_TAIL: Final = 900
MOST_DISTANCE: Final = 250
SIZE_DEVIATION: Final = 900
LARGEST: Final = 40
LARGEST_TAKEN: Final = 10
# Of a thousand turns to be cancelled so many are taken, by distance in steps; beyond the farthest every one.
NEAR_STEPS: Final = 3
MIDDLE_STEPS: Final = 15
FAR_STEPS: Final = 300
NEAR_LEAVES: Final = 1_000
MIDDLE_LEAVES: Final = 500
FAR_LEAVES: Final = 200
MEAN_LEAVES: Final = 500


class Crowd(Agent):
    """See the head of this file. Rates are in thousandths of a message in a second."""

    def __init__(
        self, number: i64, account_id: i64, key: i64, sight: Sight, desk: Desk, most_held: i64, lots: i64,
        limits_milli: i64, markets_milli: i64, resting: i64,
    ) -> None:  # fmt: skip
        super().__init__(number, account_id, key, sight, desk, most_held)
        self.median: Final[i64] = lots
        self.limits_milli: Final[i64] = limits_milli
        self.markets_milli: Final[i64] = markets_milli
        self.resting: Final[i64] = resting
        self.orders: Final[list[AgentOrder]] = []

    def cancels_milli(self) -> i64:
        """How often an order's turn to be cancelled comes; so that as many go as come when there are enough."""
        count: i64 = len(self.orders)
        return self.limits_milli * count * 1_000 // (self.resting * MEAN_LEAVES)

    def mean_wait_ns(self) -> i64:
        """All that the crowd does together."""
        return SECOND_NS * 1_000 // max(1, self.limits_milli + self.markets_milli + self.cancels_milli())

    def act(self, now_ns: i64) -> None:
        """One of the crowd does something."""
        total = self.limits_milli + self.markets_milli + self.cancels_milli()
        what = self.chance.below(max(1, min(total, 0x7FFFFFFF)))
        if what < self.markets_milli:
            size = self.lots((self.median + 1) // 2, SIZE_DEVIATION, self.median * LARGEST_TAKEN)
            self.desk.enter(self, self.leaning_side(), MARKET, IOC, 0, size, POST_ONLY_NONE)
        elif what < self.markets_milli + self.limits_milli and i64(len(self.orders)) < 2 * self.resting:
            self.enter_limit(now_ns)
        elif len(self.orders) > 0:
            self.cancel_one()

    def enter_limit(self, now_ns: i64) -> None:
        """A limit order, in front of the touch, at it or behind it."""
        side = self.leaning_side()
        sight = self.sight
        step = sight.step
        own = sight.bid if side == BUY else sight.ask
        other = sight.ask if side == BUY else sight.bid
        if own == 0:
            # Nobody is there to look at: begin some way off what is known, so that the first do not set the price.
            known = other if other > 0 else sight.fair_of_venue(now_ns, 0, 0) // FINE // step * step
            own = known - side * 5 * step
        away = self.chance.below(SPREAD_OUT) + self.chance.power_law(DISTANCE_TAIL, MOST_DISTANCE)
        if other > 0 and (other - own) * side > step and self.chance.below(1_000) < IMPROVING:
            away = -1
        price = own - side * away * step
        if price <= 0:
            return
        # Prices of others need not lie on the steps of the agents.
        price = price // step * step if side == BUY else -(-price // step) * step
        if price <= 0:
            return
        order = self.desk.enter(self, side, LIMIT, GTC, price, self.size(), POST_ONLY_NONE)
        order.place = len(self.orders)
        self.orders.append(order)

    def cancel_one(self) -> None:
        """The turn of one order comes; it goes or stays by how far it is from the touch."""
        order = self.orders[self.chance.below(len(self.orders))]
        if order.order_id == 0 or order.leaving:
            return
        sight = self.sight
        touch = sight.bid if order.side == BUY else sight.ask
        steps = (touch - order.price) * order.side // sight.step
        leaves: i64 = FAR_LEAVES
        if touch == 0 or steps <= NEAR_STEPS or steps > FAR_STEPS:
            leaves = NEAR_LEAVES
        elif steps <= MIDDLE_STEPS:
            leaves = MIDDLE_LEAVES
        if self.chance.below(1_000) < leaves:
            self.desk.cancel(self, order)

    def size(self) -> i64:
        """What one of the crowd trades."""
        return self.lots(self.median, SIZE_DEVIATION, self.median * LARGEST)

    def gone(self, order: AgentOrder) -> None:
        """The last order takes the place of the one that is gone."""
        place = order.place
        if place < 0:
            return
        last = self.orders.pop()
        if last is not order:
            self.orders[place] = last
            last.place = place
        order.place = -1

    def save_own(self) -> list[int]:
        """How many orders it has, so that they find their places again."""
        return [len(self.orders)]

    def load_own(self, row: list[int]) -> None:
        """Make room for the orders that are adopted next."""
        empty = AgentOrder(0, self.number, SELL, 0, 0, 0)
        self.orders.clear()
        for _ in range(row[0]):
            self.orders.append(empty)

    def adopt(self, order: AgentOrder) -> None:
        """Take back an order that was saved."""
        if order.place >= 0:
            self.orders[order.place] = order
