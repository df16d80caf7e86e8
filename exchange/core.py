"""The exchange itself: takes requests one at a time, checks them, runs the engines, and says what came of it.

A pure function of its inputs: the time of each comes with it, and nothing here knows a clock, a lane or a connection.
What it says waits in `out`, in order, until whoever drives it takes it. `docs/exchange.md` states the rules.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.accounts import Accounts
from exchange.limits import LimitRules
from exchange.records import Account, Collecting, Market, OpenOrder, OrderGroup, slices_of
from exchange.reports import EVERY_ORDER, NO_CODE, OF_ORDER, Reports, refused_change
from exchange.wording import INCOMPLETE, TEXTS, count_fault, is_client_id, member_fault, shape_fault, text_of
from market.calendar import SessionCalendar
from market.matching.entry import OrderEntry
from market.matching.settings import reject_text
from market.messages import (
    BUY,
    CAUSE_REQUESTED,
    DAY,
    EVENT_REJECTED,
    EVENT_REPLACE_REJECTED,
    GROUP_BRACKET,
    GROUP_NONE,
    LIMIT,
    MARKET,
    PEGGED,
    REJECT_AUTHENTICATION,
    REJECT_BAD_PRICE,
    REJECT_BALANCE,
    REJECT_DUPLICATE,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_RATE,
    REJECT_OTHER,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
    REJECT_UNSUPPORTED,
    STOP,
    TAKE_PROFIT,
    TRAILING_STOP,
    CancelAllWanted,
    CancelWanted,
    EntryWanted,
    OrderReported,
    ReplaceWanted,
    RequestAnswered,
)

MOST_COLLECTING: Final = 10_000
PPM: Final = 1_000_000


class Exchange:
    """See the head of this file."""

    def __init__(
        self, accounts: Accounts, reports: Reports, markets: list[Market], rules: dict[int, LimitRules],
        calendar: SessionCalendar,
    ) -> None:  # fmt: skip
        self.accounts: Final = accounts
        self.reports: Final = reports
        self.markets: Final = markets
        self.market_of: Final[dict[int, Market]] = {market.instrument_id: market for market in markets}
        # By account id.
        self.rules: Final = rules
        self.calendar: Final = calendar
        self.out: Final = reports.out
        self.exchange_id: Final[i64] = reports.exchange_id
        self.last_order_id: i64 = 0
        # By session id: the group of orders that it is sending.
        self.collecting: dict[int, Collecting] = {}

    # ---- orders

    def enter(self, entry: EntryWanted, now_ns: i64) -> None:
        """A client wants an order in the book; one of a group waits for the others."""
        self.reports.now_ns = now_ns
        collecting = self.collecting.get(entry.session_id)
        if collecting is not None and not collecting.fits(entry):
            self.drop_group(entry.session_id)
            collecting = None
        if entry.group_kind == GROUP_NONE:
            self.enter_alone(entry)
            return
        if collecting is None:
            wrong = count_fault(entry)
            if wrong != "":
                self.refuse_entry(entry, REJECT_UNSUPPORTED, wrong)
                return
            if len(self.collecting) >= MOST_COLLECTING:
                self.refuse_entry(entry, REJECT_RATE_LIMITED, "too many groups are on their way")
                return
            self.collecting[entry.session_id] = Collecting(entry)
            return
        collecting.entries.append(entry)
        if i64(len(collecting.entries)) == collecting.count:
            del self.collecting[entry.session_id]
            self.enter_group(collecting)

    def drop_group(self, session_id: i64) -> None:
        """Answer the orders of a group that did not arrive whole."""
        collecting = self.collecting.pop(session_id, None)
        if collecting is not None:
            for entry in collecting.entries:
                self.refuse_entry(entry, REJECT_OTHER, INCOMPLETE)

    def enter_alone(self, entry: EntryWanted) -> None:
        """Check an order, hold what it needs and hand it to the engine."""
        account = self.accounts.by_id.get(entry.account_id)
        market = self.market_of.get(entry.instrument_id)
        code = self.check_entry(entry, account, market, 1)
        if code != NO_CODE or account is None or market is None:
            self.refuse_entry(entry, code, text_of(entry, code))
            return
        order = self.make_order(entry, account, market)
        if order.order_type == PEGGED and order.side == BUY and order.price == 0:
            self.refuse_entry(entry, REJECT_BAD_PRICE, TEXTS[REJECT_BAD_PRICE])
            return
        needed = self.accounts.need_of(order, order.worst_price, order.remaining)
        if not self.accounts.can_hold(account, order.held_asset(), needed):
            self.refuse_entry(entry, REJECT_BALANCE, TEXTS[REJECT_BALANCE])
            return
        reports = self.reports
        reports.begin(account, entry.request_id, order.order_id, order.order_id)
        reports.orders[order.order_id] = order
        market.engine.submit(self.engine_entry(entry, order), reports.now_ns)
        reports.follow(market)
        reports.tell_balances()
        self.answer_entry(entry, order, account)

    def enter_group(self, collecting: Collecting) -> None:
        """Check the orders of a group, hold what they need together, and hand them to the engine."""
        entries = collecting.entries
        first = entries[0]
        account = self.accounts.by_id.get(first.account_id)
        market = self.market_of.get(first.instrument_id)
        faults: list[int] = [self.check_entry(entry, account, market, collecting.count) for entry in entries]
        mark_twice(entries, faults)
        if account is None or market is None or max(faults) != NO_CODE:
            for place, entry in enumerate(entries):
                code = faults[place] if faults[place] != NO_CODE else REJECT_OTHER
                self.refuse_entry(entry, code, text_of(entry, code))
            return
        if self.refuse_shape(collecting):
            return
        group = OrderGroup(collecting.kind)
        for entry in entries:
            order = self.make_order(entry, account, market)
            order.group = group
            order.is_exit = collecting.kind == GROUP_BRACKET and len(group.members) > 0
            group.members.append(order)
        quote, base = self.accounts.needs_of_group(group)
        if not (
            self.accounts.can_hold(account, market.quote, quote) and self.accounts.can_hold(account, market.base, base)
        ):
            for entry in entries:
                self.refuse_entry(entry, REJECT_BALANCE, TEXTS[REJECT_BALANCE])
            return
        reports = self.reports
        orders = [*group.members]
        reports.begin(account, OF_ORDER, orders[0].order_id, orders[len(orders) - 1].order_id)
        wanted: list[OrderEntry] = []
        for place, entry in enumerate(entries):
            reports.orders[orders[place].order_id] = orders[place]
            wanted.append(self.engine_entry(entry, orders[place]))
        market.engine.submit_group(collecting.kind, wanted, reports.now_ns)
        reports.follow(market)
        reports.tell_balances()
        for place, entry in enumerate(entries):
            self.answer_entry(entry, orders[place], account)

    def refuse_shape(self, collecting: Collecting) -> bool:
        """Refuse orders that make no group, each with what is wrong; says whether it did."""
        entries = collecting.entries
        shape = shape_fault(collecting.kind, entries)
        faults = [
            shape if shape != "" else member_fault(entry, collecting.kind == GROUP_BRACKET and place == 0)
            for place, entry in enumerate(entries)
        ]
        if max(faults) == "":
            return False
        for place, entry in enumerate(entries):
            fault = faults[place]
            code: i64 = REJECT_UNSUPPORTED if fault != "" else REJECT_OTHER
            self.refuse_entry(entry, code, fault if fault != "" else reject_text(code))
        return True

    def check_entry(self, entry: EntryWanted, account: Account | None, market: Market | None, together: i64) -> i64:
        """Why an order may not go to the engine, or `NO_CODE`."""
        if account is None:
            return REJECT_AUTHENTICATION
        rules = self.rules[entry.account_id]
        now_ns = self.reports.now_ns
        if not rules.take_message(account, now_ns):
            return REJECT_RATE_LIMITED
        if market is None:
            return REJECT_UNKNOWN_INSTRUMENT
        client_order_id = entry.client_order_id
        if len(client_order_id) > 0:
            if not is_client_id(client_order_id):
                return REJECT_UNSUPPORTED
            if client_order_id in account.by_client:
                return REJECT_DUPLICATE
        slices = slices_of(entry.size, entry.display_size) * together
        if not rules.may_open(account, together) or market.open_slices + slices > market.most_orders:
            return REJECT_OPEN_ORDERS
        rules.begin_day(account, now_ns, self.calendar)
        if not rules.keeps_proportion(account, together):
            return REJECT_ORDER_RATE
        return NO_CODE

    def make_order(self, entry: EntryWanted, account: Account, market: Market) -> OpenOrder:
        """The order as the exchange keeps it, with a bound where it has none and could cost anything."""
        self.last_order_id += 1
        price = entry.price
        if price == 0 and entry.side == BUY and entry.order_type != LIMIT:
            price = buying_bound(market, entry)
        return OpenOrder(
            self.last_order_id, market, account, entry.session_id, entry.client_order_id, entry.side, entry.order_type,
            entry.time_in_force, price, entry.size, entry.stop_price, entry.display_size, entry.request_id,
        )  # fmt: skip

    def engine_entry(self, entry: EntryWanted, order: OpenOrder) -> OrderEntry:
        """The order as the engine takes it."""
        expire_ns = entry.expire_ns
        if entry.time_in_force == DAY:
            expire_ns = self.calendar.session_end_ns(self.reports.now_ns)
        account = order.account
        return OrderEntry(
            order.order_id, account.account_id, account.group, entry.side, entry.order_type, entry.time_in_force,
            order.price, entry.size, entry.stop_price, entry.display_size, entry.post_only, expire_ns, entry.self_trade,
            entry.peg_reference, entry.offset,
        )  # fmt: skip

    def answer_entry(self, entry: EntryWanted, order: OpenOrder, account: Account) -> None:
        """Answer an order that the engine has seen."""
        code: i64 = order.refused_code
        refused = code != NO_CODE
        self.answer(
            entry.session_id, account, entry.request_id, code, reject_text(code) if refused else "", order.order_id,
            entry.client_order_id, 0 if refused else 1,
        )  # fmt: skip

    def refuse_entry(self, entry: EntryWanted, code: i64, reason: str) -> None:
        """Refuse an order that no engine has seen."""
        account = self.accounts.by_id.get(entry.account_id)
        if account is not None:
            account.sequence += 1
            self.out.append(
                OrderReported(
                    self.exchange_id, account.account_id, account.sequence, entry.session_id, entry.request_id,
                    EVENT_REJECTED, entry.instrument_id, 0, entry.client_order_id, entry.side, entry.order_type,
                    entry.time_in_force, entry.price, entry.size, 0, 0, 0, entry.stop_price, 0, 0, 0, 0, "", 0, 0, code,
                    0, reason, self.reports.now_ns,
                )
            )  # fmt: skip
        self.answer(
            entry.session_id, account, entry.request_id, code, reason, 0, entry.client_order_id, 0, entry.account_id
        )

    # ---- changes

    def cancel(self, request: CancelWanted, now_ns: i64) -> None:
        """A client wants an order cancelled; no limit stands in the way."""
        reports = self.reports
        reports.now_ns = now_ns
        self.drop_group(request.session_id)
        account = self.accounts.by_id.get(request.account_id)
        order = find(account, request.instrument_id, request.order_id, request.client_order_id)
        if order is None or account is None:
            self.refuse(request.session_id, account, request.account_id, request.request_id,
                        missing(account, request.order_id, request.client_order_id), request.order_id,
                        request.client_order_id)  # fmt: skip
            return
        reports.begin(account, request.request_id, order.order_id, order.order_id)
        market = order.market
        market.engine.cancel(order.order_id, CAUSE_REQUESTED)
        reports.follow(market)
        reports.tell_balances()
        self.answer(
            request.session_id, account, request.request_id, NO_CODE, "", order.order_id, order.client_order_id, 1
        )

    def cancel_all(self, request: CancelAllWanted, now_ns: i64) -> None:
        """A client wants all of its orders cancelled, or those of one instrument."""
        self.reports.now_ns = now_ns
        self.drop_group(request.session_id)
        account = self.accounts.by_id.get(request.account_id)
        if account is None:
            self.refuse(request.session_id, None, request.account_id, request.request_id, REJECT_AUTHENTICATION, 0, "")
            return
        self.reports.begin(account, request.request_id, 1, EVERY_ORDER)
        found = [
            order
            for order in account.orders.values()
            if request.instrument_id == 0 or order.market.instrument_id == request.instrument_id
        ]
        cancelled = self.cancel_these(found, CAUSE_REQUESTED)
        self.answer(request.session_id, account, request.request_id, NO_CODE, "", 0, "", cancelled)

    def cancel_these(self, found: list[OpenOrder], cause: i64) -> i64:
        """Cancel these orders as far as they are still open, from the outermost inward; gives how many.

        So the touch moves once at the end instead of with every cancel, and pegged orders with it.
        """
        cancelled: i64 = 0
        reports = self.reports
        found.sort(key=outermost_first)
        for order in found:
            if order.order_id in reports.orders:
                order.market.engine.cancel(order.order_id, cause)
                reports.follow(order.market)
                cancelled += 1
        reports.tell_balances()
        return cancelled

    def replace(self, request: ReplaceWanted, now_ns: i64) -> None:
        """A client wants another price or size for an order."""
        reports = self.reports
        reports.now_ns = now_ns
        self.drop_group(request.session_id)
        account = self.accounts.by_id.get(request.account_id)
        order = find(account, request.instrument_id, request.order_id, request.client_order_id)
        if order is None or account is None:
            self.refuse(request.session_id, account, request.account_id, request.request_id,
                        missing(account, request.order_id, request.client_order_id), request.order_id,
                        request.client_order_id)  # fmt: skip
            return
        reports.begin(account, request.request_id, order.order_id, order.order_id)
        price = request.price
        if price == 0 and order.side == BUY and is_bounded(order.order_type):
            price = order.worst_price
        code = self.check_replace(order, account, price, request.size)
        if code != NO_CODE:
            reports.tell(order, EVENT_REPLACE_REJECTED, 0, 0, 0, 0, "", 0, 0, code, 0, TEXTS[code])
            self.refuse(request.session_id, account, request.account_id, request.request_id, code, order.order_id,
                        order.client_order_id)  # fmt: skip
            return
        market = order.market
        reports.new_price = price
        market.engine.replace(order.order_id, price, request.size)
        reports.follow(market)
        reports.tell_balances()
        code = reports.refused_code
        self.answer(
            request.session_id, account, request.request_id, code, refused_change(order, code), order.order_id,
            order.client_order_id, 1 if code == NO_CODE else 0,
        )  # fmt: skip

    def check_replace(self, order: OpenOrder, account: Account, price: i64, size: i64) -> i64:
        """Why a change may not go to the engine, or `NO_CODE`."""
        rules = self.rules[account.account_id]
        now_ns = self.reports.now_ns
        if not rules.take_message(account, now_ns):
            return REJECT_RATE_LIMITED
        rules.begin_day(account, now_ns, self.calendar)
        if not rules.keeps_proportion(account, 1):
            return REJECT_ORDER_RATE
        if order.group is None and size > 0:
            needed = self.accounts.need_of(order, price, size - order.filled)
            if not self.accounts.can_hold(account, order.held_asset(), needed - order.held):
                return REJECT_BALANCE
        account.day_orders += 1
        return NO_CODE

    # ---- answers

    def refuse(
        self, session_id: i64, account: Account | None, account_id: i64, request_id: i64, code: i64, order_id: i64,
        client_order_id: str,
    ) -> None:  # fmt: skip
        """Refuse a request with the text of its code."""
        self.answer(
            session_id, account, request_id, code, TEXTS[code], order_id, client_order_id, 0, account_id
        )

    def answer(
        self, session_id: i64, account: Account | None, request_id: i64, code: i64, reason: str, order_id: i64,
        client_order_id: str, affected: i64, account_id: i64 = 0,
    ) -> None:  # fmt: skip
        """The end of the answer to a request; a code other than `NO_CODE` refuses."""
        refused = code != NO_CODE
        self.out.append(
            RequestAnswered(
                self.exchange_id, session_id, account_id if account is None else account.account_id, request_id,
                refused, code if refused else 0, reason, order_id, client_order_id, affected,
                0 if account is None else account.sequence, self.reports.now_ns,
            )
        )  # fmt: skip

    # ---- checks

    def check_invariants(self) -> None:
        """Compare everything with everything; the tests do so after every request."""
        self.accounts.check_invariants()
        for market in self.markets:
            check_market(self.reports, market)


def check_market(reports: Reports, market: Market) -> None:
    """What the engine of a market has open is what the accounts have open in it."""
    count: i64 = 0
    slices: i64 = 0
    for order in reports.orders.values():
        if order.market is market:
            count += 1
            slices += order.slices
            slot = market.engine.find(order.order_id)
            assert slot >= 0, f"the engine has no order {order.order_id}"
            assert order.account.orders[order.order_id] is order
    assert count == market.engine.open_orders, f"{count} orders are open, and {market.engine.open_orders} in the engine"
    assert market.engine.best_ask == 0 or market.engine.best_bid < market.engine.best_ask, "the book is crossed"


def outermost_first(order: OpenOrder) -> tuple[int, int, int, int]:
    """Market by market and side by side, the price furthest from the touch first."""
    price: int = order.price
    side: int = order.side
    return int(order.market.place), side, price * side, int(order.order_id)


def find(account: Account | None, instrument_id: i64, order_id: i64, client_order_id: str) -> OpenOrder | None:
    """The open order of an account with this id, or with this client's id where the id is 0, in this instrument.

    Prices and sizes of a request are in the steps of the instrument that it names, so no other order is meant.
    """
    if account is None:
        return None
    order = account.orders.get(order_id) if order_id != 0 else account.by_client.get(client_order_id)
    if order is None or order.market.instrument_id != instrument_id:
        return None
    return order


def missing(account: Account | None, order_id: i64, client_order_id: str) -> i64:
    """Why an order is not there: it has ended lately, or nobody knows of it."""
    if account is None:
        return REJECT_AUTHENTICATION
    if order_id != 0:
        return REJECT_TOO_LATE if order_id in account.ended_orders else REJECT_UNKNOWN_ORDER
    return REJECT_TOO_LATE if client_order_id in account.ended_by_client else REJECT_UNKNOWN_ORDER


def is_bounded(order_type: i64) -> bool:
    """Whether an order of this type has a bound or a cap in place of a limit price."""
    return order_type in (MARKET, STOP, TAKE_PROFIT, TRAILING_STOP, PEGGED)


def buying_bound(market: Market, entry: EntryWanted) -> i64:
    """The bound for a buy that came without one, so that what it holds is enough; 0 where there is nothing to go by.

    At once it is the protection band of now. For one that waits it is its stop price and the band beyond it; a stop
    that trails a buy only ever falls.
    """
    order_type = entry.order_type
    if order_type in (MARKET, PEGGED):
        return market.engine.band_price(BUY)
    if order_type not in (STOP, TAKE_PROFIT, TRAILING_STOP):
        return 0
    stop: int = entry.stop_price
    if order_type == TRAILING_STOP and stop == 0 and market.engine.last_price > 0:
        last: int = market.engine.last_price
        stop = last + entry.offset
    highest: int = market.maximum_price
    if stop <= 0 or stop > highest:
        return 0
    band: int = market.band_ppm
    tick: int = market.tick
    bound = min(stop + stop * band // PPM, highest)
    return bound - bound % tick


def mark_twice(entries: list[EntryWanted], faults: list[int]) -> None:
    """Note the orders of a group whose client's id another one before them has."""
    seen: dict[str, bool] = {}
    for place, entry in enumerate(entries):
        if len(entry.client_order_id) > 0:
            if entry.client_order_id in seen:
                faults[place] = REJECT_DUPLICATE
            seen[entry.client_order_id] = True
