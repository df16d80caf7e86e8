"""A market maker and the order manager at three venues; the test is risk and the venues, and answers when it likes."""

from __future__ import annotations

from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    BUY,
    CAUSE_REQUESTED,
    LIVE,
    MAKER,
    REJECT_TOO_LATE,
    STALE,
    BookStateChanged,
    CancelRejected,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderReplaced,
    ReplaceRejected,
    RunStarted,
)
from market.order_life import PENDING, is_cancel_pending, is_replace_pending
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.ledger import LedgerOrder
from strategies.market_maker import MarketMaker
from strategies.market_maker_params import MarketMakerParams
from tests.actors.trading_lane import Spy
from tests.runtime.lanes import node_of
from tests.strategies.maker_lane import FAIR, INSTRUMENTS, SESSION, START_NS, MakerLane

MAKER_ID = 1
MILLISECOND = 1_000_000


class LimitLane(MakerLane):
    """See the head of this file."""

    def __init__(
        self, params: MarketMakerParams, amend: str = "nothing", instruments: tuple[Instrument, ...] = INSTRUMENTS
    ) -> None:
        manager = OrderManagerParams(amend={one.venue: amend for one in instruments}, attempts=100)
        names = {one.venue: one.instrument_id for one in instruments}
        nodes = (
            node_of(MarketMaker, MAKER_ID, params=params), node_of(Spy, 2), node_of(OrderManager, 3, params=manager),
        )  # fmt: skip
        self.core = build_core(Blueprint(SystemConfig(), InstrumentTable(instruments), names, nodes, ()), "main")
        self.instruments = {one.instrument_id: one for one in instruments}
        self.now_ns = START_NS
        self.orders = 0
        self.trades = 0
        self.price = FAIR
        self.live: dict[int, bool] = dict.fromkeys(self.instruments, False)
        self.take(RunStarted(START_NS, SESSION, "", ""))

    # ---- what venues do

    def back(self, number: int) -> None:
        """A book is live (again) and shows the price."""
        self.live[number] = True
        self.take(BookStateChanged(number, LIVE, "test", self.now_ns, self.now_ns))
        self.take(self.top(number, self.price), self.fair(number, self.price))

    def lose(self, number: int) -> None:
        """A book is not live any more."""
        self.live[number] = False
        self.take(BookStateChanged(number, STALE, "test", self.now_ns, self.now_ns))

    def move(self, bps: float) -> None:
        """The price is another one at every live venue."""
        self.price *= 1.0 + bps * 1e-4
        live = [number for number in self.instruments if self.live[number]]
        if live:
            self.take(*(one for n in live for one in (self.top(n, self.price), self.fair(n, self.price))))

    def open(self) -> list[LedgerOrder]:
        """The orders that are not at their end, oldest first."""
        return list(self.core.ledger.open.values())

    def answer(self, order: LedgerOrder, yes: bool = True) -> None:
        """The venue answers what is asked of an order, the cancel first; `yes` or no."""
        number, one = int(order.order_id), int(order.instrument_id)
        if order.state == PENDING:
            self.take(
                NewOrder(
                    number, 0, MAKER_ID, one, order.side, 1, 1, order.price, order.size, 0, 0, True, False, 0, 0
                ),
                OrderAccepted(number, one, "", self.now_ns),
            )  # fmt: skip
        elif is_cancel_pending(order.state):
            left = order.size - order.filled
            no = CancelRejected(number, one, REJECT_TOO_LATE, "test")
            self.take(OrderCancelled(number, one, left, CAUSE_REQUESTED, "test") if yes else no)
        elif is_replace_pending(order.state):
            no_change = ReplaceRejected(number, one, REJECT_TOO_LATE, "test")
            changed = OrderReplaced(number, one, order.replace_price, order.replace_size, self.now_ns)
            self.take(changed if yes and order.replace_size > order.filled else no_change)

    def answer_all(self) -> None:
        """The venues answer everything, again and again, until nothing is asked."""
        for _ in range(20):
            for order in self.open():
                self.answer(order)

    def trade(self, order: LedgerOrder, share: float) -> None:
        """A part of an order fills, though a cancel or a change of it may be on its way."""
        if order.state == PENDING:
            self.answer(order)
        left = int(order.size - order.filled)
        size = min(max(round(left * share), 1), left)
        self.trades += 1
        self.take(
            OrderFilled(
                order.order_id, order.instrument_id, MAKER_ID, self.trades, order.side, order.price, size, left - size,
                0, MAKER, self.now_ns,
            )
        )  # fmt: skip

    # ---- what may come of it

    def worst(self, side: int) -> float:
        """The position in base, with every open order of a side filled; short ones counted from below."""
        total = 0.0
        for number, one in self.instruments.items():
            standing = self.core.ledger.standing(number, MAKER_ID)
            net = standing.net_size * side
            total += (net + standing.side(side).size) / 10**one.size_scale
        return total

    def worst_of_both(self) -> float:
        """The larger of the two."""
        return max(self.worst(BUY), self.worst(-BUY))
