"""What only few orders have: slices, stop prices, times of expiry, pegs, groups; one small object for each of them."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

# Where an order that is not in the book stands.
NOWHERE: Final = 0
WAITING: Final = 1
PARKED: Final = 2
DORMANT: Final = 3

# What an order is in its group.
ALONE: Final = 0
ENTRY: Final = 1
PAIRED: Final = 2


@final
class Special:
    """The rarer fields of one order; `sequence` is its rank in the order of acceptance."""

    def __init__(self, slot: i64, sequence: i64) -> None:
        """Begin with nothing special."""
        self.slot: i64 = slot
        self.sequence: i64 = sequence
        self.place: i64 = NOWHERE
        self.display_size: i64 = 0
        self.slice: i64 = 0
        self.stop_price: i64 = 0
        self.offset: i64 = 0
        self.expire_ns: i64 = 0
        self.peg_reference: i64 = 0
        self.cap: i64 = 0
        self.role: i64 = ALONE
        # What its entry has traded and it has not taken into its size yet.
        self.owed: i64 = 0
        self.group: Group | None = None


@final
class Group:
    """Orders that belong together: `members` are those that have not ended, in order, the entry of a bracket first."""

    def __init__(self, kind: i64) -> None:
        """Begin without members."""
        self.kind: i64 = kind
        self.members: list[Special] = []
        self.entry: Special | None = None
        # Whether it stands in the queue of groups whose exits are owed something.
        self.queued: bool = False
