"""When the quotes of a market maker move: it plans both sides, picks the moves of a batch, and makes the plan final.

`plan` works out where both sides of an instrument should be and whether that is news. When it is none, it also works
out between which fair values it will be none again, so that most ticks need no plan (`stays`); what is wanted is what
it would be without that, exactly. Of several moves `pick` chooses what cannot wait and then what is most out of place,
over all venues. Compiled; it knows settings and nothing of messages.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from strategies.market_maker_params import MarketMakerParams
from strategies.market_maker_quoting import BASIS_POINT, Quoting
from strategies.quote_ladder import QuoteSide

# How much nearer than its target a level that stays may be, as a share of the half spread.
NEARER_SHARE: Final = 0.5


@final
class Planner:
    """See the head of this file."""

    def __init__(self, params: MarketMakerParams) -> None:
        self.requote: Final[float] = params.requote_bps * BASIS_POINT
        self.away: Final[float] = params.requote_away_bps * BASIS_POINT
        self.outer: Final[float] = params.requote_outer_bps * BASIS_POINT
        self.moves: Final[i64] = params.moves_per_batch
        self.patience: Final[float] = params.queue_patience
        self.spacing: Final[float] = params.level_spacing_bps * BASIS_POINT

    def stays(self, quoting: Quoting) -> bool:
        """Whether a plan would certainly be no news: nothing that it depends on has left its bounds."""
        if not quoting.calm or not quoting.told or quoting.stale or quoting.inventory.stale:
            return False
        if quoting.crowded and quoting.has_other_room():
            quoting.calm = False
            return False
        fair = quoting.fair_value
        if fair < quoting.low or fair > quoting.high:
            return False
        bids = quoting.bids
        asks = quoting.asks
        if bids.count > 0 and quoting.ask - quoting.tick < bids.prices[0]:
            return False
        return asks.count == 0 or -quoting.bid - quoting.tick >= asks.prices[0]

    def plan(self, quoting: Quoting) -> bool:
        """Work out both sides around the skewed fair value; says whether they are news."""
        inventory = quoting.inventory
        if inventory.stale:
            inventory.add_up()
        if quoting.stale:
            quoting.refresh()
        elif quoting.crowded:
            quoting.make_room()
        bids = quoting.bids
        asks = quoting.asks
        fair = quoting.fair_value
        spread = quoting.spread
        tick = quoting.tick
        centre = fair * (1.0 - spread.skew * BASIS_POINT)
        half = fair * max(spread.half(), 0.0) * BASIS_POINT
        spacing = fair * self.spacing
        threshold = fair * self.requote
        away = fair * self.away
        outer = fair * self.outer
        nearer = half * NEARER_SHARE
        # Post-only: at least one tick before the touch of the other side, and asks above our own bids.
        limit = quoting.ask - tick
        news = bids.plan(
            centre - half, spacing, threshold, away, outer, self.patience, nearer, limit - limit % tick,
            quoting.bid_size, quoting.size_step, quoting.bid_room,
        )  # fmt: skip
        news = asks.plan(
            -centre - half, spacing, threshold, away, outer, self.patience, nearer, ask_limit(quoting),
            quoting.ask_size, quoting.size_step, quoting.ask_room,
        ) or news  # fmt: skip
        quoting.calm = False
        if not news and quoting.told and bids.complete and asks.complete:
            self.find_band(quoting)
        return news

    def find_band(self, quoting: Quoting) -> None:
        """Between which fair values the next plan is no news either, while nothing else changes."""
        spread = quoting.spread
        bids = quoting.bids
        asks = quoting.asks
        centre = 1.0 - spread.skew * BASIS_POINT
        half = max(spread.half(), 0.0) * BASIS_POINT
        nearer = half * NEARER_SHARE
        bids.find_band(centre - half, self.spacing, self.requote, self.away, self.outer, nearer)
        asks.find_band(-centre - half, self.spacing, self.requote, self.away, self.outer, nearer)
        quoting.low = max(bids.low, asks.low)
        quoting.high = min(bids.high, asks.high)
        quoting.calm = True

    def pick(self, planned: list[Quoting]) -> None:
        """Choose the moves of this batch: what cannot wait, then what is most out of place, over all venues."""
        if self.moves == 0:
            for quoting in planned:
                quoting.bids.pick_all()
                quoting.asks.pick_all()
            return
        left = self.moves
        for quoting in planned:
            left -= quoting.bids.pick_urgent()
            left -= quoting.asks.pick_urgent()
        while left > 0:
            most: i64 = 0
            found: QuoteSide | None = None
            for quoting in planned:
                urgency = quoting.bids.most_urgent()
                if urgency > most:
                    most = urgency
                    found = quoting.bids
                urgency = quoting.asks.most_urgent()
                if urgency > most:
                    most = urgency
                    found = quoting.asks
            if found is None:
                return
            found.pick(most)
            left -= 1

    def settle(self, quoting: Quoting) -> bool:
        """Make the plan one in which only what was picked moves; says whether it differs from what was told.

        With what was told to other venues since the plan, there may be less room than it was made for.
        """
        if quoting.crowded:
            quoting.make_room()
        elif self.moves == 0:
            return True
        bids = quoting.bids
        asks = quoting.asks
        # What is left over is looked at again at the end of the next batch, whether or not there is news.
        quoting.changed = bids.most_urgent() + asks.most_urgent() > 0
        tick = quoting.tick
        limit = quoting.ask - tick
        news = bids.settle(limit - limit % tick, quoting.bid_size, quoting.size_step, quoting.bid_room)
        return (
            asks.settle(ask_limit(quoting), quoting.ask_size, quoting.size_step, quoting.ask_room)
            or news
        )  # fmt: skip

    def take(self, quoting: Quoting) -> None:
        """The plan is what is told, with the reason of what is placed now; what stays keeps its own."""
        spread = quoting.spread
        fair = quoting.fair_value
        centre = fair * (1.0 - spread.skew * BASIS_POINT)
        half = fair * max(spread.half(), 0.0) * BASIS_POINT
        spacing = fair * self.spacing
        bid_back = quoting.bids.take_plan(centre - half, spacing)
        ask_back = quoting.asks.take_plan(-centre - half, spacing)
        reason = quoting.reason_now()
        if bid_back:
            reason += "; best bid held back by the asks"
        if ask_back:
            reason += "; best ask held back by the bids"
        quoting.reason = reason
        quoting.bids.note(reason)
        quoting.asks.note(reason)


def ask_limit(quoting: Quoting) -> i64:
    """The best ask that takes nothing, neither at the venue nor from the bids that are planned."""
    bids = quoting.bids
    tick = quoting.tick
    limit = -quoting.bid - tick
    if bids.planned > 0 and -bids.planned_prices[0] - tick < limit:
        limit = -bids.planned_prices[0] - tick
    return limit - limit % tick
