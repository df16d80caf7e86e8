"""What the rule of each venue can see of damage, and what it cannot; `hftrun venues` and `docs/verifying.md` tell it.

`tests/venues/test_damage.py` holds every recording to it.
"""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class ContinuityRule:
    """See the head of this file."""

    numbering: str
    """What tells that a change is missing."""
    checksum: str = ""
    """What tells that a book is wrong, where the venue sends it."""
    checked_levels: int = 0
    """Levels a side that a checksum is over; what is wrong beyond them, no message tells."""
    sees_every_loss: bool = True
    """Whether a missing change is always seen with the next one."""


_BINANCE: Final = "U and u of each event follow those before"
_BINANCE_FUTURES: Final = "pu of each event is u of the one before"
_KRAKEN: Final = ContinuityRule(
    numbering="-", checksum="CRC-32 of 10 levels a side, in every change", checked_levels=10, sees_every_loss=False
)
_BYBIT: Final = ContinuityRule(numbering="u counts up by one")

RULES: Final[dict[str, ContinuityRule]] = {
    "binance": ContinuityRule(numbering=_BINANCE),
    "binance_usdm": ContinuityRule(numbering=_BINANCE_FUTURES),
    "binance_coinm": ContinuityRule(numbering=_BINANCE_FUTURES),
    "coinbase": ContinuityRule(numbering="sequence_num counts up by one over the connection"),
    "kraken": _KRAKEN,
    "kraken_v1": _KRAKEN,
    "bybit": _BYBIT,
    "bybit_linear": _BYBIT,
    "okx": ContinuityRule(
        numbering="prevSeqId is seqId of the change before, since 2023",
        checksum="CRC-32 of 25 levels a side, until June 2026",
        checked_levels=25,
        sees_every_loss=False,
    ),
    "bitfinex": ContinuityRule(
        numbering="the sequence counts up by one over the connection",
        checksum="CRC-32 of 25 levels a side, now and then",
        checked_levels=25,
    ),
    "deribit": ContinuityRule(numbering="prev_change_id is change_id of the change before"),
}
