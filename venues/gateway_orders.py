"""What a gateway knows of its orders, and the reports that follow from what a venue says of them.

A venue says things twice, late and out of order: over a stream, in the answer to a request, in a poll. Here every
trade becomes one `OrderFilled` whichever way it is told, every order has one acknowledgement and one end, and no end
is reported before the fills that belong to it. It asks nothing and sends nothing; it knows no clock and no socket.
What it knows outlives the gateway that failed: it is kept with the gateway's mailbox.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from enum import Enum
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from market.messages import (
    CAUSE_RECONCILIATION,
    CAUSE_REQUESTED,
    REJECT_TIMEOUT,
    VENUE_UNKNOWN,
    CancelRejected,
    FeeTaken,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatus,
    OrderStatusWanted,
    ReplaceRejected,
)
from runtime.channels import Doorbell
from runtime.config.rules import Rule

MOST_ENDED: Final = 10_000
LARGEST_ID: Final = 2**63 - 1
PREFIX: Final = "hft-"
SOURCE: Final = "gateway"
EARLY_S: Final = 0.1
"""How long a cancel waits for the order that it has overtaken; then the order is held for one of an earlier run."""

UNCLEAR: Final = "a cancel of all is not confirmed by the venue yet"
VENUE: Final = "venue"


def is_prefix(text: str) -> bool:
    """Whether venues take names of orders that begin so, with a number behind it."""
    return 0 < len(text) <= 16 and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


PREFIX_RULE: Final = Rule("1 to 16 letters, digits, - and _", is_prefix)


class Stage(Enum):
    """How far an order has come, as far as the gateway knows."""

    REQUESTED = "requested"
    UNKNOWN = "unknown"
    """Sent, and no answer came: it may be at the venue or not."""
    WORKING = "working"
    ENDED = "ended"


@attrs.frozen
class Trade:
    """A trade of an order of ours, in the numbers of its instrument."""

    trade_id: int
    price: int
    size: int
    fee: int
    liquidity: int
    venue_ns: int
    fee_asset: str = ""
    """What the fee was paid in where that has no price here: then it is an estimate."""
    fee_parts: int = 0
    """What of the base the fee has taken, in billionths of a unit of size."""


@attrs.define
class GatewayOrder:
    """One order of ours."""

    order_id: int
    strategy_id: int
    instrument_id: int
    side: int
    price: int
    size: int
    name: str
    stage: Stage = Stage.REQUESTED
    filled: int = 0
    venue_order_id: str = ""
    sent_ns: int = 0
    missing_ns: int = 0
    """Since when the venue says that it has no such order, although it worked; 0 where it does not say so."""
    is_adopted: bool = False
    """It was found at the venue, placed by an earlier run."""
    was_refused: bool = False
    was_nowhere: bool = False
    """It was told to be over before it came here, if it ever comes."""
    change: tuple[int, int] | None = None
    """The price and size of a change that was sent and is not answered yet."""
    is_cancel_wanted: bool = False
    cancel_reason: str = ""
    trade_ids: set[int] = attrs.field(factory=set)
    """The trades that were told."""

    @property
    def remaining(self) -> int:
        """What has not traded."""
        return max(0, self.size - self.filled)

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.stage is not Stage.ENDED


class GatewayOrders:
    """See the head of this file. What each method gives is to be sent, in its order."""

    def __init__(self, prefix: str = PREFIX, most_ended: int = MOST_ENDED) -> None:
        """Name orders by this prefix and remember so many that have ended."""
        self.open: Final[dict[int, GatewayOrder]] = {}
        self.ended: Final[OrderedDict[int, GatewayOrder]] = OrderedDict()
        self.early_cancels: Final[dict[int, int]] = {}
        """Cancels that came before their order, with their instruments: the channel of cancels is the faster one."""
        self.clearing: Final[set[int]] = set()
        """Instruments, 0 for all, of which every order is to be out of the book, until the venue says so."""
        self.watched: Final[dict[int, int]] = {}
        """Orders that were told to be over because the venue did not have them, and since when; asked once more."""
        self.untold: Final[list[Message]] = []
        """What became known and was not sent to the lane yet."""
        self.fees_elsewhere: Final[dict[str, int]] = {}
        """How many trades had their fee in an asset that has no price here."""
        self.mark = -1
        """How far the venue's numbered reports were taken; -1 where none were."""
        self._assets_told: Final[set[str]] = set()
        self._prefix = prefix
        self._most_ended = most_ended
        self._names = re.compile(re.escape(prefix) + r"([1-9][0-9]{0,18})", re.ASCII)

    # ---- names

    def name_of(self, order_id: int) -> str:
        """What an order is called at the venue."""
        return f"{self._prefix}{order_id}"

    def id_in(self, name: str) -> int:
        """The order that a name means; 0 where it is not one of ours."""
        found = self._names.fullmatch(name)
        if found is None:
            return 0
        order_id = int(found[1])
        return order_id if order_id <= LARGEST_ID else 0

    def find(self, order_id: int) -> GatewayOrder | None:
        """An order that is open or has ended lately."""
        return self.open.get(order_id) or self.ended.get(order_id)

    def named(self, name: str) -> GatewayOrder | None:
        """The same by its name at the venue."""
        return self.find(self.id_in(name))

    def open_in(self, instrument_id: int) -> list[GatewayOrder]:
        """The open orders of an instrument, or of all for 0, oldest first."""
        return [order for order in self.open.values() if instrument_id in (0, order.instrument_id)]

    # ---- how orders come

    def begin(self, new: NewOrder, now_ns: int) -> GatewayOrder:
        """An order is about to be sent."""
        order = GatewayOrder(
            new.order_id, new.strategy_id, new.instrument_id, new.side, new.price, new.size,
            self.name_of(new.order_id), sent_ns=now_ns,
        )  # fmt: skip
        self.open[order.order_id] = order
        return order

    def adopt(
        self, order_id: int, instrument_id: int, side: int, price: int, size: int, venue_order_id: str
    ) -> GatewayOrder:
        """An order of ours that the venue tells of and nobody here remembers: an earlier run has placed it.

        All of its trades are to be told next: the ledger knows best which of them it has.
        """
        order = GatewayOrder(
            order_id, 0, instrument_id, side, price, size, self.name_of(order_id), Stage.WORKING,
            venue_order_id=venue_order_id, is_adopted=True,
        )  # fmt: skip
        self.open[order_id] = order
        return order

    def refused(self, new: NewOrder, code: int, reason: str) -> list[Message]:
        """An order that is not sent at all; it is remembered, for a cancel of it may be on its way."""
        if self.find(new.order_id) is None:
            order = self.begin(new, 0)
            order.was_refused = True
            self._end(order)
        return [OrderRejected(new.order_id, new.instrument_id, code, reason, SOURCE)]

    def never_sent(self, new: NewOrder) -> list[Message]:
        """A cancel has overtaken this order: it is over before it was sent."""
        del self.early_cancels[new.order_id]
        order = self.begin(new, 0)
        return self.cancelled(order, CAUSE_REQUESTED, "its cancel came first: it was never sent")

    # ---- what the venue says

    def accepted(self, order: GatewayOrder, venue_order_id: str, venue_ns: int) -> list[Message]:
        """The venue has the order. One that was given up for lost is not taken back: see `is_ghost`."""
        order.venue_order_id = order.venue_order_id or venue_order_id
        if order.stage not in (Stage.REQUESTED, Stage.UNKNOWN):
            return []
        order.stage = Stage.WORKING
        return [OrderAccepted(order.order_id, order.instrument_id, order.venue_order_id, venue_ns)]

    def is_ghost(self, order: GatewayOrder) -> bool:
        """Whether an order of which the venue tells was reported as refused: it must be taken out again."""
        return order.stage is Stage.ENDED and order.was_refused

    def traded(self, order: GatewayOrder, trade: Trade) -> list[Message]:
        """A trade, told for the first time or again. It is reported even of an order that has ended: it is money."""
        if trade.trade_id in order.trade_ids:
            return []
        order.trade_ids.add(trade.trade_id)
        if trade.fee_asset:
            self.fees_elsewhere[trade.fee_asset] = self.fees_elsewhere.get(trade.fee_asset, 0) + 1
        told = self.accepted(order, order.venue_order_id, trade.venue_ns)
        if trade.fee_parts:
            # The fill may end the order, and nobody asks for one that has ended: so it is told last.
            told.append(
                FeeTaken(
                    order.order_id, order.instrument_id, order.strategy_id, trade.trade_id, trade.price,
                    trade.fee_parts, trade.fee, trade.venue_ns,
                )
            )  # fmt: skip
        order.filled += trade.size
        told.append(
            OrderFilled(
                order.order_id, order.instrument_id, order.strategy_id, trade.trade_id, order.side, trade.price,
                trade.size, order.remaining, trade.fee, trade.liquidity, trade.venue_ns,
            )
        )  # fmt: skip
        if order.filled >= order.size:
            self._end(order)
        return told

    def words_of_fees(self) -> list[str]:
        """What a person has to know of fees in assets that have no price here: said once of each."""
        new = sorted(self.fees_elsewhere.keys() - self._assets_told)
        self._assets_told.update(new)
        return [
            f"fees are paid in {asset}, which has no price here: results count the configured rate instead"
            for asset in new
        ]

    def all_traded(self, order: GatewayOrder, trades: Sequence[Trade]) -> list[Message]:
        """Trades of an order, in their order; those that were told are not told again."""
        return [message for trade in trades for message in self.traded(order, trade)]

    def rejected(self, order: GatewayOrder, code: int, reason: str, source: str = VENUE) -> list[Message]:
        """The venue has refused the order, or was found not to have it."""
        if not order.is_open:
            return []
        if order.stage is Stage.WORKING or order.filled:
            # It worked: what is left of it is gone, which is not the same as a refusal.
            return self.cancelled(order, 0, reason)
        order.was_refused = True
        self._end(order)
        return [OrderRejected(order.order_id, order.instrument_id, code, reason, source)]

    def never_arrived(self, order: GatewayOrder) -> list[Message]:
        """The venue was asked, and has no such order."""
        return self.rejected(order, REJECT_TIMEOUT, "no answer came, and the venue has no such order", SOURCE)

    def cancelled(self, order: GatewayOrder, cause: int, reason: str) -> list[Message]:
        """The order is out of the book."""
        if not order.is_open:
            return []
        self._end(order)
        return [OrderCancelled(order.order_id, order.instrument_id, order.remaining, cause, reason)]

    def expired(self, order: GatewayOrder) -> list[Message]:
        """The time of the order ran out."""
        if not order.is_open:
            return []
        self._end(order)
        return [OrderExpired(order.order_id, order.instrument_id, order.remaining)]

    def replaced(self, order: GatewayOrder, price: int, size: int, venue_ns: int) -> list[Message]:
        """The order has another price or size."""
        order.change = None
        if not order.is_open:
            return []
        order.price, order.size = price, size
        return [OrderReplaced(order.order_id, order.instrument_id, price, size, venue_ns)]

    def cancel_rejected(self, order_id: int, instrument_id: int, code: int, reason: str) -> list[Message]:
        """A cancel was refused."""
        order = self.find(order_id)
        if order is not None:
            order.is_cancel_wanted = False
        return [CancelRejected(order_id, instrument_id, code, reason)]

    def replace_rejected(self, order_id: int, instrument_id: int, code: int, reason: str) -> list[Message]:
        """A change was refused."""
        order = self.find(order_id)
        if order is not None:
            order.change = None
        return [ReplaceRejected(order_id, instrument_id, code, reason)]

    def status(self, order: GatewayOrder, status: int, venue_ns: int) -> list[Message]:
        """Where the order stands, for whoever asked."""
        return [
            OrderStatus(
                order.order_id, order.instrument_id, order.venue_order_id, status, order.price, order.size,
                order.filled, venue_ns,
            )
        ]  # fmt: skip

    def nowhere(self, wanted: OrderStatusWanted) -> list[Message]:
        """Neither here nor at the venue is anything known of it: whoever asks holds it for open, and it is not."""
        order_id, instrument_id = wanted.order_id, wanted.instrument_id
        # Where it is only late it is not sent any more.
        stub = GatewayOrder(order_id, 0, instrument_id, 0, 0, 0, self.name_of(order_id))
        stub.was_refused = stub.was_nowhere = True
        self._end(stub)
        reason = "the venue has no such order, and no trade of it"
        return [
            OrderStatus(order_id, instrument_id, "", VENUE_UNKNOWN, 0, 0, 0, 0),
            OrderCancelled(order_id, instrument_id, 0, CAUSE_RECONCILIATION, reason),
        ]

    def _end(self, order: GatewayOrder) -> None:
        order.stage = Stage.ENDED
        order.is_cancel_wanted = False
        self.open.pop(order.order_id, None)
        self.ended[order.order_id] = order
        while len(self.ended) > self._most_ended:
            self.ended.popitem(last=False)


_kept: Final[WeakKeyDictionary[Doorbell, GatewayOrders]] = WeakKeyDictionary()


def kept_orders(doorbell: Doorbell, prefix: str) -> GatewayOrders:
    """The orders of the gateway with this doorbell, which is the same after a restart; new at its first start."""
    found = _kept.get(doorbell)
    if found is None:
        found = _kept[doorbell] = GatewayOrders(prefix)
    return found
