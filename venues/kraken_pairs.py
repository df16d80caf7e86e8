"""Kraken's pairs: its names of assets, its answers to AssetPairs as instruments, its answers to Depth. Sans-I/O.

An instrument's scales are the pair's `pair_decimals` and `lot_decimals`, not the smallest that hold its steps, because
the checksum of a book is made of numbers with just these places. Fees are those of the lowest tier. A pair that is no
instrument, such as one without a name on the stream, is left out, and so is one that takes no orders.
"""

from __future__ import annotations

from typing import Final

import msgspec

from market.dialect import BadFrame
from market.instruments import Instrument
from market.numbers import format_decimal, parse_decimal
from venues.facts import asked_symbol
from venues.kraken_reading import UNREADABLE, Unusable, unsigned
from venues.listed import read_rows

_OWN_NAMES: Final = {"XBT": "BTC", "XDG": "DOGE"}
_USUAL_NAMES: Final = {usual: own for own, usual in _OWN_NAMES.items()}
MOST_AUDITED_LEVELS: Final = 500
_PERCENT_PLACES: Final = 4
_TRADED: Final = frozenset(("online", "post_only", "limit_only", "reduce_only"))
"""What the status of a pair is that takes orders of some kind."""

Levels = list[tuple[int, int]]


class _Pair(msgspec.Struct):
    """One pair."""

    altname: str
    pair_decimals: int
    lot_decimals: int
    wsname: str | None = None
    tick_size: str | None = None
    status: str = "online"
    ordermin: str = "0"
    costmin: str = "0"
    fees: list[list[msgspec.Raw]] = []
    fees_maker: list[list[msgspec.Raw]] = []


class _Pairs(msgspec.Struct):
    """The answer to AssetPairs."""

    error: list[str]
    result: dict[str, msgspec.Raw] = {}


class _Depth(msgspec.Struct):
    """One pair's levels: price, size and time."""

    asks: list[tuple[str, str, msgspec.Raw]]
    bids: list[tuple[str, str, msgspec.Raw]]


class _Depths(msgspec.Struct):
    """The answer to Depth."""

    error: list[str]
    result: dict[str, _Depth] = {}


_pairs = msgspec.json.Decoder(_Pairs)
_pair = msgspec.json.Decoder(_Pair)
_depths = msgspec.json.Decoder(_Depths)


def usual_name(asset: str) -> str:
    """What everybody else calls an asset."""
    return _OWN_NAMES.get(asset, asset)


def request_name(venue_symbol: str) -> str:
    """What requests call a pair, whichever of its names on the stream is given: `XBTUSD` for `BTC/USD`."""
    return asked_symbol("".join(_USUAL_NAMES.get(asset, asset) for asset in venue_symbol.split("/")))


def read_pairs(
    body: bytes, venue: str, first_id: int, with_usual_names: bool, left_out: list[str]
) -> list[Instrument]:
    """The instruments that an answer to AssetPairs tells, or a `BadFrame`; `left_out` is told those that are odd.

    On the stream of WebSocket v2 they have the usual names of assets, on that of v1 the venue's own.
    """
    try:
        answer = _pairs.decode(body)
        _check_error(answer.error)
    except UNREADABLE as error:
        raise BadFrame(str(error), body) from error

    def read_row(row: msgspec.Raw, instrument_id: int) -> Instrument | None:
        pair = _pair.decode(row)
        own_name = pair.wsname or ""
        base, slash, quote = own_name.partition("/")
        if not slash or pair.status not in _TRADED:
            return None
        usual = f"{usual_name(base)}/{usual_name(quote)}"
        return _instrument(pair, venue, usual if with_usual_names else own_name, usual, instrument_id)

    left_out.clear()
    return read_rows(list(answer.result.values()), read_row, first_id, left_out, body)


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
    # Below zero it is a rebate.
    parts_per_million = parse_decimal(bytes(tiers[0][1]).decode(), _PERCENT_PLACES, allow_exponent=True)
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
