"""How a new order is taken: the refusals that need the book, its row, and whether it rests, comes in or waits."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.checks import NO_FAULT, fault_of, first_stop, is_stop
from market.matching.entry import OrderEntry
from market.matching.events import INCOMING, RESTS, WAITS
from market.matching.runs import Runs
from market.matching.special import NOWHERE, PARKED, WAITING, Special
from market.matching.store import (
    FORCE_SHIFT,
    HIDDEN,
    ICEBERG,
    IS_PEGGED,
    POST_ONLY_SHIFT,
    SELF_TRADE_SHIFT,
    SELLS,
    STATE,
    TYPE_SHIFT,
    WORDS,
)
from market.matching.triggers import is_rising
from market.messages.constants import (
    BUY,
    DAY,
    EVENT_ACCEPTED,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    PEGGED,
    POST_ONLY_NONE,
    POST_ONLY_REJECT,
    POST_ONLY_REPRICE,
    REJECT_DUPLICATE,
    REJECT_INSTRUMENT_STATUS,
    REJECT_NOT_FILLABLE,
    REJECT_OPEN_ORDERS,
    REJECT_POST_ONLY,
    SELL,
    STATUS_POST_ONLY,
    STATUS_TRADING,
    STP_DECREMENT_BOTH,
    STP_NONE,
)

_EXPIRES: Final = GTD


@final
class Intake:
    """Takes new orders into one book."""

    def __init__(self, book: OrderBook, runs: Runs) -> None:
        """Work on one book."""
        self._book: OrderBook = book
        self._runs: Runs = runs

    def fault_of(self, entry: OrderEntry, now_ns: i64, before_it: i64) -> i64:
        """The first fault by rules 1 to 8; `before_it` orders of its group are counted as held."""
        book = self._book
        settings = book.settings
        status = self._runs.status
        if status != STATUS_TRADING and (status != STATUS_POST_ONLY or not is_passive(entry)):
            return REJECT_INSTRUMENT_STATUS
        if book.store.find(entry.order_id) != 0:
            return REJECT_DUPLICATE
        if not is_plain(entry) or settings.minimum_notional != 0 or not _fits(entry, book):
            code = fault_of(entry, settings, book.last_price, now_ns)
            if code != NO_FAULT:
                return code
        if book.store.count + before_it >= settings.most_orders:
            return REJECT_OPEN_ORDERS
        if entry.order_type == PEGGED and i64(len(book.pegs)) >= settings.most_pegged:
            return REJECT_OPEN_ORDERS
        return NO_FAULT

    def admit(self, entry: OrderEntry) -> i64:
        """Take an order without a fault so far and let it run; the fault by rules 9 and 10 where there is one."""
        order_type = entry.order_type
        if order_type == PEGGED:
            self._admit_pegged(entry)
            return NO_FAULT
        if is_stop(order_type):
            self._admit_stop(entry)
            return NO_FAULT
        crossing = self._runs.crossing
        side = entry.side
        price = entry.price
        force = entry.time_in_force
        if order_type == MARKET:
            limit = crossing.band_price(side, price)
            if force == FOK and not self._fills(entry, limit != 0, limit):
                return REJECT_NOT_FILLABLE
            slot = self.add(entry, price)
            self._accept(entry, price, INCOMING, 0)
            self._runs.run(slot, limit != 0, limit)
            self._runs.pay_exits()
            return NO_FAULT
        crosses = crossing.crosses(side, price)
        if crosses and entry.post_only != POST_ONLY_NONE:
            if entry.post_only == POST_ONLY_REJECT:
                return REJECT_POST_ONLY
            price = self._runs.price_behind(side)
            if price == 0:
                return REJECT_POST_ONLY
            crosses = False
        if force == FOK and not self._fills(entry, True, price):
            return REJECT_NOT_FILLABLE
        slot = self.add(entry, price)
        if not crosses and force != IOC:
            shown = self._book.join(slot)
            self._accept(entry, price, RESTS, shown)
            return NO_FAULT
        self._accept(entry, price, INCOMING, 0)
        self._runs.run(slot, True, price)
        self._runs.pay_exits()
        return NO_FAULT

    def _fills(self, entry: OrderEntry, limited: bool, limit: i64) -> bool:
        return self._runs.crossing.fills(entry.side, limited, limit, entry.size, entry.account_group, entry.self_trade)

    def _accept(self, entry: OrderEntry, price: i64, code: i64, shown: i64) -> None:
        self._book.events.add(
            EVENT_ACCEPTED, entry.order_id, entry.account_id, entry.side, price, entry.size, entry.size, code,
            0, 0, 0, shown,
        )  # fmt: skip

    def accept_member(self, entry: OrderEntry) -> None:
        """Give the event of an order that waits."""
        self._accept(entry, entry.price, WAITS, 0)

    def add(self, entry: OrderEntry, price: i64) -> i64:
        """Give an order its row, and its rarer fields where it has some; it is in no queue."""
        book = self._book
        size = entry.size
        display_size = entry.display_size
        force = entry.time_in_force
        state: i64 = (
            entry.order_type << TYPE_SHIFT
            | force << FORCE_SHIFT
            | entry.post_only << POST_ONLY_SHIFT
            | entry.self_trade << SELF_TRADE_SHIFT
        )
        if entry.side == SELL:
            state |= SELLS
        if display_size == -1:
            state |= HIDDEN
        slot = book.store.add(entry.order_id, entry.account_id, entry.account_group, price, size, state)
        if force >= GTD or display_size > 0:
            special = book.make_special(slot)
            if force in (GTD, DAY):
                special.expire_ns = entry.expire_ns
                book.expiries[(entry.expire_ns, special.sequence)] = special
            if display_size > 0:
                special.display_size = display_size
                book.store.rows[slot * WORDS + STATE] |= ICEBERG
        return slot

    def special_of(self, slot: i64) -> Special:
        """The rarer fields of an order, made if it has none."""
        book = self._book
        if slot in book.specials:
            return book.special_of(slot)
        return book.make_special(slot)

    def prepare_stop(self, entry: OrderEntry, special: Special) -> None:
        """Give a stop order its stop price; a trailing one without gets its own when it begins to wait."""
        special.stop_price = entry.stop_price
        special.offset = entry.offset

    def _admit_stop(self, entry: OrderEntry) -> None:
        book = self._book
        slot = self.add(entry, entry.price)
        special = self.special_of(slot)
        self.prepare_stop(entry, special)
        special.stop_price = first_stop(entry, book.last_price)
        self._accept(entry, entry.price, WAITS, 0)
        last_price = book.last_price
        rising = is_rising(entry.side == SELL, entry.order_type)
        holds = last_price >= special.stop_price if rising else last_price <= special.stop_price
        if last_price != 0 and holds:
            special.place = NOWHERE
            self._runs.fire(special)
        else:
            book.wait(special, WAITING)

    def _admit_pegged(self, entry: OrderEntry) -> None:
        book = self._book
        pegs = self._runs.pegs
        price = pegs.price_now(entry.side, entry.peg_reference, entry.offset, entry.price)
        pegs.restless = True
        slot = self.add(entry, price)
        special = self.special_of(slot)
        special.peg_reference = entry.peg_reference
        special.offset = entry.offset
        special.cap = entry.price
        book.store.rows[slot * WORDS + STATE] |= IS_PEGGED
        book.pegs[special.sequence] = special
        if price == 0:
            book.wait(special, PARKED)
            self._accept(entry, 0, WAITS, 0)
        else:
            shown = book.join(slot)
            self._accept(entry, price, RESTS, shown)


def is_plain(entry: OrderEntry) -> bool:
    """Whether it is a limit order of the common form: good till cancelled, all shown, every flag a known one."""
    return (
        entry.order_type == LIMIT
        and entry.time_in_force == GTC
        and entry.display_size == 0
        and entry.peg_reference == 0
        and POST_ONLY_NONE <= entry.post_only <= POST_ONLY_REPRICE
        and STP_NONE <= entry.self_trade <= STP_DECREMENT_BOTH
        and (entry.side == BUY or entry.side == SELL)
    )


def _fits(entry: OrderEntry, book: OrderBook) -> bool:
    """Whether a plain order's price and size are within bounds and on their steps."""
    settings = book.settings
    size = entry.size
    price = entry.price
    if size < settings.minimum_size or size > settings.maximum_size or price <= 0 or price > settings.maximum_price:
        return False
    return (settings.lot == 1 or size % settings.lot == 0) and (settings.tick == 1 or price % settings.tick == 0)


def is_passive(entry: OrderEntry) -> bool:
    """Whether it may come in while orders may rest but not take."""
    post_only = entry.post_only == POST_ONLY_REJECT or entry.post_only == POST_ONLY_REPRICE
    return post_only and entry.order_type == LIMIT and entry.time_in_force != IOC and entry.time_in_force != FOK
