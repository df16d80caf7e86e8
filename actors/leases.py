"""The leases that one `Risk` holds: how much of the limits of the whole system its lane may use, and until when.

It asks for what is at risk and a spare on top, renews at half time, gives every lease back that was replaced or ran
out, and says with it how much is in use. Once a lease has run out by the time of the lane, nothing is opened. It
never opens more than the lease allows, and never stands in the way of an order that only makes a position smaller.
An actor does not know its lane, so leases are held in the name of the `Risk` actor. docs/limits.md has the rules.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.risk_params import RiskParams
from market.instruments import Instrument
from market.messages import BUY, LeaseGranted, LeaseReturned, LeaseWanted
from market.numbers import decimal_places, format_decimal_short, parse_decimal
from runtime.actor import Actor
from runtime.ledger_orders import LedgerOrder, Standing

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
# Money in leases has this many decimals, whatever the instrument; what is in use is rounded up.
LEASE_SCALE: Final = 8
OPEN_ORDERS: Final = "maximum_open_orders"
LEASE_TIMER: Final = 1


def exposure_limit(currency: str) -> str:
    """The key of the limit on what is at risk in a currency."""
    return f"maximum_exposure.{currency}"


def scale_of(limit: str) -> int:
    """How many decimals the amounts of a limit have."""
    return 0 if limit == OPEN_ORDERS else LEASE_SCALE


def told(limit: str, amount: int) -> str:
    """An amount of a limit as text."""
    return format_decimal_short(amount, scale_of(limit))


def money_from_text(text: str) -> int:
    """An amount of money of the configuration at the scale of leases; digits below it are cut off."""
    places = decimal_places(text)
    amount: int = parse_decimal(text, places)
    if places <= LEASE_SCALE:
        larger: int = 10 ** (LEASE_SCALE - places)
        return amount * larger
    smaller: int = 10 ** (places - LEASE_SCALE)
    return amount // smaller


def money_in_use(money: int, scale: int) -> int:
    """Money of an instrument at the scale of leases, rounded up."""
    if scale <= LEASE_SCALE:
        larger: int = 10 ** (LEASE_SCALE - scale)
        return money * larger
    smaller: int = 10 ** (scale - LEASE_SCALE)
    return -(-money // smaller)


class Exposed:
    """What one strategy has at risk in one instrument; counted again only when its orders or its position change."""

    def __init__(self, standing: Standing, instrument: Instrument) -> None:
        self.standing: Final = standing
        self.instrument: Final = instrument
        self.limit: Final = exposure_limit(instrument.money_asset)
        self.version: i64 = -1
        self.reference: int = 0
        self.used: int = 0

    def count(self, reference: int) -> int:
        """What is at risk at most, at the scale of leases; an order without a price counts at the reference."""
        standing = self.standing
        moved = reference != self.reference and standing.buys.unpriced + standing.sells.unpriced > 0
        if moved or self.version != standing.version:
            self.version = standing.version
            self.reference = reference
            self.used = self.without(None, reference)
        return self.used

    def without(self, order: LedgerOrder | None, reference: int) -> int:
        """The same, if one of its orders were not there."""
        standing = self.standing
        buys = [one for one in standing.buys.listed() if one is not order and not one.refused]
        sells = [one for one in standing.sells.listed() if one is not order and not one.refused]
        net: int = standing.net_size
        held: int = 0
        for position in standing.positions:
            held += abs(position.cost)
        bought = open_size(buys) + min(net, 0)
        sold = open_size(sells) - max(net, 0)
        long = opened(buys, bought, self.instrument, reference) + (held if net > 0 else 0)
        short = opened(sells, sold, self.instrument, reference) + (held if net < 0 else 0)
        return money_in_use(max(held, long, short), self.instrument.money_scale)


def open_size(orders: list[LedgerOrder]) -> int:
    """What is still to be filled of some orders."""
    size: int = 0
    for order in orders:
        size += order.worst_size()
    return size


def opened(orders: list[LedgerOrder], size: int, instrument: Instrument, reference: int) -> int:
    """What orders of one side open at most when all fill and this much of them does not close a position."""
    if size <= 0:
        return 0
    total: int = 0
    dearest: int = 0
    for order in orders:
        # While a change is on its way, the old and the new price and size count at their worst.
        price: int = order.lowest_price() if instrument.inverse else order.highest_price()
        if price <= 0:
            price = reference
        if price <= 0:
            continue
        total += instrument.notional(price, order.worst_size())
        dearest = max(dearest, instrument.notional(price, size))
    return min(total, dearest)


class HeldLease:
    """One limit as its holder knows it: the lease in force, and what was asked for."""

    def __init__(self, limit: str, spare: int) -> None:
        self.limit: Final = limit
        self.spare: Final = spare
        # 0 while there is no lease.
        self.lease_id: int = 0
        self.newest_id: int = 0
        self.amount: int = 0
        self.expire_ns: int = 0
        self.renew_ns: int = 0
        self.asked: int = 0
        self.asked_ns: int = 0
        self.waiting: bool = False

    def should_ask(self, used: int, now_ns: int, retry_ns: int) -> bool:
        """Whether it is time to ask: nothing is held, half of the time is over, or half of the spare is used up."""
        again = now_ns >= self.asked_ns + retry_ns
        if self.waiting or self.lease_id == 0:
            return again
        if now_ns >= self.renew_ns:
            return True
        # Who got less than asked for must not ask at every order.
        return (self.amount - used) * 2 < self.spare and (again or self.amount >= self.asked)

    def next_look_ns(self, now_ns: int, retry_ns: int) -> int:
        """When there may be something to do; always later than now."""
        due_ns = self.asked_ns + retry_ns
        if self.lease_id != 0 and not self.waiting and self.amount >= self.asked:
            due_ns = self.renew_ns
        if due_ns <= now_ns:
            due_ns = now_ns + retry_ns
        if self.lease_id != 0:
            due_ns = min(due_ns, self.expire_ns)
        return due_ns

    def save(self) -> list[object]:
        """The lease as plain data."""
        return [
            self.limit, self.lease_id, self.newest_id, self.amount, self.expire_ns, self.renew_ns, self.asked,
            self.asked_ns, self.waiting,
        ]  # fmt: skip

    def load(self, row: list[int]) -> None:
        """Take back what `save` gave."""
        self.lease_id, self.newest_id, self.amount, self.expire_ns = row[1], row[2], row[3], row[4]
        self.renew_ns, self.asked, self.asked_ns = row[5], row[6], row[7]
        self.waiting = bool(row[8])


class Leases:
    """See the head of this file."""

    def __init__(self, actor: Actor, instruments: dict[int, Instrument], params: RiskParams) -> None:
        self.actor: Final = actor
        self.instruments: Final = instruments
        self.retry_ns: Final[int] = params.lease_retry_ms * NANOSECONDS_PER_MILLISECOND
        self.held: dict[str, HeldLease] = {}
        # By which an order without a price of its own counts: the mid of the last order of its instrument.
        self.references: dict[int, int] = {}
        # Orders that were refused within this step; the ledger holds them until it has heard so.
        self.refused: dict[int, bool] = {}
        # One for each strategy and instrument that the ledger knows, so that nobody walks all orders.
        self.exposed: list[Exposed] = []
        self.standings_seen: int = -1
        orders: int = params.lease_orders
        self.held[OPEN_ORDERS] = HeldLease(OPEN_ORDERS, orders)
        spare = money_from_text(params.maximum_order_notional) * orders
        for instrument in instruments.values():
            limit = exposure_limit(instrument.money_asset)
            self.held[limit] = HeldLease(limit, spare)

    # ---- orders

    def refusal(self, order: LedgerOrder, reference: int) -> str:
        """Why an order may not leave, or an empty text; the ledger holds the order already.

        Where little is left it asks for more, so that the next order need not wait.
        """
        self.references[order.instrument_id] = reference
        used = self.in_use()
        reason = ""
        if not self.only_reduces(order):
            exposure = exposure_limit(self.instruments[order.instrument_id].money_asset)
            reason = self.above(self.held[exposure], used[exposure], used[exposure] - self.added_by(order, reference))
            if len(reason) == 0:
                reason = self.above(self.held[OPEN_ORDERS], used[OPEN_ORDERS], used[OPEN_ORDERS] - 1)
        self.ask_where_needed(used)
        return reason

    def added_by(self, order: LedgerOrder, reference: int) -> int:
        """How much more is in use with this order than without it."""
        for one in self.exposed:
            if one.standing is order.of_own:
                return one.used - one.without(order, reference)
        return 0

    def leave_out(self, order_id: int) -> None:
        """An order was refused, by whatever limit: it is no longer at risk."""
        for known in list(self.refused):
            if known not in self.actor.ledger.open:
                del self.refused[known]
        self.refused[order_id] = True

    def above(self, held: HeldLease, used: int, before: int) -> str:
        """What is wrong with using this much of a limit now, when without the order it was so much before."""
        value = told(held.limit, used)
        if held.lease_id == 0:
            return f"{held.limit} {value} with this order needs a lease, and none is held"
        if self.actor.now >= held.expire_ns:
            return f"{held.limit} {value} with this order needs a lease, and lease {held.lease_id} has run out"
        if used > held.amount and used > before:
            return f"{held.limit} {value} with this order is above the {told(held.limit, held.amount)} that is leased"
        return ""

    def only_reduces(self, order: LedgerOrder) -> bool:
        """Whether its strategy holds a position that this order and all others of its side only make smaller."""
        standing = self.actor.ledger.standing(order.instrument_id, order.strategy_id)
        net = standing.net_size
        if net == 0 or (net > 0) == (order.side == BUY):
            return False
        return standing.side(order.side).size <= abs(net)

    def in_use(self) -> dict[str, int]:
        """How much of each limit is in use: positions at cost and open orders at their price, at their worst."""
        self.find_standings()
        used = dict.fromkeys(self.held, 0)
        count: int = 0
        for one in self.exposed:
            standing = one.standing
            count += standing.count()
            used[one.limit] += one.count(self.references.get(standing.instrument_id, 0))
        if len(self.refused) > 0:
            orders = self.actor.ledger.open
            count -= sum(1 for order_id in self.refused if order_id in orders)
        used[OPEN_ORDERS] = count
        return used

    def find_standings(self) -> None:
        """See whether a strategy has begun to trade in another instrument."""
        by_strategy = self.actor.ledger.open_orders.by_strategy
        seen: int = 0
        for own in by_strategy.values():
            seen += len(own)
        if seen == self.standings_seen:
            return
        self.standings_seen = seen
        self.exposed = [
            Exposed(standing, self.instruments[instrument_id])
            for own in by_strategy.values()
            for instrument_id, standing in own.items()
            if instrument_id in self.instruments
        ]

    # ---- leases

    def look(self) -> None:
        """Give back what ran out, ask where it is time to, and look again when something comes due."""
        if self.actor.ledger.closing:
            # Nothing more is opened, and the keeper may have stopped already.
            return
        used = self.in_use()
        for held in self.held.values():
            if held.lease_id != 0 and self.actor.now >= held.expire_ns:
                self.give_back(held, used[held.limit], "it ran out")
        self.ask_where_needed(used)
        self.set_timer()

    def take(self, granted: LeaseGranted) -> None:
        """A lease was granted: it replaces the one before, which goes back. What is not ours or is old is nothing."""
        if granted.lane != self.actor.name:
            return
        held = self.held.get(granted.limit)
        lease_id: int = granted.lease_id
        if held is None or lease_id <= held.newest_id:
            return
        if held.lease_id != 0:
            self.give_back(held, self.in_use()[held.limit], "it was replaced")
        expire_ns: int = granted.expire_ns
        held.lease_id = lease_id
        held.newest_id = lease_id
        held.amount = granted.amount
        held.expire_ns = expire_ns
        held.renew_ns = self.actor.now + max(expire_ns - self.actor.now, 0) // 2
        held.waiting = False
        self.look()

    def give_back(self, held: HeldLease, used: int, reason: str) -> None:
        """Give a lease back and say how much of it is not in use; below zero when a sale brought more than it asked."""
        self.actor.emit(LeaseReturned(self.actor.name, held.lease_id, held.amount - used, reason))
        held.lease_id = 0

    def ask_where_needed(self, used: dict[str, int]) -> None:
        """Ask for what is in use and the spare on top, for each limit where it is time to."""
        if self.actor.ledger.closing:
            return
        asked = False
        for held in self.held.values():
            if held.should_ask(used[held.limit], self.actor.now, self.retry_ns):
                held.asked = used[held.limit] + held.spare
                held.asked_ns = self.actor.now
                held.waiting = True
                self.actor.emit(LeaseWanted(self.actor.name, held.limit, 0, held.asked))
                asked = True
        if asked:
            self.set_timer()

    def set_timer(self) -> None:
        """Be called when the first of the leases may need something."""
        due_ns: i64 = -1
        for held in self.held.values():
            next_ns = held.next_look_ns(self.actor.now, self.retry_ns)
            if due_ns < 0 or next_ns < due_ns:
                due_ns = next_ns
        self.actor.set_timer(LEASE_TIMER, due_ns)

    # ---- state

    def summary(self) -> dict[str, object]:
        """What is leased, by limit, as text."""
        return {held.limit: told(held.limit, held.amount) if held.lease_id else "" for held in self.held.values()}

    def save(self) -> list[object]:
        """Leases and references as plain data."""
        return [
            [held.save() for held in self.held.values()],
            [[instrument_id, price] for instrument_id, price in self.references.items()],
        ]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        for row in state[0]:
            self.held[row[0]].load(row)
        self.references = {row[0]: row[1] for row in state[1]}
