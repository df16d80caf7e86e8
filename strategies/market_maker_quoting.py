"""What a market maker knows and wants in one instrument, and the position that several of them share. Compiled.

`Inventory` is the position over all venues of one base; `Quoting` is one venue's instrument: what its market shows, its
two sides, and how wide it is quoted. Sizes are whole numbers, each at the scale of its owner; only models use floats.

The room to the largest position is shared among the live venues, and a venue has no more than what the others leave:
their open orders as the ledger counts them, at the worst and until they are known to be gone, or what they may still
send for if that is more. So the position and everything that may still fill are never more than the largest position,
whatever venues come and go. Where that leaves a venue less than its share, it is looked at again with every batch.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from market.instruments import Instrument
from market.numbers import format_decimal, parse_decimal
from runtime.ledger import Ledger, Standing
from strategies.market_maker_params import BASE, MarketMakerParams
from strategies.market_maker_spread import Spread
from strategies.quote_ladder import QuoteSide

PPM: Final = 1_000_000
HUNDREDTH: Final = 2
BASIS_POINT: Final = 1e-4
# What rounding to a tick makes is not told.
HUNDREDTH_BPS: Final = 0.01


def hundredths(value: float) -> str:
    """A number with two decimals; much quicker than formatting a float, and settings keep it small."""
    scaled = int(abs(value) * 100.0 + 0.5)
    return format_decimal(-scaled if value < 0.0 else scaled, HUNDREDTH)


class Inventory:
    """The position of the strategy in one base, over all venues, at a scale that holds each of them exactly."""

    def __init__(
        self, instruments: list[Instrument], params: MarketMakerParams, ledger: Ledger, strategy_id: int
    ) -> None:
        for one in instruments:
            if one.inverse:
                raise ValueError(
                    f"{one.symbol} at {one.venue} is an inverse contract, whose size in {one.base} changes with the "
                    "price: the market maker quotes linear instruments"
                )
        self.scale: Final[int] = max(one.size_scale + one.multiplier_scale for one in instruments)
        self.base: Final[str] = instruments[0].base
        self.size: Final[int] = int(parse_decimal(params.size, self.scale))
        self.size_step: Final[int] = int(parse_decimal(params.size_step, self.scale))
        self.maximum: Final[int] = int(parse_decimal(params.maximum_position, self.scale))
        self.target: Final[int] = int(parse_decimal(params.target, self.scale))
        self.shading_ppm: Final[int] = round(params.size_shading * PPM)
        self.ledger: Final = ledger
        self.strategy_id: Final[int] = strategy_id
        self.members: Final[list[Quoting]] = []
        self.held: int = 0
        self.live: i64 = 0
        # Whether a fill came since it was added up.
        self.stale: bool = True
        # Whether a venue had less room than its share, for what the others have not given back yet.
        self.short: bool = False

    def factor(self, instrument: Instrument) -> int:
        """What one unit of an instrument's size is here."""
        power: int = self.scale - instrument.size_scale - instrument.multiplier_scale
        factor: int = 10**power
        return factor * instrument.multiplier

    def count_live(self) -> None:
        """How many of the venues are live; the room is shared among them."""
        live: i64 = 0
        for member in self.members:
            if member.live:
                live += 1
            member.crowded = True
            member.changed = True
        self.live = live

    def add_up(self) -> None:
        """The position over all venues, from the ledger."""
        self.stale = False
        held: int = 0
        for member in self.members:
            net: int = member.standing.net_size
            held += net * member.factor
            member.stale = True
        self.held = held

    def look_again(self) -> None:
        """Some may have been given back since."""
        self.short = False
        for member in self.members:
            member.crowded = True
            member.changed = True

    def recount(self, told: Quoting) -> None:
        """A venue was told other sizes: what is left for the others is another."""
        for member in self.members:
            if member is not told:
                member.crowded = True

    def others_bids(self, quoting: Quoting) -> int:
        """What the bids of the other venues may still buy."""
        total: int = 0
        for member in self.members:
            if member is not quoting:
                size: int = member.bids.committed
                worst: int = member.standing.buys.size
                total += max(size, worst) * member.factor
        return total

    def others_asks(self, quoting: Quoting) -> int:
        """What the asks of the other venues may still sell."""
        total: int = 0
        for member in self.members:
            if member is not quoting:
                size: int = member.asks.committed
                worst: int = member.standing.sells.size
                total += max(size, worst) * member.factor
        return total

    def text(self) -> str:
        """What is held, as decimal text."""
        return format_decimal(self.held, self.scale)


class Quoting:
    """One instrument. See the head of this file."""

    def __init__(self, instrument: Instrument, inventory: Inventory, params: MarketMakerParams) -> None:
        self.instrument: Final = instrument
        self.instrument_id: Final[i64] = instrument.instrument_id
        self.inventory: Final = inventory
        self.factor: Final[int] = inventory.factor(instrument)
        # Its open orders at the worst, and its position; the ledger keeps it up to date.
        self.standing: Final[Standing] = inventory.ledger.standing(instrument.instrument_id, inventory.strategy_id)
        self.price_scale: Final[int] = instrument.price_scale
        self.tick: Final[i64] = instrument.tick
        self.half_tick: Final[float] = float(instrument.tick) / 2.0
        worth = float(instrument.minimum_notional) * float(instrument.money_divisor) / float(instrument.multiplier)
        levels: int = params.levels
        lot: int = instrument.lot
        least: int = instrument.minimum_size
        self.bids: Final = QuoteSide(1, levels, instrument.tick, lot, least, worth)
        self.asks: Final = QuoteSide(-1, levels, instrument.tick, lot, least, worth)
        self.spread: Final = Spread(params, params.fee_share * float(instrument.maker_fee_ppm) / 100.0)
        # The venue's touch, while its book is live and has two sides.
        self.live: bool = False
        self.bid: i64 = 0
        self.ask: i64 = 0
        self.trusted: bool = False
        self.fair_value: float = 0.0
        self.confidence: float = 0.0
        self.receive_ns: i64 = 0
        self.changed: bool = False
        # Whether what is wanted was told since something may have dropped it.
        self.told: bool = False
        self.reason: str = ""
        # Worked out when volatility or position change: sizes and room of both sides, and words for the reason. The
        # room alone is when other venues were told something.
        self.stale: bool = True
        self.crowded: bool = False
        self.bid_size: i64 = 0
        self.ask_size: i64 = 0
        self.size_step: i64 = 0
        self.bid_room: i64 = 0
        self.ask_room: i64 = 0
        self.words: str = ""
        self.spacing: Final[str] = (
            "; levels " + hundredths(params.level_spacing_bps) + " bps apart" if params.levels > 1 else ""
        )
        self.level_spacing: Final[float] = params.level_spacing_bps * BASIS_POINT
        # Whether the last plan was no news, and between which fair values the next is none either.
        self.calm: bool = False
        self.low: float = 0.0
        self.high: float = 0.0
        self.refresh()
        self.stale = True

    def refresh(self) -> None:
        """Work out what depends on position and volatility."""
        self.stale = False
        inventory = self.inventory
        held = inventory.held - inventory.target
        size = inventory.size
        maximum = inventory.maximum
        self.spread.work_out(float(held) / float(size), float(maximum) / float(size))
        self.make_room()
        factor = self.factor
        lean_ppm = min(max(held * PPM // maximum, -PPM), PPM)
        longer = size * inventory.shading_ppm * max(lean_ppm, 0) // (PPM * PPM)
        shorter = size * inventory.shading_ppm * max(-lean_ppm, 0) // (PPM * PPM)
        self.bid_size = (size - longer) // factor
        self.ask_size = (size - shorter) // factor
        self.size_step = inventory.size_step // factor
        # Put into words only when a quote is told.
        self.words = ""

    def has_other_room(self) -> bool:
        """Work the room out again; says whether it is another."""
        bid_room = self.bid_room
        ask_room = self.ask_room
        self.make_room()
        return bid_room != self.bid_room or ask_room != self.ask_room

    def make_room(self) -> None:
        """Its share of what is left to the largest position, as far as the other venues leave it."""
        self.crowded = False
        inventory = self.inventory
        held = inventory.held - inventory.target
        sharing: int = inventory.live if inventory.live > 1 else 1
        more = inventory.maximum - held
        less = inventory.maximum + held
        bid_share = max(more, 0) // sharing
        ask_share = max(less, 0) // sharing
        bid_room = min(bid_share, max(more - inventory.others_bids(self), 0))
        ask_room = min(ask_share, max(less - inventory.others_asks(self), 0))
        if bid_room < bid_share or ask_room < ask_share:
            inventory.short = True
        self.bid_room = bid_room // self.factor
        self.ask_room = ask_room // self.factor

    def reason_now(self) -> str:
        """Why the quotes are where they are."""
        if len(self.words) == 0:
            spread = self.spread
            self.words = (
                "; half " + hundredths(spread.half()) + " bps = base " + hundredths(spread.base) + " + volatility "
                + hundredths(spread.moved) + " + fee " + hundredths(spread.fee) + "; skew "
                + hundredths(-spread.skew) + " bps; held " + self.inventory.text() + self.spacing
            )  # fmt: skip
        return "fair " + format_decimal(int(self.fair_value), self.price_scale) + self.words

    def save(self) -> list[object]:
        """What it knows and wants."""
        return [
            self.live, int(self.bid), int(self.ask), self.trusted, self.fair_value, int(self.receive_ns), self.changed,
            self.told, self.reason, self.stale, self.bids.save(), self.asks.save(), self.spread.save(),
            int(self.bid_room), int(self.ask_room), self.confidence, self.crowded,
        ]  # fmt: skip

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave; the inventory comes before."""
        self.live = cast(bool, state[0])
        self.bid = cast(int, state[1])
        self.ask = cast(int, state[2])
        self.trusted = cast(bool, state[3])
        self.fair_value = cast(float, state[4])
        self.receive_ns = cast(int, state[5])
        self.changed = cast(bool, state[6])
        self.told = cast(bool, state[7])
        self.reason = cast(str, state[8])
        self.bids.load(cast("list[object]", state[10]))
        self.asks.load(cast("list[object]", state[11]))
        self.spread.load(cast("list[object]", state[12]))
        self.refresh()
        self.stale = cast(bool, state[9])
        # What was worked out is as it was, also where it is due to be worked out anew.
        self.spread.load(cast("list[object]", state[12]))
        self.bid_room = cast(int, state[13])
        self.ask_room = cast(int, state[14])
        self.confidence = cast(float, state[15])
        self.crowded = cast(bool, state[16])


def panel_of(name: str, mode: str, inventories: list[Inventory], quoted: list[Quoting]) -> dict[str, object]:
    """What a market maker wants, for people: its quotes, each with its reason, and what they are made of."""
    quotes: list[dict[str, object]] = []
    facts: list[list[str]] = [["model", mode]]
    why = ""
    for one in quoted:
        add_quotes(quotes, one, one.bids, "buy")
        add_quotes(quotes, one, one.asks, "sell")
        if one.bids.count + one.asks.count == 0 and one.reason:
            why = f"{one.instrument.venue}: {one.reason}"
    for inventory in inventories:
        spread = inventory.members[0].spread
        facts += [
            [f"{inventory.base} held", inventory.text()],
            ["volatility", f"{spread.sigma:.2f} bps/s"],
            ["half spread", f"{spread.base:.2f} base + {spread.moved:.2f} volatility + {spread.fee:.2f} fee bps"],
            ["skew", f"{-spread.skew:.2f} bps"],
        ]
        if mode != BASE:
            facts.append(["arrivals", f"{spread.rate:.2f}/s, decay {spread.decay:.2f}/bps"])
    return {
        "kind": "strategy",
        "name": name,
        "status": why or "quoting",
        "quoting": len(quotes) > 0,
        "quotes": quotes,
        "facts": facts,
    }


def add_quotes(quotes: list[dict[str, object]], one: Quoting, side: QuoteSide, word: str) -> None:
    """The levels of one side."""
    instrument = one.instrument
    prices = side.told_prices()
    sizes = side.told_sizes()
    for level in range(len(prices)):
        quotes.append(
            {
                "instrument_id": int(one.instrument_id),
                "side": word,
                "price": instrument.format_price(prices[level]),
                "size": instrument.format_size(sizes[level]),
                "why": why_of(one, side, level),
            }
        )


def why_of(one: Quoting, side: QuoteSide, level: int) -> str:
    """Why a level was placed where it is, and how far that is from where it would be placed now."""
    placed: int = side.placed[level]
    words = f"level {level + 1}{'' if placed == level else f', placed as {placed + 1}'}: {side.reasons[level]}"
    if side.back[level] != 0:
        words += "; a tick behind what was before it"
    fair = one.fair_value
    if fair > 0.0:
        share = float(side.sign) * (1.0 - one.spread.skew * BASIS_POINT) - max(one.spread.half(), 0.0) * BASIS_POINT
        off = (float(side.prices[level]) / fair - share + one.level_spacing * float(level)) / BASIS_POINT
        if abs(off) >= HUNDREDTH_BPS:
            words += f"; stays {abs(off):.2f} bps {'nearer' if off > 0.0 else 'further'} than it would be placed now"
    return words
