"""The configuration as frozen classes: one class a table, one attribute a key, each with its help, unit and rule.

Whether a key may change while the system runs (`reload`) is said here too. Prices, sizes and fees are exact decimal
text; the classes hold what the files say and compute nothing. Instances are made by `runtime.config.load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from runtime.config.errors import RuleBroken
from runtime.config.rules import (
    DecimalText,
    Rule,
    between,
    class_name,
    compare_decimals,
    decimal,
    decimals_of,
    each,
    name,
    one_of,
    setting,
    text_of,
)
from runtime.faults import is_fault

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
POLICIES = ("restart", "restart_with_dependents", "stop", "halt_trading")
CHANNEL_POLICIES = ("block", "coalesce", "drop_oldest", "halt")
INSTRUMENT_KINDS = ("spot", "perpetual", "future", "option")

DAY_MS = 86_400_000
MAX_QUEUE = 1_048_576

FEE = Rule(
    'a fee of -10000 to 10000 basis points in quotes, with at most 2 digits after the point, such as "7.5"',
    lambda text: (
        decimal("-10000").holds(text) and compare_decimals(text, "10000") <= 0 and decimals_of(text) <= 2
    ),
)


FAULT = Rule("a fault such as kill:fair_value:every=100 or drop:feed:rate=0.01, or seed=N", is_fault)


@attrs.frozen(kw_only=True)
class RuntimeConfig:
    """How lanes run."""

    seed: int = setting("Seed of everything that is drawn at random.", default=0, rule=between(0, 2**63 - 1))
    max_lag_ms: int = setting(
        "An input taken later than this after its stamp pulls the quotes.",
        default=250, rule=between(1, DAY_MS), unit="ms", reload=True,
    )  # fmt: skip
    shutdown_deadline_ms: int = setting(
        "An orderly shutdown may take this long.", default=5_000, rule=between(1, DAY_MS), unit="ms", reload=True
    )
    watchdog_ms: int = setting(
        "A handler that has not returned after this is named.",
        default=1_000, rule=between(1, DAY_MS), unit="ms", reload=True,
    )  # fmt: skip
    dispatch_limit: int = setting(
        "Messages that one input may cause; more is an endless loop.",
        default=10_000, rule=between(1, 10_000_000), unit="messages",
    )  # fmt: skip
    inbox_capacity: int = setting(
        "Inputs that wait for a lane.", default=4_096, rule=between(1, MAX_QUEUE), unit="messages"
    )
    outbox_capacity: int = setting(
        "Messages of a lane that wait for other lanes and services.",
        default=4_096, rule=between(1, MAX_QUEUE), unit="messages",
    )  # fmt: skip
    urgent_capacity: int = setting(
        "Cancels and kill switches that wait, in their own channel.",
        default=256, rule=between(1, MAX_QUEUE), unit="messages",
    )  # fmt: skip
    batch_limit: int = setting(
        "Inputs that a lane takes at once.", default=64, rule=between(1, 65_536), unit="messages"
    )


@attrs.frozen(kw_only=True)
class RestartConfig:
    """How what failed is started again: exponential backoff with full jitter, and when to give up."""

    initial_ms: int = setting("Longest wait before the first restart.", default=100, rule=between(1, DAY_MS), unit="ms")
    factor: float = setting("Each further wait may be this much longer.", default=2.0, rule=between(1.0, 100.0))
    maximum_ms: int = setting("No wait is longer.", default=30_000, rule=between(1, DAY_MS), unit="ms")
    healthy_ms: int = setting(
        "After this long without failure the waits begin anew.", default=60_000, rule=between(1, DAY_MS), unit="ms"
    )
    intensity: int = setting(
        "More restarts than this within the window escalate.", default=10, rule=between(1, 100_000), unit="restarts"
    )
    window_ms: int = setting("The window of the intensity.", default=60_000, rule=between(1, DAY_MS), unit="ms")

    def __attrs_post_init__(self) -> None:
        """The longest wait is not shorter than the first."""
        if self.maximum_ms < self.initial_ms:
            raise RuleBroken(
                f"at least restart.initial_ms, which is {self.initial_ms}", key=("maximum_ms",),
                value=str(self.maximum_ms),
            )  # fmt: skip


@attrs.frozen(kw_only=True)
class JournalConfig:
    """How the journal is kept."""

    durability: str = setting(
        "When the journal is forced to the disk: before every order leaves, from time to time, or by the kernel alone.",
        default="interval", rule=one_of("always", "interval", "never"),
    )  # fmt: skip
    interval_ms: int = setting(
        "Time between two forced writes with `interval`.", default=100, rule=between(1, DAY_MS), unit="ms"
    )
    segment_mb: int = setting("Size at which a new segment begins.", default=64, rule=between(1, 4_096), unit="MiB")
    snapshot_every_ms: int = setting(
        "Time between two snapshots of the actors; 0 takes none but at the end.",
        default=60_000, rule=between(0, DAY_MS), unit="ms",
    )  # fmt: skip
    keep_snapshots: int = setting("Snapshots that are kept.", default=3, rule=between(1, 10_000))


@attrs.frozen(kw_only=True)
class LogConfig:
    """What is logged, and where to."""

    level: str = setting(
        "Events below this level are not logged.", default="info", rule=one_of(*LOG_LEVELS), reload=True
    )
    file: str = setting(
        "File for JSON lines, relative to the working directory; empty for none.",
        default="", rule=Rule("a path on one line, or empty", lambda path: len(path) <= 4_096 and path.isprintable()),
    )  # fmt: skip
    levels: Mapping[str, str] = setting(
        'Levels by module, the longest matching prefix wins: `"runtime.lane" = "debug"`.',
        factory=dict, rule=each(one_of(*LOG_LEVELS)), reload=True,
    )  # fmt: skip
    repeat_window_ms: int = setting(
        "The same event of the same logger is told once in this time, with the number of its repeats; 0 tells all.",
        default=1_000, rule=between(0, DAY_MS), unit="ms", reload=True,
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class InstrumentConfig:
    """One thing that is traded at one venue."""

    symbol: str = setting("Common symbol, the same at every venue, such as BTC/USDT.", rule=text_of(64))
    venue: str = setting("Name of the venue.", rule=name())
    venue_symbol: str = setting("The venue's own symbol, such as BTCUSDT.", rule=text_of(64))
    base: str = setting("What is bought and sold.", rule=text_of(32))
    quote: str = setting("What it is paid with.", rule=text_of(32))
    kind: str = setting("Kind of instrument.", default="spot", rule=one_of(*INSTRUMENT_KINDS))
    inverse: bool = setting("Whether the contract is settled in its base.", default=False)
    tick: DecimalText = setting("Smallest step of the price.", rule=decimal(above_zero=True))
    lot: DecimalText = setting("Smallest step of the size.", rule=decimal(above_zero=True))
    minimum_size: DecimalText = setting("Smallest size of an order.", default=DecimalText("0"), rule=decimal("0"))
    minimum_notional: DecimalText = setting(
        "Smallest price times size of an order.", default=DecimalText("0"), rule=decimal("0"), unit="quote"
    )
    maker_fee_bps: DecimalText = setting(
        "Fee of an order that rested; below 0 it is a rebate.", default=DecimalText("0"), rule=FEE, unit="bps"
    )
    taker_fee_bps: DecimalText = setting("Fee of an order that took.", default=DecimalText("0"), rule=FEE, unit="bps")
    multiplier: DecimalText = setting(
        "Base units of one contract (quote units when inverse).",
        default=DecimalText("1"), rule=decimal(above_zero=True),
    )
    price_places: int = setting(
        "Places after the point of the venue's prices, where finer ones than the tick come; -1 is those of the tick.",
        default=-1, rule=between(-1, 18),
    )  # fmt: skip
    size_places: int = setting(
        "The same of sizes: a venue that made its lot larger may still have older orders in its book.",
        default=-1, rule=between(-1, 18),
    )  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """Only contracts can be inverse."""
        if self.inverse and self.kind == "spot":
            raise RuleBroken(
                'false, because kind = "spot"', "say which kind of contract it is", key=("inverse",), value="true"
            )


@attrs.frozen(kw_only=True)
class ActorConfig:
    """One actor."""

    class_: str = setting("The actor's class, as `package.module:Class`.", rule=class_name(), key="class")
    lane: str = setting("Lane it runs in; `own` gives it one of its own.", default="main", rule=name())
    policy: str = setting(
        "What happens when it fails; empty for what its class says.", default="", rule=one_of("", *POLICIES)
    )
    instruments: tuple[str, ...] = setting("Instruments it works on, by their names here.", factory=tuple)
    params: Mapping[str, Any] = setting("Settings of its class.", factory=dict)


@attrs.frozen(kw_only=True)
class ServiceConfig:
    """One service: a feed, a gateway, a writer."""

    class_: str = setting("The service's class, as `package.module:Class`.", rule=class_name(), key="class")
    policy: str = setting(
        "What happens when it fails; empty for what its class says.", default="", rule=one_of("", *POLICIES)
    )
    instruments: tuple[str, ...] = setting("Instruments it works on, by their names here.", factory=tuple)
    params: Mapping[str, Any] = setting("Settings of its class.", factory=dict)


@attrs.frozen(kw_only=True)
class ChannelConfig:
    """One channel between lanes and services, where its own words are not wanted."""

    capacity: int = setting(
        "Messages it holds; 0 for what the sender says.", default=0, rule=between(0, MAX_QUEUE), unit="messages"
    )
    policy: str = setting(
        "What happens when it is full; empty for what the sender says.", default="", rule=one_of("", *CHANNEL_POLICIES)
    )


@attrs.frozen(kw_only=True)
class SystemConfig:
    """A whole system."""

    name: str = setting("Name of the system, in logs, journal and dashboard.", default="hftrun", rule=name())
    mode: str = setting(
        "`live` trades with real money, and needs `--live` and keys besides.",
        default="paper", rule=one_of("paper", "live"),
    )  # fmt: skip
    offline: str = setting(
        "What happens when no public feed can be reached: trade on a simulated market, or fail.",
        default="fail", rule=one_of("simulate", "fail"),
    )  # fmt: skip
    include: tuple[str, ...] = setting(
        "Files read before this one, relative to it; what stands here wins.", factory=tuple, reload=True
    )
    runtime: RuntimeConfig = setting("How lanes run.", factory=RuntimeConfig)
    faults: tuple[str, ...] = setting(
        "Faults that are made on purpose, each as --faults has it, and seed=N.", factory=tuple, rule=each(FAULT)
    )
    restart: RestartConfig = setting("Restarts.", factory=RestartConfig)
    journal: JournalConfig = setting("The journal.", factory=JournalConfig)
    log: LogConfig = setting("Logs.", factory=LogConfig)
    instruments: Mapping[str, InstrumentConfig] = setting("Instruments by name.", factory=dict)
    actors: Mapping[str, ActorConfig] = setting("Actors by name.", factory=dict)
    services: Mapping[str, ServiceConfig] = setting("Services by name.", factory=dict)
    channels: Mapping[str, ChannelConfig] = setting("Channels by name.", factory=dict)


__all__ = [
    "CHANNEL_POLICIES",
    "INSTRUMENT_KINDS",
    "LOG_LEVELS",
    "POLICIES",
    "ActorConfig",
    "ChannelConfig",
    "InstrumentConfig",
    "JournalConfig",
    "LogConfig",
    "RestartConfig",
    "RuntimeConfig",
    "ServiceConfig",
    "SystemConfig",
]
