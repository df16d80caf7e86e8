"""What all agents of a simulated market share: what they see, how they ask, and the bare agent.

An agent decides and asks through its `Desk`; the desk gathers the messages and knows every order that an agent has.
Nothing here knows a lane. All is bounded: an agent has a most number of orders, and what is not answered is given up.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64, mypyc_attr

from exchange.chance import LOG_ONE, Chance
from exchange.latent import FINE, LatentPrice, Wander, fine_of
from market.messages import (
    CancelWanted,
    EntryWanted,
    Message,
    ReplaceWanted,
)

SECOND_NS: Final = 1_000_000_000
MILLISECOND_NS: Final = 1_000_000
# How liveliness is measured: moves of the hidden price over this time, as a mean that forgets.
SAMPLE_NS: Final = 100_000_000
SAMPLES: Final = 32
# What is not answered within this time is given up.
GIVE_UP_NS: Final = 5_000_000_000
# After a refusal that will not go away at once the agent rests.
REST_NS: Final = 1_000_000_000
# A turn that comes this late is the only one: those missed meanwhile are not made up for.
MOST_LATE_NS: Final = 250_000_000
FAST_TRADES: Final = 8
SLOW_TRADES: Final = 64


class AgentsError(ValueError):
    """Settings that no agents can be made from; the message says what to change."""


class AgentOrder:
    """One order of an agent. `order_id` is 0 until the exchange has answered; `place` is the agent's own."""

    def __init__(self, request_id: i64, agent: i64, side: i64, price: i64, size: i64, born_ns: i64) -> None:
        self.request_id: Final[i64] = request_id
        self.agent: Final[i64] = agent
        self.side: Final[i64] = side
        self.price: i64 = price
        self.size: i64 = size
        self.remaining: i64 = size
        self.born_ns: Final[i64] = born_ns
        self.order_id: i64 = 0
        self.place: i64 = -1
        # A cancel is on its way, or a replace was refused.
        self.leaving: bool = False
        self.stuck: bool = False

    def save(self) -> list[int]:
        """The order as plain data."""
        return [
            self.request_id, self.agent, self.side, self.price, self.size, self.born_ns, self.remaining,
            self.order_id, self.place, int(self.leaving), int(self.stuck),
        ]  # fmt: skip


def load_order(row: list[int]) -> AgentOrder:
    """The order that `save` described."""
    order = AgentOrder(row[0], row[1], row[2], row[3], row[4], row[5])
    order.remaining = row[6]
    order.order_id = row[7]
    order.place = row[8]
    order.leaving = row[9] != 0
    order.stuck = row[10] != 0
    return order


class Sight:
    """What the agents of one instrument see: the touch, the trades, and, as far as each may, the hidden price."""

    def __init__(
        self, instrument_id: i64, step: i64, lot: i64, least_lots: i64, latent: LatentPrice, wander: Wander, lag_ns: i64
    ) -> None:
        self.instrument_id: Final[i64] = instrument_id
        # Prices of agents are multiples of this, which is one or more ticks.
        self.step: Final[i64] = step
        self.lot: Final[i64] = lot
        self.least_lots: Final[i64] = least_lots
        self.latent: Final = latent
        self.wander: Final = wander
        self.lag_ns: Final[i64] = lag_ns
        self.trading: bool = True
        self.bid: i64 = 0
        self.ask: i64 = 0
        # Means of the last trades, in 1/256; 0 before the first.
        self.fast: i64 = 0
        self.slow: i64 = 0
        self.trades: i64 = 0
        self.sampled_ns: i64 = 0
        self.sampled: i64 = 0
        # The mean move of the hidden price in a sample, in logarithm.
        self.liveliness: i64 = 0

    def show(self, bid: i64, ask: i64) -> None:
        """The touch; 0 for a side that is empty."""
        self.bid = bid
        self.ask = ask

    def take_trade(self, price: i64) -> None:
        """A trade has happened."""
        fine = price * FINE
        self.trades += 1
        if self.fast == 0:
            self.fast = fine
            self.slow = fine
            return
        self.fast += (fine - self.fast) // FAST_TRADES
        self.slow += (fine - self.slow) // SLOW_TRADES

    def look(self, now_ns: i64) -> None:
        """Measure how lively it is; a long pause is not measured."""
        passed = now_ns - self.sampled_ns
        if passed < SAMPLE_NS:
            return
        log = self.latent.log_at(now_ns - self.lag_ns)
        if passed < 4 * SAMPLE_NS:
            move = log - self.sampled
            if move < 0:
                move = -move
            self.liveliness += (move - self.liveliness) // SAMPLES
        self.sampled_ns = now_ns
        self.sampled = log

    def fair_of_all(self, now_ns: i64) -> i64:
        """The hidden price as it is now, in 1/256."""
        return self.latent.fine_at(now_ns)

    def fair_of_venue(self, now_ns: i64, late_ns: i64, amiss: i64) -> i64:
        """The hidden price as this venue sees it, with the lag and the error of whoever looks."""
        log = self.latent.log_at(now_ns - self.lag_ns - late_ns) + self.wander.log_at(now_ns) + amiss
        return fine_of(self.latent.initial, log)

    def usual_move(self, fine: i64) -> i64:
        """The mean move in a sample, in the units of this price."""
        wide: int = fine
        log: int = self.liveliness
        return wide * log // LOG_ONE

    def save(self) -> list[int]:
        """What was seen, as plain data."""
        return [
            int(self.trading), self.bid, self.ask, self.fast, self.slow, self.trades, self.sampled_ns, self.sampled,
            self.liveliness,
        ]  # fmt: skip

    def load(self, row: list[int]) -> None:
        """Take back what `save` gave."""
        self.trading = row[0] != 0
        self.bid = row[1]
        self.ask = row[2]
        self.fast = row[3]
        self.slow = row[4]
        self.trades = row[5]
        self.sampled_ns = row[6]
        self.sampled = row[7]
        self.liveliness = row[8]


class Desk:
    """The way out of all agents, and the orders that they have."""

    def __init__(self, exchange_id: i64, session_id: i64) -> None:
        self.exchange_id: Final[i64] = exchange_id
        self.session_id: Final[i64] = session_id
        self.now_ns: i64 = 0
        self.out: Final[list[Message]] = []
        self.requests: i64 = 0
        # By request id until they are answered, in the order of asking; by the exchange's id then.
        self.asked: Final[dict[int, AgentOrder]] = {}
        self.working: Final[dict[int, AgentOrder]] = {}

    def enter(
        self, agent: Agent, side: i64, order_type: i64, time_in_force: i64, price: i64, size: i64, post_only: i64
    ) -> AgentOrder:
        """Ask for an order."""
        self.requests += 1
        now_ns = self.now_ns
        order = AgentOrder(self.requests, agent.number, side, price, size, now_ns)
        self.asked[self.requests] = order
        self.out.append(
            EntryWanted(
                self.exchange_id, self.session_id, agent.account_id, self.requests, "", agent.sight.instrument_id,
                side, order_type, time_in_force, price, size, 0, 0, post_only, 0, 0, 0, 0, 0, 0, now_ns,
            )
        )  # fmt: skip
        return order

    def cancel(self, agent: Agent, order: AgentOrder) -> None:
        """Ask for the end of an order that the exchange has answered for."""
        self.requests += 1
        order.leaving = True
        self.out.append(
            CancelWanted(
                self.exchange_id, self.session_id, agent.account_id, self.requests, agent.sight.instrument_id,
                order.order_id, "", self.now_ns,
            )
        )  # fmt: skip

    def replace(self, agent: Agent, order: AgentOrder, price: i64, size: i64) -> None:
        """Ask for another price or total size."""
        self.requests += 1
        self.out.append(
            ReplaceWanted(
                self.exchange_id, self.session_id, agent.account_id, self.requests, agent.sight.instrument_id,
                order.order_id, "", price, size, self.now_ns,
            )
        )  # fmt: skip


@mypyc_attr(allow_interpreted_subclasses=False)
class Agent:
    """One who trades in one instrument. Subclasses say when and what in `act`."""

    def __init__(self, number: i64, account_id: i64, key: i64, sight: Sight, desk: Desk, most_held: i64) -> None:
        self.number: Final[i64] = number
        self.account_id: Final[i64] = account_id
        self.sight: Final = sight
        self.desk: Final = desk
        self.chance: Final = Chance(key)
        # What it has bought less what it has sold, and how much of that it likes at most.
        self.held: i64 = 0
        self.most_held: Final[i64] = most_held
        self.next_ns: i64 = 0
        self.resting_until_ns: i64 = 0
        self.refused: i64 = 0

    def act(self, now_ns: i64) -> None:
        """It is this agent's turn."""

    def mean_wait_ns(self) -> i64:
        """The mean time to its next turn."""
        return SECOND_NS

    def accepted(self, order: AgentOrder) -> None:
        """The exchange has an order."""

    def gone(self, order: AgentOrder) -> None:
        """An order is no more, whatever ended it."""

    def traded(self, order: AgentOrder, size: i64) -> None:
        """An order has traded."""
        self.held += order.side * size

    def refuse(self, now_ns: i64) -> None:
        """Something was refused that would be refused again at once: rest."""
        self.refused += 1
        self.resting_until_ns = now_ns + REST_NS

    def plan(self, now_ns: i64) -> None:
        """Choose the time of the next turn, counted from when this one was due."""
        from_ns = self.next_ns if self.next_ns > now_ns - MOST_LATE_NS else now_ns
        self.next_ns = from_ns + self.chance.wait_ns(self.mean_wait_ns())

    def lots(self, median: i64, deviation_permille: i64, most: i64) -> i64:
        """A size near a median, on the lot; the median and the most are in lots."""
        lots = self.chance.log_normal(median, deviation_permille, most)
        return max(lots, self.sight.least_lots) * self.sight.lot

    def leaning_side(self) -> i64:
        """Buy or sell by chance, more often what brings the holding back."""
        bound: i64 = 1_000 - self.held * 600 // self.most_held
        bound = max(200, min(1_800, bound))
        return 1 if self.chance.below(2_000) < bound else -1

    def save(self) -> list[object]:
        """What it remembers, as plain data."""
        return [self.held, self.next_ns, self.resting_until_ns, self.refused, self.chance.drawn, self.save_own()]

    def save_own(self) -> list[int]:
        """What only agents of this kind remember."""
        return []

    def load(self, row: list[object]) -> None:
        """Take back what `save` gave."""
        held, next_ns, resting, refused, drawn, own = row
        assert isinstance(held, int)
        assert isinstance(next_ns, int)
        assert isinstance(resting, int)
        assert isinstance(refused, int)
        assert isinstance(drawn, int)
        assert isinstance(own, list)
        self.held = held
        self.next_ns = next_ns
        self.resting_until_ns = resting
        self.refused = refused
        self.chance.drawn = drawn
        self.load_own(own)

    def load_own(self, row: list[int]) -> None:
        """Take back what `save_own` gave."""

    def adopt(self, order: AgentOrder) -> None:
        """Take back an order that was saved; its place is known."""
