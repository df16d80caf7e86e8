"""What a figure is: something measured again and again beside a reference, with a limit it has to keep.

It promises that subject and reference take turns, sample by sample, so that a busy moment of the machine meets both;
that each pair returned the same checksum, so that both did the same work; and that the first, cold pair does not
count. It prints nothing: who runs figures is told of each sample.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from statistics import median
from typing import Final

import attrs

# The value of one sample, in the figure's unit, and a checksum over all that was done for it.
Sample = tuple[float, int]

REPEATS: Final = 15
KEPT: Final = "met"
MISSED: Final = "MISSED"
NOT_JUDGED: Final = "not judged"
NO_LIMIT: Final = "no limit"


class ChecksumMismatch(Exception):
    """Subject and reference, or two runs of one of them, did not do the same work: their times mean nothing."""


@attrs.frozen
class Measured:
    """The samples of one figure; the reference's stand beside the subject's, pair by pair. Notes are for people."""

    subject: list[float]
    reference: tuple[str, list[float]] | None = None
    notes: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """The median."""
        return median(self.subject)

    @property
    def reference_value(self) -> float:
        """The median of the reference; 0 without one."""
        return median(self.reference[1]) if self.reference is not None else 0.0


class Run:
    """One figure being measured: how often, and who is told of each sample."""

    def __init__(self, repeats: int, tell: Callable[[int, int], None] | None = None) -> None:
        self.repeats: Final = repeats
        self._tell: Final = tell

    def measure(
        self, subject: Callable[[], Sample], reference_name: str = "", reference: Callable[[], Sample] | None = None
    ) -> Measured:
        """Take turns; raises `ChecksumMismatch` as soon as two checksums differ."""
        values: list[float] = []
        reference_values: list[float] = []
        _, expected = subject()
        for number in range(self.repeats + 1):
            if self._tell is not None:
                self._tell(number, self.repeats)
            if reference is not None:
                reference_values.append(_sample(reference, expected, reference_name))
            values.append(_sample(subject, expected, "the subject"))
        # The first pair filled the caches.
        return Measured(values[1:], (reference_name, reference_values[1:]) if reference is not None else None)


def _sample(measured: Callable[[], Sample], expected: int, name: str) -> float:
    gc.collect()
    value, checksum = measured()
    if checksum != expected:
        raise ChecksumMismatch(f"{name} gave the checksum {checksum} where the subject first gave {expected}")
    return value


@attrs.frozen
class Figure:
    """One claim of this project: its name, what it may be, and how it is measured."""

    name: str
    unit: str
    measure: Callable[[Run], Measured]
    limit: float | None = None
    at_least: bool = False
    ratio_at_least: float | None = None
    repeats: int = REPEATS

    def ratio(self, measured: Measured) -> float | None:
        """How many times better than the reference; the median over the pairs."""
        if measured.reference is None:
            return None
        pairs = zip(measured.subject, measured.reference[1], strict=True)
        return median(one / other if self.at_least else other / one for one, other in pairs)

    def keeps_limit(self, measured: Measured) -> bool:
        """Whether the median is within the limit."""
        if self.limit is None:
            return True
        return measured.value >= self.limit if self.at_least else measured.value <= self.limit

    def keeps_ratio(self, measured: Measured) -> bool:
        """Whether it is better than the reference by as much as is claimed."""
        ratio = self.ratio(measured)
        return ratio is None or self.ratio_at_least is None or ratio >= self.ratio_at_least

    def verdict(self, measured: Measured, compiled: bool) -> str:
        """One word or two; limits are claimed for compiled modules only."""
        if self.limit is None and self.ratio_at_least is None:
            return NO_LIMIT
        if not compiled:
            return NOT_JUDGED
        return KEPT if self.keeps_limit(measured) and self.keeps_ratio(measured) else MISSED


def figure(
    *,
    name: str,
    unit: str,
    limit: float | None = None,
    at_least: bool = False,
    ratio_at_least: float | None = None,
    repeats: int = REPEATS,
) -> Callable[[Callable[[Run], Measured]], Figure]:
    """Make a figure of the function that measures it."""

    def make(measure: Callable[[Run], Measured]) -> Figure:
        return Figure(name, unit, measure, limit, at_least, ratio_at_least, repeats)

    return make
