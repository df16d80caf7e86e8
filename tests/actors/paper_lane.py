"""A lane with a paper venue of two instruments at one venue and one at another, and short ways to speak to it."""

from __future__ import annotations

import attrs
from librt.vecs import vec
from mypy_extensions import i64

from actors.paper_params import PaperVenueParams
from actors.paper_venue import PaperVenue
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    GTC,
    LIMIT,
    LIVE,
    MODEL_QUEUE,
    BookSnapshot,
    CancelOrder,
    ChildOrder,
    ChildReplace,
    NewOrder,
    OrderFilled,
    PublicTrade,
    ReplaceOrder,
    RunStarted,
    ShadowFilled,
    TopOfBook,
)
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from tests.actors.trading_lane import INSTRUMENT, SESSION, START_NS, Spy, TradingLane
from tests.runtime.lanes import node_of

ETH = attrs.evolve(INSTRUMENT, instrument_id=2, symbol="ETH/USDT", venue_symbol="ETHUSDT", base="ETH")
ELSEWHERE = attrs.evolve(INSTRUMENT, instrument_id=3, venue="kraken", venue_symbol="BTC/USDT", price_scale=1, tick=1)
BID, ASK = 5_999_900, 6_000_100
STRATEGY = 90


class PaperLane(TradingLane):
    """See the head of this file. Nothing is delayed unless the settings say so."""

    def __init__(self, **settings: object) -> None:
        instrument = settings.pop("instrument", INSTRUMENT)
        assert isinstance(instrument, Instrument)
        params = PaperVenueParams(**{"latency_us": 0, "jitter_us": 0, **settings})  # type: ignore[arg-type]
        nodes = (node_of(PaperVenue, 1, params=params), node_of(Spy, 2))
        instruments = InstrumentTable([instrument, ETH, ELSEWHERE])
        names = {"btc": 1, "eth": 2, "elsewhere": 3}
        self.core = build_core(Blueprint(SystemConfig(), instruments, names, nodes, ()), "main")
        self.now_ns = START_NS
        self.core.take(RunStarted(START_NS, SESSION, "", ""), START_NS, True)

    @property
    def venue(self) -> PaperVenue:
        """The actor."""
        return self.actor(PaperVenue)

    # ---- the market

    def top(self, bid: int, bid_size: int, ask: int, ask_size: int, state: int = LIVE, instrument: int = 1) -> None:
        """A touch."""
        self.take(TopOfBook(instrument, state, bid, bid_size, ask, ask_size, 1, START_NS, START_NS))

    def depth(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """The touch and the levels behind it."""
        self.top(*bids[0], *asks[0])
        columns = [vec[i64]([row[at] for row in side]) for side in (bids, asks) for at in (0, 1)]
        self.take(BookSnapshot(1, 1, columns[0], columns[1], columns[2], columns[3], START_NS, START_NS))

    def trade(self, price: int, size: int, aggressor_side: int) -> None:
        """A public trade."""
        self.take(PublicTrade(1, 1, price, size, aggressor_side, START_NS, START_NS))

    # ---- requests

    def send(
        self, order_id: int, side: int, price: int, size: int, *, order_type: int = LIMIT, time_in_force: int = GTC,
        post_only: bool = False, expire_ns: int = 0, instrument: int = 1,
    ) -> None:  # fmt: skip
        """An order sets out."""
        fields = (
            order_id, 0, STRATEGY, instrument, side, order_type, time_in_force, price, size, 0, 0, post_only, False,
            expire_ns, START_NS,
        )  # fmt: skip
        self.take(ChildOrder(*fields), NewOrder(*fields))

    def place(self, order_id: int, side: int, price: int, size: int, **options: int) -> None:
        """An order sets out and arrives."""
        self.send(order_id, side, price, size, **options)  # type: ignore[arg-type]
        self.pass_ms(0)

    def replace(self, order_id: int, price: int, size: int) -> None:
        """A change sets out and arrives."""
        fields = (order_id, 1, price, size, START_NS)
        self.take(ChildReplace(*fields), ReplaceOrder(*fields))
        self.pass_ms(0)

    def cancel(self, order_id: int) -> None:
        """A cancel sets out and arrives."""
        self.take(CancelOrder(order_id, 1, "test", START_NS))
        self.pass_ms(0)

    # ---- what was told

    def fills(self, model: int = MODEL_QUEUE) -> list[tuple[int, int, int, int]]:
        """The fills of one account so far: order, price, size, what is left."""
        if model == MODEL_QUEUE:
            return [(one.order_id, one.price, one.size, one.remaining) for one in self.of(OrderFilled)]
        found = [one for one in self.of(ShadowFilled) if one.model == model]
        return [(one.order_id, one.price, one.size, one.remaining) for one in found]
