"""Instruments that are one thing at several venues: their sizes in one unit, and what a strategy holds of all of them.

A group is what has the same base, kind and contract form. Sizes are counted in base at the finest scale of the group;
inverse contracts, whose base depends on the price, and instruments of another kind stand alone. It never decides.
"""

from __future__ import annotations

from math import gcd
from typing import Final, final

from mypy_extensions import i64

from market.instruments import Instrument
from runtime.ledger import Ledger


@final
class GroupMember:
    """One instrument of a group, with its size unit in units of the group as a fraction."""

    def __init__(self, instrument: Instrument, factor: int, divisor: int) -> None:
        self.instrument: Final = instrument
        self.instrument_id: Final[i64] = instrument.instrument_id
        shared = gcd(factor, divisor)
        self.factor: Final[int] = factor // shared
        self.divisor: Final[int] = divisor // shared

    def common(self, size: int) -> int:
        """A size of the instrument in units of the group, rounded towards zero."""
        wide = abs(size) * self.factor // self.divisor
        return wide if size >= 0 else -wide

    def own(self, common: int) -> int:
        """A size of the group in units of the instrument, towards zero, in whole lots."""
        wide = abs(common) * self.divisor // self.factor
        wide -= wide % self.instrument.lot
        return wide if common >= 0 else -wide


@final
class Group:
    """See the head of this file."""

    def __init__(self, number: int, members: list[GroupMember]) -> None:
        self.number: Final[i64] = number
        self.members: Final = members
        # What no venue of the group would take.
        self.least: Final[int] = min(
            member.common(max(member.instrument.minimum_size, member.instrument.lot)) for member in members
        )

    def member(self, instrument_id: i64) -> GroupMember:
        """One of its instruments."""
        return next(one for one in self.members if one.instrument_id == instrument_id)

    def position(self, ledger: Ledger, strategy_id: i64) -> int:
        """What a strategy holds of the whole group."""
        total: int = 0
        for member in self.members:
            total += member.common(ledger.standing(member.instrument_id, strategy_id).net_size)
        return total


def groups_of(instruments: list[Instrument]) -> list[Group]:
    """All groups, in the order of their first instruments."""
    by_key: dict[str, list[Instrument]] = {}
    for one in instruments:
        key = f"inverse {one.instrument_id}" if one.inverse else f"{one.base} {one.kind}"
        by_key.setdefault(key, []).append(one)
    found = []
    for number, members in enumerate(by_key.values()):
        if members[0].inverse:
            found.append(Group(number, [GroupMember(members[0], 1, 1)]))
            continue
        scale = max(one.size_scale for one in members)
        found.append(
            Group(
                number,
                [
                    GroupMember(one, one.multiplier * 10 ** (scale - one.size_scale), 10**one.multiplier_scale)
                    for one in members
                ],
            )
        )
    return found


def group_by_instrument(groups: list[Group]) -> dict[int, Group]:
    """The group of each instrument."""
    return {int(member.instrument_id): group for group in groups for member in group.members}
