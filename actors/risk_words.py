"""What `Risk` tells people: how much of each limit is in use, as text, and dates. It decides nothing."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.portfolio_rates import BASE_SCALE
from actors.risk_checks import RiskChecks
from actors.risk_limits import Bound
from actors.risk_losses import NOT_KNOWN, Losses
from actors.risk_watched import Group
from market.numbers import format_decimal_short

NANOSECONDS_PER_DAY: Final = 86_400_000_000_000
# Money on a screen has this many decimals.
SHOWN_SCALE: Final = 2
GAUGES_KEPT: Final = 32


def panel_of(
    checks: RiskChecks, losses: Losses, groups: list[Group], confirmed: bool, refusals: list[str], now_ns: i64
) -> dict[str, object]:
    """The halt and whether venues confirmed it, how much of each limit is used, and the last refusals."""
    ledger = checks.ledger
    return {
        "kind": "risk",
        "halted": ledger.halted,
        "reason": ledger.halt_reason,
        "confirmed": confirmed if ledger.halted else None,
        "currency": checks.currency,
        "gauges": gauges(checks, losses, groups, now_ns),
        "refusals": list(refusals),
    }


def gauges(checks: RiskChecks, losses: Losses, groups: list[Group], now_ns: i64) -> list[dict[str, object]]:
    """How much of each limit is in use: the whole first, then groups, then instruments."""
    checks.measure()
    currency = checks.currency
    found = [
        money_gauge(losses.daily_loss, "today", max(losses.loss_of_day(), 0), currency),
        money_gauge(losses.drawdown, "from peak", max(losses.peak - losses.value, 0), currency),
        money_gauge(checks.gross, "gross", checks.gross_total, currency),
        money_gauge(checks.net, "net", max(checks.long_total, -checks.short_total, 0), currency),
        count_gauge(checks.open_orders, "all", len(checks.ledger.open)),
        count_gauge(checks.orders, "window", checks.order_window.count(now_ns)),
        count_gauge(checks.requests, "window", checks.request_window.count(now_ns)),
        count_gauge(checks.positions, "all", checks.active),
    ]
    for group in groups:
        worst = max(group.longest, -group.shortest, 0)
        found.append(size_gauge(group.bound, group.name, worst, group.scale, group.name))
    for watched in checks.watched:
        worst = max(watched.standing.longest(), -watched.standing.shortest(), 0) * watched.multiplier
        found.append(size_gauge(watched.position, watched.name, worst, watched.base_scale, watched.size_asset))
    if losses.is_unknown():
        for one in found[:2]:
            if one is not None:
                one["value"] = NOT_KNOWN
    shown = [one for one in found if one is not None]
    return shown[:GAUGES_KEPT]


def gauge(bound: Bound, scope: str, used: int, value: str, most: str) -> dict[str, object]:
    """One limit and how much of it is in use."""
    share = used / bound.value if bound.value > 0 else 0.0
    return {"limit": bound.key, "scope": scope, "value": value, "bound": most, "used": min(max(share, 0.0), 1.0)}


def money_gauge(bound: Bound, scope: str, used: int, currency: str) -> dict[str, object] | None:
    """A limit in money; None when it is off."""
    if not bound.on:
        return None
    return gauge(bound, scope, used, f"{short_money(used)} {currency}", f"{short_money(bound.value)} {currency}")


def count_gauge(bound: Bound, scope: str, used: int) -> dict[str, object] | None:
    """A limit on a number; None when it is off."""
    return gauge(bound, scope, used, str(used), str(bound.value)) if bound.on else None


def size_gauge(bound: Bound, scope: str, used: int, scale: int, asset: str) -> dict[str, object] | None:
    """A limit on a size; None when it is off."""
    if not bound.on:
        return None
    value, most = format_decimal_short(used, scale), format_decimal_short(bound.value, scale)
    return gauge(bound, scope, used, f"{value} {asset}", f"{most} {asset}")


def short_money(amount: int) -> str:
    """An amount of the common currency with two decimals, rounded down."""
    return format_decimal_short(amount // 10 ** (BASE_SCALE - SHOWN_SCALE), SHOWN_SCALE)


def date_of(time_ns: int) -> str:
    """The date in UTC of a time since 1970, such as 2026-03-01."""
    days = time_ns // NANOSECONDS_PER_DAY + 719_468
    era = days // 146_097
    day_of_era = days - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    return f"{year:04d}-{month:02d}-{day:02d}"
