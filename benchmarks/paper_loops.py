"""The compiled loops behind the figures of the paper venue: trades and touches handed to it, what it tells taken in.

They promise to hand over every message as it is and to read order, price, size and fee of every fill.
"""

from __future__ import annotations

from mypy_extensions import i64

from actors.paper_venue import PaperVenue
from market.messages import OrderFilled, PublicTrade, ShadowFilled, TopOfBook
from runtime.actor import Outlet


def play_trades(venue: PaperVenue, trades: list[PublicTrade], outlet: Outlet) -> int:
    """The checksum of all fills."""
    queue = outlet.queue
    checksum = 0
    for trade in trades:
        outlet.now_ns = trade.receive_ns
        venue.on_trade(trade)
        for message in queue:
            if isinstance(message, OrderFilled):
                checksum += (message.order_id + message.price + message.size) + message.fee
            elif isinstance(message, ShadowFilled):
                checksum += (message.order_id + message.price + message.size) * (message.model + 1) + message.fee
        queue.clear()
    return checksum


def play_touches(venue: PaperVenue, touches: list[TopOfBook], outlet: Outlet) -> i64:
    """How many messages were told of touches that touch nothing."""
    told: i64 = 0
    for touch in touches:
        outlet.now_ns = touch.receive_ns
        venue.on_top_of_book(touch)
        told += len(outlet.queue)
        outlet.queue.clear()
    return told
