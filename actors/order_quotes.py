"""What strategies want to have working, and the requests that bring it about, side by side.

What works is read from the ledger; here are the wants, and what was asked within the present step. `Quotes` asks for
the fewest requests (`order_alignment.py`), keeps a place in a queue where it may, and never opens more orders on a side
than are wanted, nor more size, what is leaving counted. What a fill leaves wanting is the strategy's to say: until it
wants anew, that side gets no new order. A side on which everything is as wanted is not looked at again before an order,
a request or a want of it has changed.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

from actors.order_alignment import DROP, KEEP, MOVE, NONE, Alignment
from actors.order_gateways import Reach
from actors.order_ids import OrderIds
from actors.order_requests import CANCEL, NEW, REPLACE, Request, Requests, load_request
from actors.order_rules import AMEND_ALL, AMEND_NOTHING, AMEND_SIZE, VenueRules
from market.messages import BUY, GTC, LIMIT, SELL, ChildOrder, ChildReplace, WantedQuotes
from market.order_life import PENDING, is_cancel_pending
from runtime.actor import Actor
from runtime.ledger import LedgerOrder, OpenSide, Standing

NOT_SETTLED: Final = -1


def is_same(one: vec[i64], other: vec[i64]) -> bool:
    """Whether two rows hold the same numbers."""
    count: i64 = len(one)
    if count != i64(len(other)):
        return False
    place: i64 = 0
    while place < count and one[place] == other[place]:
        place += 1
    return place == count


@final
class Gate:
    """Whether quotes may work in one instrument: its book, its gateway, and cancels that were refused."""

    def __init__(self, rules: VenueRules, standing: Standing, reach: Reach) -> None:
        self.rules: Final = rules
        self.standing: Final = standing
        self.reach: Final = reach
        self.live: bool = False
        self.cause: str = "nothing heard of it"
        # Orders whose cancel was refused and of which it is not known that they are gone.
        self.doubts: dict[int, bool] = {}

    def reason(self) -> str:
        """Why no quote may work here; empty when they may."""
        if not self.live:
            return f"the book is not live: {self.cause}"
        if not self.reach.is_open():
            return self.reach.reason()
        if len(self.doubts) > 0:
            return f"the cancel of order {next(iter(self.doubts))} was refused"
        return ""

    def save(self) -> list[object]:
        """The gate as plain data."""
        return [
            int(self.rules.instrument_id), self.live, self.cause, list(self.doubts), int(self.rules.amend),
            self.reach.save(),
        ]  # fmt: skip

    def load(self, row: list[object]) -> None:
        """Take back what `save` gave."""
        live, cause, doubts, amend, reach = row[1:]
        assert isinstance(live, bool)
        assert isinstance(cause, str)
        assert isinstance(doubts, list)
        assert isinstance(amend, int)
        self.live = live
        self.cause = cause
        self.doubts = {int(order_id): True for order_id in doubts}
        self.rules.amend = amend
        self.reach.load(reach)


@final
class WantedSide:
    """One side of what a strategy wants: its levels as the venue takes them, and why it may have to wait."""

    def __init__(self, side: i64, open_side: OpenSide, reach: Reach) -> None:
        self.side: Final = side
        self.open_side: Final = open_side
        self.reach: Final = reach
        self.prices: vec[i64] = vec[i64]()
        self.sizes: vec[i64] = vec[i64]()
        # The levels as the strategy wrote them.
        self.told_prices: vec[i64] = vec[i64]()
        self.told_sizes: vec[i64] = vec[i64]()
        # What orders and requests had counted when everything was as wanted; below zero when it is not, or unknown.
        self.settled_version: i64 = NOT_SETTLED
        self.settled_asked: i64 = 0
        # After a refusal, no new order before this time.
        self.rest_until_ns: i64 = 0
        # Since a fill the strategy has not said what it wants.
        self.held: bool = False
        # An order has to be changed once its present request is answered.
        self.waiting: bool = False
        # Levels that the venue would not take.
        self.left_out: i64 = 0
        # New orders that the ledger may not have seen yet.
        self.unseen: list[Request] = []

    def want(self, prices: vec[i64], sizes: vec[i64], rules: VenueRules) -> None:
        """Take the levels of a side, each on its tick and in whole lots."""
        self.held = False
        if is_same(prices, self.told_prices) and is_same(sizes, self.told_sizes):
            return
        self.told_prices = prices
        self.told_sizes = sizes
        self.settled_version = NOT_SETTLED
        self.left_out = 0
        own_prices = vec[i64]()
        own_sizes = vec[i64]()
        count = min(i64(len(prices)), i64(len(sizes)))
        for place in range(count):
            price = rules.price(self.side, prices[place])
            size = rules.size(price, sizes[place])
            if size > 0:
                own_prices = append(own_prices, price)
                own_sizes = append(own_sizes, size)
            else:
                self.left_out += 1
        self.prices = own_prices
        self.sizes = own_sizes

    def clear(self) -> None:
        """Want nothing."""
        self.prices = vec[i64]()
        self.sizes = vec[i64]()
        self.told_prices = self.prices
        self.told_sizes = self.sizes
        self.settled_version = NOT_SETTLED
        self.left_out = 0

    def asked(self) -> i64:
        """Counts the requests for orders of this side."""
        return self.reach.buys_asked if self.side > 0 else self.reach.sells_asked

    def settle(self) -> None:
        """Everything is as wanted, as things stand."""
        self.settled_version = self.open_side.version
        self.settled_asked = self.asked()

    def is_settled(self) -> bool:
        """Whether everything is as wanted, and nothing has happened since that was found."""
        return self.settled_version == self.open_side.version and self.settled_asked == self.asked()

    def save(self) -> list[object]:
        """The side as plain data."""
        return [
            [int(price) for price in self.prices], [int(size) for size in self.sizes], int(self.rest_until_ns),
            self.held, self.waiting, int(self.left_out), [request.save() for request in self.unseen],
        ]  # fmt: skip

    def load(self, row: list[object]) -> None:
        """Take back what `save` gave."""
        prices, sizes, rest_until_ns, held, waiting, left_out, unseen = row
        assert isinstance(prices, list)
        assert isinstance(sizes, list)
        assert isinstance(rest_until_ns, int)
        assert isinstance(held, bool)
        assert isinstance(waiting, bool)
        assert isinstance(left_out, int)
        assert isinstance(unseen, list)
        self.prices = vec[i64](prices)
        self.sizes = vec[i64](sizes)
        self.told_prices = self.prices
        self.told_sizes = self.sizes
        self.settled_version = NOT_SETTLED
        self.rest_until_ns = rest_until_ns
        self.held = held
        self.waiting = waiting
        self.left_out = left_out
        self.unseen = [load_request(one) for one in unseen]


@final
class Quoted:
    """The quotes of one strategy in one instrument."""

    def __init__(self, strategy_id: i64, gate: Gate, standing: Standing) -> None:
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = gate.rules.instrument_id
        self.gate: Final = gate
        self.bids: Final = WantedSide(BUY, standing.buys, gate.reach)
        self.asks: Final = WantedSide(SELL, standing.sells, gate.reach)
        self.reason: str = ""
        # Why the quotes were pulled; empty while they may work.
        self.pulled: str = ""

    def wants_something(self) -> bool:
        """Whether any level is wanted."""
        return len(self.bids.prices) > 0 or len(self.asks.prices) > 0

    def side(self, side: i64) -> WantedSide:
        """The bids or the asks."""
        return self.bids if side == BUY else self.asks

    def save(self) -> list[object]:
        """The quotes as plain data."""
        return [
            int(self.strategy_id),
            int(self.instrument_id),
            self.reason,
            self.pulled,
            self.bids.save(),
            self.asks.save(),
        ]


@final
class Quotes:
    """See the head of this file."""

    def __init__(
        self,
        actor: Actor,
        ids: OrderIds,
        requests: Requests,
        maximum_open_orders: i64,
        keep_size_percent: i64,
        replace_at_once: bool,
        refusal_pause_ns: i64,
    ) -> None:
        self.actor: Final = actor
        self.ids: Final = ids
        self.requests: Final = requests
        self.maximum_open_orders: Final = maximum_open_orders
        self.replace_at_once: Final = replace_at_once
        self.refusal_pause_ns: Final = refusal_pause_ns
        self.alignment: Final = Alignment(keep_size_percent)
        # By strategy, then by instrument.
        self.by_strategy: dict[int, dict[int, Quoted]] = {}
        # Of the present side: its open orders, and how many of those are on their way out.
        self.open_count: i64 = 0
        self.leaving_count: i64 = 0
        # And what may fill of them at the worst, and all its wanted levels together.
        self.open_size: int = 0
        self.wanted_size: int = 0

    def find(self, strategy_id: i64, instrument_id: i64) -> Quoted | None:
        """What a strategy wants in an instrument, if it ever wanted something."""
        own = self.by_strategy.get(strategy_id)
        return None if own is None else own.get(instrument_id)

    def quoted(self, strategy_id: i64, gate: Gate) -> Quoted:
        """The same, made where there is none."""
        own = self.by_strategy.get(strategy_id)
        if own is None:
            own = {}
            self.by_strategy[strategy_id] = own
        found = own.get(gate.rules.instrument_id)
        if found is None:
            found = Quoted(strategy_id, gate, self.actor.ledger.standing(gate.rules.instrument_id, strategy_id))
            own[gate.rules.instrument_id] = found
        return found

    def all(self) -> list[Quoted]:
        """Everything that was ever wanted, in a fixed order."""
        return [quoted for own in self.by_strategy.values() for quoted in own.values()]

    # ---- bringing about

    def take(self, quoted: Quoted, quotes: WantedQuotes) -> None:
        """New wants."""
        rules = quoted.gate.rules
        quoted.bids.want(quotes.bid_prices, quotes.bid_sizes, rules)
        quoted.asks.want(quotes.ask_prices, quotes.ask_sizes, rules)
        quoted.reason = quotes.reason

    def reconcile(self, quoted: Quoted, reason: str, receive_ns: i64) -> None:
        """Bring what works towards what is wanted, with the fewest requests."""
        self.reconcile_side(quoted, quoted.bids, reason, receive_ns)
        self.reconcile_side(quoted, quoted.asks, reason, receive_ns)

    def reconcile_side(self, quoted: Quoted, wanted: WantedSide, reason: str, receive_ns: i64) -> None:
        """Compare the orders of a side with its wanted levels, and ask for the difference."""
        if wanted.is_settled():
            return
        rules = quoted.gate.rules
        alignment = self.alignment
        levels: i64 = len(wanted.prices)
        if wanted.held and levels > 0:
            # What a fill leaves wanting is the strategy's to say.
            return
        wanted.waiting = False
        keep_within = rules.keep_distance(wanted.prices[0]) if levels > 0 else 0
        alignment.begin(wanted.side, rules.amend, keep_within)
        self.open_count = 0
        self.leaving_count = 0
        self.open_size = wanted.open_side.size
        self.wanted_size = 0
        for order in wanted.open_side.orders.values():
            if order.post_only and order.parent_id == 0:
                self.add_order(order, rules, reason, receive_ns)
        if len(wanted.unseen) > 0:
            self.add_unseen(wanted, reason, receive_ns)
        for place in range(levels):
            alignment.add_level(wanted.prices[place], wanted.sizes[place])
            self.wanted_size += wanted.sizes[place]
        if alignment.is_as_wanted():
            wanted.settle()
            return
        alignment.align()
        for place in range(alignment.orders):
            if alignment.actions[place] != KEEP:
                self.change(quoted, wanted, place, reason, receive_ns)
        if alignment.levels > 0 and wanted.rest_until_ns <= self.actor.now:
            self.send_missing(quoted, wanted, receive_ns)

    def add_order(self, order: LedgerOrder, rules: VenueRules, reason: str, receive_ns: i64) -> None:
        """An open order of the side: one that is leaving takes up room and serves nothing."""
        self.open_count += 1
        request = self.requests.open.get(order.order_id) if len(self.requests.open) > 0 else None
        if is_cancel_pending(order.state) or (request is not None and request.kind == CANCEL):
            self.leaving_count += 1
            return
        busy = request is not None or order.state == PENDING
        price = order.price
        size = order.size
        if request is not None and request.kind == REPLACE:
            price = request.price
            size = request.size
            # The ledger may not have seen it.
            self.open_size += max(size - order.filled - order.counted_size, 0)
        if not self.alignment.add_order(order.order_id, price, size, order.filled, busy):
            self.leaving_count += 1
            self.requests.cancel(order, reason, receive_ns)

    def add_unseen(self, wanted: WantedSide, reason: str, receive_ns: i64) -> None:
        """Orders that were asked for within this very step; those that the ledger knows by now are no longer here."""
        still: list[Request] = []
        for request in wanted.unseen:
            if self.actor.ledger.order(request.order_id) is None:
                still.append(request)
                self.open_count += 1
                self.open_size += request.size
                if self.requests.is_leaving(request.order_id):
                    self.leaving_count += 1
                elif not self.alignment.add_order(request.order_id, request.price, request.size, 0, True):
                    self.leaving_count += 1
                    self.requests.cancel_unseen(request, reason, receive_ns)
        wanted.unseen = still

    def change(self, quoted: Quoted, wanted: WantedSide, place: i64, reason: str, receive_ns: i64) -> None:
        """Change or cancel an order that does not serve as it is."""
        alignment = self.alignment
        order_id = alignment.ids[place]
        action = alignment.actions[place]
        if action != DROP and alignment.busy[place] != 0:
            # Its answer is awaited: then it is changed, unless the wants have come back to it.
            wanted.waiting = True
            return
        if action == DROP:
            self.leaving_count += 1
            order = self.actor.ledger.order(order_id)
            if order is not None:
                self.requests.cancel(order, reason, receive_ns)
                return
            for request in wanted.unseen:
                if request.order_id == order_id:
                    self.requests.cancel_unseen(request, reason, receive_ns)
            return
        level = alignment.level_of[place]
        price = alignment.level_prices[level] if action == MOVE else alignment.prices[place]
        size = alignment.filled[place] + alignment.level_sizes[level]
        more: int = max(size - alignment.sizes[place], 0)
        if more > 0 and self.open_size + more > self.wanted_size:
            # It grows when what others of its side have too much is known to be gone.
            wanted.waiting = True
            return
        self.open_size += more
        self.requests.expect(order_id, quoted.strategy_id, quoted.instrument_id, wanted.side, price, size, REPLACE, 0)
        self.actor.emit(ChildReplace(order_id, quoted.instrument_id, price, size, receive_ns))

    def send_missing(self, quoted: Quoted, wanted: WantedSide, receive_ns: i64) -> None:
        """Send the levels that no order serves, as far as there is room."""
        alignment = self.alignment
        room = alignment.levels - self.open_count
        if self.replace_at_once:
            # Beside what is leaving, but never more than twice of what is wanted.
            room += min(self.leaving_count, alignment.levels)
        if room <= 0:
            return
        size_room = self.wanted_size * (2 if self.replace_at_once else 1) - self.open_size
        in_instrument: i64 = quoted.gate.standing.count()
        in_instrument += self.count_unseen(quoted.bids) + self.count_unseen(quoted.asks)
        room = min(room, self.maximum_open_orders - in_instrument)
        for place in range(alignment.levels):
            if room <= 0:
                return
            if alignment.order_of[place] == NONE:
                room -= 1
                size_room -= alignment.level_sizes[place]
                if size_room < 0:
                    # All that may fill is never more than all that is wanted: an order has to be gone first.
                    return
                self.send(quoted, wanted, alignment.level_prices[place], alignment.level_sizes[place], receive_ns)

    def count_unseen(self, wanted: WantedSide) -> i64:
        """How many orders of a side the ledger has not seen yet."""
        count: i64 = 0
        for request in wanted.unseen:
            if self.actor.ledger.order(request.order_id) is None:
                count += 1
        return count

    def send(self, quoted: Quoted, wanted: WantedSide, price: i64, size: i64, receive_ns: i64) -> None:
        """Ask for a new order."""
        order_id = self.ids.next()
        strategy_id = quoted.strategy_id
        instrument_id = quoted.instrument_id
        wanted.unseen.append(
            self.requests.expect(order_id, strategy_id, instrument_id, wanted.side, price, size, NEW, 0)
        )
        self.actor.emit(
            ChildOrder(
                order_id,
                0,
                strategy_id,
                instrument_id,
                wanted.side,
                LIMIT,
                GTC,
                price,
                size,
                0,
                0,
                True,
                False,
                0,
                receive_ns,
            )
        )

    def cancel_all(self, quoted: Quoted, reason: str, receive_ns: i64) -> bool:
        """Forget the wants and cancel every quote; says whether there was anything."""
        something = quoted.wants_something()
        for wanted in (quoted.bids, quoted.asks):
            wanted.clear()
            for order in list(wanted.open_side.orders.values()):
                if order.post_only and order.parent_id == 0:
                    something = True
                    if not is_cancel_pending(order.state) and not self.requests.is_leaving(order.order_id):
                        self.requests.cancel(order, reason, receive_ns)
            for request in wanted.unseen:
                unseen = self.actor.ledger.order(request.order_id) is None
                if unseen and not self.requests.is_leaving(request.order_id):
                    something = True
                    self.requests.cancel_unseen(request, reason, receive_ns)
        return something

    # ---- refusals

    def rest(self, wanted: WantedSide) -> None:
        """After a refusal a side gets no new order for a while."""
        now: i64 = self.actor.now
        wanted.rest_until_ns = now + self.refusal_pause_ns
        self.requests.wake(wanted.rest_until_ns)

    def wake_rested(self, reason: str) -> None:
        """Try again where the pause after a refusal is over; have the timer fire for the others."""
        now: i64 = self.actor.now
        for quoted in self.all():
            for wanted in (quoted.bids, quoted.asks):
                if 0 < wanted.rest_until_ns <= now:
                    wanted.rest_until_ns = 0
                    self.reconcile_side(quoted, wanted, reason, now)
                elif wanted.rest_until_ns > now:
                    self.requests.wake(wanted.rest_until_ns)

    def cannot_amend(self, rules: VenueRules) -> None:
        """The venue has said that it cannot change an order so: less from now on."""
        rules.amend = AMEND_SIZE if rules.amend == AMEND_ALL else AMEND_NOTHING

    # ---- state

    def save(self) -> list[object]:
        """All wants, by strategy and instrument."""
        return [quoted.save() for quoted in self.all()]

    def load(self, rows: object, gates: dict[int, Gate]) -> None:
        """Take back what `save` gave."""
        assert isinstance(rows, list)
        self.by_strategy = {}
        for strategy_id, instrument_id, reason, pulled, bids, asks in rows:
            quoted = self.quoted(strategy_id, gates[instrument_id])
            quoted.reason = reason
            quoted.pulled = pulled
            quoted.bids.load(bids)
            quoted.asks.load(asks)
