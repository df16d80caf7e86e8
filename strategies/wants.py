"""Short words for what a strategy wants, so that its file reads like its description.

    self.emit(quotes(self, instrument, bids=[(price, size)], asks=[], reason="join the touch"))
    self.emit(target(self, instrument, net_size=size, reason="the fast average is above"))
    if held(self, instrument) + size <= most: ...

Prices and sizes are whole numbers at the instrument's own scales, as everywhere: `Instrument.parse_price` and
`parse_size` make them of decimal text. Nothing here remembers or decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from librt.vecs import vec
from mypy_extensions import i64

from market.instruments import Instrument
from market.messages import ALGORITHM_AT_ONCE, TargetPosition, WantedQuotes
from runtime.actor import Strategy

Level = tuple[int, int]
"""A price and a size."""


def quotes(
    strategy: Strategy,
    instrument: Instrument,
    *,
    bids: Sequence[Level],
    asks: Sequence[Level],
    reason: str,
    fair_value: float = 0.0,
    receive_ns: int = 0,
) -> WantedQuotes:
    """The quotes that are to work at one venue, best first; they replace what was wanted there before.

    `receive_ns` of the message that they answer lets the time from tick to order be measured.
    """
    return WantedQuotes(
        strategy_id=strategy.strategy_id,
        instrument_id=instrument.instrument_id,
        bid_prices=vec[i64]([price for price, _ in bids]),
        bid_sizes=vec[i64]([size for _, size in bids]),
        ask_prices=vec[i64]([price for price, _ in asks]),
        ask_sizes=vec[i64]([size for _, size in asks]),
        fair_value=fair_value,
        reason=reason,
        receive_ns=receive_ns,
    )


def target(
    strategy: Strategy,
    instrument: Instrument,
    *,
    net_size: int,
    reason: str,
    limit_price: int = 0,
    receive_ns: int = 0,
) -> TargetPosition:
    """The position to hold, negative for short; the router gets there at once, at no worse than `limit_price` (0: any).

    The position is that over all venues of the instrument's base, and the router may trade at any of them.
    """
    return TargetPosition(
        strategy_id=strategy.strategy_id,
        instrument_id=instrument.instrument_id,
        net_size=net_size,
        limit_price=limit_price,
        algorithm=ALGORITHM_AT_ONCE,
        reason=reason,
        receive_ns=receive_ns,
    )


def held(strategy: Strategy, *instruments: Instrument) -> int:
    """What the strategy holds of these instruments together, negative is short; they need one size scale."""
    scales = {(one.size_scale, one.multiplier, one.multiplier_scale) for one in instruments}
    if len(scales) > 1:
        raise ValueError("positions of different size scales are not added up: ask for each")
    total = 0
    for one in instruments:
        position = strategy.ledger.position(strategy.strategy_id, one.instrument_id)
        total += 0 if position is None else int(position.net_size)
    return total

