"""What is traded: one frozen description per instrument of one venue, and the table that finds it.

An instrument owns the scales of its prices and sizes, its steps, minimums and fees, and turns all of them into exact
money. Money is an integer at `price_scale + size_scale`, in the quote for linear instruments and in the base for
inverse ones. A description that cannot be right is refused with everything that is wrong with it. Nothing here
changes after it was made, and nothing here is on the way of a tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

import attrs

from market.messages.constants import MAKER, TAKER
from market.numbers import (
    MAX_I64,
    MAX_SCALE,
    ROUND_DOWN,
    ROUND_UP,
    NumberError,
    decimal_places,
    format_decimal,
    format_decimal_short,
    multiply_divide,
    parse_decimal,
    round_down,
    round_nearest,
    round_up,
)

PPM: Final = 1_000_000
INVERSE_MONEY_SCALE: Final = 10  # base units have eight decimals; two more keep the rounding of each fill below them


class InstrumentError(ValueError):
    """An instrument that cannot be right; the message says everything that is wrong with it."""


class DuplicateInstrument(InstrumentError):
    """A second instrument with an id, or a venue symbol, that is taken."""


class UnknownInstrument(InstrumentError):
    """There is no instrument of this id, venue symbol or common symbol."""


class InstrumentKind(StrEnum):
    """What kind of thing an instrument is."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"
    OPTION = "option"


class OptionSide(StrEnum):
    """Which right an option gives."""

    CALL = "call"
    PUT = "put"


def _kind(value: str) -> InstrumentKind:
    try:
        return InstrumentKind(value)
    except ValueError:
        raise InstrumentError(
            f"{value!r} is no kind of instrument: choose one of {', '.join(InstrumentKind)}"
        ) from None


def _option_side(value: str | None) -> OptionSide | None:
    try:
        return None if value is None else OptionSide(value)
    except ValueError:
        raise InstrumentError(f"{value!r} is no side of an option: choose one of {', '.join(OptionSide)}") from None


@attrs.frozen(kw_only=True)
class Instrument:
    """One instrument at one venue. Integers are at the scale that their comment names; fees are parts per million."""

    instrument_id: int
    symbol: str  # the common symbol, the same at every venue
    venue: str
    venue_symbol: str
    base: str
    quote: str
    kind: InstrumentKind = attrs.field(converter=_kind)
    inverse: bool = False
    price_scale: int
    size_scale: int
    tick: int  # price scale
    lot: int  # size scale
    minimum_size: int = 0  # size scale
    minimum_notional: int = 0  # money scale, in the quote
    maker_fee_ppm: int = 0  # below zero it is a rebate
    taker_fee_ppm: int = 0
    multiplier: int = 1  # base per contract, quote per contract if inverse; multiplier scale
    multiplier_scale: int = 0
    expiry_ns: int | None = None
    strike: int | None = None  # price scale
    option_side: OptionSide | None = attrs.field(default=None, converter=_option_side)

    def __attrs_post_init__(self) -> None:
        """Refuses what cannot be right, all of it in one message."""
        problems = [*_identity_problems(self), *_number_problems(self), *_contract_problems(self)]
        if problems:
            raise InstrumentError(f"{self.venue_symbol or self.symbol} at {self.venue}: {'; '.join(problems)}")

    @classmethod
    def from_text(
        cls,
        *,
        instrument_id: int,
        symbol: str,
        venue: str,
        venue_symbol: str,
        base: str,
        quote: str,
        kind: str,
        tick: str,
        lot: str,
        inverse: bool = False,
        minimum_size: str = "0",
        minimum_notional: str = "0",
        maker_fee_bps: str = "0",
        taker_fee_bps: str = "0",
        multiplier: str = "1",
        expiry_ns: int | None = None,
        strike: str | None = None,
        option_side: str | None = None,
        price_scale: int | None = None,
        size_scale: int | None = None,
    ) -> Instrument:
        """An instrument from decimal texts. Scales are the smallest that hold every step; larger ones may be asked for.

        A contract's size scale also holds one lot in base, and an inverse one's money has at least ten decimals.
        """
        problems: list[str] = []
        number = _TextReader(problems)
        contract = number.read("multiplier", multiplier, number.places("multiplier", multiplier))
        contract_scale = number.places("multiplier", multiplier)
        if price_scale is None:
            price_scale = max(number.places("tick", tick), number.places("strike", strike or "0"))
        if size_scale is None:
            lot_places = number.places("lot", lot)
            lot_in_base = format_decimal(number.read("lot", lot, lot_places) * contract, lot_places + contract_scale)
            size_scale = max(lot_places, number.places("minimum size", minimum_size))
            if inverse:
                size_scale = max(size_scale, INVERSE_MONEY_SCALE - price_scale)
            else:
                size_scale = max(size_scale, number.places("lot times multiplier", lot_in_base))
        values = {
            "tick": number.read("tick", tick, price_scale),
            "lot": number.read("lot", lot, size_scale),
            "minimum_size": number.read("minimum size", minimum_size, size_scale),
            "minimum_notional": number.read_money("minimum notional", minimum_notional, price_scale + size_scale),
            "maker_fee_ppm": number.read("maker fee in bps", maker_fee_bps, 2),
            "taker_fee_ppm": number.read("taker fee in bps", taker_fee_bps, 2),
        }
        strike_price = None if strike is None else number.read("strike", strike, price_scale)
        if problems:
            raise InstrumentError(f"{venue_symbol or symbol} at {venue}: {'; '.join(dict.fromkeys(problems))}")
        return cls(
            instrument_id=instrument_id, symbol=symbol, venue=venue, venue_symbol=venue_symbol, base=base, quote=quote,
            kind=_kind(kind), inverse=inverse, price_scale=price_scale, size_scale=size_scale,
            multiplier=contract, multiplier_scale=contract_scale, expiry_ns=expiry_ns, strike=strike_price,
            option_side=_option_side(option_side), **values,
        )  # fmt: skip

    @property
    def money_scale(self) -> int:
        """The scale of notional, fees and results of this instrument."""
        return self.price_scale + self.size_scale

    @property
    def money_asset(self) -> str:
        """What notional, fees and results of this instrument are counted in."""
        return self.base if self.inverse else self.quote

    @property
    def money_multiplier(self) -> int:
        """With `money_divisor`, what turns price times size (size over price if inverse) into money."""
        return self.multiplier * 10 ** (2 * self.price_scale) if self.inverse else self.multiplier

    @property
    def money_divisor(self) -> int:
        """See `money_multiplier`."""
        divisor: int = 10**self.multiplier_scale
        return divisor

    def parse_price(self, text: str, allow_exponent: bool = False) -> int:
        """A price from decimal text, exactly."""
        return parse_decimal(text, self.price_scale, allow_exponent)

    def parse_size(self, text: str, allow_exponent: bool = False) -> int:
        """A size from decimal text, exactly."""
        return parse_decimal(text, self.size_scale, allow_exponent)

    def format_price(self, price: int) -> str:
        """A price as decimal text with all places of its scale."""
        return format_decimal(price, self.price_scale)

    def format_size(self, size: int) -> str:
        """A size as decimal text with all places of its scale."""
        return format_decimal(size, self.size_scale)

    def format_money(self, money: int) -> str:
        """Notional, fee or result as decimal text, in `money_asset`."""
        return format_decimal_short(money, self.money_scale)

    def round_price_down(self, price: int) -> int:
        """The highest price on a tick that is not above this one."""
        return round_down(price, self.tick)

    def round_price_up(self, price: int) -> int:
        """The lowest price on a tick that is not below this one."""
        return round_up(price, self.tick)

    def round_price_nearest(self, price: int) -> int:
        """The price on a tick nearest to this one; from the middle, the even tick."""
        return round_nearest(price, self.tick)

    def round_size_down(self, size: int) -> int:
        """The largest whole number of lots that is not above this size."""
        return round_down(size, self.lot)

    def notional(self, price: int, size: int) -> int:
        """What a size is worth at a price, in `money_asset`: exact for whole lots, inverse ones rounded down."""
        if not self.inverse:
            return multiply_divide(price * size, self.multiplier, self.money_divisor, ROUND_DOWN)
        self._check_inverse_price(price)
        return multiply_divide(size, self.money_multiplier, price * self.money_divisor, ROUND_DOWN)

    def fee(self, price: int, size: int, liquidity: int) -> int:
        """The fee of a fill in `money_asset`, a rebate below zero, rounded once, up: costs grow, rebates shrink.

        A fill that is neither maker nor taker pays the higher of the two rates.
        """
        if liquidity == MAKER:
            rate = self.maker_fee_ppm
        elif liquidity == TAKER:
            rate = self.taker_fee_ppm
        else:
            rate = max(self.maker_fee_ppm, self.taker_fee_ppm)
        if not self.inverse:
            return multiply_divide(price * size, self.multiplier * rate, self.money_divisor * PPM, ROUND_UP)
        self._check_inverse_price(price)
        return multiply_divide(size, self.money_multiplier * rate, price * self.money_divisor * PPM, ROUND_UP)

    def check_order(self, price: int, size: int) -> str | None:
        """Why the venue would refuse an order of this price and size, or None when it would not."""
        if price <= 0 or price > MAX_I64:
            return f"the price {self.format_price(price)} is outside 0 to {self.format_price(MAX_I64)}"
        if size <= 0 or size > MAX_I64:
            return f"the size {self.format_size(size)} is outside 0 to {self.format_size(MAX_I64)}"
        if price % self.tick != 0:
            return f"the price {self.format_price(price)} is not on the tick of {self.format_price(self.tick)}"
        if size % self.lot != 0:
            return f"the size {self.format_size(size)} is no whole number of lots of {self.format_size(self.lot)}"
        if size < self.minimum_size:
            return f"the size {self.format_size(size)} is below the minimum of {self.format_size(self.minimum_size)}"
        worth = self._worth_in_quote(price, size)
        if worth < self.minimum_notional:
            return (
                f"the order is worth {self.format_money(worth)} {self.quote}, "
                f"below the minimum of {self.format_money(self.minimum_notional)}"
            )
        return None

    def _worth_in_quote(self, price: int, size: int) -> int:
        if not self.inverse:
            return self.notional(price, size)
        return multiply_divide(size * 10**self.price_scale, self.multiplier, self.money_divisor, ROUND_DOWN)

    def _check_inverse_price(self, price: int) -> None:
        if price <= 0:
            raise InstrumentError(
                f"{self.venue_symbol} at {self.venue}: an inverse contract has no value at {self.format_price(price)}"
            )


class _TextReader:
    """Reads the texts of one instrument and collects what is wrong instead of stopping at the first."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems

    def places(self, name: str, text: str) -> int:
        try:
            return decimal_places(text)
        except NumberError as error:
            self._problems.append(f"{name}: {error}")
            return 0

    def read(self, name: str, text: str, scale: int) -> int:
        try:
            return parse_decimal(text, scale)
        except NumberError as error:
            self._problems.append(f"{name}: {error}")
            return 1

    def read_money(self, name: str, text: str, scale: int) -> int:
        # Money is unbounded, so its scale may pass the largest that parsing knows.
        places = self.places(name, text)
        if places > scale:
            self._problems.append(f"{name}: {text} has more than {scale} decimal places")
            return 0
        money: int = self.read(name, text, places) * 10 ** (scale - places)
        return money


def _identity_problems(one: Instrument) -> Iterator[str]:
    if not 0 < one.instrument_id <= MAX_I64:
        yield f"an id of {one.instrument_id} is not positive and 64 bits"
    for name in ("symbol", "venue", "venue_symbol", "base", "quote"):
        text: str = getattr(one, name)
        if not text or text != text.strip():
            yield f"its {name} is {text!r}: empty, or with spaces around it"


def _number_problems(one: Instrument) -> Iterator[str]:
    for name in ("price_scale", "size_scale", "multiplier_scale"):
        scale: int = getattr(one, name)
        if not 0 <= scale <= MAX_SCALE:
            yield f"a {name} of {scale} is outside 0 to {MAX_SCALE}"
    for name in ("tick", "lot", "multiplier"):
        step: int = getattr(one, name)
        if not 0 < step <= MAX_I64:
            yield f"a {name} of {step} is not positive and 64 bits"
    for name in ("minimum_size", "minimum_notional"):
        minimum: int = getattr(one, name)
        if minimum < 0:
            yield f"a {name} of {minimum} is below zero"
    for name in ("maker_fee_ppm", "taker_fee_ppm"):
        rate: int = getattr(one, name)
        if not -PPM < rate < PPM:
            yield f"a {name} of {rate} is the whole trade or more"


def _contract_problems(one: Instrument) -> Iterator[str]:
    if one.kind is InstrumentKind.SPOT:
        if one.inverse:
            yield "a spot pair cannot be inverse"
        if one.multiplier != 1 or one.multiplier_scale != 0:
            yield "a spot pair has no contract multiplier"
    if not one.inverse and 0 <= one.multiplier_scale <= MAX_SCALE and (one.lot * one.multiplier) % one.money_divisor:
        yield "a lot times the multiplier has more decimal places than the size scale: give it a larger size scale"
    expires = one.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    if expires and (one.expiry_ns is None or one.expiry_ns <= 0):
        yield f"{one.kind} needs an expiry"
    if not expires and one.expiry_ns is not None:
        yield f"{one.kind} has no expiry"
    for name in ("strike", "option_side"):
        given = getattr(one, name) is not None
        if given != (one.kind is InstrumentKind.OPTION):
            yield f"{one.kind} {'has no' if given else 'needs'} {name}"
    if one.strike is not None and not 0 < one.strike <= MAX_I64:
        yield f"a strike of {one.strike} is not positive and 64 bits"


class InstrumentTable:
    """Every instrument of a run, found by id, by the venue's own symbol, or by the common symbol over all venues."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._by_id: dict[int, Instrument] = {}
        self._by_venue_symbol: dict[tuple[str, str], Instrument] = {}
        self._by_symbol: dict[str, tuple[Instrument, ...]] = {}
        for instrument in instruments:
            self.add(instrument)

    def add(self, instrument: Instrument) -> None:
        """Adds one; an id, or a symbol at a venue, that is taken is refused and nothing changes."""
        key = (instrument.venue, instrument.venue_symbol)
        holder = self._by_id.get(instrument.instrument_id)
        if holder is not None:
            raise DuplicateInstrument(
                f"instrument id {instrument.instrument_id} is taken by {holder.venue_symbol} at {holder.venue}"
            )
        if key in self._by_venue_symbol:
            raise DuplicateInstrument(
                f"{key[1]} at {key[0]} is there already, with id {self._by_venue_symbol[key].instrument_id}"
            )
        self._by_id[instrument.instrument_id] = instrument
        self._by_venue_symbol[key] = instrument
        self._by_symbol[instrument.symbol] = (*self._by_symbol.get(instrument.symbol, ()), instrument)

    def by_id(self, instrument_id: int) -> Instrument:
        """The instrument of this id."""
        found = self._by_id.get(instrument_id)
        if found is None:
            raise UnknownInstrument(f"there is no instrument with id {instrument_id}")
        return found

    def by_venue_symbol(self, venue: str, venue_symbol: str) -> Instrument:
        """The instrument that this venue calls so."""
        found = self._by_venue_symbol.get((venue, venue_symbol))
        if found is None:
            raise UnknownInstrument(f"there is no instrument {venue_symbol!r} at venue {venue!r}")
        return found

    def by_symbol(self, symbol: str, kind: InstrumentKind | None = None) -> tuple[Instrument, ...]:
        """All venues' instruments under a common symbol, in the order they were added, of one kind if it is given."""
        found = self._by_symbol.get(symbol)
        if found is None:
            raise UnknownInstrument(f"there is no instrument with the common symbol {symbol!r}")
        return found if kind is None else tuple(one for one in found if one.kind is kind)

    def symbols(self) -> tuple[str, ...]:
        """The common symbols, in the order they were first added."""
        return tuple(self._by_symbol)

    def __contains__(self, instrument_id: object) -> bool:
        return instrument_id in self._by_id

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)
