"""Risk in a lane of its own: other lanes send there only what an actor takes, so Risk takes an order's whole life."""

from __future__ import annotations

from actors.risk import Risk
from market.messages import NewOrder, OrderTriggered, ReplaceOrder
from runtime.ledger import OBSERVED_TYPES


def test_risk_takes_every_message_that_its_ledger_counts_by() -> None:
    """Without an acknowledgement an order's first change would be one that cannot be; it gives the others itself."""
    own = {NewOrder, ReplaceOrder}
    # A trigger changes nothing that is counted, and few venues tell of one.
    assert set(OBSERVED_TYPES) - set(Risk.HANDLERS) - {OrderTriggered} == own
    assert own <= set(Risk.GIVES)
