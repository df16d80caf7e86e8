"""An auditor that hears what the main job's lane says, counts everything for itself, and believes nobody.

It looks at messages alone, never into an actor. After each input it judges: limits with every open order counted as
filled, orders at venues whose book is not LIVE, orders while trading is halted. Of each order that leaves it judges
what holds at that moment: its price, what of ours it could trade with, the rate of requests, the exposure. At the end
it compares its own count of orders, fills, positions and money with the ledger.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

import attrs

from actors.risk_params import RiskParams
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    BUY,
    GTC,
    LIVE,
    SELL,
    ActorFailed,
    BookStateChanged,
    CancelAll,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    HaltReset,
    Message,
    NewOrder,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    PositionChanged,
    ReplaceOrder,
    ReplaceRejected,
    RiskRefused,
    RunStarted,
    ShutdownRequested,
    TopOfBook,
    TradingHalted,
)
from runtime.ledger import Ledger

BASE_PLACES = 8
# A cancel that the venue has refused is sent again within this time: when the next look at it is due, and the order
# manager may have died meanwhile.
AGAIN_NS = 6_000_000_000
# Mids are halves, and limits are rounded to whole prices.
TOLERANCE = Decimal("1.0001")


@attrs.define
class Seen:
    """One order as its messages tell it."""

    order_id: int
    strategy_id: int
    instrument_id: int
    side: int
    price: int
    size: int
    rests: bool = True
    is_sent: bool = False
    filled: int = 0
    is_ended: bool = False
    is_leaving: bool = False
    asked_size: int = 0
    asked_price: int = 0
    refused_ns: int = 0

    def prices(self) -> set[int]:
        """Where it may work: a change of it may be on its way."""
        return {self.price, self.asked_price or self.price}

    @property
    def worst(self) -> int:
        """What may still be filled, a change on its way included."""
        return max(self.size, self.asked_size) - self.filled


@attrs.define
class Account:
    """What one strategy has of one instrument, from its fills alone."""

    net_size: int = 0
    cash: int = 0
    fees: int = 0
    fills: int = 0


def amount(text: str, instrument: Instrument) -> int:
    """A size of the configuration at the instrument's scale."""
    return instrument.parse_size(text)


def money(text: str, instrument: Instrument) -> int:
    """An amount of the configuration at the instrument's scale of money."""
    return int(Decimal(text).scaleb(instrument.money_scale))


class Auditor:
    """See the head of this file. Feed `hear` with what was said in one input, then `judge`."""

    def __init__(self, instruments: InstrumentTable, limits: RiskParams, book_owners: dict[int, int]) -> None:
        """`book_owners` says which actor, by its number, keeps the book of an instrument."""
        self.instruments = instruments
        self.limits = limits
        self.book_owners = book_owners
        self.orders: dict[int, Seen] = {}
        self.open: dict[int, Seen] = {}
        self.accounts: dict[tuple[int, int], Account] = {}
        self.told: dict[tuple[int, int], PositionChanged] = {}
        self.fills_seen: set[tuple[int, int]] = set()
        self.live: dict[int, bool] = {one.instrument_id: False for one in instruments}
        self.sent_ns: deque[int] = deque()
        self.requests_ns: deque[int] = deque()
        self.mids: dict[int, Decimal] = {}
        self.is_halted = False
        self.is_closing = False
        self.halts = 0
        self.refusals = 0
        self.duplicates = 0
        self.replaced = 0
        self.routed = 0
        self.cancels_refused = 0
        self.refused_by: set[str] = set()
        self.fill_delays_ns: list[int] = []
        self.most_open = 0
        self.most_position = dict.fromkeys(self.live, 0)
        self.now_ns = 0

    # ---- hearing

    def hear(self, messages: Iterable[Message], now_ns: int) -> None:
        """Take note of what one input led to, in its order."""
        self.now_ns = now_ns
        for message in messages:
            if isinstance(message, ChildOrder):
                self.asked(message)
            elif isinstance(message, NewOrder):
                self.sent(message)
            elif isinstance(message, ReplaceOrder):
                self.change(message)
            elif isinstance(message, CancelOrder):
                self.requests_ns.append(now_ns)
                self.of(message.order_id).is_leaving = True
            elif isinstance(message, CancelAll):
                for order in self.open.values():
                    if message.instrument_id in (0, order.instrument_id):
                        order.is_leaving = True
            else:
                self.hear_report(message)

    def hear_report(self, message: Message) -> None:
        """What comes back."""
        if isinstance(message, OrderFilled):
            self.filled(message)
        elif isinstance(message, OrderCancelled | OrderRejected | OrderExpired):
            self.refusals += isinstance(message, OrderRejected)
            self.end(self.of(message.order_id))
        elif isinstance(message, OrderReplaced):
            order = self.of(message.order_id)
            order.price, order.size, order.asked_size, order.asked_price = int(message.price), int(message.size), 0, 0
            self.replaced += 1
            if order.filled >= order.size:
                self.end(order)
        elif isinstance(message, ReplaceRejected):
            order = self.of(message.order_id)
            order.asked_size = order.asked_price = 0
        elif isinstance(message, CancelRejected):
            self.cancel_refused(self.of(message.order_id))
        elif isinstance(message, RiskRefused):
            self.refused_by.add(message.limit)
        elif isinstance(message, PositionChanged):
            self.told[(int(message.strategy_id), int(message.instrument_id))] = message
        else:
            self.hear_state(message)

    def hear_state(self, message: Message) -> None:
        """What is known of books, and whether anything may be sent."""
        if isinstance(message, TopOfBook):
            if message.bid_size > 0 and message.ask_size > 0:
                self.mids[int(message.instrument_id)] = Decimal(int(message.bid_price) + int(message.ask_price)) / 2
        elif isinstance(message, BookStateChanged):
            self.live[int(message.instrument_id)] = message.state == LIVE
        elif isinstance(message, ActorFailed):
            for instrument_id, owner in self.book_owners.items():
                if owner == message.actor_id:
                    self.live[instrument_id] = False
        elif isinstance(message, TradingHalted):
            self.halts += not self.is_halted
            self.is_halted = True
        elif isinstance(message, HaltReset):
            self.is_halted = False
        elif isinstance(message, ShutdownRequested):
            self.is_closing = True
        elif isinstance(message, RunStarted):
            self.live = dict.fromkeys(self.live, False)

    def of(self, order_id: int) -> Seen:
        """An order, which somebody must have asked for."""
        found = self.orders.get(int(order_id))
        assert found is not None, f"nobody asked for order {order_id}"
        return found

    def asked(self, child: ChildOrder) -> None:
        """An order on its way to risk."""
        order_id = int(child.order_id)
        assert order_id not in self.orders, f"order id {order_id} was used twice"
        order = Seen(
            order_id, int(child.strategy_id), int(child.instrument_id), int(child.side), int(child.price),
            int(child.size), child.time_in_force == GTC,
        )  # fmt: skip
        self.routed += int(child.parent_id) != 0
        self.orders[order_id] = order
        self.open[order_id] = order

    def sent(self, new: NewOrder) -> None:
        """An order on its way to its venue."""
        order = self.of(new.order_id)
        assert not order.is_sent, f"order {order.order_id} was sent twice"
        assert not order.is_ended, f"order {order.order_id} was sent after its end"
        assert not self.is_halted, f"order {order.order_id} was sent while trading is halted"
        assert not self.is_closing, f"order {order.order_id} was sent during the shutdown"
        assert self.live[order.instrument_id], f"order {order.order_id} was sent on a book that is not LIVE"
        assert (order.side, order.price, order.size) == (new.side, new.price, new.size)
        order.is_sent = True
        self.count_request()
        self.judge_price(order, order.price)
        self.judge_exposure(order)

    def change(self, wanted: ReplaceOrder) -> None:
        """A change on its way to its venue."""
        order = self.of(wanted.order_id)
        assert self.live[order.instrument_id], f"order {order.order_id} was changed on a book that is not LIVE"
        assert not self.is_halted, f"order {order.order_id} was changed while trading is halted"
        order.asked_size, order.asked_price = int(wanted.size), int(wanted.price)
        self.count_request()
        self.judge_price(order, order.asked_price)

    def cancel_refused(self, order: Seen) -> None:
        """It goes on working: somebody has to ask again."""
        if not order.is_ended:
            order.is_leaving, order.refused_ns = False, self.now_ns
            self.cancels_refused += 1

    def count_request(self) -> None:
        """Note when an order or a change was sent, and judge how many requests there were."""
        self.sent_ns.append(self.now_ns)
        self.requests_ns.append(self.now_ns)
        limits = self.limits
        if limits.maximum_requests:
            while self.requests_ns[0] <= self.now_ns - limits.window_ms * 1_000_000:
                self.requests_ns.popleft()
            room = limits.maximum_requests - limits.cancel_room
            assert len(self.requests_ns) <= room, f"{len(self.requests_ns)} requests, of which cancels keep {room}"

    def filled(self, fill: OrderFilled) -> None:
        """Money moves, once for each trade of an order."""
        key = (int(fill.order_id), int(fill.trade_id))
        if key in self.fills_seen:
            self.duplicates += 1
            return
        self.fills_seen.add(key)
        order = self.of(fill.order_id)
        assert order.is_sent, f"order {order.order_id} was filled and never sent"
        assert fill.side == order.side
        account = self.accounts.setdefault((order.strategy_id, order.instrument_id), Account())
        account.net_size += fill.side * fill.size
        account.cash -= fill.side * fill.size * fill.price
        account.fees += fill.fee
        account.fills += 1
        self.fill_delays_ns.append(self.now_ns - int(fill.venue_ns))
        order.filled += int(fill.size)
        assert order.filled <= max(order.size, order.asked_size), f"order {order.order_id} was filled beyond its size"
        # A change that is on its way comes too late for an order of which the venue says that nothing is left.
        if order.filled >= order.size and (not order.asked_size or fill.remaining == 0):
            self.end(order)

    def end(self, order: Seen) -> None:
        """An order is at its end."""
        order.is_ended = True
        self.open.pop(order.order_id, None)

    # ---- judging

    def judge(self) -> None:
        """What must hold after every input."""
        self.judge_limits()
        for order in self.open.values():
            # Where a cancel was refused it is asked again, and in time.
            is_leaving = order.is_leaving or (order.refused_ns and self.now_ns - order.refused_ns < AGAIN_NS)
            # What never rests ends by itself: nobody leaves it at a bad book.
            if not self.live[order.instrument_id] and order.rests:
                assert is_leaving, f"order {order.order_id} stays on a book that is not LIVE"
            if self.is_halted or self.is_closing:
                assert is_leaving, f"order {order.order_id} stays while nothing may be traded"

    def judge_limits(self) -> None:
        """Positions with every open order of one side filled, the number of orders, and their rate."""
        limits = self.limits
        open_orders = [order for order in self.open.values() if order.is_sent]
        self.most_open = max(self.most_open, len(open_orders))
        assert len(open_orders) <= limits.maximum_open_orders, f"{len(open_orders)} orders are open"
        while self.sent_ns and self.sent_ns[0] <= self.now_ns - limits.window_ms * 1_000_000:
            self.sent_ns.popleft()
        assert len(self.sent_ns) <= limits.maximum_orders, f"{len(self.sent_ns)} orders within the window"
        for instrument in self.instruments:
            position = self.position(instrument.instrument_id)
            most = amount(limits.maximum_position, instrument)
            for side in (BUY, SELL):
                working = sum(
                    order.worst
                    for order in open_orders
                    if order.side == side and order.instrument_id == instrument.instrument_id
                )
                worst = side * position + working
                reached = self.most_position[instrument.instrument_id]
                self.most_position[instrument.instrument_id] = max(reached, worst)
                assert worst <= most, f"{instrument.venue}: {worst} at worst, {most} is the limit"
        for side in (BUY, SELL):
            self.judge_group(open_orders, side)
        for order in open_orders:
            self.judge_order(order)

    def judge_group(self, open_orders: list[Seen], side: int) -> None:
        """What all venues together come to at worst, in base."""
        if self.limits.maximum_group_position is None:
            return
        held = sum(self.in_base(one.instrument_id, self.position(one.instrument_id)) for one in self.instruments)
        working = sum(self.in_base(order.instrument_id, order.worst) for order in open_orders if order.side == side)
        most = int(Decimal(self.limits.maximum_group_position).scaleb(BASE_PLACES))
        # An order that makes the position smaller is never too much.
        assert working == 0 or side * held + working <= most, f"{side * held + working} at worst over all venues"

    def in_base(self, instrument_id: int, size: int) -> int:
        """A size at the places that all instruments share here."""
        places: int = BASE_PLACES - self.instruments.by_id(instrument_id).size_scale
        return size * int(10**places)

    def judge_order(self, order: Seen) -> None:
        """The limits of one order."""
        instrument = self.instruments.by_id(order.instrument_id)
        assert order.size <= amount(self.limits.maximum_order_size, instrument)
        notional = instrument.notional(order.price, order.size)
        assert notional <= money(self.limits.maximum_order_notional, instrument)

    def judge_price(self, order: Seen, price: int) -> None:
        """A price near its own book, that meets no order of ours."""
        mid = self.mids[order.instrument_id]
        away = abs(price - mid) * 10_000
        assert away <= mid * self.limits.collar_bps * TOLERANCE, f"order {order.order_id} at {price}, the mid is {mid}"
        if self.limits.refuse_self_trade:
            for other in self.open.values():
                if other.is_sent and other.instrument_id == order.instrument_id and other.side != order.side:
                    meets = any((price - theirs) * order.side >= 0 for theirs in other.prices())
                    assert not meets, f"order {order.order_id} at {price} meets order {other.order_id} of ours"

    def judge_exposure(self, order: Seen) -> None:
        """What all venues together come to at worst at their mids, gross and net, as an order leaves."""
        limits = self.limits
        if limits.maximum_net_exposure is not None:
            worst = sum(self.worth_at_worst(one.instrument_id, order.side) for one in self.instruments)
            most = Decimal(limits.maximum_net_exposure)
            assert worst <= most * TOLERANCE, f"{worst} net at worst"
        if limits.maximum_gross_exposure is not None:
            gross, without = self.gross(None), self.gross(order)
            most = Decimal(limits.maximum_gross_exposure)
            assert gross <= max(without, most) * TOLERANCE, f"{gross} gross at worst"

    def gross(self, without: Seen | None) -> Decimal:
        """The larger side of each venue at worst, all together; without an order where asked."""
        return sum(
            (
                max(self.worth_at_worst(one.instrument_id, side, without) for side in (BUY, SELL))
                for one in self.instruments
            ),
            Decimal(0),
        )

    def worth_at_worst(self, instrument_id: int, side: int, without: Seen | None = None) -> Decimal:
        """What one venue comes to in quote with every open order of a side filled."""
        working = sum(
            order.worst
            for order in self.open.values()
            if order.is_sent and order.side == side and order.instrument_id == instrument_id and order is not without
        )
        instrument = self.instruments.by_id(instrument_id)
        size = side * self.position(instrument_id) + working
        scale = int(instrument.price_scale) + int(instrument.size_scale)
        return (size * self.mids.get(instrument_id, Decimal(0))).scaleb(-scale)

    def position(self, instrument_id: int) -> int:
        """What all strategies together have of an instrument."""
        return sum(account.net_size for key, account in self.accounts.items() if key[1] == instrument_id)

    # ---- the end

    def compare(self, ledger: Ledger) -> None:
        """The ledger, the positions that were told and this count agree."""
        assert set(ledger.open) == set(self.open), "the ledger knows other open orders"
        assert int(ledger.fills) == len(self.fills_seen)
        held = {key: one for key, one in ledger.positions.items() if one.net_size or one.fees or one.realised}
        assert set(held) <= set(self.accounts)
        for key, account in self.accounts.items():
            position = ledger.positions[key]
            assert position.net_size == account.net_size
            assert position.fees == account.fees
            for mark in (1, 5_999_999):
                profit = account.cash + account.net_size * mark - account.fees
                assert position.profit(mark) == profit, "the ledger counts other money"
            last = self.told[key]
            assert (last.net_size, last.realised, last.fees) == (position.net_size, position.realised, position.fees)

    def total_fills(self) -> int:
        """Fills counted."""
        return len(self.fills_seen)
