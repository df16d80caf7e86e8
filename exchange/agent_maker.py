"""A market maker of a simulated market: several levels on both sides of what it holds the price to be.

It sees the hidden price late and somewhat wrong, leans against what it holds, and stands wider when the price is
lively. On each turn it makes the few changes that matter most: first quotes on the wrong side of danger, then missing
ones, then those that fell behind. It never takes: its orders are post-only. It never asks for more than its levels.
"""

from __future__ import annotations

from math import isqrt
from typing import Final

from mypy_extensions import i64

from exchange.agent_base import SAMPLE_NS, SECOND_NS, Agent, AgentOrder, Desk, Sight
from exchange.latent import FINE, Wander
from market.messages import BUY, GTC, LIMIT, POST_ONLY_REPRICE, SELL

# Changes on one turn, and how much worse a quote in danger is than one that fell behind.
CHANGES: Final = 3
DANGER: Final = 8
BEHIND: Final = 3
MISSING: Final = 12
NOT_WANTED: Final = 100
# At its most liked holding a maker has moved its quotes by this many steps.
LEAN_STEPS: Final = 6
SIZE_DEVIATION: Final = 350
LARGEST: Final = 6


class MakerTemper:
    """How one maker differs from the others."""

    def __init__(
        self, levels: i64, half_spread_permille: i64, lots: i64, late_ns: i64, changes_milli: i64, replaces: bool
    ) -> None:
        self.levels: Final[i64] = levels
        # Half of its spread in thousandths of a step, before liveliness is added.
        self.half_spread_permille: Final[i64] = half_spread_permille
        self.lots: Final[i64] = lots
        self.late_ns: Final[i64] = late_ns
        # Messages in a thousand seconds.
        self.changes_milli: Final[i64] = changes_milli
        self.replaces: Final = replaces


class Maker(Agent):
    """See the head of this file."""

    def __init__(
        self, number: i64, account_id: i64, key: i64, sight: Sight, desk: Desk, most_held: i64, amiss: Wander,
        temper: MakerTemper,
    ) -> None:  # fmt: skip
        super().__init__(number, account_id, key, sight, desk, most_held)
        self.amiss: Final = amiss
        self.temper: Final = temper
        self.levels: Final[i64] = temper.levels
        # Bids from the touch outward, then asks.
        self.quotes: Final[list[AgentOrder | None]] = [None] * (2 * int(temper.levels))
        self.view: i64 = 0
        self.half: i64 = 0
        # The price moves with the root of time: the root of its usual wait in that of a sample, in thousandths.
        self.slowness: Final[i64] = isqrt(self.mean_wait_ns() * 1_000_000 // SAMPLE_NS)

    def mean_wait_ns(self) -> i64:
        """A turn has `CHANGES` changes, and half of those who cancel instead of replacing need two messages."""
        messages: i64 = CHANGES if self.temper.replaces else 2 * CHANGES
        return SECOND_NS * 1_000 * messages // self.temper.changes_milli

    def act(self, now_ns: i64) -> None:
        """Make the changes that matter most, or renew a quote when none does."""
        self.look(now_ns)
        done: i64 = 0
        while done < CHANGES:
            place = self.worst()
            if place < 0:
                place = self.chance.below(2 * self.levels)
            self.change(place)
            done += 1

    def look(self, now_ns: i64) -> None:
        """Make up its mind on the price and on half of its spread, in 1/256."""
        sight = self.sight
        self.view = sight.fair_of_venue(now_ns, self.temper.late_ns, self.amiss.log_at(now_ns))
        fine_step = sight.step * FINE
        lively = sight.usual_move(self.view) * (1_000 + self.slowness) // 1_000
        self.half = fine_step * self.temper.half_spread_permille // 1_000 + lively
        most = self.most_held
        held = max(-most, min(most, self.held))
        self.view -= held * LEAN_STEPS * fine_step // most

    def wanted(self, place: i64) -> i64:
        """The price that it wants at a place, 0 for none; never through the touch of the other side."""
        sight = self.sight
        step = sight.step
        level = place if place < self.levels else place - self.levels
        distance = self.half + level * step * FINE
        if place < self.levels:
            if self.held >= self.most_held:
                return 0
            price = (self.view - distance) // (FINE * step) * step
            if sight.ask > 0 and price >= sight.ask:
                price = (sight.ask - 1) // step * step
            return price if price > 0 else 0
        if self.held <= -self.most_held:
            return 0
        price = -((-self.view - distance) // (FINE * step)) * step
        if price <= sight.bid:
            price = (sight.bid // step + 1) * step
        return price

    def worst(self) -> i64:
        """The place where a change matters most, -1 where none matters."""
        found: i64 = -1
        worst: i64 = 0
        step = self.sight.step
        levels = self.levels
        place: i64 = 0
        while place < 2 * levels:
            order = self.quotes[place]
            level = place if place < levels else place - levels
            wanted = self.wanted(place)
            badness: i64 = 0
            if order is None:
                if wanted > 0:
                    badness = MISSING + levels - level
            elif order.order_id == 0:
                badness = 0
            elif wanted == 0:
                badness = NOT_WANTED
            else:
                # Above 0 it stands where it is in danger.
                off = (order.price - wanted) * order.side // step
                if off > 0:
                    badness = DANGER * off + levels - level
                elif -off > level // 2:
                    badness = BEHIND * -off + levels - level
            if badness > worst:
                worst = badness
                found = place
            place += 1
        return found

    def change(self, place: i64) -> None:
        """Make one change: enter, move or take away the quote of a place."""
        wanted = self.wanted(place)
        order = self.quotes[place]
        desk = self.desk
        if order is not None:
            if order.order_id == 0:
                return
            moves = self.temper.replaces and wanted > 0 and wanted != order.price and not order.stuck
            if moves:
                desk.replace(self, order, wanted, order.size - order.remaining + self.size_at(place))
                # Until it is answered it counts as being where it shall be.
                order.price = wanted
                return
            desk.cancel(self, order)
            order.place = -1
            self.quotes[place] = None
        if wanted > 0:
            side: i64 = BUY if place < self.levels else SELL
            entered = desk.enter(self, side, LIMIT, GTC, wanted, self.size_at(place), POST_ONLY_REPRICE)
            entered.place = place
            self.quotes[place] = entered

    def size_at(self, place: i64) -> i64:
        """A size for a place: larger further away."""
        level = place if place < self.levels else place - self.levels
        median = self.temper.lots * (2 + min(level, 4)) // 2
        return self.lots(median, SIZE_DEVIATION, self.temper.lots * LARGEST)

    def gone(self, order: AgentOrder) -> None:
        """The place is free, if it was not given to another order meanwhile."""
        if order.place >= 0 and self.quotes[order.place] is order:
            self.quotes[order.place] = None

    def adopt(self, order: AgentOrder) -> None:
        """Take back an order that was saved."""
        if order.place >= 0:
            self.quotes[order.place] = order
