"""What we hold and what it has earned: by strategy, venue, instrument, group and altogether, by three fill models.

It takes the fills that the ledger counts, and those that the paper venue's shadow accounts tell of the same orders,
and marks them to live books. Amounts are exact integers; each unit of cash is in exactly one place. It tells results at
most once in a while, how the market moved after each fill, and what is at risk. It never decides anything.
"""

from __future__ import annotations

from typing import ClassVar, Final

from actors.markouts import Markouts, Waiting
from actors.portfolio_accounts import Account, Holding, Mark
from actors.portfolio_params import PortfolioParams
from actors.portfolio_rates import BASE_SCALE, Rates
from actors.portfolio_results import Results
from actors.portfolio_words import FillRow, Traded, Words
from actors.risk_limits import scaled
from market.instruments import Instrument
from market.messages import (
    LIVE,
    MODEL_OPTIMISTIC,
    ActorFailed,
    BookStateChanged,
    ExposureChanged,
    FairValue,
    FeeTaken,
    FundingPaid,
    LotClosed,
    Markout,
    Message,
    OrderFilled,
    PositionChanged,
    ProfitBracket,
    ProfitChanged,
    ShadowFilled,
    TimerFired,
    TopOfBook,
)
from market.positions import Position
from runtime.actor import HALT_TRADING, Actor, ActorSetup
from runtime.ledger import Ledger

TELL_TIMER: Final = 1
FILLS_KEPT: Final = 50
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


class Portfolio(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        OrderFilled: "on_filled",
        ShadowFilled: "on_shadow_filled",
        FeeTaken: "on_fee_taken",
        FundingPaid: "on_funding",
        TopOfBook: "on_top_of_book",
        BookStateChanged: "on_book_state",
        FairValue: "on_fair_value",
        ActorFailed: "on_actor_failed",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        PositionChanged, LotClosed, ProfitChanged, ProfitBracket, ExposureChanged, Markout,
    )  # fmt: skip
    OWNS: ClassVar[tuple[type[Message], ...]] = (PositionChanged,)
    PARAMS: ClassVar[type | None] = PortfolioParams
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params if isinstance(setup.params, PortfolioParams) else PortfolioParams()
        self.instruments: Final[dict[int, Instrument]] = {
            instrument_id: setup.instruments.by_id(instrument_id) for instrument_id in setup.instrument_ids
        }
        self.by_fair_value: Final[bool] = params.markout_reference == "fair"
        self.tell_ns: Final[int] = params.tell_ms * NANOSECONDS_PER_MILLISECOND
        self.rates: Final = Rates(
            params.currency, params.rates, params.parity, list(self.instruments.values()), setup.instruments
        )
        self.marks: Final[dict[int, Mark]] = {number: Mark(one) for number, one in self.instruments.items()}
        self.queue: Final = Account(params.method, self.marks, self.rates)
        self.optimistic: Final = Account("average", self.marks, self.rates)
        self.pessimistic: Final = Account("average", self.marks, self.rates)
        self.markouts: Final = Markouts(params.markouts_pending)
        self.traded: Final[dict[int, Traded]] = {number: Traded() for number in self.instruments}
        self.results: Final = Results(
            self.queue, self.optimistic, self.pessimistic, scaled(params.starting_value, BASE_SCALE)
        )
        names = {number: name for name, number in setup.actor_ids.items()}
        self.words: Final = Words(names, self.marks, self.results, self.markouts, self.traded)
        self.fills: list[FillRow] = []
        self.is_timed: bool = False

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """Where fills are compared with the mid, it needs no fair value."""
        if isinstance(params, PortfolioParams) and params.markout_reference == "fair":
            return ()
        return (FairValue,)

    # ---- fills

    def on_filled(self, fill: OrderFilled) -> None:
        """Take a fill that counts, tell the position that it made, and wait for its markouts."""
        instrument = self.instruments.get(fill.instrument_id)
        if instrument is None or not self.ledger.fill_counted:
            return
        order = self.ledger.order(fill.order_id)
        strategy_id: int = fill.strategy_id if order is None else order.strategy_id
        holding = self.queue.holding(strategy_id, fill.instrument_id)
        if holding is None:
            return
        holding.position.now_ns = self.outlet.now_ns
        self.queue.fill(strategy_id, fill.instrument_id, fill.side, fill.price, fill.size, fill.fee)
        self.tell_lots(holding)
        self.tell_position(holding)
        self.traded[fill.instrument_id].add(instrument, fill)
        row = FillRow(
            self.outlet.now_ns, fill.instrument_id, fill.side, fill.price, fill.size, fill.liquidity, fill.fee
        )
        self.fills = [*self.fills[1 - FILLS_KEPT :], row]
        self.markouts.add(
            Waiting(
                fill.order_id, fill.instrument_id, strategy_id, fill.trade_id, fill.side, fill.liquidity, fill.price,
                self.outlet.now_ns,
            )
        )  # fmt: skip
        self.tell_soon()

    def on_shadow_filled(self, fill: ShadowFilled) -> None:
        """Take what a shadow account of the paper venue holds to be filled."""
        account = self.optimistic if fill.model == MODEL_OPTIMISTIC else self.pessimistic
        account.fill(fill.strategy_id, fill.instrument_id, fill.side, fill.price, fill.size, fill.fee)
        self.tell_soon()

    def on_fee_taken(self, taken: FeeTaken) -> None:
        """A venue takes its fee out of a position: what is left of it is told with the fill, which comes next."""
        if not self.ledger.fee_counted:
            return
        order = self.ledger.order(taken.order_id)
        strategy_id: int = taken.strategy_id if order is None else order.strategy_id
        holding = self.queue.holding(strategy_id, taken.instrument_id)
        if holding is None:
            return
        holding.position.now_ns = self.outlet.now_ns
        holding.position.apply_fee_taken(taken.price, self.ledger.fee_size, taken.fee)
        self.tell_lots(holding)
        self.tell_position(holding)
        self.tell_soon()

    def on_funding(self, funding: FundingPaid) -> None:
        """Funding of a position; the shadow accounts are paid for what they hold themselves."""
        holding = self.queue.holding(funding.strategy_id, funding.instrument_id)
        if holding is None:
            return
        net: int = funding.net_size if funding.net_size != 0 else holding.position.net_size
        holding.position.apply_funding(funding.amount)
        for account in (self.optimistic, self.pessimistic):
            shadow = account.holding(funding.strategy_id, funding.instrument_id)
            if shadow is not None and net != 0:
                held: int = shadow.position.net_size
                shadow.position.apply_funding(funding.amount * held // net)
        self.tell_position(holding)
        self.tell_soon()

    def tell_position(self, holding: Holding) -> None:
        """Say what a strategy holds now."""
        position = holding.position
        cost = position.cost
        self.emit(
            PositionChanged(
                holding.instrument_id,
                holding.strategy_id,
                position.net_size,
                cost if cost >= 0 else -cost,
                position.realised,
                position.fees,
            )
        )

    def tell_lots(self, holding: Holding) -> None:
        """Say which lots the last fill closed."""
        for lot in holding.position.closed:
            self.emit(
                LotClosed(
                    holding.instrument_id, holding.strategy_id, lot.size, lot.open_price, lot.close_price, lot.realised,
                    lot.open_ns, lot.close_ns,
                )
            )  # fmt: skip

    # ---- the market

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Mark to the touch; what is due is looked at before the prices move."""
        self.look_at_markouts()
        if len(self.rates.source_of) > 0:
            self.rates.on_top_of_book(top)
        mark = self.marks.get(top.instrument_id)
        if mark is None:
            return
        live = top.state == LIVE and top.bid_size > 0 and top.ask_size > 0
        if live:
            mark.set(top.bid_price, top.ask_price)
        if not self.by_fair_value:
            bid_price: int = top.bid_price
            ask_price: int = top.ask_price
            self.markouts.double_prices[top.instrument_id] = bid_price + ask_price if live else 0

    def on_book_state(self, book: BookStateChanged) -> None:
        """A book that is not live marks nothing."""
        if book.state != LIVE:
            self.look_at_markouts()
            self.rates.forget(book.instrument_id)
            self.markouts.double_prices[book.instrument_id] = 0

    def on_fair_value(self, fair: FairValue) -> None:
        """What the instrument is held to be worth; without confidence it is nothing."""
        self.look_at_markouts()
        if self.by_fair_value:
            self.markouts.double_prices[fair.instrument_id] = int(fair.price * 2) if fair.confidence > 0 else 0

    def on_actor_failed(self, _: ActorFailed) -> None:
        """It may have been the one that keeps the books: wait until they are told again."""
        self.look_at_markouts()
        self.rates.forget(0)
        self.markouts.double_prices.clear()

    def look_at_markouts(self) -> None:
        """Tell the markouts that have come due."""
        if self.outlet.now_ns >= self.markouts.next_ns:
            for markout in self.markouts.look(self.outlet.now_ns):
                self.emit(markout)

    # ---- what is told

    def tell_soon(self) -> None:
        """Something is held, or was: tell of it once in a while."""
        if not self.is_timed:
            self.is_timed = True
            self.set_timer(TELL_TIMER, self.outlet.now_ns + self.tell_ns)

    def on_timer(self, timer: TimerFired) -> None:
        """Tell what has changed; again later, as long as something is held or waited for."""
        self.is_timed = False
        self.look_at_markouts()
        for message in self.results.news(self.ledger, self.outlet.now_ns):
            self.emit(message)
        if self.results.is_moving() or self.markouts.waits():
            self.tell_soon()

    def prime(self, ledger: Ledger) -> None:
        """The timer is gone, and maybe a fill that failed here: what the ledger counts otherwise is taken over."""
        for (strategy_id, instrument_id), position in ledger.positions.items():
            holding = self.queue.holding(strategy_id, instrument_id)
            if holding is not None and not counts_alike(holding.position, position):
                holding.position.take_over(position)
                self.tell_position(holding)
        self.is_timed = False
        self.tell_soon()

    def summary(self) -> dict[str, object]:
        """Positions and results as decimal text: by symbol and venue, by strategy, by group, by fill model."""
        return self.words.summary()

    def panel(self) -> dict[str, object]:
        """What a dashboard draws: positions, the bracket, the last fills, markouts."""
        return self.words.panel(self.fills)

    # ---- state

    def save(self) -> dict[str, object]:
        """Everything as plain data."""
        return {
            "marks": [[number, int(one.bid), int(one.ask)] for number, one in self.marks.items()],
            "rates": self.rates.save(),
            "queue": self.queue.save(),
            "optimistic": self.optimistic.save(),
            "pessimistic": self.pessimistic.save(),
            "markouts": self.markouts.save(),
            "traded": [[number, *one.save()] for number, one in self.traded.items()],
            "results": self.results.save(),
            "fills": [row.save() for row in self.fills],
            "is_timed": self.is_timed,
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        marks, traded, fills, is_timed = state["marks"], state["traded"], state["fills"], state["is_timed"]
        assert isinstance(marks, list)
        assert isinstance(traded, list)
        assert isinstance(fills, list)
        assert isinstance(is_timed, bool)
        for number, bid, ask in marks:
            self.marks[number].set(bid, ask)
        self.rates.load(state["rates"])
        self.queue.load(state["queue"])
        self.optimistic.load(state["optimistic"])
        self.pessimistic.load(state["pessimistic"])
        self.markouts.load(state["markouts"])
        for row in traded:
            self.traded[row[0]].load(row[1:])
        self.results.load(state["results"])
        self.fills = [FillRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6]) for row in fills]
        self.is_timed = is_timed


def counts_alike(ours: Position, ledgers: Position) -> bool:
    """Whether two positions come from the same fills, whatever the method by which each of them closes."""
    return (
        ours.net_size == ledgers.net_size
        and ours.fees == ledgers.fees
        and ours.funding == ledgers.funding
        and ours.realised - ours.cost == ledgers.realised - ledgers.cost
    )
