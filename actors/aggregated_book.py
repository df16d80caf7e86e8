"""One book over several venues: the best bid and ask of all that are LIVE, and their depth, in one currency.

A venue is left out in the step in which its book stops being LIVE, and is back with its first LIVE touch. Instruments
are aggregated that have one base and one kind, or, where no common currency is named, one symbol. Prices in another
currency are converted by the touch of a rate's own book, and count only while that is LIVE too, or by a stated parity.
That two venues are locked or crossed is normal: it is told as an `Opportunity`, with what is left of it after both
takers' fees, which is often less than nothing.

The group's number is that of its first instrument; its scales are those of `Group`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, cast

from librt.vecs import vec
from mypy_extensions import i64

from actors.aggregated_params import AggregatedBookParams
from market.aggregated import RATE_ONE, RATE_SCALE, AggregatedBook, VenueEntry, VenueTerms
from market.instruments import Instrument
from market.messages import (
    BUY,
    LIVE,
    SELL,
    ActorFailed,
    AggregateBook,
    AggregateTop,
    BookSnapshot,
    BookStateChanged,
    Message,
    Opportunity,
    RunStarted,
    TopOfBook,
    VenueIncluded,
)
from market.numbers import format_decimal, parse_decimal
from runtime.actor import Actor, ActorSetup

# The scale of `Opportunity.edge`.
MONEY_SCALE: Final = 8
BASIS_POINTS: Final = 10_000
# A price at a parity with decimals has so many places more than its zeros need; and none has more than these in all.
RATE_PLACES: Final = 2
MOST_PLACES: Final = 12
NOT_LIVE: Final = "its book is not LIVE"
# So many levels a side a dashboard draws of one group, and of all of them together.
PANEL_LEVELS: Final = 25
PANEL_LEVELS_IN_ALL: Final = 100
MOST_PANEL_GROUPS: Final = 100


def scales_of(instruments: Sequence[Instrument]) -> tuple[int, int]:
    """The scales of prices and sizes in which these instruments are aggregated: fine enough for each of them."""
    return max(one.price_scale for one in instruments), max(_base_places(one) for one in instruments)


def _base_places(instrument: Instrument) -> int:
    """The places of a size in base; a contract's size is exact to those of its own scale, and it has eight at least."""
    if instrument.multiplier == 1 and instrument.multiplier_scale == 0 and not instrument.inverse:
        return instrument.size_scale
    return max(instrument.size_scale, 8)


class Group:
    """The instruments of one aggregated book."""

    def __init__(self, instruments: list[Instrument], more_places: int) -> None:
        self.instruments: Final = instruments
        self.common_id: Final[i64] = instruments[0].instrument_id
        price_scale, size_scale = scales_of(instruments)
        price_scale = max(price_scale, min(price_scale + more_places, MOST_PLACES))
        self.price_scale: Final[int] = price_scale
        self.size_scale: Final[int] = size_scale
        self.book: Final = AggregatedBook([_terms(one, price_scale, size_scale) for one in instruments])
        self.changed: bool = False
        self.receive_ns: i64 = 0
        self.locked: int = 0
        self.crossed: int = 0
        # What was told last: of the touch, and of an opportunity.
        self.told: list[int] = []
        self.told_crossing: list[int] = []

    def top(self) -> list[int]:
        """The touch and the number of live venues, to compare with what was told."""
        book = self.book
        return [
            int(book.bid_price), int(book.bid_size), int(book.bid_instrument_id),
            int(book.ask_price), int(book.ask_size), int(book.ask_instrument_id), int(book.live_venues),
        ]  # fmt: skip


class Place:
    """Where one instrument stands: its group and its place in it."""

    def __init__(self, group: Group, place: int, quote: str) -> None:
        self.group: Final = group
        self.place: Final[i64] = place
        self.quote: Final[str] = quote
        self.entry: Final[VenueEntry] = group.book.entries[place]
        self.live: bool = False


class Rate:
    """The worth of another quote currency: the books of its symbol, and what the first LIVE one says."""

    def __init__(self, quote: str, instruments: list[Instrument]) -> None:
        self.quote: Final = quote
        self.instruments: Final = instruments
        self.tops: Final[dict[int, list[int]]] = {}

    def now(self) -> list[int]:
        """Bid and ask as rates, from the first book that is LIVE with two sides; empty when there is none."""
        for one in self.instruments:
            top = self.tops.get(one.instrument_id)
            if top is not None:
                one_unit = 10**one.price_scale
                bid = top[0] * RATE_ONE // one_unit
                # A worth below the ninth decimal cannot be told.
                return [bid, -(-top[1] * RATE_ONE // one_unit)] if bid > 0 else []
        return []


class AggregatedBookActor(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        TopOfBook: "on_top_of_book",
        BookSnapshot: "on_depth",
        BookStateChanged: "on_state",
        ActorFailed: "on_actor_failed",
        RunStarted: "on_run_started",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (AggregateTop, AggregateBook, VenueIncluded, Opportunity)
    OWNS: ClassVar[tuple[type[Message], ...]] = (AggregateTop,)
    PARAMS: ClassVar[type | None] = AggregatedBookParams
    AT_BATCH_END: ClassVar[bool] = True

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, AggregatedBookParams)
        self.quote: Final[str] = params.quote
        self.depth: Final[i64] = params.depth
        self.adjusted: Final[bool] = params.adjusted
        self.parity: Final[dict[str, str]] = {quote: str(value) for quote, value in params.parity.items()}
        self.parity_risk_bps: Final[int] = params.parity_risk_bps
        self.opportunities: i64 = 0
        instruments = [setup.instruments.by_id(instrument_id) for instrument_id in setup.instrument_ids]
        self.rates: Final[dict[str, Rate]] = {}
        self.rate_of: Final[dict[int, Rate]] = {}
        for quote, symbol in params.rates.items():
            found = [one for one in instruments if one.symbol == symbol]
            if not found:
                raise ValueError(f"rates: there is no instrument {symbol!r} for the rate of {quote}")
            rate = Rate(quote, found)
            self.rates[quote] = rate
            for one in found:
                if one.base != quote or one.quote != self.quote:
                    raise ValueError(f"rates: {symbol} is no price of {quote} in {self.quote}")
                self.rate_of[one.instrument_id] = rate
        self.groups: Final[list[Group]] = []
        self.places: Final[dict[int, Place]] = {}
        self.make_groups([one for one in instruments if one.instrument_id not in self.rate_of])

    def make_groups(self, instruments: list[Instrument]) -> None:
        """Put the instruments together that are one thing."""
        by_key: dict[str, list[Instrument]] = {}
        for one in instruments:
            self.check_quote(one)
            by_key.setdefault(f"{one.base if self.quote else one.symbol} {one.kind}", []).append(one)
        for members in by_key.values():
            group = Group(members, max(self.more_places(one) for one in members))
            self.groups.append(group)
            for place, one in enumerate(members):
                self.places[one.instrument_id] = Place(group, place, one.quote)
                if one.quote in self.parity:
                    bid, ask = self.parity_rate(one.quote)
                    group.book.set_rate(place, bid, ask)

    def check_quote(self, instrument: Instrument) -> None:
        """Refuse what could not be told in the common currency."""
        quote = instrument.quote
        if self.quote and quote != self.quote and quote not in self.rates and quote not in self.parity:
            raise ValueError(
                f"{instrument.symbol} at {instrument.venue} is quoted in {quote}: name its worth in {self.quote} under "
                "rates (a symbol) or parity (an amount)"
            )

    def more_places(self, instrument: Instrument) -> int:
        """How many places its prices need beyond their own, so that a conversion hardly rounds them."""
        quote = instrument.quote
        if quote in self.rates:
            return max(one.price_scale for one in self.rates[quote].instruments)
        fraction = self.parity.get(quote, "").partition(".")[2]
        return RATE_PLACES + len(fraction) - len(fraction.lstrip("0")) if fraction else 0

    def parity_rate(self, quote: str) -> tuple[int, int]:
        """Bid and ask of a currency at its parity, the risk taken into them."""
        rate = int(parse_decimal(self.parity[quote], RATE_SCALE))
        risk = self.parity_risk_bps
        return rate * (BASIS_POINTS - risk) // BASIS_POINTS, -(-rate * (BASIS_POINTS + risk) // BASIS_POINTS)

    # ---- what the venues show

    def on_top_of_book(self, top: TopOfBook) -> None:
        """A venue's touch, or that of a rate."""
        rate = self.rate_of.get(top.instrument_id)
        if rate is not None:
            self.follow_rate(rate, top)
            return
        place = self.places.get(top.instrument_id)
        if place is None:
            return
        group = place.group
        group.receive_ns = top.receive_ns
        group.changed = True
        group.book.update(place.place, top.bid_price, top.bid_size, top.ask_price, top.ask_size)
        place.live = top.state == LIVE
        self.judge(place, top.receive_ns)

    def on_depth(self, depth: BookSnapshot) -> None:
        """A venue's levels."""
        place = self.places.get(depth.instrument_id)
        if place is not None and place.entry.included:
            place.group.changed = True
            place.group.book.set_depth(
                place.place, depth.bid_prices, depth.bid_sizes, depth.ask_prices, depth.ask_sizes
            )

    def on_state(self, changed: BookStateChanged) -> None:
        """A book that is not LIVE any more leaves in the same step."""
        if changed.state == LIVE:
            return
        rate = self.rate_of.get(changed.instrument_id)
        if rate is not None:
            rate.tops.pop(changed.instrument_id, None)
            self.apply_rate(rate, changed.receive_ns)
            return
        place = self.places.get(changed.instrument_id)
        if place is not None:
            place.live = False
            self.judge(place, changed.receive_ns)

    def on_actor_failed(self, _: ActorFailed) -> None:
        """It may have been the one that keeps the books: none counts until it is told anew."""
        self.forget()

    def on_run_started(self, _: RunStarted) -> None:
        """What an earlier run knew is old."""
        self.forget()

    def forget(self) -> None:
        """No book is known to be LIVE."""
        for place in self.places.values():
            place.live = False
            self.judge(place, self.now)
        for rate in self.rates.values():
            rate.tops.clear()

    def follow_rate(self, rate: Rate, top: TopOfBook) -> None:
        """Take the touch of a rate's book."""
        if top.state == LIVE and top.bid_size > 0 and top.ask_size > 0 and top.bid_price > 0:
            rate.tops[top.instrument_id] = [int(top.bid_price), int(top.ask_price)]
        else:
            rate.tops.pop(top.instrument_id, None)
        self.apply_rate(rate, top.receive_ns)

    def apply_rate(self, rate: Rate, receive_ns: i64) -> None:
        """Bring the rate to every venue that is quoted in it, or leave them out without one."""
        worth = rate.now()
        for place in self.places.values():
            if place.quote == rate.quote:
                if worth:
                    place.group.book.set_rate(place.place, worth[0], worth[1])
                place.group.changed = True
                place.group.receive_ns = receive_ns
                self.judge(place, receive_ns)

    def judge(self, place: Place, receive_ns: i64) -> None:
        """Include a venue that is LIVE and whose currency has a worth; tell when that changes."""
        entry = place.entry
        reason = "its book is LIVE"
        included = place.live
        if not included:
            reason = NOT_LIVE
        elif place.quote in self.rates and not self.rates[place.quote].now():
            included = False
            reason = f"nobody tells what {place.quote} is worth in {self.quote}"
        if included == entry.included:
            return
        place.group.book.include(place.place, included)
        place.group.changed = True
        self.emit(VenueIncluded(entry.terms.instrument_id, place.group.common_id, included, reason, receive_ns))

    # ---- what is told

    def on_batch_end(self) -> None:
        """Tell every group that changed, once."""
        for group in self.groups:
            if group.changed:
                group.changed = False
                self.tell(group)

    def tell(self, group: Group) -> None:
        """The touch if it is news, the depth if it is wanted, and what two venues together offer."""
        book = group.book
        top = group.top()
        if top != group.told:
            group.told = top
            self.emit(
                AggregateTop(
                    group.common_id, book.bid_price, book.bid_size, book.bid_instrument_id, book.ask_price,
                    book.ask_size, book.ask_instrument_id, book.live_venues, group.receive_ns,
                )
            )  # fmt: skip
            self.look_across(group)
        if self.depth > 0:
            bids = book.depth(BUY, self.depth, self.adjusted)
            asks = book.depth(SELL, self.depth, self.adjusted)
            self.emit(
                AggregateBook(
                    group.common_id, bids.prices, bids.sizes, asks.prices, asks.sizes, bids.instruments,
                    asks.instruments, book.live_venues, group.receive_ns,
                )
            )  # fmt: skip

    def look_across(self, group: Group) -> None:
        """Tell when one venue bids at least what another asks, once for each pair of prices."""
        book = group.book
        if not book.crossed:
            group.told_crossing = []
            return
        crossing = group.told[:1] + group.told[2:4] + group.told[5:6]
        if crossing == group.told_crossing:
            return
        group.told_crossing = crossing
        if book.bid_price == book.ask_price:
            group.locked += 1
        else:
            group.crossed += 1
        seller = self.places[book.bid_instrument_id].entry
        buyer = self.places[book.ask_instrument_id].entry
        size: int = min(seller.bid_size, buyer.ask_size)
        received: int = seller.price(BUY, seller.raw_bid_price, True)
        paid: int = buyer.price(SELL, buyer.raw_ask_price, True)
        power = MONEY_SCALE - group.price_scale - group.size_scale
        edge = (received - paid) * size
        edge = edge * 10**power if power >= 0 else edge // 10**-power
        self.opportunities += 1
        self.emit(
            Opportunity(
                self.opportunities, book.ask_instrument_id, book.bid_instrument_id, buyer.raw_ask_price,
                seller.raw_bid_price, _own_size(buyer, size), edge,
                float(received - paid) / float(paid) * BASIS_POINTS if paid > 0 else 0.0, group.receive_ns,
            )
        )  # fmt: skip

    # ---- words and state

    def summary(self) -> dict[str, object]:
        """Each group's touch, its venues and what was seen between them."""
        told: dict[str, object] = {}
        words: list[str] = []
        for group in self.groups:
            book = group.book
            first = group.instruments[0]
            symbol = f"{first.base}/{self.quote}" if self.quote else first.symbol
            bid = format_decimal(book.bid_price, group.price_scale) if book.bid_size > 0 else "-"
            ask = format_decimal(book.ask_price, group.price_scale) if book.ask_size > 0 else "-"
            told[symbol] = {
                "bid": bid,
                "ask": ask,
                "live_venues": int(book.live_venues),
                "venues": {one.venue: self.places[one.instrument_id].entry.included for one in group.instruments},
                "locked": group.locked,
                "crossed": group.crossed,
            }
            words.append(f"{symbol} {bid}/{ask} of {book.live_venues} venues")
        parity = [
            f"{quote} at {value} {self.quote}, unmeasured, {self.parity_risk_bps} bps taken into the prices"
            for quote, value in self.parity.items()
        ]
        return {"status": "; ".join(words), "groups": told, "parity": parity}

    def panel(self) -> dict[str, object]:
        """The best levels of each group with their venues, at the group's scales."""
        levels = max(1, min(PANEL_LEVELS, PANEL_LEVELS_IN_ALL // max(1, len(self.groups))))
        groups = [self.drawn(group, levels) for group in self.groups[:MOST_PANEL_GROUPS]]
        return {"kind": "aggregated", "groups": groups}

    def drawn(self, group: Group, levels: i64) -> dict[str, object]:
        """One group as a dashboard draws it."""
        book = group.book
        first = group.instruments[0]
        bids = book.depth(BUY, levels)
        asks = book.depth(SELL, levels)
        return {
            "instrument_id": int(group.common_id),
            "symbol": f"{first.base}/{self.quote}" if self.quote else first.symbol,
            "price_scale": group.price_scale,
            "size_scale": group.size_scale,
            "live_venues": int(book.live_venues),
            "venues": {one.venue: self.places[one.instrument_id].entry.included for one in group.instruments},
            "bid_prices": list(bids.prices),
            "bid_sizes": list(bids.sizes),
            "bid_instruments": list(bids.instruments),
            "ask_prices": list(asks.prices),
            "ask_sizes": list(asks.sizes),
            "ask_instruments": list(asks.instruments),
            "locked": group.locked,
            "crossed": group.crossed,
        }

    def save(self) -> dict[str, object]:
        """What every venue showed, and what was told."""
        return {
            "opportunities": int(self.opportunities),
            "venues": {str(number): _saved_entry(place) for number, place in self.places.items()},
            "rates": {
                quote: [[number, top] for number, top in sorted(rate.tops.items())]
                for quote, rate in self.rates.items()
            },
            "groups": [
                [group.changed, int(group.receive_ns), group.locked, group.crossed, group.told, group.told_crossing]
                for group in self.groups
            ],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        self.opportunities = cast(int, state["opportunities"])
        for quote, tops in cast("dict[str, list[list[object]]]", state["rates"]).items():
            rate = self.rates[quote]
            rate.tops.clear()
            for number, top in tops:
                rate.tops[cast(int, number)] = list(cast("list[int]", top))
        for text, saved in cast("dict[str, list[list[int]]]", state["venues"]).items():
            _load_entry(self.places[int(text)], saved)
        for group, saved_group in zip(self.groups, cast("list[list[object]]", state["groups"]), strict=True):
            group.changed = cast(bool, saved_group[0])
            group.receive_ns = cast(int, saved_group[1])
            group.locked = cast(int, saved_group[2])
            group.crossed = cast(int, saved_group[3])
            group.told = list(cast("list[int]", saved_group[4]))
            group.told_crossing = list(cast("list[int]", saved_group[5]))


def _terms(instrument: Instrument, price_scale: int, size_scale: int) -> VenueTerms:
    return VenueTerms(
        instrument.instrument_id, instrument.price_scale, instrument.size_scale, instrument.multiplier,
        10**instrument.multiplier_scale, instrument.inverse, instrument.taker_fee_ppm, price_scale, size_scale,
    )  # fmt: skip


def _own_size(buyer: VenueEntry, size: int) -> int:
    """How much of what a venue asks at its touch is this size in base."""
    offered: int = buyer.raw_ask_size
    in_base: int = buyer.ask_size
    return offered * size // in_base


def _saved_entry(place: Place) -> list[list[int]]:
    entry = place.entry
    return [
        [
            int(place.live), int(entry.included), int(entry.rate_bid), int(entry.rate_ask), int(entry.raw_bid_price),
            int(entry.raw_bid_size), int(entry.raw_ask_price), int(entry.raw_ask_size),
        ],
        list(entry.bid_prices),
        list(entry.bid_sizes),
        list(entry.ask_prices),
        list(entry.ask_sizes),
    ]  # fmt: skip


def _load_entry(place: Place, saved: list[list[int]]) -> None:
    numbers, bid_prices, bid_sizes, ask_prices, ask_sizes = saved
    book = place.group.book
    place.live = numbers[0] == 1
    book.include(place.place, False)
    book.set_rate(place.place, numbers[2], numbers[3])
    book.update(place.place, numbers[4], numbers[5], numbers[6], numbers[7])
    book.include(place.place, numbers[1] == 1)
    book.set_depth(place.place, vec[i64](bid_prices), vec[i64](bid_sizes), vec[i64](ask_prices), vec[i64](ask_sizes))
