"""A client that remembers what it was told, so that an exchange that was killed can be held to its word."""

from __future__ import annotations

import random
from decimal import Decimal

from trio_websocket import ConnectionClosed

from exchange.client import ExchangeClient
from exchange.protocol import AnyRequest, Cancel, Order, State
from exchange.protocol_events import Answer, Balance, Report

SYMBOL = "BTCUSDT"
DEPOSITS = {"BTC": Decimal(1000), "USDT": Decimal(10_000_000)}


class Witness:
    """One account of an exchange: what was asked, what was acknowledged, and what became of it as far as was told."""

    def __init__(self, number: int, draw: random.Random) -> None:
        self.number = number
        self.draw = draw
        self.asked = 0
        # By the client's id: the size of every order that was sent, acknowledged or not.
        self.sent: dict[str, Decimal] = {}
        self.cancels: set[str] = set()
        # By the exchange's id: acknowledged orders, what was told to have traded, and those told to have ended.
        self.acknowledged: dict[int, str] = {}
        self.filled: dict[int, Decimal] = {}
        self.ended: set[int] = set()
        self.trades: set[tuple[int, int]] = set()
        self.totals = dict(DEPOSITS)
        self.sequence = 0
        # Orders that may not rest.
        self.passing: set[str] = set()

    # ---- asking

    def next_request(self, client: ExchangeClient) -> AnyRequest:
        """An order near the touch that may take, or the cancel of one."""
        if self.sent and self.draw.random() < 0.3:
            name = self.draw.choice(list(self.sent)[-50:])
            self.cancels.add(name)
            return Cancel(id=client.next_id(), symbol=SYMBOL, client_order_id=name)
        self.asked += 1
        name = f"w{self.number}-{self.asked}"
        size = Decimal(self.draw.randrange(1, 500)) / 1000
        price = 50_000 + self.draw.randrange(-20, 21)
        request = Order(
            id=client.next_id(), symbol=SYMBOL, side=self.draw.choice(("buy", "sell")), size=str(size),
            price=str(price), client_order_id=name, time_in_force=self.draw.choice(("gtc", "gtc", "gtc", "ioc")),
        )  # fmt: skip
        self.sent[name] = size
        if request.time_in_force == "ioc":
            self.passing.add(name)
        return request

    async def trade(self, client: ExchangeClient) -> None:
        """Ask until the exchange dies, and write down every word."""
        try:
            while True:
                requests = [self.next_request(client) for _ in range(self.draw.randrange(1, 6))]
                answers = await client.ask_all(requests)
                self.hear(client)
                for request, answer in zip(requests, answers, strict=True):
                    if isinstance(request, Order) and answer.ok:
                        self.acknowledged[answer.order_id] = request.client_order_id
        except ConnectionClosed:
            self.hear(client)

    def hear(self, client: ExchangeClient) -> None:
        """Note the reports that have come."""
        for event in client.take_events():
            if isinstance(event, Report | Balance):
                assert event.sequence == self.sequence + 1, "a report is missing"
                self.sequence = event.sequence
            if isinstance(event, Report):
                self.note(event)

    def note(self, report: Report) -> None:
        """One report, or a row about a fill."""
        if report.trade_id and (report.order_id, report.trade_id) not in self.trades:
            self.trades.add((report.order_id, report.trade_id))
            size, price = Decimal(report.trade_size), Decimal(report.trade_price)
            way = 1 if report.side == "buy" else -1
            self.totals["BTC"] += way * size
            self.totals["USDT"] -= way * size * price
            self.totals[report.fee_asset] -= Decimal(report.fee)
            self.filled[report.order_id] = self.filled.get(report.order_id, Decimal(0)) + size
        if report.event == "cancelled":
            self.ended.add(report.order_id)

    # ---- judging

    async def judge(self, client: ExchangeClient) -> None:
        """Compare everything that was told with what the exchange knows after its death."""
        answer, fills = await self.rows(client, State(id=client.next_id(), what="fills", since_sequence=self.sequence))
        assert answer.sequence >= self.sequence, "reports that were told are not known any more"
        assert not answer.text, answer.text
        for fill in fills:
            assert isinstance(fill, Report)
            self.note(fill)
        _, open_rows = await self.rows(client, State(id=client.next_id(), what="open_orders"))
        still = {row.order_id: row for row in open_rows if isinstance(row, Report)}
        for order_id, name in self.acknowledged.items():
            filled = self.filled.get(order_id, Decimal(0))
            if order_id in still:
                assert order_id not in self.ended, f"{name} was told to be cancelled and is open"
                assert Decimal(still[order_id].filled) == filled, name
            else:
                may_be_gone = name in self.cancels or name in self.passing
                gone = order_id in self.ended or may_be_gone or filled == self.sent[name]
                assert gone, f"{name} was acknowledged and is lost"
        for row in still.values():
            assert row.client_order_id in self.sent, f"nobody asked for {row.client_order_id}"
        _, balances = await self.rows(client, State(id=client.next_id(), what="balances"))
        found = {row.asset: Decimal(row.total) for row in balances if isinstance(row, Balance)}
        assert found == self.totals
        self.sequence = answer.sequence

    async def rows(self, client: ExchangeClient, question: State) -> tuple[Answer, list[Report | Balance]]:
        """The rows of an answer, and the answer."""
        client.rows = []
        return await client.request(question), client.rows
