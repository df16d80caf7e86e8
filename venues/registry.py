"""The names of the venues, as users write them, and where each dialect is: it is imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Final

from venues.facts import Venue

DIALECTS: Final[dict[str, str]] = {
    "binance": "venues.binance:BinanceSpot",
    "binance_usdm": "venues.binance_futures:BinanceUsdm",
    "binance_coinm": "venues.binance_futures:BinanceCoinm",
    "coinbase": "venues.coinbase:Coinbase",
    "kraken": "venues.kraken:Kraken",
    "kraken_v1": "venues.kraken_v1:KrakenV1",
    "bybit": "venues.bybit:Bybit",
    "bybit_linear": "venues.bybit:BybitLinear",
    "okx": "venues.okx:Okx",
    "bitfinex": "venues.bitfinex:Bitfinex",
    "deribit": "venues.deribit:Deribit",
}


class UnknownVenue(ValueError):
    """There is no venue of this name; the message lists those there are."""


def venue_named(name: str, depth: int = 0) -> Venue:
    """The dialect of a venue, for books of this depth or of its usual one."""
    path = DIALECTS.get(name)
    if path is None:
        raise UnknownVenue(f"there is no venue {name!r}: there are {', '.join(sorted(DIALECTS))}")
    module_name, _, class_name = path.partition(":")
    found = getattr(importlib.import_module(module_name), class_name)
    venue = found(depth)
    assert isinstance(venue, Venue)
    return venue
