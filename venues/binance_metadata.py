"""Binance's own lists of instruments, spot and futures, as instruments. Sans-I/O, and never through a float.

Ticks and lots come from the filters; the futures' `pricePrecision` and `quantityPrecision` are digits of display and
say nothing of either. They do say how fine a level may be: a book goes on holding orders from the time before a tick or
lot was made larger, as recorded ones do. So scales are what the venue may write, and hold tick and lot: those digits at
the futures, eight places at spot, fewer only where an order of the largest size would leave no room for its level. What
does not trade at all, and what cannot be an instrument (a tick of 0), is left out.
"""

from __future__ import annotations

from typing import Final

import msgspec

from market.dialect import BadFrame
from market.instruments import Instrument
from venues.listed import scale_with_room

_NANOSECONDS: Final = 1_000_000  # in a millisecond
_PLACES: Final = 8
_GONE: Final = frozenset(
    {"PENDING_TRADING", "SETTLING", "CLOSE", "DELIVERED", "PRE_DELIVERING", "DELIVERING", "PRE_SETTLE"}
)


class _Filter(msgspec.Struct, rename="camel"):
    """One rule of an instrument; which of the numbers it has depends on its type."""

    filter_type: str
    tick_size: str = "0"
    max_price: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    min_qty: str = "0"
    min_notional: str = "0"
    notional: str = "0"


class _Symbol(msgspec.Struct, rename="camel"):
    """One instrument; the futures have the later fields."""

    symbol: str
    base_asset: str
    quote_asset: str
    filters: list[_Filter]
    status: str = ""
    contract_status: str = ""
    contract_type: str = ""
    contract_size: int | None = None
    delivery_date: int = 0
    price_precision: int = 0
    quantity_precision: int = 0


class _Symbols(msgspec.Struct):
    """What is needed of the answer."""

    symbols: list[_Symbol]


_lists = msgspec.json.Decoder(_Symbols)


def read_instruments(
    body: bytes, venue: str, first_id: int, maker_fee_bps: str, taker_fee_bps: str
) -> list[Instrument]:
    """The instruments of an exchangeInfo answer, or a `BadFrame`."""
    try:
        symbols = _lists.decode(body).symbols
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(str(error), body) from error
    found: list[Instrument] = []
    for symbol in symbols:
        if (symbol.status or symbol.contract_status) in _GONE:
            continue
        try:
            found.append(_instrument(symbol, venue, first_id + len(found), maker_fee_bps, taker_fee_bps))
        except ValueError:  # an `InstrumentError`, or text that is no number
            continue
    return found


def _instrument(symbol: _Symbol, venue: str, instrument_id: int, maker_fee_bps: str, taker_fee_bps: str) -> Instrument:
    rules = {rule.filter_type: rule for rule in symbol.filters}
    nothing = _Filter("")
    lot = rules.get("LOT_SIZE", nothing)
    notional = rules.get("NOTIONAL") or rules.get("MIN_NOTIONAL", nothing)
    kind = "spot"
    expiry_ns = None
    price = rules.get("PRICE_FILTER", nothing)
    price_scale = scale_with_room(price.tick_size, price.max_price, _PLACES)
    size_scale = scale_with_room(lot.step_size, lot.max_qty, _PLACES)
    name = f"{symbol.base_asset}/{symbol.quote_asset}"
    if symbol.contract_type:
        is_perpetual = "PERPETUAL" in symbol.contract_type
        kind = "perpetual" if is_perpetual else "future"
        expiry_ns = None if is_perpetual else symbol.delivery_date * _NANOSECONDS
        price_scale = scale_with_room(price.tick_size, price.max_price, symbol.price_precision)
        size_scale = scale_with_room(lot.step_size, lot.max_qty, symbol.quantity_precision)
        name += "-PERP" if is_perpetual else "-" + symbol.symbol.rpartition("_")[2]
    return Instrument.from_text(
        instrument_id=instrument_id,
        symbol=name,
        venue=venue,
        venue_symbol=symbol.symbol,
        base=symbol.base_asset,
        quote=symbol.quote_asset,
        kind=kind,
        tick=price.tick_size,
        lot=lot.step_size,
        inverse=symbol.contract_size is not None,
        minimum_size=lot.min_qty,
        minimum_notional=notional.notional if symbol.contract_type else notional.min_notional,
        maker_fee_bps=maker_fee_bps,
        taker_fee_bps=taker_fee_bps,
        multiplier=str(symbol.contract_size or 1),
        expiry_ns=expiry_ns,
        price_scale=price_scale,
        # What an inverse contract needs for its money, it knows best.
        size_scale=None if symbol.contract_size is not None else size_scale,
    )
