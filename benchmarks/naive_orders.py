"""The orders of the reference engine, and the rules that refuse one by its form; after docs/matching.md, word by word.

Nothing here is quick. It is written so that each function can be laid beside the paragraph of the page that it keeps.
It never changes a book.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from market.messages import (
    BUY,
    DAY,
    FOK,
    GROUP_BRACKET,
    GROUP_OCO,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    PEG_NONE,
    PEGGED,
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_DUPLICATE,
    REJECT_EXPIRED,
    REJECT_INSTRUMENT_STATUS,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_UNSUPPORTED,
    SELL,
    STATUS_POST_ONLY,
    STATUS_TRADING,
    STOP,
    STOP_LIMIT,
    STP_CANCEL_RESTING,
    STP_CANCEL_SMALLEST,
    STP_NONE,
    TAKE_PROFIT,
    TAKE_PROFIT_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
)

LIMITED: Final = (LIMIT, STOP_LIMIT, TRAILING_STOP_LIMIT, TAKE_PROFIT_LIMIT)
MARKET_LIKE: Final = (MARKET, STOP, TRAILING_STOP, TAKE_PROFIT)
TRAILING: Final = (TRAILING_STOP, TRAILING_STOP_LIMIT)
TAKES_PROFIT: Final = (TAKE_PROFIT, TAKE_PROFIT_LIMIT)
FIXED_STOPS: Final = (STOP, STOP_LIMIT, *TAKES_PROFIT)
STOPS: Final = (*FIXED_STOPS, *TRAILING)

# Where an order is.
INCOMING: Final = "incoming"
RESTING: Final = "resting"
WAITING: Final = "waiting for its trigger"
PARKED: Final = "pegged without a price"
DORMANT: Final = "waiting for its group"
GONE: Final = "gone"


class Settings(Protocol):
    """What the engine is told about its instrument."""

    tick: int
    lot: int
    minimum_size: int
    maximum_size: int
    maximum_price: int
    minimum_notional: int
    band_ppm: int
    most_orders: int
    most_pegged: int
    most_slices: int
    most_triggers: int


class Entry(Protocol):
    """An order as it is handed in."""

    order_id: int
    account_id: int
    account_group: int
    side: int
    order_type: int
    time_in_force: int
    price: int
    size: int
    stop_price: int
    display_size: int
    post_only: int
    expire_ns: int
    self_trade: int
    peg_reference: int
    offset: int


@dataclass(eq=False)
class Order:
    """An order that was accepted, as long as it works or waits."""

    entry: Entry
    rank: int
    order_id: int
    account_id: int
    side: int
    order_type: int
    price: int
    size: int
    stop_price: int
    cap: int
    remaining: int
    shown: int = 0
    traded: int = 0
    owed: int = 0
    place: str = INCOMING
    group: Group | None = None

    @property
    def hidden(self) -> bool:
        """Whether it shows nothing."""
        return self.entry.display_size == -1

    @property
    def offered(self) -> int:
        """What an incoming order can trade with: the shown slice, or all of a hidden order."""
        return self.remaining if self.hidden else self.shown

    @property
    def rising(self) -> bool:
        """Whether it fires when the last price has risen to its stop price, and not fallen."""
        return (self.side == BUY) != (self.order_type in TAKES_PROFIT)

    @property
    def future(self) -> int:
        """What an exit may still be given: what it is owed, and what the entry has left."""
        entry = self.group.entry if self.group is not None else None
        return self.owed + (entry.remaining if entry is not None and entry.place != GONE else 0)

    def fresh_slice(self) -> int:
        """What it shows when it comes to rest, or when its slice has traded."""
        if self.hidden:
            return 0
        return min(self.entry.display_size or self.remaining, self.remaining)


@dataclass(eq=False)
class Group:
    """Orders that depend on each other: an OCO, or a bracket of an entry and its exits."""

    bracket: bool
    members: list[Order] = field(default_factory=list)

    @property
    def entry(self) -> Order | None:
        """The entry of a bracket."""
        return self.members[0] if self.bracket else None

    @property
    def exits(self) -> list[Order]:
        """The exits of a bracket."""
        return self.members[1:] if self.bracket else []

    @property
    def losers(self) -> list[Order]:
        """Those that lose what another of them trades."""
        return self.members[1:] if self.bracket else self.members


def down_to_tick(price: int, divisor: int, tick: int) -> int:
    """The highest price on the tick that is not above `price / divisor`."""
    return price // (divisor * tick) * tick


def up_to_tick(price: int, divisor: int, tick: int) -> int:
    """The lowest price on the tick that is not below `price / divisor`."""
    return -(-price // (divisor * tick)) * tick


def first_stop_price(entry: Entry, last_price: int) -> int:
    """The stop price that a stop order begins with; 0 where a trailing one has nothing to begin from."""
    if entry.order_type in TRAILING and entry.stop_price == 0 and last_price:
        return last_price + entry.offset if entry.side == BUY else last_price - entry.offset
    return entry.stop_price


# ------------------------------------------------------------------------------------------- what is refused by form


def status_refuses(entry: Entry, status: int) -> bool:
    """Rule 1."""
    if status == STATUS_POST_ONLY:
        return entry.post_only not in (1, 2) or entry.time_in_force in (IOC, FOK) or entry.order_type != LIMIT
    return status != STATUS_TRADING


def unsupported(entry: Entry) -> bool:
    """Rule 3: values that do not exist, and combinations that make no sense."""
    order_type, time_in_force = entry.order_type, entry.time_in_force
    return (
        entry.side not in (BUY, SELL)
        or order_type not in (*LIMITED, *MARKET_LIKE, PEGGED)
        or time_in_force not in (GTC, IOC, FOK, GTD, DAY)
        or not 0 <= entry.post_only <= 2
        or not 0 <= entry.self_trade <= 5
        or not 0 <= entry.peg_reference <= 3
        or (entry.post_only != 0 and (order_type in MARKET_LIKE or time_in_force in (IOC, FOK)))
        or (order_type == PEGGED and (time_in_force in (IOC, FOK) or entry.display_size != 0))
        or (order_type == PEGGED) != (entry.peg_reference != PEG_NONE)
        or (order_type in MARKET_LIKE and entry.display_size != 0)
        or (time_in_force == FOK and order_type in STOPS)
        or (order_type == MARKET and time_in_force in (GTD, DAY))
    )


def too_many_slices(display_size: int, size: int, settings: Settings) -> bool:
    """Whether an iceberg of this size would show more slices than one may have."""
    return 0 < display_size < size and -(-size // display_size) > settings.most_slices


def bad_size(entry: Entry, settings: Settings) -> bool:
    """Rule 4."""
    return (
        entry.size <= 0
        or entry.size % settings.lot != 0
        or not settings.minimum_size <= entry.size <= settings.maximum_size
        or entry.display_size < -1
        or (entry.display_size > 0 and entry.display_size % settings.lot != 0)
        or too_many_slices(entry.display_size, entry.size, settings)
    )


def is_price(price: int, settings: Settings) -> bool:
    """Whether an order could rest at this price: positive, on the tick, not above the highest."""
    return 0 < price <= settings.maximum_price and price % settings.tick == 0


def bad_limit(order_type: int, price: int, settings: Settings) -> bool:
    """Whether a price is none for this type: a limit has to be there, a bound or a cap may be 0."""
    return not is_price(price, settings) and (order_type in LIMITED or price != 0)


def bad_price(entry: Entry, settings: Settings, last_price: int) -> bool:
    """Rule 5."""
    if bad_limit(entry.order_type, entry.price, settings):
        return True
    if entry.order_type in TRAILING and not is_price(entry.offset, settings):
        return True
    if entry.order_type in STOPS and not is_price(first_stop_price(entry, last_price), settings):
        return True
    if entry.order_type == PEGGED and entry.offset != 0 and not is_price(entry.offset, settings):
        return True
    return entry.time_in_force in (GTD, DAY) and entry.expire_ns == 0


def below_minimum_notional(order_type: int, price: int, stop_price: int, size: int, settings: Settings) -> bool:
    """Rule 7: measured at the limit price, else at the stop price; `MARKET` and `PEGGED` are not measured."""
    if order_type in (MARKET, PEGGED):
        return False
    return (price if order_type in LIMITED else stop_price) * size < settings.minimum_notional


class Form(NamedTuple):
    """An order, and what is known of it besides its fields."""

    entry: Entry
    duplicate: bool
    not_in_groups: bool


def refusal_by_form(form: Form, settings: Settings, status: int, last_price: int, now_ns: int) -> int | None:
    """The code of the first of rules 1 to 7 that refuses an order, or None."""
    entry = form.entry
    if status_refuses(entry, status):
        return REJECT_INSTRUMENT_STATUS
    if form.duplicate:
        return REJECT_DUPLICATE
    if unsupported(entry) or form.not_in_groups:
        return REJECT_UNSUPPORTED
    if bad_size(entry, settings):
        return REJECT_BAD_SIZE
    if bad_price(entry, settings, last_price):
        return REJECT_BAD_PRICE
    if entry.time_in_force in (GTD, DAY) and entry.expire_ns <= now_ns:
        return REJECT_EXPIRED
    stop_price = first_stop_price(entry, last_price)
    if below_minimum_notional(entry.order_type, entry.price, stop_price, entry.size, settings):
        return REJECT_MINIMUM_NOTIONAL
    return None


def makes_group(kind: int, entries: Sequence[Entry]) -> bool:
    """Whether these orders have the number, the owner, the sides and the sizes of a group."""
    if (kind, len(entries)) not in ((GROUP_OCO, 2), (GROUP_BRACKET, 2), (GROUP_BRACKET, 3)):
        return False
    first, others = entries[0], entries[1:]
    if any((other.account_id, other.account_group) != (first.account_id, first.account_group) for other in others):
        return False
    if kind == GROUP_OCO:
        return others[0].side == first.side
    return all(other.side != first.side and other.size == first.size for other in others)


def not_in_groups(entry: Entry, is_entry: bool) -> bool:
    """Whether groups do not take such an order in this place."""
    if entry.order_type == PEGGED or entry.display_size != 0 or entry.time_in_force == FOK:
        return True
    return not is_entry if entry.order_type == MARKET else entry.time_in_force == IOC


# ------------------------------------------------------------------------------------------------------ fill or kill


def same_owner(entry: Entry, resting: Order) -> bool:
    """Whether self-trade prevention comes between an incoming order and a resting one."""
    same_group = entry.account_group != 0 and entry.account_group == resting.entry.account_group
    return same_group and entry.self_trade != STP_NONE


def can_fill(entry: Entry, opposite: list[Order]) -> bool:
    """Whether these orders, in priority, fill an order whole, self-trade prevention and groups considered (rule 10).

    Goes as matching would: in a level first what is shown, then the reserves that were not taken out, then the hidden.
    """
    left = entry.size
    gives: dict[Group, int] = {}  # what the orders of a group have given so far, which the others lose
    ended: list[Group] = []  # groups of which self-trade prevention would cancel one order, and so the others
    for price in dict.fromkeys(order.price for order in opposite):
        reserves = 0
        for order in [order for order in opposite if order.price == price]:
            if order.hidden and reserves:
                left -= min(left, reserves)
                reserves = 0
            # The entry of a bracket loses nothing by what its exits do, nor they by what it does.
            group = order.group if order.group is not None and order is not order.group.entry else None
            there = order.remaining
            if group is not None:
                there = 0 if group in ended else there - gives.get(group, 0)
            if there <= 0 or left == 0:
                continue
            if same_owner(entry, order):
                takes_out = entry.self_trade == STP_CANCEL_SMALLEST and there < left
                if not takes_out and entry.self_trade != STP_CANCEL_RESTING:
                    return False
                if group is not None:
                    ended.append(group)
                continue
            given = min(left, there, order.offered)
            left -= given
            reserves += there - min(there, order.offered)
            if group is not None:
                gives[group] = gives.get(group, 0) + given
        left -= min(left, reserves)
    return left == 0
