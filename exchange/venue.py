"""The exchange as an actor: takes what clients want, and says what came of it to them and to the public.

All state is a function of its inputs, so the lane's journal makes it durable. It keeps sessions and nonces, lets time
do what is due (expiry, opening and closing, tickers), and publishes the changes of the books at the end of a batch.
It never checks a signature, never waits, and never sees a connection: that is the gateway's. See `docs/exchange.md`.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from exchange.core import Exchange
from exchange.params import ExchangeParams, deposit_all, make_exchange
from exchange.publishing import book_delta, book_snapshot, top_of_book
from exchange.questions import answer_question
from exchange.records import AMOUNT_SCALE, Market
from exchange.saving import load_exchange, save_exchange
from exchange.session_store import NO_SESSION, SessionStore
from exchange.trading_hours import TradingHours
from market.messages import (
    CAUSE_DISCONNECT,
    REJECT_AUTHENTICATION,
    REJECT_BALANCE,
    REJECT_HALTED,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNSUPPORTED,
    AccountStateWanted,
    BalanceReported,
    BookDelta,
    BookSnapshot,
    CancelAllWanted,
    CancelWanted,
    EntryWanted,
    HaltReset,
    InstrumentStatus,
    Message,
    OrderReported,
    PublicTrade,
    ReplaceWanted,
    RequestAnswered,
    RunStarted,
    SessionAnswered,
    SessionClosed,
    SessionOpened,
    SnapshotWanted,
    StatusWanted,
    Ticker,
    TimerFired,
    TopOfBook,
    TradingHalted,
    TransferWanted,
)
from market.numbers import format_decimal, format_decimal_short
from runtime.actor import HALT_TRADING, Actor, ActorSetup
from runtime.ledger import Ledger

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
# Of timers that are due at one time the lower number comes first: a session's end ends its orders, then it closes.
EXPIRY_TIMER: Final = 1
HOURS_TIMER: Final = 2
TICKER_TIMER: Final = 3


class ExchangeVenue(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        RunStarted: "on_run_started",
        SessionOpened: "on_session_opened",
        SessionClosed: "on_session_closed",
        EntryWanted: "on_entry",
        CancelWanted: "on_cancel",
        ReplaceWanted: "on_replace",
        CancelAllWanted: "on_cancel_all",
        AccountStateWanted: "on_question",
        TransferWanted: "on_transfer",
        StatusWanted: "on_status",
        SnapshotWanted: "on_snapshot_wanted",
        TradingHalted: "on_trading_halted",
        HaltReset: "on_halt_reset",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        SessionAnswered,
        RequestAnswered,
        OrderReported,
        BalanceReported,
        BookDelta,
        BookSnapshot,
        TopOfBook,
        PublicTrade,
        InstrumentStatus,
        Ticker,
    )
    # The public data of an instrument has one source: two exchanges in one process have each their own instruments.
    OWNS: ClassVar[tuple[type[Message], ...]] = (
        BookDelta,
        BookSnapshot,
        TopOfBook,
        PublicTrade,
        InstrumentStatus,
        Ticker,
    )
    PARAMS: ClassVar[type | None] = ExchangeParams
    POLICY: ClassVar[str] = HALT_TRADING
    AT_BATCH_END: ClassVar[bool] = True

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, ExchangeParams)
        instruments = [setup.instruments.by_id(instrument_id) for instrument_id in setup.instrument_ids]
        self.params: Final = params
        self.instruments: Final = setup.instruments
        self.exchange_id: Final[i64] = params.exchange_id
        self.exchange: Final[Exchange] = make_exchange(params, instruments, setup.outlet.call_limit)
        self.sessions: Final = SessionStore(params.most_sessions, params.most_keys)
        self.hours: Final = TradingHours(self.exchange)
        self.ticker_ns: Final[i64] = params.ticker_ms * NANOSECONDS_PER_MILLISECOND
        self.expiry_ns: i64 = 0
        self.ticker_due: bool = False

    def start(self) -> None:
        """A new exchange: deposits, the state of every instrument, and empty books."""
        deposit_all(self.params, self.exchange)
        self.exchange.reports.now_ns = self.now
        self.exchange.reports.tell_balances()
        self.follow_hours("the exchange begins", True)
        for market in self.exchange.markets:
            self.emit(book_snapshot(market, self.now))
        self.flush()

    def prime(self, ledger: Ledger) -> None:
        """After a failure: a timer whose input was the one that failed would otherwise never come again."""
        if self.expiry_ns > 0:
            self.set_timer(EXPIRY_TIMER, self.expiry_ns)
        if self.ticker_due:
            self.set_timer(TICKER_TIMER, self.now + self.ticker_ns)
        change_ns = self.exchange.calendar.next_change_ns(self.now)
        if change_ns > 0:
            self.set_timer(HOURS_TIMER, change_ns)

    # ---- sessions

    def on_run_started(self, run: RunStarted) -> None:
        """No connection outlives its process: the sessions of the run before have ended."""
        for session in self.sessions.of_clients():
            self.end_session(session.session_id)

    def on_session_opened(self, opened: SessionOpened) -> None:
        """A client asks to trade with a key; its nonce must be larger than the key's last one."""
        if opened.exchange_id != self.exchange_id:
            return
        account = self.exchange.accounts.by_id.get(opened.account_id)
        reason = "there is no such account"
        if account is not None:
            reason = self.sessions.refusal_of(opened)
            if reason == "":
                self.end_session(opened.session_id)
                self.sessions.open(opened, account)
        refused = reason != ""
        self.emit(
            SessionAnswered(
                self.exchange_id, opened.session_id, opened.account_id, opened.request_id, refused,
                REJECT_AUTHENTICATION if refused else 0, reason, 0 if account is None else account.sequence, self.now,
            )
        )  # fmt: skip

    def on_session_closed(self, closed: SessionClosed) -> None:
        """A connection has ended."""
        if closed.exchange_id == self.exchange_id:
            self.end_session(closed.session_id)
            self.flush()

    def end_session(self, session_id: i64) -> None:
        """Forget a session: its unfinished group is dropped, and its orders go where it asked for that."""
        self.exchange.reports.now_ns = self.now
        self.exchange.drop_group(session_id)
        session = self.sessions.close(session_id)
        if session is not None and session.cancel_on_disconnect:
            found = [order for order in session.account.orders.values() if order.session_id == session_id]
            self.exchange.reports.begin(session.account, 0, 0, -1)
            self.exchange.cancel_these(found, CAUSE_DISCONNECT)
        self.flush()

    # ---- orders

    def on_entry(self, entry: EntryWanted) -> None:
        """A client wants an order in the book."""
        if entry.exchange_id != self.exchange_id:
            return
        exchange = self.exchange
        if not self.sessions.may_trade(entry.session_id, entry.account_id):
            exchange.reports.now_ns = self.now
            exchange.refuse_entry(entry, REJECT_AUTHENTICATION, NO_SESSION)
        elif self.outlet.ledger.halted:
            exchange.reports.now_ns = self.now
            exchange.refuse_entry(entry, REJECT_HALTED, "the exchange is halted")
        else:
            exchange.enter(entry, self.now)
        self.flush()

    def on_cancel(self, request: CancelWanted) -> None:
        """A client wants an order cancelled."""
        if request.exchange_id == self.exchange_id:
            self.exchange.cancel(request, self.now)
            self.flush()

    def on_replace(self, request: ReplaceWanted) -> None:
        """A client wants an order changed."""
        if request.exchange_id != self.exchange_id:
            return
        exchange = self.exchange
        if not self.sessions.may_trade(request.session_id, request.account_id):
            self.refuse(request.session_id, request.account_id, request.request_id, REJECT_AUTHENTICATION, NO_SESSION)
        elif self.outlet.ledger.halted:
            self.refuse(
                request.session_id, request.account_id, request.request_id, REJECT_HALTED, "the exchange is halted"
            )
        else:
            exchange.replace(request, self.now)
        self.flush()

    def on_cancel_all(self, request: CancelAllWanted) -> None:
        """A client wants its orders cancelled."""
        if request.exchange_id == self.exchange_id:
            self.exchange.cancel_all(request, self.now)
            self.flush()

    def on_question(self, question: AccountStateWanted) -> None:
        """A client asks for what is known of its account."""
        if question.exchange_id == self.exchange_id:
            answer_question(self.exchange, question, self.now)
            self.flush()

    # ---- administration

    def on_transfer(self, request: TransferWanted) -> None:
        """An administrator deposits or withdraws."""
        if request.exchange_id != self.exchange_id:
            return
        exchange = self.exchange
        accounts = exchange.accounts
        target = accounts.by_id.get(request.target_account_id)
        place = accounts.place_of.get(request.asset, -1)
        if target is None:
            self.refuse(request.session_id, request.account_id, request.request_id, REJECT_AUTHENTICATION,
                        "there is no such account")  # fmt: skip
        elif place < 0:
            self.refuse(request.session_id, request.account_id, request.request_id, REJECT_UNKNOWN_INSTRUMENT,
                        "there is no such asset here")  # fmt: skip
        else:
            exchange.reports.now_ns = self.now
            fault = accounts.transfer(target, place, request.amount)
            exchange.reports.tell_balances()
            if fault != "":
                self.refuse(request.session_id, request.account_id, request.request_id, REJECT_BALANCE, fault)
            else:
                self.agree(request.session_id, request.account_id, request.request_id, 1)
        self.flush()

    def on_status(self, request: StatusWanted) -> None:
        """An administrator changes how an instrument trades."""
        if request.exchange_id != self.exchange_id:
            return
        market = self.exchange.market_of.get(request.instrument_id)
        if market is None:
            self.refuse(request.session_id, request.account_id, request.request_id, REJECT_UNKNOWN_INSTRUMENT,
                        "there is no such instrument here")  # fmt: skip
        elif not self.hours.may_become(market, request.status):
            self.refuse(request.session_id, request.account_id, request.request_id, REJECT_UNSUPPORTED,
                        "no instrument here can come to trade like that")  # fmt: skip
        else:
            market.wanted_status = request.status
            cancelled = self.hours.leave_if_delisted(market, self.now)
            self.follow_hours("by an administrator", False)
            self.agree(request.session_id, request.account_id, request.request_id, cancelled)
        self.flush()

    def on_trading_halted(self, halted: TradingHalted) -> None:
        """The system halts: no instrument takes orders any more, and none that waits may fire; cancels pass."""
        self.follow_hours(f"the system is halted: {halted.reason}", False)
        self.flush()

    def on_halt_reset(self, reset: HaltReset) -> None:
        """A person ended the halt: the instruments trade again as the calendar and the administrators have it."""
        self.follow_hours(f"the halt was ended by {reset.operator}", False)
        self.flush()

    def refuse(self, session_id: i64, account_id: i64, request_id: i64, code: i64, reason: str) -> None:
        """Refuse a request that is not about an order."""
        exchange = self.exchange
        exchange.reports.now_ns = self.now
        account = exchange.accounts.by_id.get(account_id)
        exchange.answer(session_id, account, request_id, code, reason, 0, "", 0, account_id)

    def agree(self, session_id: i64, account_id: i64, request_id: i64, affected: i64) -> None:
        """Answer a request that is not about an order."""
        exchange = self.exchange
        exchange.reports.now_ns = self.now
        account = exchange.accounts.by_id.get(account_id)
        exchange.answer(session_id, account, request_id, -1, "", 0, "", affected, account_id)

    # ---- the public

    def on_snapshot_wanted(self, wanted: SnapshotWanted) -> None:
        """Somebody needs a whole book of this exchange, or all of them."""
        if wanted.connection_id != self.exchange_id:
            return
        for market in self.exchange.markets:
            if wanted.instrument_id == 0 or wanted.instrument_id == market.instrument_id:
                self.emit(book_snapshot(market, self.now))
                self.emit(self.status_of(market, "as asked"))

    def on_batch_end(self) -> None:
        """Publish what has changed in the books."""
        for market in self.exchange.markets:
            delta = book_delta(market, self.now)
            if delta is not None:
                self.emit(delta)
                top = top_of_book(market, delta)
                if top is not None:
                    self.emit(top)

    def flush(self) -> None:
        """Say what the exchange has to say, and see to the timers."""
        out = self.exchange.out
        traded = False
        for message in out:
            self.emit(message)
            if isinstance(message, PublicTrade):
                traded = True
        out.clear()
        if traded and not self.ticker_due:
            self.ticker_due = True
            self.set_timer(TICKER_TIMER, self.now + self.ticker_ns)
        expiry_ns = self.hours.next_expiry_ns()
        if expiry_ns != self.expiry_ns:
            self.expiry_ns = expiry_ns
            if expiry_ns > 0:
                self.set_timer(EXPIRY_TIMER, expiry_ns)
            else:
                self.cancel_timer(EXPIRY_TIMER)

    # ---- time

    def on_timer(self, timer: TimerFired) -> None:
        """Something is due."""
        self.exchange.reports.now_ns = self.now
        if timer.timer_id == EXPIRY_TIMER:
            self.expiry_ns = 0
            self.hours.expire(self.now)
        elif timer.timer_id == HOURS_TIMER:
            self.follow_hours("by the calendar", False)
        elif timer.timer_id == TICKER_TIMER:
            self.ticker_due = False
            for market in self.exchange.markets:
                if market.statistics.untold:
                    ticker = market.statistics.ticker(market.instrument_id, self.now)
                    if ticker is not None:
                        self.emit(ticker)
        self.flush()

    def follow_hours(self, reason: str, all_of_them: bool) -> None:
        """Open and close what has to be, say so, and wake up for the next time."""
        self.exchange.reports.now_ns = self.now
        for market in self.exchange.markets:
            changed = self.hours.apply(market, self.now, self.outlet.ledger.halted)
            if changed or all_of_them:
                self.emit(self.status_of(market, reason))
        change_ns = self.exchange.calendar.next_change_ns(self.now)
        if change_ns > 0:
            self.set_timer(HOURS_TIMER, change_ns)

    def status_of(self, market: Market, reason: str) -> InstrumentStatus:
        """How an instrument trades now."""
        return InstrumentStatus(market.instrument_id, market.status, reason, self.now, self.now)

    # ---- state

    def summary(self) -> dict[str, object]:
        """Orders, trades and sessions so far, every market, and what the exchange has earned."""
        exchange = self.exchange
        fees = exchange.accounts.fees
        assets = exchange.accounts.assets
        return {
            "orders": int(exchange.last_order_id),
            "open_orders": len(exchange.reports.orders),
            "trades": sum([int(market.engine.trade_count) for market in exchange.markets]),
            "sessions": len(self.sessions.sessions),
            "fees": {
                asset: format_decimal_short(fees.total[place], AMOUNT_SCALE) for place, asset in enumerate(assets)
            },
            "markets": {market.name: self.market_words(market) for market in exchange.markets},
        }

    def market_words(self, market: Market) -> dict[str, object]:
        """One market as people read it; empty text where there is no such price."""
        engine = market.engine
        scale = self.instruments.by_id(market.instrument_id).price_scale
        prices = [engine.best_bid, engine.best_ask, engine.last_price]
        bid, ask, last = [format_decimal(price, scale) if price > 0 else "" for price in prices]
        return {
            "bid": bid,
            "ask": ask,
            "last": last,
            "orders": int(engine.open_orders + engine.waiting_orders),
            "trades": int(engine.trade_count),
        }

    def save(self) -> dict[str, object]:
        """Everything; what is packed is text."""
        return {
            "exchange": save_exchange(self.exchange),
            "sessions": self.sessions.save(),
            "timers": [int(self.expiry_ns), self.ticker_due],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        exchange = state["exchange"]
        sessions = state["sessions"]
        timers = state["timers"]
        assert isinstance(exchange, dict)
        assert isinstance(sessions, dict)
        assert isinstance(timers, list)
        load_exchange(self.exchange, exchange)
        self.sessions.load(sessions, self.exchange.accounts)
        self.expiry_ns = timers[0]
        self.ticker_due = timers[1]
