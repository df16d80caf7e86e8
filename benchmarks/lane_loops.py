"""The compiled side of the hop figures: two actors that answer each other, one that fans out, one that takes nothing.

Every message is made anew and carries a value that depends on all before it, so that the last one vouches for the
whole chain. The functions that make the answers are called by the actors and by the reference alike.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from market.messages import Message, PublicTrade, TopOfBook
from runtime.actor import Actor, ActorSetup
from runtime.lane_core import LaneCore

PRIME: Final = 2_147_483_647


def book_after(trade: PublicTrade) -> TopOfBook:
    """The best prices after a trade; one hop further."""
    price = (trade.price * 31 + trade.trade_id) % PRIME
    return TopOfBook(
        trade.instrument_id, 1, price, trade.size, price + 1, trade.size, trade.trade_id - 1, trade.venue_ns,
        trade.receive_ns,
    )  # fmt: skip


def trade_after(top: TopOfBook) -> PublicTrade:
    """A trade at the best bid; one hop further."""
    price = (top.bid_price * 31 + top.ask_price) % PRIME
    return PublicTrade(top.instrument_id, top.update_id - 1, price, top.bid_size, 1, top.venue_ns, top.receive_ns)


class Answering(Actor):
    """Answers a trade with the best prices, until the number of the trade is used up; sums up the ends."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (TopOfBook,)

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.checksum: i64 = 0

    def on_trade(self, trade: PublicTrade) -> None:
        """Take one, give one."""
        if trade.trade_id > 0:
            self.emit(book_after(trade))
        else:
            self.checksum += trade.price


class Asking(Actor):
    """Answers the best prices with a trade."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {TopOfBook: "on_top"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (PublicTrade,)

    def on_top(self, top: TopOfBook) -> None:
        """Take one, give one."""
        self.emit(trade_after(top))


class Fanning(Actor):
    """Answers one trade with as many best prices as its number says, for an interpreted actor to take."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (TopOfBook,)

    def on_trade(self, trade: PublicTrade) -> None:
        """Take one, give many."""
        price = trade.price
        for number in range(trade.trade_id):
            price = (price * 31 + number) % PRIME
            self.emit(TopOfBook(trade.instrument_id, 1, price, trade.size, price + 1, trade.size, number, 0, 0))


def take_all(core: LaneCore, messages: list[Message], rounds: i64) -> None:
    """Let a lane take every message, as its drain does."""
    for number in range(rounds):
        for message in messages:
            core.take(message, number, True)
