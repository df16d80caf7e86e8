"""The price that a simulated market hides: a path that follows from a seed, a name and the time alone.

It can be asked for any time in any order, remembers nothing that matters, and needs no state to be saved: whoever has
the same settings sees the same path, in this process or another. Whole numbers only. Before the anchor it stands still.

The path is built from coarse to fine. A span of about 44 minutes has a drawn end; its 1,024 blocks of 2.56 seconds
have drawn steps, by the regime of each, and are bent so that they arrive at the end of the span; the 256 steps of 10 ms
of a block are bent so that they arrive at the end of the block. So a sleep of a year costs some ten thousand draws.
"""

from __future__ import annotations

from math import isqrt
from typing import Final
from zlib import crc32

from librt.vecs import vec
from mypy_extensions import i64

from exchange.chance import LOG_ONE, NORMAL_ONE, TWO_32, draw, exp_of, exponential_of, key_of, normal

STEP_NS: Final[i64] = 10_000_000
BLOCK_STEPS: Final = 256
SPAN_BLOCKS: Final = 1_024
BLOCK_NS: Final[i64] = 2_560_000_000
SECOND_NS: Final = 1_000_000_000
# The logarithm never leaves a factor of 1,000 up or down.
MOST_LOG: Final[i64] = 6_907_755_278_982
PPM_LOG: Final = 1_000_000
# A jump is at most this many times the least one.
MOST_JUMP: Final = 30
JUMP_TAIL_PERMILLE: Final = 2_500
# Prices are given in this many parts of the instrument's price unit.
FINE: Final = 256

CALM: Final[i64] = 0
NORMAL: Final[i64] = 1
WILD: Final[i64] = 2

# What draws are for; each purpose has a key of its own.
SPAN_END: Final = 1
FIRST_REGIME: Final = 2
NEXT_REGIME: Final = 3
BLOCK_END: Final = 4
STEP: Final = 5
JUMPS: Final = 6
JUMP_PLACE: Final = 7
JUMP_SIZE: Final = 8


class LatentSettings:
    """How a hidden price moves. Volatilities are parts per million in the square root of a second."""

    def __init__(
        self,
        calm_ppm: i64 = 50,
        normal_ppm: i64 = 100,
        wild_ppm: i64 = 300,
        calm_seconds: i64 = 480,
        normal_seconds: i64 = 300,
        wild_seconds: i64 = 40,
        wild_percent: i64 = 30,
        jumps_an_hour: i64 = 6,
        jump_ppm: i64 = 300,
    ) -> None:
        self.deviations_ppm: Final[list[int]] = [calm_ppm, normal_ppm, wild_ppm]
        self.seconds: Final[list[int]] = [calm_seconds, normal_seconds, wild_seconds]
        # How often a normal stretch is followed by a wild one rather than by a calm one.
        self.wild_percent: Final[i64] = wild_percent
        self.jumps_an_hour: Final[i64] = jumps_an_hour
        # The least size of a jump; beyond k times this size are k ^ -2.5 of all.
        self.jump_ppm: Final[i64] = jump_ppm


def seed_of(seed: i64, name: str) -> i64:
    """The key of what a seed means for a name, such as the symbol whose price it is."""
    return key_of(seed, i64(crc32(name.encode())))


class LatentPrice:
    """See the head of this file. `initial` is the price at the anchor, in the instrument's integers."""

    def __init__(self, key: i64, anchor_ns: i64, initial: i64, settings: LatentSettings) -> None:
        self.anchor_ns: Final = anchor_ns
        self.initial: Final = initial
        self.span_key: Final[i64] = key_of(key, SPAN_END)
        self.first_regime_key: Final[i64] = key_of(key, FIRST_REGIME)
        self.next_regime_key: Final[i64] = key_of(key, NEXT_REGIME)
        self.block_key: Final[i64] = key_of(key, BLOCK_END)
        self.step_key: Final[i64] = key_of(key, STEP)
        self.jumps_key: Final[i64] = key_of(key, JUMPS)
        self.jump_place_key: Final[i64] = key_of(key, JUMP_PLACE)
        self.jump_size_key: Final[i64] = key_of(key, JUMP_SIZE)
        # Out of 2^32: that a block has a jump, and that a regime ends with a block.
        self.jump_chance: Final[i64] = min(TWO_32, settings.jumps_an_hour * TWO_32 // 1_406)
        self.jump_least: Final[i64] = settings.jump_ppm * PPM_LOG
        self.leave_chances: Final[list[int]] = [min(TWO_32, TWO_32 * 256 // (100 * one)) for one in settings.seconds]
        self.wild_chance: Final[i64] = settings.wild_percent * TWO_32 // 100
        self.first_chances: Final[list[int]] = first_chances(settings)
        # In logarithm: of a block by regime (its root of 2.56 seconds is 1.6), of a step, of a span.
        self.block_deviations: Final[list[int]] = [one * PPM_LOG * 16 // 10 for one in settings.deviations_ppm]
        self.step_deviations: Final[list[int]] = [one * PPM_LOG // 10 for one in settings.deviations_ppm]
        self.span_deviation: Final[i64] = span_deviation(settings)
        # Two spans and two blocks are kept, for those who look with a lag and those who look without.
        self.spans: Final[list[Span]] = [Span(), Span()]
        self.blocks: Final[list[Block]] = [Block(), Block()]
        self.summed: i64 = 0
        self.sum: i64 = 0

    def log_at(self, time_ns: i64) -> i64:
        """The logarithm of the price over that at the anchor, in units of 1e-12."""
        passed = time_ns - self.anchor_ns
        if passed < 0:
            return 0
        steps = passed // STEP_NS
        number = steps // BLOCK_STEPS
        block = self.blocks[number & 1]
        if block.number != number:
            self.fill_block(block, number)
        log = block.path[steps - number * BLOCK_STEPS]
        if log > MOST_LOG:
            return MOST_LOG
        return -MOST_LOG if log < -MOST_LOG else log

    def fine_at(self, time_ns: i64) -> i64:
        """The price in 1/256 of the instrument's integers, at least 1."""
        return fine_of(self.initial, self.log_at(time_ns))

    def regime_at(self, time_ns: i64) -> i64:
        """How lively it is: `CALM`, `NORMAL` or `WILD`."""
        number = max(0, time_ns - self.anchor_ns) // BLOCK_NS
        return self.span_of(number // SPAN_BLOCKS).regimes[number % SPAN_BLOCKS]

    # ---- from coarse to fine

    def span_of(self, number: i64) -> Span:
        """The span of this number, made if it is not at hand."""
        span = self.spans[number & 1]
        if span.number != number:
            self.fill_span(span, number)
        return span

    def span_start(self, number: i64) -> i64:
        """Where a span begins: the sum of all before it."""
        while self.summed < number:
            self.sum += self.span_end(self.summed)
            self.summed += 1
        while self.summed > number:
            self.summed -= 1
            self.sum -= self.span_end(self.summed)
        return self.sum

    def span_end(self, number: i64) -> i64:
        """How far a span goes."""
        return self.span_deviation * normal(self.span_key, number) // NORMAL_ONE

    def fill_span(self, span: Span, number: i64) -> None:
        """Draw the regimes and the ends of the blocks of a span."""
        start = self.span_start(number)
        chance = draw(self.first_regime_key, number)
        regime = CALM
        while regime < WILD and chance >= self.first_chances[regime]:
            regime += 1
        first = number * SPAN_BLOCKS
        log: i64 = 0
        place: i64 = 0
        while place < SPAN_BLOCKS:
            span.ends[place] = log
            span.regimes[place] = regime
            deviation: i64 = self.block_deviations[regime]
            log += deviation * normal(self.block_key, first + place) // NORMAL_ONE + self.jump_of(first + place)
            regime = self.after(regime, first + place)
            place += 1
        span.ends[SPAN_BLOCKS] = log
        bend = self.span_end(number) - log
        place = 0
        while place <= SPAN_BLOCKS:
            span.ends[place] = start + span.ends[place] + bend * place // SPAN_BLOCKS
            place += 1
        span.number = number

    def fill_block(self, block: Block, number: i64) -> None:
        """Draw the steps of a block."""
        span = self.span_of(number // SPAN_BLOCKS)
        inside = number % SPAN_BLOCKS
        start = span.ends[inside]
        jump = self.jump_of(number)
        jump_place: i64 = draw(self.jump_place_key, number) & (BLOCK_STEPS - 1)
        deviation: i64 = self.step_deviations[span.regimes[inside]]
        first = number * BLOCK_STEPS
        log: i64 = 0
        place: i64 = 0
        while place < BLOCK_STEPS:
            block.path[place] = log
            log += deviation * normal(self.step_key, first + place) // NORMAL_ONE
            place += 1
        bend = span.ends[inside + 1] - start - jump - log
        place = 0
        while place < BLOCK_STEPS:
            jumped = jump if place >= jump_place else 0
            block.path[place] = start + block.path[place] + bend * place // BLOCK_STEPS + jumped
            place += 1
        block.number = number

    def after(self, regime: i64, number: i64) -> i64:
        """The regime of the block after this one."""
        if draw(self.next_regime_key, 2 * number) >= self.leave_chances[regime]:
            return regime
        if regime != NORMAL:
            return NORMAL
        return WILD if draw(self.next_regime_key, 2 * number + 1) < self.wild_chance else CALM

    def jump_of(self, number: i64) -> i64:
        """The jump of a block in logarithm, mostly 0."""
        if draw(self.jumps_key, number) >= self.jump_chance:
            return 0
        word = draw(self.jump_size_key, number)
        tail = exponential_of((word & 0x7FFFFFFF) * 2) * 1_000 // JUMP_TAIL_PERMILLE
        times = min(exp_of(tail * (LOG_ONE >> 20)), MOST_JUMP << 30)
        size = self.jump_least * (times >> 20) >> 10
        return size if word >= 0x80000000 else -size


class Span:
    """Where the blocks of a span begin, and their regimes."""

    def __init__(self) -> None:
        self.number: i64 = -1
        self.ends: Final[vec[i64]] = vec[i64]([0] * (SPAN_BLOCKS + 1))
        self.regimes: Final[vec[i64]] = vec[i64]([0] * SPAN_BLOCKS)


class Block:
    """The steps of a block."""

    def __init__(self) -> None:
        self.number: i64 = -1
        self.path: Final[vec[i64]] = vec[i64]([0] * BLOCK_STEPS)


class Wander:
    """A noise around nothing that comes back by itself: what one venue or one agent sees amiss, as a function of time.

    Three layers of drawn points, each four times as quick and half as large as the one before, with straight lines
    between the points. `deviation_ppm` is that of the slowest at its points; `period_ns` its distance of points.
    """

    def __init__(self, key: i64, deviation_ppm: i64, period_ns: i64) -> None:
        self.keys: Final[list[int]] = [key_of(key, layer) for layer in range(3)]
        self.deviation: Final[i64] = deviation_ppm * PPM_LOG
        self.period_ns: Final[i64] = period_ns

    def log_at(self, time_ns: i64) -> i64:
        """The noise at this time, in logarithm."""
        deviation = self.deviation
        if deviation == 0:
            return 0
        period_ns = self.period_ns
        total: i64 = 0
        layer: i64 = 0
        while layer < 3:
            key: i64 = self.keys[layer]
            point = time_ns // period_ns
            left = deviation * normal(key, point) // NORMAL_ONE
            right = deviation * normal(key, point + 1) // NORMAL_ONE
            share = (time_ns - point * period_ns) * 1_024 // period_ns
            total += left + (right - left) * share // 1_024
            deviation //= 2
            period_ns = max(4, period_ns // 4)
            layer += 1
        return total


def fine_of(initial: i64, log: i64) -> i64:
    """A price in 1/256 of the instrument's integers; the product may be wide."""
    wide: int = initial
    factor: int = exp_of(log)
    fine = wide * factor >> 22
    return fine if fine > 0 else 1


def first_chances(settings: LatentSettings) -> list[int]:
    """Out of 2^32, that a span begins calm, and that it begins calm or normal: the shares of time in the long run."""
    shares = regime_shares(settings)
    total = sum(shares)
    return [shares[0] * TWO_32 // total, (shares[0] + shares[1]) * TWO_32 // total]


def regime_shares(settings: LatentSettings) -> list[int]:
    """How much of the time each regime has, as weights: as often as it comes, as long as it stays."""
    calm, normal_, wild = settings.seconds
    to_wild: int = settings.wild_percent
    return [(100 - to_wild) * calm, 100 * normal_, to_wild * wild]


def span_deviation(settings: LatentSettings) -> int:
    """The deviation of a span: what its blocks and jumps have together in the mean."""
    shares = regime_shares(settings)
    variance = 0
    for share, deviation in zip(shares, settings.deviations_ppm, strict=True):
        variance += share * deviation * deviation
    seconds = SPAN_BLOCKS * 256 // 100
    variance = variance * seconds // sum(shares)
    # The mean square of a Pareto size with this tail is five times the square of the least.
    jumps: int = settings.jumps_an_hour
    jump: int = settings.jump_ppm
    variance += 5 * jump * jump * jumps * seconds // 3_600
    return isqrt(variance) * PPM_LOG
