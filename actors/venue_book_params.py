"""The settings of `VenueBook`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

import importlib

import attrs

from market.dialect import Dialect
from runtime.config.errors import RuleBroken
from runtime.config.rules import at_least, between, class_name, each, setting


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
