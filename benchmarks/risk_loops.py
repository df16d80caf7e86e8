"""The compiled loop behind the figure of the risk checks: prepared orders judged one after the other.

It promises to do nothing but judge: each order's instrument counts as changed, as it does when an order has just been
added, so that what is at risk in it is measured anew; one that passes is counted in the windows of the rates.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from actors.risk_checks import RiskChecks
from actors.risk_watched import Watched
from market.messages import BUY, LIMIT
from runtime.ledger_orders import LedgerOrder

PASSED: Final = -1


def judge_all(
    checks: RiskChecks, watched: list[Watched], orders: list[LedgerOrder], prices: vec[i64], sizes: vec[i64],
    codes: vec[i64], start_ns: i64, step_ns: i64,
) -> None:  # fmt: skip
    """Judge every order; `codes` gets why it was refused, or that it passed."""
    count: i64 = len(prices)
    index: i64 = 0
    now_ns = start_ns
    unit = 1
    while index < count:
        one = watched[index]
        order = orders[index]
        # One unit more on its side, and one less at the next order: sums that nobody has seen yet.
        if order.side == BUY:
            one.standing.buys.size += unit
        else:
            one.standing.sells.size += unit
        unit = -unit
        one.standing.version += 1
        now_ns += step_ns
        if checks.passes(one, order, order.side, LIMIT, prices[index], sizes[index], now_ns, True):
            checks.note_sent(now_ns)
            codes[index] = PASSED
        else:
            codes[index] = checks.code
        index += 1
