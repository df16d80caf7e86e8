"""A market maker for one or more instruments: bids and asks around the fair value, leaning against its inventory.

Its position counts over all venues of one base together: with a long one all its quotes go down, with a short one up;
near the limit the quotes that would pass it get smaller and then go away. It never crosses a venue's own touch, and it
wants nothing while it cannot trust what it knows: a book that is not live, no fair value or one that is far from the
touch, too few live venues, a lane that lags, a pause, a halt, a shutdown. Prices and sizes that it wants are exact, on
the tick and on the lot; only the model in between uses floats. Every quote says why it is where it is.

`docs/market-making.md` has the formulas and the settings. `market_maker_spread.py` says how wide it quotes,
`market_maker_quoting.py` how much, `market_maker_plan.py` when a quote moves and `quote_ladder.py` where to. Here is
what it hears and what it trusts.
"""

from __future__ import annotations

from typing import ClassVar, Final, cast

from mypy_extensions import i64, mypyc_attr

from market.instruments import Instrument
from market.messages import (
    LIVE,
    ActorFailed,
    ActorRestarted,
    BookStateChanged,
    FairValue,
    FeeTaken,
    HaltReset,
    Lagging,
    Message,
    OrderFilled,
    PauseQuoting,
    PublicTrade,
    QuotingChanged,
    RunStarted,
    ShutdownRequested,
    TopOfBook,
    TradingHalted,
    WantedQuotes,
)
from runtime.actor import ActorSetup, Strategy
from runtime.ledger import Ledger
from strategies.market_maker_params import BASE, MarketMakerParams
from strategies.market_maker_plan import Planner
from strategies.market_maker_quoting import BASIS_POINT, Inventory, Quoting, panel_of


@mypyc_attr(allow_interpreted_subclasses=True)
class MarketMaker(Strategy):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        TopOfBook: "on_top_of_book",
        FairValue: "on_fair_value",
        PublicTrade: "on_trade",
        OrderFilled: "on_filled",
        FeeTaken: "on_fee_taken",
        BookStateChanged: "on_book_state",
        Lagging: "on_lagging",
        QuotingChanged: "on_quoting_changed",
        PauseQuoting: "on_pause",
        TradingHalted: "on_trust_changed",
        HaltReset: "on_trust_changed",
        ShutdownRequested: "on_shutdown",
        RunStarted: "on_run_started",
        ActorFailed: "on_somebody_failed",
        ActorRestarted: "on_trust_changed",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (WantedQuotes,)
    PARAMS: ClassVar[type | None] = MarketMakerParams
    AT_BATCH_END: ClassVar[bool] = True

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, MarketMakerParams)
        self.params: Final = params
        self.lagging: bool = False
        self.paused: bool = False
        self.stopping: bool = False
        self.mode: Final[str] = params.mode
        self.minimum_confidence: Final[float] = params.minimum_confidence
        self.min_live_venues: Final[i64] = params.min_live_venues
        self.planner: Final = Planner(params)
        self.deviation: Final[float] = params.maximum_deviation_bps * BASIS_POINT
        self.measures_arrivals: Final[bool] = params.calibrate and params.mode != BASE
        self.quoting: Final[dict[int, Quoting]] = {}
        self.inventories: Final[list[Inventory]] = []
        alike: dict[tuple[str, str], list[Instrument]] = {}
        for instrument_id in setup.instrument_ids:
            one = setup.instruments.by_id(instrument_id)
            alike.setdefault((one.base, str(one.kind)), []).append(one)
        for instruments in alike.values():
            inventory = Inventory(instruments, params, self.ledger, self.strategy_id)
            self.inventories.append(inventory)
            for one in instruments:
                quoting = Quoting(one, inventory, params)
                inventory.members.append(quoting)
                self.quoting[one.instrument_id] = quoting

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """Trades tell where quotes stand in their queue, and how orders arrive; without both nobody needs them."""
        if not isinstance(params, MarketMakerParams) or params.queue_patience > 0.0:
            return ()
        return () if params.calibrate and params.mode != BASE else (PublicTrade,)

    # ---- what it learns

    def on_top_of_book(self, top: TopOfBook) -> None:
        """A venue's touch, or the news that its book is not to be trusted."""
        quoting = self.quoting.get(top.instrument_id)
        if quoting is None:
            return
        if top.state == LIVE and top.bid_size > 0 and top.ask_size > 0:
            quoting.receive_ns = top.receive_ns
            quoting.bid = top.bid_price
            quoting.ask = top.ask_price
            quoting.bids.see_touch(top.bid_price, top.bid_size)
            quoting.asks.see_touch(top.ask_price, top.ask_size)
            quoting.changed = True
            if not quoting.live:
                quoting.live = True
                quoting.inventory.count_live()
        elif quoting.live:
            self.lose(quoting)

    def on_fair_value(self, fair: FairValue) -> None:
        """A new fair value, or the news that there is none."""
        quoting = self.quoting.get(fair.instrument_id)
        if quoting is None:
            return
        quoting.trusted = fair.confidence > 0.0 and fair.confidence >= self.minimum_confidence
        quoting.fair_value = fair.price
        quoting.confidence = fair.confidence
        quoting.receive_ns = fair.receive_ns
        quoting.changed = True
        if not quoting.trusted:
            quoting.spread.volatility.gap()
        elif quoting.spread.volatility.add(fair.price, self.outlet.now_ns):
            quoting.spread.measure(self.outlet.now_ns)
            quoting.stale = True

    def on_trade(self, trade: PublicTrade) -> None:
        """Somebody traded: those ahead of a quote are fewer, and an order came that reached so far."""
        quoting = self.quoting.get(trade.instrument_id)
        if quoting is None or not quoting.live:
            return
        side = quoting.asks if trade.aggressor_side > 0 else quoting.bids
        side.see_trade(trade.price, trade.size)
        if self.measures_arrivals:
            middle = (float(quoting.bid) + float(quoting.ask)) / 2.0
            unit = middle * BASIS_POINT
            distance = float(trade.price) - middle
            quoting.spread.arrivals.add(
                self.outlet.now_ns,
                trade.aggressor_side,
                (distance if trade.aggressor_side > 0 else -distance) / unit,
                (float(quoting.ask) - float(quoting.bid)) / 2.0 / unit,
                quoting.half_tick / unit,
            )

    def on_filled(self, fill: OrderFilled) -> None:
        """Its position changed, and with it every quote in that base; a quote is used up."""
        if fill.strategy_id != self.strategy_id:
            return
        quoting = self.quoting.get(fill.instrument_id)
        if quoting is None:
            return
        side = quoting.bids if fill.side > 0 else quoting.asks
        side.see_fill(fill.price, fill.remaining)
        order = self.ledger.order(fill.order_id)
        if order is not None and order.post_only and order.parent_id == 0:
            # The order manager sends nothing more there until it is told anew.
            side.committed = 0
        self.count_again(quoting)

    def on_fee_taken(self, taken: FeeTaken) -> None:
        """The venue takes its fee out of the position."""
        quoting = self.quoting.get(taken.instrument_id)
        if quoting is not None:
            self.count_again(quoting)

    def count_again(self, quoting: Quoting) -> None:
        """The position has changed, and with it every quote in that base."""
        quoting.inventory.stale = True
        for member in quoting.inventory.members:
            member.changed = True
            member.receive_ns = 0
        quoting.told = False

    def on_book_state(self, book: BookStateChanged) -> None:
        """The order manager drops every want on a book that is not live: want again when it is."""
        quoting = self.quoting.get(book.instrument_id)
        if quoting is None:
            return
        if book.state != LIVE and quoting.live:
            self.lose(quoting)
        self.want_anew(quoting)

    def lose(self, quoting: Quoting) -> None:
        """Nothing is known of a venue's book any more."""
        quoting.live = False
        quoting.spread.volatility.gap()
        quoting.inventory.count_live()

    def on_lagging(self, lagging: Lagging) -> None:
        """What arrives is old, or no longer is."""
        self.lagging = lagging.lag_ns > 0
        self.on_trust_changed(lagging)

    def on_pause(self, pause: PauseQuoting) -> None:
        """An operator wants no quotes, or wants them again."""
        self.paused = pause.paused
        self.on_trust_changed(pause)

    def on_shutdown(self, shutdown: ShutdownRequested) -> None:
        """The end: want nothing more."""
        self.stopping = True
        self.on_trust_changed(shutdown)

    def on_run_started(self, started: RunStarted) -> None:
        """A new run begins without prices."""
        self.stopping = False
        self.lagging = False
        for quoting in self.quoting.values():
            quoting.spread.arrivals.begin(self.outlet.now_ns)
        self.on_somebody_failed(started)

    def on_somebody_failed(self, message: Message) -> None:
        """It may have been who made the book or the price: wait for new ones."""
        for quoting in self.quoting.values():
            quoting.trusted = False
            if quoting.live:
                self.lose(quoting)
        self.on_trust_changed(message)

    def on_quoting_changed(self, changed: QuotingChanged) -> None:
        """The order manager had pulled its quotes and would take them again."""
        quoting = self.quoting.get(changed.instrument_id)
        if quoting is not None and changed.quoting and changed.strategy_id == self.strategy_id:
            self.want_anew(quoting)

    def on_settings_changed(self) -> None:
        """Another setting takes effect at the end of the batch; what it knows and has measured stays."""
        for inventory in self.inventories:
            inventory.stale = True
        self.want_everything_anew()

    def on_trust_changed(self, _: Message) -> None:
        """Look at everything again."""
        self.want_everything_anew()

    def want_everything_anew(self) -> None:
        """Say what is wanted at every venue."""
        for quoting in self.quoting.values():
            self.want_anew(quoting)

    def want_anew(self, quoting: Quoting) -> None:
        """Say at the end of the batch what is wanted, whatever was said before."""
        quoting.told = False
        quoting.changed = True
        quoting.receive_ns = 0

    # ---- what it wants

    def on_batch_end(self) -> None:
        """Quote where something changed, or where quotes are still to move."""
        for inventory in self.inventories:
            if inventory.short:
                inventory.look_again()
        planner = self.planner
        planned: list[Quoting] | None = None
        for quoting in self.quoting.values():
            if not quoting.changed:
                continue
            quoting.changed = False
            distrust = self.distrust(quoting)
            if len(distrust) > 0:
                self.want_nothing(quoting, distrust)
            elif not planner.stays(quoting) and (planner.plan(quoting) or not quoting.told):
                if planned is None:
                    planned = [quoting]
                else:
                    planned.append(quoting)
        if planned is not None:
            planner.pick(planned)
            for quoting in planned:
                self.quote(quoting)

    def want_nothing(self, quoting: Quoting, reason: str) -> None:
        """Pull what is wanted, at once."""
        quoting.reason = reason
        bids = quoting.bids
        asks = quoting.asks
        if bids.count + asks.count > 0 or not quoting.told:
            bids.clear()
            asks.clear()
            quoting.calm = False
            self.tell(quoting, 0.0)

    def quote(self, quoting: Quoting) -> None:
        """Say what is wanted, when it differs from what was told."""
        if self.planner.settle(quoting) or not quoting.told:
            self.planner.take(quoting)
            self.tell(quoting, quoting.fair_value)
        # What follows without a new price is not the answer to this one.
        quoting.receive_ns = 0

    def distrust(self, quoting: Quoting) -> str:
        """Why nothing should be wanted, empty when quotes are fine."""
        if self.stopping:
            return "shutting down"
        if self.ledger.halted:
            return "trading is halted"
        if self.paused:
            return "paused"
        if self.lagging:
            return "lagging"
        if not quoting.live:
            return "the book is not live"
        if not quoting.trusted:
            if 0.0 < quoting.confidence < self.minimum_confidence:
                return f"the fair value's confidence of {quoting.confidence:.2f} is below {self.minimum_confidence:.2f}"
            return "no fair value"
        inventory = quoting.inventory
        if inventory.live < self.min_live_venues and inventory.live < i64(len(inventory.members)):
            return f"only {inventory.live} of {len(inventory.members)} venues live"
        most = quoting.fair_value * self.deviation
        if most > 0.0:
            above = quoting.fair_value - float(quoting.ask)
            below = float(quoting.bid) - quoting.fair_value
            if above > most or below > most:
                return f"the fair value is further than {self.deviation / BASIS_POINT:.0f} bps from the touch"
        return ""

    def tell(self, quoting: Quoting, fair_value: float) -> None:
        """Tell the order manager."""
        quoting.told = True
        bids = quoting.bids
        asks = quoting.asks
        news = bids.commit()
        if asks.commit() or news:
            quoting.inventory.recount(quoting)
        self.emit(
            WantedQuotes(
                self.actor_id, quoting.instrument_id, bids.told_prices(), bids.told_sizes(), asks.told_prices(),
                asks.told_sizes(), fair_value, quoting.reason,
                quoting.receive_ns if quoting.receive_ns > 0 else self.outlet.now_ns,
            )
        )  # fmt: skip

    # ---- words and state

    def prime(self, ledger: Ledger) -> None:
        """Fresh after a failure: the position is the ledger's, and is added up before the first quote."""
        for inventory in self.inventories:
            inventory.stale = True

    def summary(self) -> dict[str, object]:
        """Mode, position, and what was measured."""
        return {
            "mode": self.mode,
            "held": {f"{one.base}": one.text() for one in self.inventories},
            "volatility_bps": {
                f"{one.instrument.symbol}@{one.instrument.venue}": round(one.spread.sigma, 3)
                for one in self.quoting.values()
            },
        }

    def panel(self) -> dict[str, object]:
        """The quotes it wants, each with its reason, and what they are made of."""
        return panel_of(self.name, self.mode, self.inventories, list(self.quoting.values()))

    def save(self) -> dict[str, object]:
        """What it knows, wants and has measured; positions are the ledger's."""
        return {
            "flags": [self.lagging, self.paused, self.stopping],
            "inventories": [[str(one.held), int(one.live), one.stale, one.short] for one in self.inventories],
            "quoting": [[number, one.save()] for number, one in self.quoting.items()],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        flags = cast("list[bool]", state["flags"])
        self.lagging, self.paused, self.stopping = flags[0], flags[1], flags[2]
        rows = cast("list[list[object]]", state["inventories"])
        for inventory, row in zip(self.inventories, rows, strict=True):
            inventory.held = int(cast(str, row[0]))
            inventory.live = cast(int, row[1])
            inventory.stale = cast(bool, row[2])
        for number, saved in cast("list[list[object]]", state["quoting"]):
            self.quoting[cast(int, number)].load(cast("list[object]", saved))
        for inventory, row in zip(self.inventories, rows, strict=True):
            inventory.short = cast(bool, row[3])
