"""A trading gateway with a lane that is played by the test: it sends commands and writes down every report.

Every report is shown to a real ledger first, so that a gateway which breaks the life of an order fails its test.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
import trio

from market.instruments import InstrumentTable
from market.messages import (
    BUY,
    GTC,
    LIMIT,
    CancelAll,
    CancelOrder,
    ChildOrder,
    ChildReplace,
    ConnectionDown,
    ConnectionUp,
    Message,
    NewOrder,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    ReplaceOrder,
    schema_id_of,
)
from market.order_life import is_final
from runtime.channels import BLOCK, Channel, Doorbell, policy_of
from runtime.clock import Clock
from runtime.ledger import Ledger
from runtime.service import Delivery, Mailbox, Service, ServiceSetup
from tests.exchange.desk_of_orders import BTC, BTC_USDT, INSTRUMENTS
from tests.simulation.world import Silence

if TYPE_CHECKING:
    from runtime.logs import Logger

M = TypeVar("M", bound=Message)
STRATEGY = 9
URGENT = (CancelOrder, CancelAll)


@attrs.define
class Trader:
    """See the head of this file."""

    setup: ServiceSetup
    inbox: Channel
    make: Callable[[ServiceSetup], Service]
    ledger: Ledger = attrs.field(factory=Ledger)
    heard: list[Message] = attrs.field(factory=list)
    anomalies: list[str] = attrs.field(factory=list)
    lives: dict[int, list[Message]] = attrs.field(factory=dict)
    last_id: int = 7 << 31

    gateway: Any = None
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    news: trio.Event = attrs.field(factory=trio.Event)

    # ---- commands

    def tell(self, message: Message) -> None:
        """Send a message as a lane does."""
        self._note(message)
        mailbox = self.setup.mailbox
        assert (mailbox.urgent if isinstance(message, URGENT) else mailbox.inbox).bring([message]) == 1

    def order(
        self, price: str, size: str = "0.1", side: int = BUY, *, instrument_id: int = BTC, order_type: int = LIMIT,
        time_in_force: int = GTC, post_only: bool = False, display_size: str = "",
    ) -> int:  # fmt: skip
        """Send a new order; gives its id."""
        new = self.held(
            price, size, side, instrument_id=instrument_id, order_type=order_type, time_in_force=time_in_force,
            post_only=post_only, display_size=display_size,
        )  # fmt: skip
        assert self.setup.mailbox.inbox.bring([new]) == 1
        return new.order_id

    def held(
        self, price: str, size: str = "0.1", side: int = BUY, *, instrument_id: int = BTC, order_type: int = LIMIT,
        time_in_force: int = GTC, post_only: bool = False, display_size: str = "",
    ) -> NewOrder:  # fmt: skip
        """A new order that the lane has sent and that has not come here yet."""
        self.last_id += 1
        instrument = self.setup.instruments.by_id(instrument_id)
        shown = instrument.parse_size(display_size) if display_size else 0
        child, new = (
            kind(
                self.last_id, 0, STRATEGY, instrument_id, side, order_type, time_in_force,
                instrument.parse_price(price) if price else 0, instrument.parse_size(size), 0, shown, post_only, False,
                0, 0,
            )
            for kind in (ChildOrder, NewOrder)
        )  # fmt: skip
        self._note(child)
        self._note(new)
        assert isinstance(new, NewOrder)
        return new

    def cancel(self, order_id: int, instrument_id: int = BTC) -> None:
        """Send a cancel."""
        self.tell(CancelOrder(order_id, instrument_id, "the test wants it", 0))

    def replace(self, order_id: int, price: str, size: str) -> None:
        """Send a change."""
        values = (order_id, BTC, BTC_USDT.parse_price(price), BTC_USDT.parse_size(size), 0)
        self._note(ChildReplace(*values))
        self.tell(ReplaceOrder(*values))

    # ---- reports

    def of(self, kind: type[M], order_id: int = 0) -> list[M]:
        """Everything of one type that was heard, of one order where asked."""
        return [
            one for one in self.heard if isinstance(one, kind) and order_id in (0, getattr(one, "order_id", order_id))
        ]

    async def until(self, holds: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait for something to be so."""
        with trio.move_on_after(seconds) as patience:
            while not holds():
                # Most of what is waited for comes with a report; some is only to be seen.
                with trio.move_on_after(0.02):
                    await self.news.wait()
        if patience.cancelled_caught:
            open_lives = [self.lives[one] for one in self.ledger.open]
            raise AssertionError(f"it never was so; open: {open_lives}; heard last: {self.heard[-12:]}")

    async def expect(self, kind: type[M], order_id: int = 0, count: int = 1) -> M:
        """Wait for so many reports of a type; gives the last of them."""
        await self.until(lambda: len(self.of(kind, order_id)) >= count)
        return self.of(kind, order_id)[count - 1]

    async def lost(self, count: int = 1) -> ConnectionDown:
        """Wait for the loss of a connection; before the first one there is none, which is told too."""
        return await self.expect(ConnectionDown, count=count + 1)

    async def answered(self, order_id: int) -> None:
        """Wait until an order was accepted or refused."""
        await self.until(lambda: self.of(OrderAccepted, order_id) != [] or self.of(OrderRejected, order_id) != [])

    async def connected(self, count: int = 1) -> None:
        """Wait for a connection."""
        await self.expect(ConnectionUp, count=count)

    def know_less(self) -> None:
        """From now on the ledger wonders at no report of an order that nobody here has sent."""
        saved = self.ledger.save()
        self.ledger = Ledger(False)
        self.ledger.load(saved)

    def is_over(self, order_id: int) -> bool:
        """Whether the ledger holds an order for over."""
        order = self.ledger.order(order_id)
        return order is not None and is_final(order.state)

    def net(self, instrument_id: int = BTC) -> int:
        """The position by the fills."""
        position = self.ledger.position(STRATEGY, instrument_id)
        return 0 if position is None else int(position.net_size)

    def filled(self, order_id: int) -> int:
        """What of an order was reported as filled."""
        return sum(one.size for one in self.of(OrderFilled, order_id))

    def codes(self) -> list[int]:
        """Why orders were refused."""
        return [one.code for one in self.of(OrderRejected)]

    async def listen(self) -> None:
        """Take reports for ever."""
        while True:
            await self.inbox.doorbell.wait()
            taken: list[Message] = []
            self.inbox.drain_into(taken)
            for message in taken:
                self._note(message)
                self.heard.append(message)
            self.news.set()
            self.news = trio.Event()

    def _note(self, message: Message) -> None:
        told = self.ledger.observe(message)
        order_id = getattr(message, "order_id", 0)
        self.lives.setdefault(order_id, []).append(message)
        if told:
            life = " -> ".join(repr(one) for one in self.lives[order_id][-8:])
            self.anomalies.append(f"{told}: {life}")

    async def serve(self) -> None:
        """Run the gateway until it is stopped."""
        self.scope = trio.CancelScope()
        self.gateway = self.make(self.setup)
        with self.scope:
            await self.gateway.run()


@asynccontextmanager
async def trader(
    make: Callable[[ServiceSetup], Service], params: object, clock: Clock, gives: Sequence[type[Message]]
) -> AsyncIterator[Trader]:
    """A gateway that runs, with its lane; whatever breaks the life of an order fails the test at the end."""
    bell, lane_bell = Doorbell(), Doorbell()
    mailbox = Mailbox(bell, *(Channel(name, 256, policy_of("halt"), doorbell=bell) for name in ("inbox", "urgent")))
    inbox = Channel("lane", 1_024, BLOCK, doorbell=lane_bell)
    setup = ServiceSetup(
        name="gateway", params=params, instruments=InstrumentTable(INSTRUMENTS), instrument_ids=(1, 2), clock=clock,
        randomness=random.Random(0), mailbox=mailbox, log=cast("Logger", Silence()),
        deliveries={schema_id_of(kind): [Delivery(inbox, False, None)] for kind in gives},
    )  # fmt: skip
    made = Trader(setup, inbox, make)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.listen)
        nursery.start_soon(made.serve)
        yield made
        made.scope.cancel()
        nursery.cancel_scope.cancel()
    assert made.anomalies == []
