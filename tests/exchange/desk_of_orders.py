"""An exchange without lane, journal or network: tests hand it requests at stated times and look at what it said.

After every request all invariants are checked. Two instruments share a quote: BTC/USDT with fees that round to nothing,
and ODD/USDT whose steps and fees never come out even.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from exchange.params import AccountParams, ExchangeParams, deposit_all, make_exchange
from exchange.questions import answer_question
from exchange.trading_hours import TradingHours
from market.instruments import Instrument
from market.messages import (
    EVENT_TRADED,
    GROUP_NONE,
    GTC,
    LIMIT,
    AccountStateWanted,
    CancelAllWanted,
    CancelWanted,
    EntryWanted,
    Message,
    OrderReported,
    ReplaceWanted,
    RequestAnswered,
)
from runtime.config.rules import DecimalText

M = TypeVar("M", bound=Message)

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
UNIT = 10**12
EXCHANGE_ID = 1
BTC, ODD = 1, 2
ALICE, BOB, CAROL = 1, 2, 3

BTC_USDT = Instrument.from_text(
    instrument_id=BTC, symbol="BTC/USDT", venue="embedded", venue_symbol="BTCUSDT", base="BTC", quote="USDT",
    kind="spot", tick="0.01", lot="0.001", maker_fee_bps="-1", taker_fee_bps="5",
)  # fmt: skip
ODD_USDT = Instrument.from_text(
    instrument_id=ODD, symbol="ODD/USDT", venue="embedded", venue_symbol="ODDUSDT", base="ODD", quote="USDT",
    kind="spot", tick="0.000003", lot="0.000007", maker_fee_bps="1.37", taker_fee_bps="7.77",
)  # fmt: skip
INSTRUMENTS = [BTC_USDT, ODD_USDT]


def text(amount: str) -> DecimalText:
    """An amount as settings hold it."""
    return DecimalText(amount)


def account(number: int, group: int = 0, tier: str = "", **deposits: str) -> AccountParams:
    """An account with these deposits."""
    return AccountParams(
        id=number, group=group, tier=tier, deposits={asset: text(amount) for asset, amount in deposits.items()}
    )


def rich(number: int, group: int = 0, tier: str = "") -> AccountParams:
    """An account that can pay for whatever a test does."""
    return account(number, group, tier, USDT="10000000", BTC="1000", ODD="1000000")


def amount(value: str) -> int:
    """An amount as the exchange keeps it."""
    whole, _, fraction = value.partition(".")
    return int(whole) * UNIT + int(fraction.ljust(12, "0"))


class Desk:
    """See the head of this file."""

    def __init__(
        self,
        accounts: Mapping[str, AccountParams] | None = None,
        instruments: list[Instrument] = INSTRUMENTS,
        **settings: Any,  # noqa: ANN401  settings of any type, handed on
    ) -> None:
        chosen = accounts or {"alice": rich(ALICE, 1), "bob": rich(BOB, 2), "carol": rich(CAROL, 1)}
        self.params = ExchangeParams(accounts=chosen, **settings)
        self.exchange = make_exchange(self.params, instruments)
        self.hours = TradingHours(self.exchange)
        self.now_ns = START_NS
        self.requests = 0
        deposit_all(self.params, self.exchange)
        self.exchange.reports.tell_balances()
        self.heard: list[Message] = []
        self.listen()
        self.heard.clear()

    def listen(self) -> list[Message]:
        """What the exchange has said since the last time; everything in it is compared with everything else."""
        said = [*self.exchange.out]
        self.exchange.out.clear()
        self.heard += said
        self.exchange.check_invariants()
        return said

    def of(self, message_type: type[M]) -> list[M]:
        """Everything of one type that was said so far."""
        return [message for message in self.heard if isinstance(message, message_type)]

    def wanted(
        self, who: int, side: int, price: int = 0, size: int = 0, *, instrument_id: int = BTC, order_type: int = LIMIT,
        time_in_force: int = GTC, stop_price: int = 0, display_size: int = 0, post_only: int = 0, expire_ns: int = 0,
        self_trade: int = 0, peg_reference: int = 0, offset: int = 0, group_kind: int = GROUP_NONE,
        group_count: int = 0, client_order_id: str = "", session_id: int = -1,
    ) -> EntryWanted:  # fmt: skip
        """An order as a client asks for it."""
        self.requests += 1
        return EntryWanted(
            EXCHANGE_ID, session_id, who, self.requests, client_order_id, instrument_id, side, order_type,
            time_in_force, price, size, stop_price, display_size, post_only, expire_ns, self_trade, peg_reference,
            offset, group_kind, group_count, self.now_ns,
        )  # fmt: skip

    def enter(
        self,
        who: int,
        side: int,
        price: int = 0,
        size: int = 0,
        **fields: Any,  # noqa: ANN401  fields of any type, handed on
    ) -> RequestAnswered:
        """Enter an order; gives the answer."""
        return self.send(self.wanted(who, side, price, size, **fields))

    def send(self, entry: EntryWanted) -> RequestAnswered:
        """Send an order; gives the answer."""
        self.exchange.enter(entry, self.now_ns)
        return self.answer()

    def send_group(self, *entries: EntryWanted) -> list[RequestAnswered]:
        """Send the orders of a group, one behind the other; gives their answers."""
        for entry in entries:
            self.exchange.enter(entry, self.now_ns)
        return [message for message in self.listen() if isinstance(message, RequestAnswered)]

    def answer(self) -> RequestAnswered:
        """The one answer in what was said last, which is also the end of it."""
        said = self.listen()
        answers = [message for message in said if isinstance(message, RequestAnswered)]
        assert len(answers) == 1
        assert said[-1] is answers[0]
        return answers[0]

    def instrument_of(self, order_id: int) -> int:
        """The instrument of an open order; of one that is not open, the first."""
        order = self.exchange.reports.orders.get(order_id)
        return BTC if order is None else int(order.market.instrument_id)

    def cancel(
        self, who: int, order_id: int = 0, client_order_id: str = "", session_id: int = -1, instrument_id: int = 0
    ) -> RequestAnswered:
        """Cancel an order, in its own instrument unless another is named; gives the answer."""
        self.requests += 1
        named = instrument_id or self.instrument_of(order_id)
        request = CancelWanted(
            EXCHANGE_ID, session_id, who, self.requests, named, order_id, client_order_id, self.now_ns
        )
        self.exchange.cancel(request, self.now_ns)
        return self.answer()

    def cancel_all(self, who: int, instrument_id: int = 0) -> RequestAnswered:
        """Cancel all orders of an account; gives the answer."""
        self.requests += 1
        request = CancelAllWanted(EXCHANGE_ID, -1, who, self.requests, instrument_id, self.now_ns)
        self.exchange.cancel_all(request, self.now_ns)
        return self.answer()

    def replace(
        self, who: int, order_id: int, price: int, size: int, client_order_id: str = "", instrument_id: int = 0
    ) -> RequestAnswered:
        """Change an order, in its own instrument unless another is named; gives the answer."""
        self.requests += 1
        named = instrument_id or self.instrument_of(order_id)
        request = ReplaceWanted(
            EXCHANGE_ID, -1, who, self.requests, named, order_id, client_order_id, price, size, self.now_ns
        )
        self.exchange.replace(request, self.now_ns)
        return self.answer()

    def ask(self, who: int, state: int, since: int = 0) -> list[Message]:
        """Ask for the state of an account; gives rows and answer."""
        self.requests += 1
        question = AccountStateWanted(EXCHANGE_ID, 9, who, self.requests, state, since, self.now_ns)
        answer_question(self.exchange, question, self.now_ns)
        return self.listen()

    def expire(self, now_ns: int) -> None:
        """Let time pass and end what runs out."""
        self.now_ns = now_ns
        self.hours.expire(now_ns)
        self.listen()

    def balance(self, who: int, asset: str) -> tuple[int, int]:
        """What an account has of an asset, and how much of it is held."""
        accounts = self.exchange.accounts
        found = accounts.fees if who == 0 else accounts.by_id[who]
        place = accounts.place_of[asset]
        return found.total[place], found.held[place]

    def held(self, who: int, asset: str) -> int:
        """What is held."""
        return self.balance(who, asset)[1]

    def reports(self, who: int) -> list[OrderReported]:
        """The reports of an account so far."""
        return [report for report in self.of(OrderReported) if report.account_id == who]

    def fills(self, who: int) -> list[OrderReported]:
        """The fills of an account so far."""
        return [report for report in self.reports(who) if report.event == EVENT_TRADED]

    def open_orders(self, who: int) -> list[int]:
        """The ids of the open orders of an account."""
        return list(self.exchange.accounts.by_id[who].orders)


