"""The gateway with a played lane: login, orders, private events, public channels."""

from __future__ import annotations

from exchange.protocol import OrderForm
from exchange.protocol_events import Report
from market.messages import EntryWanted
from tests.exchange.gateways import world


async def test_an_order_goes_to_the_lane_and_its_answer_comes_back(autojump_clock: object) -> None:
    """Numbers arrive exactly; the client hears of the order and gets one answer."""
    async with world() as here, here.trader() as client:
        answer = await client.order(OrderForm(symbol="BTCUSDT", side="buy", price="60000.01", size="0.5"))
        assert answer.ok
        assert answer.order_id == 1_001
        report = await client.next_event(Report)
        assert isinstance(report, Report)
        assert (report.event, report.price, report.size, report.sequence) == ("accepted", "60000.01", "0.50000", 1)
        (entry,) = here.lane.taken_of(EntryWanted)
        assert isinstance(entry, EntryWanted)
        assert (entry.price, entry.size, entry.account_id) == (6_000_001, 50_000, 7)
