"""Kraken's pairs: its names of assets, its answers to AssetPairs as instruments, its answers to Depth. Sans-I/O.

An instrument's scales are the pair's `pair_decimals` and `lot_decimals`, not the smallest that hold its steps, because
the checksum of a book is made of numbers with just these places. Fees are those of the lowest tier. A pair that is no
instrument, such as one without a name on the stream, is left out.
"""

from __future__ import annotations

from typing import Final

import msgspec

from market.dialect import BadFrame
from market.instruments import Instrument, InstrumentError
from market.numbers import NumberError, format_decimal, parse_decimal
from venues.kraken_reading import UNREADABLE, Unusable, number_text, unsigned

_OWN_NAMES: Final = {"XBT": "BTC", "XDG": "DOGE"}
_USUAL_NAMES: Final = {usual: own for own, usual in _OWN_NAMES.items()}
MOST_AUDITED_LEVELS: Final = 500
_PERCENT_PLACES: Final = 4

Levels = list[tuple[int, int]]


class _Pair(msgspec.Struct):
    """One pair."""

    altname: str
    pair_decimals: int
    lot_decimals: int
    wsname: str = ""
    tick_size: str = ""
    ordermin: str = "0"
    costmin: str = "0"
    fees: list[list[msgspec.Raw]] = []
    fees_maker: list[list[msgspec.Raw]] = []


class _Pairs(msgspec.Struct):
    """The answer to AssetPairs."""

    error: list[str]
    result: dict[str, _Pair] = {}


class _Depth(msgspec.Struct):
    """One pair's levels: price, size and time."""

    asks: list[tuple[str, str, msgspec.Raw]]
    bids: list[tuple[str, str, msgspec.Raw]]


class _Depths(msgspec.Struct):
    """The answer to Depth."""

    error: list[str]
    result: dict[str, _Depth] = {}


_pairs = msgspec.json.Decoder(_Pairs)
_depths = msgspec.json.Decoder(_Depths)


def usual_name(asset: str) -> str:
    """What everybody else calls an asset."""
    return _OWN_NAMES.get(asset, asset)


def request_name(venue_symbol: str) -> str:
    """What requests call a pair, whichever of its names on the stream is given: `XBTUSD` for `BTC/USD`."""
    return "".join(_USUAL_NAMES.get(asset, asset) for asset in venue_symbol.split("/"))


def read_pairs(body: bytes, venue: str, first_id: int, with_usual_names: bool) -> list[Instrument]:
    """The instruments that an answer to AssetPairs tells, or a `BadFrame`.

    On the stream of WebSocket v2 they have the usual names of assets, on that of v1 the venue's own.
    """
    try:
        answer = _pairs.decode(body)
        _check_error(answer.error)
    except UNREADABLE as error:
        raise BadFrame(str(error), body) from error
    found: list[Instrument] = []
    for pair in answer.result.values():
        base, slash, quote = pair.wsname.partition("/")
        if not slash:
            continue
        usual = f"{usual_name(base)}/{usual_name(quote)}"
        symbol = usual if with_usual_names else pair.wsname
        try:
            found.append(_instrument(pair, venue, symbol, usual, first_id + len(found)))
        except (InstrumentError, NumberError, Unusable):
            continue
    return found


def _instrument(pair: _Pair, venue: str, venue_symbol: str, usual: str, instrument_id: int) -> Instrument:
    base, _, quote = usual.partition("/")
    return Instrument.from_text(
        instrument_id=instrument_id,
        symbol=usual,
        venue=venue,
        venue_symbol=venue_symbol,
        base=base,
        quote=quote,
        kind="spot",
        tick=pair.tick_size or format_decimal(1, pair.pair_decimals),
        lot=format_decimal(1, pair.lot_decimals),
        minimum_size=pair.ordermin,
        minimum_notional=pair.costmin,
        maker_fee_bps=_first_fee_bps(pair.fees_maker or pair.fees),
        taker_fee_bps=_first_fee_bps(pair.fees),
        price_scale=pair.pair_decimals,
        size_scale=pair.lot_decimals,
    )


def _first_fee_bps(tiers: list[list[msgspec.Raw]]) -> str:
    """The percentage of the lowest tier, a row of volume and percentage, in basis points."""
    if not tiers or len(tiers[0]) < 2:
        return "0"
    parts_per_million = parse_decimal(number_text(tiers[0][1]), _PERCENT_PLACES, allow_exponent=True)
    return format_decimal(parts_per_million, 2)


def read_depth(body: bytes, price_scale: int, size_scale: int) -> tuple[Levels, Levels]:
    """Bids and asks of an answer to Depth, best first, or a `BadFrame`."""
    try:
        answer = _depths.decode(body)
        _check_error(answer.error)
        if len(answer.result) != 1:
            raise Unusable(f"{len(answer.result)} pairs where one was asked for")
        (depth,) = answer.result.values()
        return _scaled(depth.bids, price_scale, size_scale), _scaled(depth.asks, price_scale, size_scale)
    except UNREADABLE as error:
        raise BadFrame(str(error), body) from error


def _scaled(levels: list[tuple[str, str, msgspec.Raw]], price_scale: int, size_scale: int) -> Levels:
    return [(unsigned(price, price_scale), unsigned(size, size_scale)) for price, size, _ in levels]


def _check_error(errors: list[str]) -> None:
    if errors:
        raise Unusable(f"the venue refused the request: {', '.join(errors)}")
