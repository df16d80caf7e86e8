"""The compiled loop behind the number figures: every number of a text, parsed where it stands in the bytes.

It promises to touch nothing but the text and its bounds, and to return a checksum that an exact reference can match.
"""

from __future__ import annotations

from librt.vecs import vec
from mypy_extensions import i64

from market.numbers import parse_decimal_bytes


def parse_all(data: bytes, bounds: vec[i64], scale: i64) -> i64:
    """The checksum of the numbers between each pair of bounds: alternating in sign, so that it stays small."""
    checksum: i64 = 0
    index: i64 = 0
    end: i64 = len(bounds)
    while index < end:
        checksum = parse_decimal_bytes(data, bounds[index], bounds[index + 1], scale) - checksum
        index += 2
    return checksum
