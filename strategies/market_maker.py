"""A market maker for one or more instruments: a bid and an ask around the fair value, leaning against its inventory.

With a long position both quotes go down, with a short one up, by as much as `skew_bps` when the position is at its
limit; near the limit the quote that would pass it gets smaller and then goes away. It wants nothing while it cannot
trust what it knows: no fair value, a lane that lags, a pause, a halt, a shutdown. Prices and sizes that it wants are
exact, on the tick and on the lot; only the model in between uses floats.
"""

from __future__ import annotations

from math import ceil, floor
from typing import ClassVar

import attrs
from librt.vecs import vec
from mypy_extensions import i64

from market.instruments import Instrument
from market.messages import (
    LIVE,
    ActorFailed,
    ActorRestarted,
    BookStateChanged,
    FairValue,
    HaltReset,
    Lagging,
    Message,
    OrderFilled,
    PauseQuoting,
    RunStarted,
    ShutdownRequested,
    TradingHalted,
    WantedQuotes,
)
from runtime.actor import ActorSetup, Strategy
from runtime.config.rules import DecimalText, at_least, between, decimal, setting

BASIS_POINT = 1e-4


@attrs.frozen(kw_only=True)
class MarketMakerParams:
    """Settings of `MarketMaker`. Sizes are in base."""

    size: DecimalText = setting("Size of a quote.", rule=decimal(above_zero=True), unit="base")
    maximum_position: DecimalText = setting(
        "It never wants a quote that could take the position further from the target than this.",
        rule=decimal(above_zero=True), unit="base",
    )  # fmt: skip
    target: DecimalText = setting(
        "The position that it leans towards.", default=DecimalText("0"), rule=decimal(), unit="base"
    )
    half_spread_bps: float = setting(
        "Distance of a quote from the (skewed) fair value.", default=2.0, rule=at_least(0.0), unit="bps"
    )
    skew_bps: float = setting(
        "How far both quotes move at the largest position.", default=2.0, rule=at_least(0.0), unit="bps"
    )
    requote_bps: float = setting(
        "Quotes stay where they are until they should move by more than this.",
        default=0.2, rule=at_least(0.0), unit="bps",
    )  # fmt: skip
    minimum_confidence: float = setting(
        "It trusts a fair value of at least this confidence.", default=0.5, rule=between(0.0, 1.0)
    )


class Quoting:
    """What the strategy knows and wants in one instrument."""

    def __init__(self, instrument: Instrument, params: MarketMakerParams) -> None:
        self.instrument = instrument
        self.size = instrument.round_size_down(instrument.parse_size(params.size))
        self.target = instrument.parse_size(params.target)
        self.maximum_position = instrument.parse_size(params.maximum_position)
        self.fair_value: float | None = None
        self.receive_ns = 0
        self.changed = False
        # Bid price, bid size, ask price, ask size as last wanted; a size of 0 is no quote, None is "not told yet".
        self.wanted: tuple[int, int, int, int] | None = None


class MarketMaker(Strategy):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        FairValue: "on_fair_value",
        OrderFilled: "on_filled",
        BookStateChanged: "on_book_state",
        Lagging: "on_lagging",
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
        assert isinstance(setup.params, MarketMakerParams)
        self.params = setup.params
        self.lagging = False
        self.paused = False
        self.stopping = False
        self.quoting = {
            instrument_id: Quoting(setup.instruments.by_id(instrument_id), self.params)
            for instrument_id in setup.instrument_ids
        }

    # ---- what it learns

    def on_fair_value(self, fair: FairValue) -> None:
        """A new fair value, or the news that there is none."""
        quoting = self.quoting[fair.instrument_id]
        trusted = fair.confidence > 0.0 and fair.confidence >= self.params.minimum_confidence
        quoting.fair_value = fair.price if trusted else None
        quoting.receive_ns = fair.receive_ns
        quoting.changed = True

    def on_filled(self, fill: OrderFilled) -> None:
        """Its inventory changed, and a quote is used up."""
        if fill.strategy_id == self.strategy_id:
            self.want_anew(self.quoting[fill.instrument_id])

    def on_book_state(self, book: BookStateChanged) -> None:
        """The order manager drops every want on a book that is not live: want again when there is a new price."""
        quoting = self.quoting[book.instrument_id]
        if book.state != LIVE:
            quoting.fair_value = None
        self.want_anew(quoting)

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
        self.on_somebody_failed(started)

    def on_somebody_failed(self, message: Message) -> None:
        """It may have been who made the price: wait for a new one."""
        for quoting in self.quoting.values():
            quoting.fair_value = None
        self.on_trust_changed(message)

    def on_trust_changed(self, _: Message) -> None:
        """Look at everything again."""
        for quoting in self.quoting.values():
            self.want_anew(quoting)

    def want_anew(self, quoting: Quoting) -> None:
        """Say at the end of the batch what is wanted, whatever was said before."""
        quoting.wanted = None
        quoting.changed = True

    # ---- what it wants

    def on_batch_end(self) -> None:
        """Quote where something changed."""
        for quoting in self.quoting.values():
            if quoting.changed:
                quoting.changed = False
                self.quote(quoting)

    def quote(self, quoting: Quoting) -> None:
        """Say what is wanted, when it differs enough from what was wanted before."""
        fair_value = quoting.fair_value
        distrust = self.distrust(fair_value)
        if fair_value is None or distrust:
            self.want(quoting, (0, 0, 0, 0), 0.0, distrust)
            return
        position = self.position(quoting)
        wanted = self.quotes_around(quoting, fair_value, position)
        if self.is_news(quoting, wanted, fair_value):
            reason = f"fair {fair_value:.2f}, position {quoting.instrument.format_size(position)}"
            self.want(quoting, wanted, fair_value, reason)

    def distrust(self, fair_value: float | None) -> str:
        """Why nothing should be wanted, empty when quotes are fine."""
        if self.stopping:
            return "shutting down"
        if self.ledger.halted:
            return "trading is halted"
        if self.paused:
            return "paused"
        if self.lagging:
            return "lagging"
        return "no fair value" if fair_value is None else ""

    def position(self, quoting: Quoting) -> int:
        """What it holds now."""
        position = self.ledger.position(self.strategy_id, quoting.instrument.instrument_id)
        return 0 if position is None else position.net_size

    def quotes_around(self, quoting: Quoting, fair_value: float, position: int) -> tuple[int, int, int, int]:
        """Bid price, bid size, ask price, ask size. The bid is rounded down and the ask up: never nearer than meant."""
        instrument = quoting.instrument
        inventory = position - quoting.target
        lean = max(-1.0, min(1.0, inventory / quoting.maximum_position))
        centre = fair_value * (1.0 - lean * self.params.skew_bps * BASIS_POINT)
        half_spread = centre * self.params.half_spread_bps * BASIS_POINT
        return (
            instrument.round_price_down(floor(centre - half_spread)),
            self.size_within(quoting, quoting.maximum_position - inventory),
            instrument.round_price_up(ceil(centre + half_spread)),
            self.size_within(quoting, quoting.maximum_position + inventory),
        )

    def size_within(self, quoting: Quoting, room: int) -> int:
        """The size of a quote as far as the position has room for it; 0 when that is less than the venue takes."""
        size = min(quoting.size, quoting.instrument.round_size_down(max(room, 0)))
        return size if size > 0 and size >= quoting.instrument.minimum_size else 0

    def is_news(self, quoting: Quoting, wanted: tuple[int, int, int, int], fair_value: float) -> bool:
        """Whether the quotes moved by more than the threshold, or changed in size."""
        before = quoting.wanted
        if before is None or before[1] != wanted[1] or before[3] != wanted[3]:
            return True
        threshold = fair_value * self.params.requote_bps * BASIS_POINT
        return abs(wanted[0] - before[0]) > threshold or abs(wanted[2] - before[2]) > threshold

    def want(self, quoting: Quoting, wanted: tuple[int, int, int, int], fair_value: float, reason: str) -> None:
        """Tell the order manager, unless it is what was told before."""
        if wanted == quoting.wanted:
            return
        quoting.wanted = wanted
        bid_price, bid_size, ask_price, ask_size = wanted
        self.emit(
            WantedQuotes(
                strategy_id=self.strategy_id,
                instrument_id=quoting.instrument.instrument_id,
                bid_prices=vec[i64]([bid_price] if bid_size else []),
                bid_sizes=vec[i64]([bid_size] if bid_size else []),
                ask_prices=vec[i64]([ask_price] if ask_size else []),
                ask_sizes=vec[i64]([ask_size] if ask_size else []),
                fair_value=fair_value,
                reason=reason,
                receive_ns=quoting.receive_ns,
            )
        )

    # ---- state

    def save(self) -> dict[str, object]:
        """What it knows and wants; positions are the ledger's."""
        return {
            "flags": [self.lagging, self.paused, self.stopping],
            "quoting": [
                [instrument_id, one.fair_value, one.receive_ns, one.changed, one.wanted and list(one.wanted)]
                for instrument_id, one in self.quoting.items()
            ],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        flags, rows = state["flags"], state["quoting"]
        assert isinstance(flags, list)
        assert isinstance(rows, list)
        self.lagging, self.paused, self.stopping = flags
        for instrument_id, fair_value, receive_ns, changed, wanted in rows:
            one = self.quoting[instrument_id]
            one.fair_value, one.receive_ns, one.changed = fair_value, receive_ns, changed
            one.wanted = None if wanted is None else tuple(wanted)
