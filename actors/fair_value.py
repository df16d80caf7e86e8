"""What an instrument is held to be worth: a blend of its venue's own prices, over all its live venues together.

A venue's own price blends mid, microprice, depth-weighted price and last trade; the price over the venues is their mean
by weight. Instruments count together that have one base, one quote currency and one kind (and expiry and strike). Only
books that are `LIVE` and have two sides count, ever. It is told for each venue's instrument in that instrument's own
scale, at most once a batch and only when it is another one. When too few venues are live it says so once, with a
confidence of 0, and then is silent until it knows again. It never smooths; only the last trade fades.
"""

from __future__ import annotations

from typing import ClassVar, Final, cast

from mypy_extensions import i64

from actors.fair_value_params import FairValueParams
from market.instruments import Instrument
from market.messages import (
    LIVE,
    ActorFailed,
    ActorRestarted,
    BookSnapshot,
    BookStateChanged,
    FairValue,
    Message,
    PublicTrade,
    RunStarted,
    TopOfBook,
)
from runtime.actor import Actor, ActorSetup

NANOSECONDS_PER_SECOND: Final = 1e9


class Source:
    """One venue's instrument: what its book shows, and what was told of it last."""

    def __init__(self, instrument: Instrument, weight: float) -> None:
        self.instrument: Final = instrument
        self.instrument_id: Final[i64] = instrument.instrument_id
        # What one scaled price unit is in the quote currency.
        self.unit: Final[float] = 1.0 / float(10**instrument.price_scale)
        self.weight: Final[float] = weight
        self.live: bool = False
        self.mid: float = 0.0
        self.microprice: float = 0.0
        # Of the book's first levels, and of the last trade; 0 where nothing is known.
        self.depth_price: float = 0.0
        self.trade_price: float = 0.0
        self.trade_ns: i64 = 0
        self.told: bool = False
        self.told_price: float = 0.0
        self.told_confidence: float = 0.0

    def forget(self) -> None:
        """The book is not live: nothing that it showed counts any more."""
        self.live = False
        self.depth_price = 0.0
        self.trade_price = 0.0

    def save(self) -> list[object]:
        """Everything as plain data."""
        return [
            self.live, self.mid, self.microprice, self.depth_price, self.trade_price, int(self.trade_ns),
            self.told, self.told_price, self.told_confidence,
        ]  # fmt: skip

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        self.live = cast(bool, state[0])
        self.mid = cast(float, state[1])
        self.microprice = cast(float, state[2])
        self.depth_price = cast(float, state[3])
        self.trade_price = cast(float, state[4])
        self.trade_ns = cast(int, state[5])
        self.told = cast(bool, state[6])
        self.told_price = cast(float, state[7])
        self.told_confidence = cast(float, state[8])


class Venues:
    """The instruments that are priced together."""

    def __init__(self, sources: list[Source], min_live_venues: int) -> None:
        self.sources: Final = sources
        self.least: Final[i64] = min(min_live_venues, len(sources))
        total = 0.0
        for source in sources:
            total += source.weight
        self.total_weight: Final[float] = total
        self.changed: bool = False
        self.receive_ns: i64 = 0
        self.live_venues: i64 = 0


class FairValueActor(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        TopOfBook: "on_top_of_book",
        BookStateChanged: "on_book_state",
        BookSnapshot: "on_depth",
        PublicTrade: "on_trade",
        RunStarted: "on_run_started",
        ActorFailed: "on_somebody_failed",
        ActorRestarted: "on_tell_again",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (FairValue,)
    OWNS: ClassVar[tuple[type[Message], ...]] = (FairValue,)
    PARAMS: ClassVar[type | None] = FairValueParams
    AT_BATCH_END: ClassVar[bool] = True

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, FairValueParams)
        self.microprice_weight: Final[float] = params.microprice_weight
        self.depth_weight: Final[float] = params.depth_weight
        self.depth_levels: Final[i64] = params.depth_levels
        self.last_trade_weight: Final[float] = params.last_trade_weight
        self.half_life_ns: Final[float] = params.last_trade_half_life_s * NANOSECONDS_PER_SECOND
        self.cross_weight: Final[float] = params.cross_weight
        self.sources: Final[dict[int, Source]] = {}
        self.groups: Final[list[Venues]] = []
        self.group_of: Final[dict[int, Venues]] = {}
        self.gather(setup, params)

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """Depth and trades are taken only where they have a share."""
        left: list[type[Message]] = []
        if isinstance(params, FairValueParams):
            if params.depth_weight == 0.0:
                left.append(BookSnapshot)
            if params.last_trade_weight == 0.0:
                left.append(PublicTrade)
        return tuple(left)

    def gather(self, setup: ActorSetup, params: FairValueParams) -> None:
        """Put together the instruments that are the same thing at several venues."""
        alike: dict[tuple[object, ...], list[Source]] = {}
        venues: set[str] = set()
        for instrument_id in setup.instrument_ids:
            one = setup.instruments.by_id(instrument_id)
            venues.add(one.venue)
            source = Source(one, float(params.venue_weights.get(one.venue, 1.0)))
            self.sources[instrument_id] = source
            key = (one.base, one.quote, one.kind, one.inverse, one.expiry_ns, one.strike, one.option_side)
            alike.setdefault(key, []).append(source)
        unknown = sorted(set(params.venue_weights) - venues)
        if unknown:
            raise ValueError(
                f"venue_weights names {', '.join(unknown)}, but the instruments are at {', '.join(sorted(venues))}"
            )
        for sources in alike.values():
            group = Venues(sources, params.min_live_venues)
            self.groups.append(group)
            for source in sources:
                self.group_of[int(source.instrument_id)] = group

    # ---- what the venues show

    def on_top_of_book(self, top: TopOfBook) -> None:
        """A venue's touch; one that is not live, or has one side, counts no more."""
        source = self.sources.get(top.instrument_id)
        if source is None:
            return
        if top.state == LIVE and top.bid_size > 0 and top.ask_size > 0:
            # Each is made a float before it is multiplied: products of prices and sizes can pass 64 bits.
            bid_price = float(top.bid_price)
            ask_price = float(top.ask_price)
            bid_size = float(top.bid_size)
            ask_size = float(top.ask_size)
            source.live = True
            source.mid = (bid_price + ask_price) / 2.0
            source.microprice = (bid_price * ask_size + ask_price * bid_size) / (bid_size + ask_size)
        elif source.live:
            source.forget()
        else:
            return
        self.mark(top.instrument_id, top.receive_ns)

    def on_book_state(self, changed: BookStateChanged) -> None:
        """A book that is not live any more counts no more."""
        source = self.sources.get(changed.instrument_id)
        if source is not None and changed.state != LIVE and source.live:
            source.forget()
            self.mark(changed.instrument_id, changed.receive_ns)

    def on_depth(self, depth: BookSnapshot) -> None:
        """The levels of a live book: mean prices of both sides, weighted crosswise by the sizes."""
        source = self.sources.get(depth.instrument_id)
        if source is None or not source.live:
            return
        levels = self.depth_levels
        bid_size = 0.0
        bid_value = 0.0
        ask_size = 0.0
        ask_value = 0.0
        place: i64 = 0
        while place < levels and place < i64(len(depth.bid_prices)):
            size = float(depth.bid_sizes[place])
            bid_size += size
            bid_value += float(depth.bid_prices[place]) * size
            place += 1
        place = 0
        while place < levels and place < i64(len(depth.ask_prices)):
            size = float(depth.ask_sizes[place])
            ask_size += size
            ask_value += float(depth.ask_prices[place]) * size
            place += 1
        source.depth_price = 0.0
        if bid_size > 0.0 and ask_size > 0.0:
            bid_price = bid_value / bid_size
            ask_price = ask_value / ask_size
            source.depth_price = (bid_price * ask_size + ask_price * bid_size) / (bid_size + ask_size)
        self.mark(depth.instrument_id, depth.receive_ns)

    def on_trade(self, trade: PublicTrade) -> None:
        """The last trade at a venue whose book is live."""
        source = self.sources.get(trade.instrument_id)
        if source is not None and source.live:
            source.trade_price = float(trade.price)
            source.trade_ns = self.outlet.now_ns
            self.mark(trade.instrument_id, trade.receive_ns)

    def on_run_started(self, started: RunStarted) -> None:
        """What an earlier run knew is old."""
        self.on_somebody_failed(started)

    def on_somebody_failed(self, message: Message) -> None:
        """It may have been who keeps a book, and what that shows now nobody knows: wait until it is told again."""
        for source in self.sources.values():
            source.forget()
        self.on_tell_again(message)

    def on_tell_again(self, _: Message) -> None:
        """Somebody begins anew and does not know what was told: tell it again, changed or not."""
        for group in self.groups:
            group.changed = True
            group.receive_ns = self.outlet.now_ns
            for source in group.sources:
                source.told = False

    def mark(self, instrument_id: i64, receive_ns: i64) -> None:
        """Look at the group at the end of the batch."""
        group = self.group_of[instrument_id]
        group.changed = True
        group.receive_ns = receive_ns

    # ---- what is told

    def on_batch_end(self) -> None:
        """Price what changed."""
        for group in self.groups:
            if group.changed:
                group.changed = False
                self.tell(group)

    def tell(self, group: Venues) -> None:
        """The price over the live venues, brought back to each venue's own numbers."""
        live_weight = 0.0
        total = 0.0
        live: i64 = 0
        for source in group.sources:
            if source.live and source.weight > 0.0:
                total += self.own_price(source) * source.unit * source.weight
                live_weight += source.weight
                live += 1
        group.live_venues = live
        if live < group.least or live == 0:
            for source in group.sources:
                self.say(source, 0.0, 0.0, group.receive_ns)
            return
        confidence = live_weight / group.total_weight
        common = total / live_weight
        for source in group.sources:
            price = common / source.unit
            if source.live and (live == 1 or self.cross_weight < 1.0):
                # Of one venue alone it is exactly that venue's own price, whatever rounding the units bring.
                own = self.own_price(source)
                share = self.cross_weight if live > 1 or source.weight == 0.0 else 0.0
                price = own + (price - own) * share
            self.say(source, price, confidence, group.receive_ns)

    def own_price(self, source: Source) -> float:
        """The blend of one venue, in its scaled price units; what is not known gives its share to the mid."""
        mid = source.mid
        price = mid + (source.microprice - mid) * self.microprice_weight
        if self.depth_weight > 0.0 and source.depth_price > 0.0:
            price += (source.depth_price - mid) * self.depth_weight
        if self.last_trade_weight > 0.0 and source.trade_price > 0.0:
            age_ns = float(self.outlet.now_ns - source.trade_ns)
            price += (source.trade_price - mid) * self.last_trade_weight * 0.5 ** (age_ns / self.half_life_ns)
        return price

    def say(self, source: Source, price: float, confidence: float, receive_ns: i64) -> None:
        """Tell a price if it is news; a first word that nothing is known is none."""
        if source.told:
            if price == source.told_price and confidence == source.told_confidence:
                return
        elif confidence == 0.0 and source.told_confidence == 0.0:
            return
        source.told = True
        source.told_price = price
        source.told_confidence = confidence
        self.emit(FairValue(source.instrument_id, price, confidence, receive_ns))

    # ---- words and state

    def summary(self) -> dict[str, object]:
        """How many venues of each symbol count now."""
        return {
            "live_venues": {
                f"{group.sources[0].instrument.base}/{group.sources[0].instrument.quote}":
                f"{group.live_venues} of {len(group.sources)}"
                for group in self.groups
            }
        }  # fmt: skip

    def panel(self) -> dict[str, object]:
        """Every instrument's price and how far it is trusted."""
        return {
            "kind": "fair_value",
            "values": [
                {
                    "instrument_id": int(source.instrument_id),
                    "symbol": source.instrument.symbol,
                    "venue": source.instrument.venue,
                    "price": source.instrument.format_price(round(source.told_price))
                    if source.told_confidence > 0.0
                    else "-",
                    "confidence": f"{source.told_confidence:.2f}",
                }
                for source in self.sources.values()
            ],
        }

    def save(self) -> dict[str, object]:
        """What every book showed and what was told of it."""
        return {
            "sources": [[number, source.save()] for number, source in self.sources.items()],
            "groups": [[group.changed, int(group.receive_ns), int(group.live_venues)] for group in self.groups],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        for number, saved in cast("list[list[object]]", state["sources"]):
            self.sources[cast(int, number)].load(cast("list[object]", saved))
        for group, row in zip(self.groups, cast("list[list[object]]", state["groups"]), strict=True):
            group.changed = cast(bool, row[0])
            group.receive_ns = cast(int, row[1])
            group.live_venues = cast(int, row[2])
