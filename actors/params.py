"""The settings of the standard actors: one class each, read from `[actors.NAME.params]` and checked before the start.

They stand in a module of their own because the actors are compiled and settings are not. Amounts are decimal text;
each actor turns them into integers at the scales of its instruments, once, when it is made.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import attrs

from market.dialect import Dialect
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText, at_least, between, class_name, decimal, each, setting


def load_dialect(class_path: str, depth: int = 0) -> Dialect:
    """The dialect that `module:Class` names, for books of a depth or of its usual one.

    An actor knows only the base of dialects, so the configuration names the class.
    """
    module_name, _, name = class_path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), name, None)
    except ImportError as error:
        raise RuleBroken("a dialect that can be loaded", str(error), key=("dialect",), value=class_path) from error
    if not isinstance(found, type) or not issubclass(found, Dialect) or found is Dialect:
        raise RuleBroken(
            "a subclass of market.dialect.Dialect", "name one of venues/", key=("dialect",), value=class_path
        )
    return found(depth) if depth else found()


@attrs.frozen(kw_only=True)
class VenueBookParams:
    """Settings of `VenueBook`."""

    dialect: str = setting("The venue's dialect, as `package.module:Class`.", rule=class_name())
    depth: int = setting(
        "Levels a side that the connection subscribes to; 0 is the venue's usual depth. As the feed has it.",
        default=0, rule=between(0, 10_000),
    )  # fmt: skip
    connection_id: int = setting("The connection whose frames it reads.", default=1, rule=at_least(1))
    connections: tuple[int, ...] = setting(
        "Several connections that each bring the same books: one may be lost unnoticed. Instead of `connection_id`.",
        default=(), rule=each(at_least(1)),
    )  # fmt: skip
    trade_connections: tuple[int, ...] = setting(
        "Connections that bring trades only, where the venue has a route of its own for them.",
        default=(), rule=each(at_least(1)),
    )  # fmt: skip
    stale_after_ms: int = setting(
        "A book whose connection brought nothing for it for this long is STALE; one without a snapshot asks again.",
        default=3_000, rule=between(1, 3_600_000), unit="ms",
    )  # fmt: skip
    stall_after_ms: int = setting(
        "A book whose own stream brought nothing for this long is STALE and asked for anew, whatever signs of life "
        "its connection gives; 0 never does.",
        default=30_000, rule=between(0, 86_400_000), unit="ms",
    )  # fmt: skip
    quote_disagree_ms: int = setting(
        "A book that the venue's own best bid or ask crosses for this long is lost; 0 never is.",
        default=1_000, rule=between(0, 3_600_000), unit="ms",
    )  # fmt: skip
    max_venue_lag_ms: int = setting(
        "A book whose frames are later than this, by the venue's times against the quickest frame of the last minutes, "
        "is STALE; 0 switches it off.",
        default=1_000, rule=between(0, 3_600_000), unit="ms",
    )  # fmt: skip
    hold_ms: int = setting(
        "What came before a frame that is missing is kept for this long; then the frame counts as lost.",
        default=200, rule=between(1, 60_000), unit="ms",
    )  # fmt: skip
    retry_ms: int = setting(
        "After a failed attempt to get a book anew the next one waits for this long, then twice as long, and so on.",
        default=250, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip
    retry_most_ms: int = setting(
        "The longest wait between two attempts.", default=30_000, rule=between(1, 3_600_000), unit="ms"
    )
    healthy_ms: int = setting(
        "A book that was LIVE for this long is healthy: its next loss is the first one again.",
        default=5_000, rule=between(0, 3_600_000), unit="ms",
    )  # fmt: skip
    broken_after: int = setting(
        "After so many failed attempts within `broken_window_ms` a book is BROKEN, and tries on.",
        default=5, rule=between(1, 100),
    )  # fmt: skip
    broken_window_ms: int = setting(
        "The window of `broken_after`.", default=60_000, rule=between(1, 86_400_000), unit="ms"
    )
    audit_every_s: int = setting(
        "Each book is compared with a fresh snapshot so often; 0 never does.",
        default=0, rule=between(0, 86_400), unit="s",
    )  # fmt: skip
    audit_note_ms: int = setting(
        "A price that changed from this long before the request until this long after its answer is not compared.",
        default=2_000, rule=between(1, 60_000), unit="ms",
    )  # fmt: skip
    depth_levels: int = setting(
        "Levels a side told as `BookSnapshot` with each batch that changed them, for an aggregated book; 0 tells none.",
        default=0, rule=between(0, 1_000),
    )  # fmt: skip

    @property
    def book_connections(self) -> tuple[int, ...]:
        """The connections that bring books."""
        return tuple(self.connections) or (self.connection_id,)

    def __attrs_post_init__(self) -> None:
        """A dialect that cannot be loaded, or a connection named twice, is told before the start."""
        load_dialect(self.dialect, self.depth)
        named = (*self.book_connections, *self.trade_connections)
        if len(set(named)) != len(named):
            told = str(list(named))
            raise RuleBroken("connections each named once", "take out the second", key=("connections",), value=told)


@attrs.frozen(kw_only=True)
class FairValueParams:
    """Settings of `FairValueActor`."""

    microprice_weight: float = setting(
        "Share of the microprice, which leans to the thinner side; the rest is the mid.",
        default=0.5, rule=between(0.0, 1.0),
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class OrderManagerParams:
    """Settings of `OrderManager`."""

    answer_ms: int = setting(
        "An order or a cancel that is not answered within this time is cancelled (again).",
        default=2_000, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip
    attempts: int = setting(
        "After this many unanswered cancels of one order, trading halts.", default=3, rule=between(1, 100)
    )
    refusal_pause_ms: int = setting(
        "After a refused order its side is not tried again for this time.",
        default=250, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class RiskParams:
    """Settings of `Risk`. Sizes are in base, amounts in quote, each for one instrument."""

    maximum_order_size: DecimalText = setting("Largest size of one order.", rule=decimal(above_zero=True), unit="base")
    maximum_order_notional: DecimalText = setting(
        "Largest price times size of one order.", rule=decimal(above_zero=True), unit="quote"
    )
    collar_bps: int = setting(
        "A limit price may be this far from the mid.", default=100, rule=between(1, 10_000), unit="bps"
    )
    maximum_position: DecimalText = setting(
        "Largest position, with every open order of one side counted as filled.",
        rule=decimal(above_zero=True), unit="base",
    )  # fmt: skip
    maximum_open_orders: int = setting("Most orders open at once.", default=20, rule=between(1, 100_000))
    maximum_orders: int = setting("Most orders within the window.", default=100, rule=between(1, 1_000_000))
    window_ms: int = setting("The window of `maximum_orders`.", default=1_000, rule=between(1, 86_400_000), unit="ms")
    maximum_daily_loss: DecimalText = setting(
        "A larger loss since midnight UTC halts trading.", rule=decimal(above_zero=True), unit="quote"
    )
    leased: bool = setting(
        "Whether it opens risk only within a lease of the limits of the whole system: true where there is a "
        "`LimitKeeper`, and only there.",
        default=False,
    )  # fmt: skip
    lease_orders: int = setting(
        "It asks for what is at risk and so many orders of `maximum_order_notional` on top.",
        default=4, rule=between(1, 100_000),
    )  # fmt: skip
    lease_retry_ms: int = setting(
        "A request for a lease that was not answered, or not in full, is repeated after this time.",
        default=250, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class LimitKeeperParams:
    """Settings of `LimitKeeper`: limits over all lanes together."""

    maximum_exposure: Mapping[str, DecimalText] = setting(
        "Most that may be at risk, by currency: positions at cost, and what open orders could add.",
        rule=each(decimal(above_zero=True)),
    )  # fmt: skip
    maximum_open_orders: int = setting("Most orders open at once.", rule=between(1, 1_000_000))
    lease_ms: int = setting(
        "A lane that hears nothing for this long opens no risk.", default=5_000, rule=between(10, 3_600_000), unit="ms"
    )


@attrs.frozen(kw_only=True)
class PaperVenueParams:
    """Settings of `PaperVenue`."""

    latency_us: int = setting(
        "Shortest time until an order or a cancel reaches the venue.",
        default=5_000, rule=between(0, 60_000_000), unit="us",
    )  # fmt: skip
    jitter_us: int = setting(
        "Up to this much is added, evenly drawn.", default=5_000, rule=between(0, 60_000_000), unit="us"
    )
    seed: int = setting("Seed of the draw.", default=1, rule=between(0, 2**63 - 1))
