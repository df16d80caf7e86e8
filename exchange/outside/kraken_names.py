"""Kraken's names of assets and pairs: BTC is XBT in requests, old assets have a prefix, and WebSocket v2 says BTC.

Written from the venue's documentation.
"""

from __future__ import annotations

from typing import Final

from exchange.outside.books import Market

_ALTERNATIVE: Final = {"BTC": "XBT", "DOGE": "XDG"}
_OLD_COINS: Final = frozenset({"XBT", "XDG", "ETH", "ETC", "LTC", "MLN", "REP", "XLM", "XMR", "XRP", "ZEC"})
_OLD_MONEY: Final = frozenset({"AUD", "CAD", "EUR", "GBP", "JPY", "USD"})


def alternative(asset: str) -> str:
    """The asset's short name in requests."""
    return _ALTERNATIVE.get(asset, asset)


def asset_code(asset: str) -> str:
    """The asset's full name in requests: the oldest ones have a letter before it."""
    name = alternative(asset)
    if name in _OLD_COINS:
        return f"X{name}"
    return f"Z{name}" if name in _OLD_MONEY else name


class Pair:
    """A market under all its names."""

    def __init__(self, market: Market) -> None:
        base, quote = market.instrument.base, market.instrument.quote
        self.market = market
        self.base = base
        self.quote = quote
        self.symbol = f"{base}/{quote}"
        """Its name in WebSocket v2."""
        self.alternative = alternative(base) + alternative(quote)
        self.wsname = f"{alternative(base)}/{alternative(quote)}"
        codes = asset_code(base) + asset_code(quote)
        # Only where both assets are old ones, the pair has their letters too.
        self.key = codes if len(codes) == len(self.alternative) + 2 else self.alternative
        """Its name in answers."""


def pairs_by_symbol(markets: list[Market]) -> dict[str, Pair]:
    """The pairs by the name that WebSocket v2 has."""
    return {pair.symbol: pair for pair in map(Pair, markets)}


def pairs_by_name(pairs: list[Pair]) -> dict[str, Pair]:
    """The pairs by every name that a request may use."""
    named: dict[str, Pair] = {}
    for pair in pairs:
        for name in (pair.key, pair.alternative, pair.wsname, pair.symbol, pair.base + pair.quote):
            named[name] = pair
    return named
