"""What a number costs from the bytes of a venue's text to a scaled integer, beside `Decimal`.

Both parse the same seeded text of prices and sizes where it stands, and return the time of one number and a checksum.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from random import Random
from time import perf_counter_ns
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from benchmarks.numbers_loops import parse_all

NUMBERS: Final = 4_000
SCALE: Final = 8


def seeded_text(seed: int = 1, count: int = NUMBERS) -> tuple[bytes, list[int]]:
    """Prices with two places padded to eight, and sizes with eight, as Binance writes them; and where each stands."""
    random = Random(seed)
    data = bytearray()
    bounds: list[int] = []
    for index in range(count):
        if index % 2 == 0:
            cents = random.randint(8_000_000, 9_000_000)
            text = f"{cents // 100}.{cents % 100:02d}000000"
        else:
            text = f"{random.randint(0, 20)}.{random.randint(0, 99_999_999):08d}"
        data += b'["'
        bounds += (len(data), len(data) + len(text))
        data += text.encode()
    return bytes(data), bounds


def subject() -> tuple[float, int]:
    """Nanoseconds a number and checksum of the byte parser, in a compiled loop."""
    data, bounds = seeded_text()
    packed = vec[i64](bounds)
    start_ns = perf_counter_ns()
    checksum = parse_all(data, packed, SCALE)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / NUMBERS, checksum


def reference() -> tuple[float, int]:
    """Nanoseconds a number and checksum of `Decimal`, from the same bytes to the same integers."""
    data, bounds = seeded_text()
    checksum = 0
    with localcontext(Context(prec=40)):
        start_ns = perf_counter_ns()
        for index in range(0, len(bounds), 2):
            text = data[bounds[index] : bounds[index + 1]].decode("ascii")
            checksum = int(Decimal(text).scaleb(SCALE)) - checksum
        taken_ns = perf_counter_ns() - start_ns
    return taken_ns / NUMBERS, checksum
