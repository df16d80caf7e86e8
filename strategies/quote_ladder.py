"""One side of a market maker's quotes in one instrument: its prices and sizes, and which old ones stay. Compiled.

Both sides are computed as bids: the ask side holds its prices with the sign turned. So a larger number is nearer to the
market on either side, and every rule is written once.

The rules, level by level, the best first:
- A price is rounded away from the fair value, onto the tick, and a level lies at least one tick behind the one before.
- Post-only: no level is at or beyond the venue's own touch of the other side; it is clamped one tick before it.
- A level that is told stays while its target is within a threshold of it, tick included: one for a level that is nearer
  to the fair value than meant, which is a risk, and one for a level that is further away, which only waits. Both grow
  with each level behind the best, and for an order that stands well in its queue by `patience` times the share of the
  queue that is behind it. A level never stays nearer than its target by more than half of the half spread.
- Moves may be staggered: `plan` says how urgent each is, `settle` moves those that were picked, the others wait. One
  that is dangerously near, would cross, or has more size than there is room for, moves at once.
- Between two fair values that `find_band` works out once nothing would move, so that nothing need be worked out.
- A size alone moves nothing while it is within a quarter of the wanted one.
- Where the order stands is what the market shows: at the touch it is behind what was displayed when it came there,
  trades at its price and a smaller display move it up, and a fill means that it is first.
"""

from __future__ import annotations

from math import floor, isnan
from typing import Final, cast, final

from librt.vecs import append, vec
from mypy_extensions import i64

UNKNOWN: Final = -1
# How urgent a move is, in thousandths of its threshold: what cannot wait, the most that can, a level without a quote,
# and another size.
AT_ONCE: Final = 1_000_000_000
MOST_URGENT: Final = 1_000_000
MISSING: Final = 2_000
DUE: Final = 1_000
# A size within this part of the wanted one is as good.
SIZE_PART: Final = 4
# Prices beyond this are none; far below what 64 bits hold, so that sums cannot wrap.
MOST_PRICE: Final = 4e18
# By how much more than rounding can bring, as a share of the price, a level has to be off an edge to stay unseen.
MARGIN: Final = 1e-11


@final
class QuoteSide:
    """See the head of this file. Prices are the instrument's, times `sign`."""

    def __init__(self, sign: i64, levels: i64, tick: i64, lot: i64, minimum_size: i64, minimum_worth: float) -> None:
        """The bids (sign 1) or asks (sign -1) of one instrument; `minimum_worth` is price times size, scaled."""
        count: int = levels
        self.sign: Final[i64] = sign
        self.levels: Final[i64] = levels
        self.tick: Final[i64] = tick
        self.lot: Final[i64] = lot
        self.minimum_size: Final[i64] = minimum_size
        self.minimum_worth: Final[float] = minimum_worth
        # What was told last, and what is planned.
        self.prices: vec[i64] = vec[i64]([0] * count)
        self.sizes: vec[i64] = vec[i64]([0] * count)
        self.count: i64 = 0
        self.ahead: vec[i64] = vec[i64]([UNKNOWN] * count)
        # Why each told level is where it is, from when it was placed; as which level, and whether it was held back.
        self.reasons: list[str] = [""] * count
        self.placed: vec[i64] = vec[i64]([0] * count)
        self.back: vec[i64] = vec[i64]([0] * count)
        # The same of what is planned, filled when that is told.
        self.next_ahead: vec[i64] = vec[i64]([UNKNOWN] * count)
        self.next_reasons: list[str] = [""] * count
        self.next_placed: vec[i64] = vec[i64]([0] * count)
        self.next_back: vec[i64] = vec[i64]([0] * count)
        self.planned_prices: vec[i64] = vec[i64]([0] * count)
        self.planned_sizes: vec[i64] = vec[i64]([0] * count)
        self.planned: i64 = 0
        # How urgent the move of each planned level is, and whether it is picked for this batch.
        self.urgency: vec[i64] = vec[i64]([0] * count)
        self.picked: vec[i64] = vec[i64]([0] * count)
        # Whether more levels could only come with more room: the plan has all, or there is no size for the next.
        self.complete: bool = False
        # What the order manager may still send for: the sizes that were told, 0 from a fill until something is told.
        self.committed: i64 = 0
        # The venue's touch on this side, times sign, and its size; 0 is none.
        self.touch: i64 = 0
        self.touch_size: i64 = 0
        # Between these fair values no told level would move; worked out by `find_band`.
        self.low: float = 0.0
        self.high: float = 0.0

    # ---- what the market shows

    def see_touch(self, price: i64, size: i64) -> None:
        """The venue's touch of this side: a level that stands there learns how much is ahead of it."""
        touch = price * self.sign
        self.touch = touch
        self.touch_size = size
        place: i64 = 0
        while place < self.count:
            held = self.prices[place]
            if held < touch:
                return
            ahead = self.ahead[place]
            if held > touch:
                # Nobody else is there.
                self.ahead[place] = 0
            elif ahead == UNKNOWN or ahead > size:
                self.ahead[place] = size
            place += 1

    def see_trade(self, price: i64, size: i64) -> None:
        """A trade at the price of a level serves those ahead of it."""
        held = price * self.sign
        place: i64 = 0
        while place < self.count:
            if self.prices[place] == held:
                ahead = self.ahead[place]
                if ahead != UNKNOWN:
                    self.ahead[place] = ahead - size if ahead > size else 0
                return
            place += 1

    def see_fill(self, price: i64, remaining: i64) -> None:
        """An own order traded: what is left of it is the first in its queue; the next order there is the last."""
        held = price * self.sign
        place: i64 = 0
        while place < self.count:
            if self.prices[place] == held:
                self.ahead[place] = 0 if remaining > 0 else UNKNOWN
                return
            place += 1

    def standing(self, place: i64) -> float:
        """From 0, last in the queue or unknown, to 1, first."""
        ahead = self.ahead[place]
        if ahead == UNKNOWN or self.touch_size <= 0 or ahead >= self.touch_size:
            return 0.0
        return 1.0 - float(ahead) / float(self.touch_size)

    # ---- what is wanted

    def plan(
        self,
        target: float,
        spacing: float,
        threshold: float,
        away: float,
        outer: float,
        patience: float,
        nearer: float,
        limit: i64,
        size: i64,
        size_step: i64,
        room: i64,
    ) -> bool:
        """Work out the levels from the target of the best one; says whether they differ from what was told.

        `threshold` is how much nearer than its target a level may be and `away` how much further, each with `outer`
        more for every level; `nearer` bounds the former. `limit` is the best price that takes nothing, `room` the size
        that all levels may have together.
        """
        prices = self.planned_prices
        sizes = self.planned_sizes
        tick = self.tick
        highest = limit
        # Above this a quote is dangerously near, whichever level it is.
        danger = target + nearer + float(tick)
        news = False
        self.complete = False
        place: i64 = 0
        while place < self.levels:
            # No number, or infinitely far from the market: not a level.
            if isnan(target) or target <= -MOST_PRICE:
                break
            price = i64(floor(target)) if target < MOST_PRICE else highest
            price -= price % tick
            told = place < self.count
            urgency: i64 = 0 if told else MISSING
            if told:
                urgency = self.urgency_of(place, target, threshold, away, patience, nearer)
                if urgency == 0:
                    price = self.prices[place]
            if price > highest:
                price = highest
            level_size = self.size_of(place, size, room)
            if not self.can_be(price, level_size):
                break
            if told:
                held = self.prices[place]
                if held > limit or float(held) > danger or self.sizes[place] > room:
                    urgency = AT_ONCE
                elif price == held:
                    # Clamped to where it is, so that only its size can be news.
                    urgency = 0 if level_size == self.sizes[place] else DUE
                elif urgency == 0:
                    urgency = DUE
            prices[place] = price
            sizes[place] = level_size
            self.urgency[place] = urgency
            if not told or price != self.prices[place] or level_size != self.sizes[place]:
                news = True
            room -= level_size
            highest = price - tick
            target -= spacing
            threshold += outer
            away += outer
            size += size_step
            place += 1
        self.planned = place
        self.complete = self.complete or place == self.levels
        return news or place != self.count

    def can_be(self, price: i64, size: i64) -> bool:
        """Whether a venue would take this as a level; `complete` when it is too small, whatever its price."""
        self.complete = size <= 0 or size < self.minimum_size
        worth = float(price * self.sign) * float(size)
        return not self.complete and worth >= self.minimum_worth and worth > 0.0

    def find_band(
        self, share: float, spacing: float, threshold: float, away: float, outer: float, nearer: float
    ) -> None:
        """Between which fair values every told level stays, wherever it stands in its queue.

        All are shares of the fair value: `share` that of the best level's target, which is below 0 for asks, the
        others as in `plan`. What is found is a little narrower than what holds, by more than rounding can bring.
        """
        self.low = 0.0
        self.high = MOST_PRICE
        tick = float(self.tick)
        place: i64 = 0
        while place < self.count:
            held = float(self.prices[place])
            # target - held - tick <= away, and held - target <= min(threshold, nearer), for a target of share * fair.
            self.narrow(share - away + MARGIN, held + tick)
            self.narrow(MARGIN - share - min(threshold, nearer), -held)
            share -= spacing
            threshold += outer
            away += outer
            place += 1

    def narrow(self, factor: float, most: float) -> None:
        """Leave only the fair values of which this many times is no more than `most`."""
        if factor > 0.0:
            self.high = min(self.high, most / factor)
        elif factor < 0.0:
            self.low = max(self.low, most / factor)
        else:
            self.high = -1.0

    def size_of(self, place: i64, size: i64, room: i64) -> i64:
        """The size of a level: the one that was told where it is near enough to what is wanted."""
        wanted = size if size < room else room
        wanted -= wanted % self.lot
        if place < self.count:
            told = self.sizes[place]
            off = told - wanted if told > wanted else wanted - told
            if told <= room and off * SIZE_PART <= wanted:
                return told
        return wanted

    def urgency_of(
        self, place: i64, target: float, threshold: float, away: float, patience: float, nearer: float
    ) -> i64:
        """How far a told level is from its target, in thousandths of what it may be; 0 when it stays for its queue."""
        held = float(self.prices[place])
        # A target up to one tick above a level is what rounding makes of it.
        beyond = target - held - float(self.tick)
        if beyond <= 0.0 and target >= held:
            return 0
        longer = 1.0
        if patience > 0.0:
            longer += patience * self.standing(place)
        off = beyond
        allowed = away * longer
        if beyond <= 0.0:
            off = held - target
            allowed = min(threshold * longer, nearer)
        if off <= allowed:
            return 0
        if off >= allowed * 1000.0:
            return MOST_URGENT
        return max(i64(off / allowed * 1000.0), DUE)

    # ---- some moves now, the others later

    def pick_urgent(self) -> i64:
        """Pick what cannot wait, and all levels of a side that has none; says how many."""
        count: i64 = 0
        place = self.planned - 1
        while place >= 0:
            urgent = self.count == 0 or self.urgency[place] >= AT_ONCE
            self.picked[place] = 1 if urgent else 0
            if urgent:
                count += 1
            if place > 0 and self.urgency[place] > self.urgency[place - 1] >= DUE:
                # A better level goes before it: it makes room, of price and of size.
                self.urgency[place - 1] = self.urgency[place]
            place -= 1
        return count

    def pick_all(self) -> None:
        """Pick every level: nothing waits."""
        place: i64 = 0
        while place < self.planned:
            self.picked[place] = 1
            place += 1

    def most_urgent(self) -> i64:
        """The largest urgency of those that were not picked; 0 when nothing else is due."""
        most: i64 = 0
        place: i64 = 0
        while place < self.planned:
            if self.picked[place] == 0 and self.urgency[place] > most:
                most = self.urgency[place]
            place += 1
        return most

    def pick(self, urgency: i64) -> None:
        """Pick the best level of this urgency."""
        place: i64 = 0
        while place < self.planned:
            if self.picked[place] == 0 and self.urgency[place] == urgency:
                self.picked[place] = 1
                return
            place += 1

    def settle(self, limit: i64, size: i64, size_step: i64, room: i64) -> bool:
        """Make the plan one in which only the picked levels move; says whether it differs from what was told.

        A level also moves when a better one comes down upon it, or when its size has no room any more. One that would
        come nearer than a better level which waits, waits too.
        """
        tick = self.tick
        highest = limit
        news = False
        place: i64 = 0
        while place < self.planned:
            told = place < self.count
            picked = self.picked[place] != 0
            if not told and not picked:
                break
            price = self.planned_prices[place]
            level_size = self.size_of(place, size, room)
            if told:
                if not picked and self.sizes[place] <= room:
                    level_size = self.sizes[place]
                if self.prices[place] <= highest and (not picked or price > highest):
                    price = self.prices[place]
            if price > highest:
                price = highest
            if not self.can_be(price, level_size):
                break
            if not told or price != self.prices[place] or level_size != self.sizes[place]:
                news = True
            self.planned_prices[place] = price
            self.planned_sizes[place] = level_size
            room -= level_size
            highest = price - tick
            size += size_step
            place += 1
        self.planned = place
        return news or place != self.count

    def take_plan(self, target: float, spacing: float) -> bool:
        """What is planned is told; a level at a price that was told before keeps its place in the queue and its reason.

        `target` and `spacing` are those of the plan; says whether the best level was placed elsewhere, for the other
        side was in its way.
        """
        kept = self.planned_prices
        ahead = self.next_ahead
        reasons = self.next_reasons
        placed = self.next_placed
        back = self.next_back
        tick = float(self.tick)
        place: i64 = 0
        while place < self.planned:
            price = kept[place]
            ahead[place] = UNKNOWN
            reasons[place] = ""
            before: i64 = 0
            while before < self.count:
                if self.prices[before] == price:
                    ahead[place] = self.ahead[before]
                    reasons[place] = self.reasons[before]
                    placed[place] = self.placed[before]
                    back[place] = self.back[before]
                before += 1
            if len(reasons[place]) == 0:
                placed[place] = place
                back[place] = 0 if float(price) <= target < float(price) + tick else 1
            target -= spacing
            place += 1
        self.swap()
        return self.count > 0 and len(self.reasons[0]) == 0 and self.back[0] != 0

    def swap(self) -> None:
        """What was planned is told, and the place of what was told is free for the next plan."""
        prices = self.prices
        sizes = self.sizes
        ahead = self.ahead
        reasons = self.reasons
        placed = self.placed
        back = self.back
        self.prices = self.planned_prices
        self.sizes = self.planned_sizes
        self.ahead = self.next_ahead
        self.reasons = self.next_reasons
        self.placed = self.next_placed
        self.back = self.next_back
        self.planned_prices = prices
        self.planned_sizes = sizes
        self.next_ahead = ahead
        self.next_reasons = reasons
        self.next_placed = placed
        self.next_back = back
        self.count = self.planned

    def note(self, reason: str) -> None:
        """Why the levels that were placed last are where they are."""
        place: i64 = 0
        while place < self.count:
            if len(self.reasons[place]) == 0:
                self.reasons[place] = reason
            place += 1

    def clear(self) -> None:
        """Nothing is wanted."""
        self.count = 0
        self.planned = 0

    def commit(self) -> bool:
        """What is told is what the order manager may send for; says whether that is another size than before."""
        total: i64 = 0
        place: i64 = 0
        while place < self.count:
            total += self.sizes[place]
            place += 1
        news = total != self.committed
        self.committed = total
        return news

    def told_prices(self) -> vec[i64]:
        """The prices as the venue has them, best first."""
        found = vec[i64]()
        place: i64 = 0
        while place < self.count:
            found = append(found, self.prices[place] * self.sign)
            place += 1
        return found

    def told_sizes(self) -> vec[i64]:
        """The sizes, best first."""
        found = vec[i64]()
        place: i64 = 0
        while place < self.count:
            found = append(found, self.sizes[place])
            place += 1
        return found

    # ---- state

    def save(self) -> list[object]:
        """What was told, and where it stands."""
        count: int = self.count
        return [
            [int(one) for one in self.prices][:count], [int(one) for one in self.sizes][:count],
            [int(one) for one in self.ahead][:count], int(self.touch), int(self.touch_size), int(self.committed),
            self.reasons[:count], [int(one) for one in self.back][:count], [int(one) for one in self.placed][:count],
        ]  # fmt: skip

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave, as far as there are levels for it."""
        prices = cast("list[int]", state[0])
        count: i64 = len(prices)
        self.count = count if count < self.levels else self.levels
        sizes = cast("list[int]", state[1])
        ahead = cast("list[int]", state[2])
        reasons = cast("list[str]", state[6])
        back = cast("list[int]", state[7])
        placed = cast("list[int]", state[8])
        place: i64 = 0
        while place < self.count:
            self.reasons[place] = reasons[place]
            self.back[place] = back[place]
            self.placed[place] = placed[place]
            self.prices[place] = prices[place]
            self.sizes[place] = sizes[place]
            self.ahead[place] = ahead[place]
            place += 1
        self.touch = cast(int, state[3])
        self.touch_size = cast(int, state[4])
        self.committed = cast(int, state[5])
