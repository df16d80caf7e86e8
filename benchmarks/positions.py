"""What one fill costs an averaged position, called from Python, beside the same arithmetic in `Decimal`.

Both take the same seeded fills: a market maker's, small against what is held, that open, add, close in parts and flip.
Both return the time of one fill and a checksum of every result, which must be equal.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal, localcontext
from random import Random
from time import perf_counter_ns
from typing import Final

from benchmarks.figures import Measured, Run, Sample, figure
from market.positions import AveragePosition

FILLS: Final = 20_000
PRICE_SCALE: Final = 2
SIZE_SCALE: Final = 8

Fill = tuple[int, int, int, int]


def seeded_fills(seed: int = 1, count: int = FILLS) -> list[Fill]:
    """Side, price, size and fee: a price that walks by ticks, sizes of whole thousandths, a fee of 7.5 bps."""
    random = Random(seed)
    price = 84_312_50
    fills: list[Fill] = []
    for _ in range(count):
        price += random.randint(-50, 50)
        size = random.randint(1, 500) * 100_000
        fills.append((random.choice((1, -1)), price, size, -(-price * size * 750 // 1_000_000)))
    return fills


def subject(fills: list[Fill] | None = None) -> Sample:
    """Nanoseconds a fill and checksum of `AveragePosition`."""
    fills = seeded_fills() if fills is None else fills
    position = AveragePosition()
    apply_fill = position.apply_fill
    checksum = 0
    start_ns = perf_counter_ns()
    for side, price, size, fee in fills:
        checksum += apply_fill(side, price, size, fee)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / len(fills), _checksum(checksum, position.net_size, position.cost, position.fees)


def reference(fills: list[Fill] | None = None) -> Sample:
    """Nanoseconds a fill and checksum of the same rules in `Decimal`, with prices and sizes as a venue writes them."""
    fills = seeded_fills() if fills is None else fills
    money = -(PRICE_SCALE + SIZE_SCALE)
    with localcontext(Context(prec=60)):
        decimals = [
            (side, Decimal(price).scaleb(-PRICE_SCALE), Decimal(size).scaleb(-SIZE_SCALE), Decimal(fee).scaleb(money))
            for side, price, size, fee in fills
        ]
        position = DecimalPosition(Decimal(1).scaleb(money))
        apply_fill = position.apply_fill
        total = Decimal(0)
        start_ns = perf_counter_ns()
        for side, real_price, real_size, real_fee in decimals:
            total += apply_fill(side, real_price, real_size, real_fee)
        taken_ns = perf_counter_ns() - start_ns
        net = int(position.net_size.scaleb(SIZE_SCALE))
        amounts = [int(amount.scaleb(-money)) for amount in (total, position.cost, position.fees)]
    return taken_ns / len(fills), _checksum(amounts[0], net, amounts[1], amounts[2])


class DecimalPosition:
    """An averaged position as one would write it with `Decimal`, by the same rule for the rest of a share."""

    def __init__(self, unit: Decimal) -> None:
        self.unit = unit
        self.net_size = Decimal(0)
        self.cost = Decimal(0)
        self.realised = Decimal(0)
        self.fees = Decimal(0)

    def apply_fill(self, side: int, price: Decimal, size: Decimal, fee: Decimal) -> Decimal:
        """Takes a fill and returns what it realised."""
        net = self.net_size
        signed = size * side
        self.fees += fee
        if net == 0 or (net > 0) == (side > 0):
            self.net_size = net + signed
            self.cost += price * signed
            return Decimal(0)
        held = abs(net)
        if size < held:
            leaving = (self.cost * size / held).quantize(self.unit, rounding=ROUND_CEILING)
            delta = -price * signed - leaving
            self.cost -= leaving
        else:
            delta = price * net - self.cost
            self.cost = price * (signed + net)
        self.net_size = net + signed
        self.realised += delta
        return delta


@figure(name="position.fill_ns", unit="ns", limit=300)
def position_fill(run: Run) -> Measured:
    """One fill of an averaged position, called from Python."""
    fills = seeded_fills()
    return run.measure(lambda: subject(fills), "Decimal", lambda: reference(fills))


def _checksum(realised: int, net: int, cost: int, fees: int) -> int:
    return ((realised * 31 + net) * 31 + cost) * 31 + fees
