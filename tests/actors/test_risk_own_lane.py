"""What Risk and its ledger hear: in a lane of its own, and of everything that a gateway may tell of an order."""

from __future__ import annotations

import pytest

from actors.paper_venue import PaperVenue
from actors.risk import Risk
from exchange.trading_gateway import TradingGateway
from market.messages import (
    BalanceChanged,
    ConnectionDown,
    ConnectionUp,
    ForeignOrder,
    Message,
    NewOrder,
    OrderRepriced,
    OrderStatus,
    OrderTriggered,
    QueuePosition,
    ReplaceOrder,
    ShadowFilled,
    VenueStateComplete,
)
from runtime.ledger import OBSERVED_TYPES
from venues.ccxt_gateway import CcxtGateway

# What moves neither an order's worst nor a position: answers, states, and prices below the limit that counts.
MOVES_NOTHING = {
    BalanceChanged, ConnectionDown, ConnectionUp, ForeignOrder, OrderRepriced, OrderStatus, QueuePosition, ShadowFilled,
    VenueStateComplete,
}  # fmt: skip


def test_risk_takes_every_message_that_its_ledger_counts_by() -> None:
    """Without an acknowledgement an order's first change would be one that cannot be; it gives the others itself."""
    own = {NewOrder, ReplaceOrder}
    # A trigger changes nothing that is counted, and few venues tell of one.
    assert set(OBSERVED_TYPES) - set(Risk.HANDLERS) - {OrderTriggered} == own
    assert own <= set(Risk.GIVES)


@pytest.mark.parametrize("gateway", [TradingGateway, CcxtGateway, PaperVenue])
def test_what_a_gateway_tells_of_orders_is_counted(gateway: type[TradingGateway | CcxtGateway | PaperVenue]) -> None:
    """Whatever one gives is observed by the ledger, or moves nothing that is counted."""
    given: set[type[Message]] = set(gateway.GIVES)
    assert given - set(OBSERVED_TYPES) - MOVES_NOTHING == set()
