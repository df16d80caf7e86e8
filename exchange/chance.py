"""Seeded chance in whole numbers: draws that follow from a key and a counter alone, and the shapes made of them.

No float, no table, no library of mathematics: the same key and counter give the same number in every mode and on
every machine. All products stay below 2^63. It serves a simulated market; nothing here is fit for secrets.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

MASK: Final = 0xFFFFFFFF
TWO_32: Final = 0x100000000
# The finaliser of 32 bits called lowbias32; the second factor less 2^32, so that no product passes 63 bits.
_FIRST_FACTOR: Final = 0x7FEB352D
_SECOND_FACTOR: Final = 0x846CA68B - 0x100000000
_SECOND_WORD: Final = 0x5DEECE66D

# Natural logarithms are counted in units of 1e-12.
LOG_ONE: Final = 1_000_000_000_000
LOG_TWO: Final = 693_147_180_560
# What `exp_of` gives for 0, and what `exponential` gives in the mean.
ONE_30: Final = 0x40000000
ONE_20: Final = 0x100000
_LOG_TWO_30: Final = 744_261_118
# One standard deviation of `normal`: that of a sum of eight even draws of 16 bits.
NORMAL_ONE: Final = 53_510
_NORMAL_MIDDLE: Final = 262_140
# `exp_of` and `exponential` give no more than this many doublings.
_MOST_DOUBLINGS: Final = 30


def mix(word: i64) -> i64:
    """A word of 32 bits from one of 32 bits, each from exactly one."""
    word = ((word ^ (word >> 16)) * _FIRST_FACTOR) & MASK
    word = ((word ^ (word >> 15)) * _SECOND_FACTOR) & MASK
    return word ^ (word >> 16)


def draw(key: i64, counter: i64) -> i64:
    """32 even bits. Keys come from `key_of`; a counter is not negative."""
    word = mix((key ^ counter) & MASK)
    return mix((word + ((key >> 32) ^ (counter >> 32))) & MASK)


def key_of(seed: i64, number: i64) -> i64:
    """A key of 63 bits for one of the many things that need draws of their own; keys of keys are keys."""
    first = draw(seed, number)
    second = draw(seed ^ _SECOND_WORD, number)
    return (first >> 1) * TWO_32 + second


def normal(key: i64, counter: i64) -> i64:
    """A draw close to normal, in units of `NORMAL_ONE`: the sum of eight even ones; never beyond 4.9 deviations."""
    place = counter * 4
    total: i64 = 0
    end = place + 4
    while place < end:
        word = draw(key, place)
        total += (word & 0xFFFF) + (word >> 16)
        place += 1
    return total - _NORMAL_MIDDLE


def exponential_of(word: i64) -> i64:
    """The waiting time that belongs to 32 even bits, in units of 1/2^20 of the mean; at most 22 means."""
    below = word + 1
    result: i64 = 0
    while below < 0x80000000:
        below *= 2
        result += _LOG_TWO_30
    # ln(2^32 / below) by the first terms of its series; below is in the upper half.
    ratio = ((TWO_32 - below) * ONE_30) // (TWO_32 + below)
    square = (ratio * ratio) >> 30
    cube = (square * ratio) >> 30
    fifth = (square * cube) >> 30
    seventh = (square * fifth) >> 30
    result += 2 * (ratio + cube // 3 + fifth // 5 + seventh // 7)
    return result >> 10


def exp_of(log: i64) -> i64:
    """The exponential of a logarithm in units of 1e-12, in units of 1/2^30; from 2^-30 to just below 2^31."""
    doublings = log // LOG_TWO
    rest = log - doublings * LOG_TWO
    fraction = ((rest // 1_000) * ONE_30) // 1_000_000_000
    result: i64 = ONE_30
    term: i64 = ONE_30
    divisor: i64 = 1
    while divisor < 11:
        term = ((term * fraction) >> 30) // divisor
        result += term
        divisor += 1
    if doublings > _MOST_DOUBLINGS:
        doublings = _MOST_DOUBLINGS
    while doublings > 0:
        result *= 2
        doublings -= 1
    while doublings < 0 and result > 1:
        result >>= 1
        doublings += 1
    return result


class Chance:
    """Draws one after the other of one key; what was drawn is all that it remembers."""

    def __init__(self, key: i64) -> None:
        self.key: Final[i64] = key
        self.drawn: i64 = 0

    def word(self) -> i64:
        """32 even bits."""
        self.drawn += 1
        return draw(self.key, self.drawn)

    def below(self, bound: i64) -> i64:
        """A number from 0 to below `bound`, which is at most 2^31."""
        return (self.word() * bound) >> 32

    def wait_ns(self, mean_ns: i64) -> i64:
        """A time to the next of events that come by chance, at least 1; the mean is at most 2^46."""
        return 1 + (((mean_ns >> 8) * exponential_of(self.word())) >> 12)

    def log_normal(self, median: i64, deviation_permille: i64, most: i64) -> i64:
        """A size whose logarithm is close to normal, at least 1 and at most `most`, which is below 2^62."""
        self.drawn += 1
        log = normal(self.key ^ MASK, self.drawn) * deviation_permille * (LOG_ONE // 1_000) // NORMAL_ONE
        return scaled(median, exp_of(log), most)

    def power_law(self, tail_permille: i64, most: i64) -> i64:
        """A distance from 0 to `most`, one above which is Pareto: beyond d with probability (1 + d) ^ -tail."""
        waits = exponential_of(self.word())
        log = waits * 1_000 // tail_permille * (LOG_ONE >> 20)
        grown = exp_of(log) >> 30
        return most if grown > most else grown - 1


def scaled(value: i64, factor: i64, most: i64) -> i64:
    """A value times a factor in units of 1/2^30, from 1 to `most`; the product may be wide."""
    wide: int = value
    factor_30: int = factor
    product = (wide * factor_30) >> 30
    if product < 1:
        return 1
    if product > most:
        return most
    return product
