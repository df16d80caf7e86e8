"""A market maker alone in its lane, over three venues of one base: tests tell it touches, fair values and fills.

Three instruments of three scales: prices of 60,000 are 6,000,000 at the first, 600,000 at the second, 60,000,000 at
the third; sizes of 0.01 are 1,000, 1,000,000 and 100,000.
"""

from __future__ import annotations

from typing import Final

from market.instruments import Instrument, InstrumentTable
from market.messages import (
    BUY,
    GTC,
    LIMIT,
    LIVE,
    MAKER,
    ChildOrder,
    FairValue,
    Message,
    OrderAccepted,
    OrderFilled,
    RunStarted,
    TopOfBook,
    WantedQuotes,
)
from runtime.actor import Actor
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.config.rules import DecimalText
from strategies.market_maker import MarketMaker
from strategies.market_maker_params import MarketMakerParams
from tests.actors.trading_lane import Spy
from tests.runtime.lanes import node_of

SECOND: Final = 1_000_000_000
START_NS: Final = 1_700_000_000 * SECOND
FAIR: Final = 60_000.0
SESSION: Final = 1
# An actor that may fail without a loss to the test.
BYSTANDER: Final = 3


def instrument(number: int, venue: str, tick: str, lot: str, **more: str) -> Instrument:
    """BTC/USDT at a venue."""
    return Instrument.from_text(
        instrument_id=number, symbol="BTC/USDT", venue=venue, venue_symbol=f"BTC{number}", base="BTC", quote="USDT",
        kind="spot", tick=tick, lot=lot, minimum_size=lot, minimum_notional=more.get("minimum_notional", "5"),
        maker_fee_bps=more.get("maker_fee_bps", "0"),
    )  # fmt: skip


INSTRUMENTS: Final = (
    instrument(1, "binance", "0.01", "0.00001"),
    instrument(2, "kraken", "0.1", "0.00000001"),
    instrument(3, "coinbase", "0.001", "0.0000001"),
)


def settings(**more: object) -> MarketMakerParams:
    """Settings with round numbers: half a spread of 2 bps is 12.00 at 60,000; all quotes move at once."""
    chosen: dict[str, object] = {
        "size": DecimalText("0.01"), "maximum_position": DecimalText("0.05"), "half_spread_bps": 2.0, "skew_bps": 2.0,
        "requote_bps": 0.5, "requote_away_bps": 0.5, "requote_outer_bps": 0.0, "queue_patience": 0.0, "fee_share": 0.0,
        "moves_per_batch": 0, **more,
    }  # fmt: skip
    return MarketMakerParams(**chosen)  # type: ignore[arg-type]


class MakerLane:
    """See the head of this file."""

    def __init__(
        self, params: object = None, instruments: tuple[Instrument, ...] = INSTRUMENTS[:1],
        class_: type[Actor] = MarketMaker,
    ) -> None:  # fmt: skip
        names = {one.venue: one.instrument_id for one in instruments}
        nodes = (node_of(class_, 1, params=params or settings()), node_of(Spy, 2), node_of(Spy, BYSTANDER, "bystander"))
        self.core = build_core(Blueprint(SystemConfig(), InstrumentTable(instruments), names, nodes, ()), "main")
        self.instruments = {one.instrument_id: one for one in instruments}
        self.now_ns = START_NS
        self.orders = 0
        self.take(RunStarted(START_NS, SESSION, "", ""))

    @property
    def maker(self) -> MarketMaker:
        """The strategy itself."""
        actor = self.core.slots[0].actor
        assert isinstance(actor, MarketMaker)
        return actor

    def take(self, *messages: Message) -> None:
        """One batch of inputs now."""
        for number, message in enumerate(messages, start=1):
            self.core.take(message, self.now_ns, number == len(messages))
        assert self.core.reported == []

    def top(
        self, number: int = 1, middle: float = FAIR, width: float = 2.0, size: float = 1.0, state: int = LIVE
    ) -> TopOfBook:
        """The touch of a venue."""
        one = self.instruments[number]
        bid = one.round_price_down(round((middle - width / 2) * 10**one.price_scale))
        ask = one.round_price_up(round((middle + width / 2) * 10**one.price_scale))
        shown = round(size * 10**one.size_scale)
        return TopOfBook(number, state, bid, shown, ask, shown, 1, self.now_ns, self.now_ns)

    def fair(self, number: int = 1, price: float = FAIR, confidence: float = 1.0) -> FairValue:
        """The fair value of a venue's instrument."""
        return FairValue(number, price * 10 ** self.instruments[number].price_scale, confidence, self.now_ns)

    def market(self, price: float = FAIR, width: float = 2.0) -> None:
        """All venues show this price, and it is the fair value."""
        self.take(*(one for n in self.instruments for one in (self.top(n, price, width), self.fair(n, price))))

    def fill(self, side: int, size: float, number: int = 1, price: float = FAIR, strategy_id: int = 1) -> None:
        """An order of the strategy was accepted and filled."""
        one = self.instruments[number]
        self.orders += 1
        at, much = round(price * 10**one.price_scale), round(size * 10**one.size_scale)
        self.take(
            ChildOrder(
                self.orders, 0, strategy_id, number, side, LIMIT, GTC, at, much, 0, 0, True, False, 0, self.now_ns
            ),
            OrderAccepted(self.orders, number, "", self.now_ns),
            OrderFilled(
                self.orders, number, strategy_id, self.orders, side, at, much, 0, 0, MAKER, self.now_ns
            ),
        )  # fmt: skip

    @property
    def told(self) -> list[WantedQuotes]:
        """Everything that was wanted so far."""
        heard: list[Message] = getattr(self.core.slots[1].actor, "heard", [])
        return [one for one in heard if isinstance(one, WantedQuotes)]

    def last(self, number: int = 1) -> WantedQuotes:
        """What is wanted at a venue."""
        return [one for one in self.told if one.instrument_id == number][-1]

    def bids(self, number: int = 1) -> list[tuple[float, float]]:
        """Prices and sizes of the bids that are wanted, as people write them."""
        return self.side(self.last(number), BUY)

    def asks(self, number: int = 1) -> list[tuple[float, float]]:
        """Prices and sizes of the asks that are wanted."""
        return self.side(self.last(number), -BUY)

    def side(self, wants: WantedQuotes, side: int) -> list[tuple[float, float]]:
        """One side of what is wanted."""
        one = self.instruments[wants.instrument_id]
        prices, sizes = (
            (wants.bid_prices, wants.bid_sizes) if side == BUY else (wants.ask_prices, wants.ask_sizes)
        )  # fmt: skip
        return [
            (prices[place] / 10**one.price_scale, sizes[place] / 10**one.size_scale) for place in range(len(prices))
        ]
