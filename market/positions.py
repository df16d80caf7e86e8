"""Position arithmetic: one instrument's net size, cost, realised and unrealised result, by average, FIFO or LIFO.

Money is an exact integer at the instrument's money scale (price scale plus size scale). Every unit of cash that a fill
moves ends up in exactly one of two places, the realised result or the cost of what is still open, so that at any mark

    realised + unrealised(mark) - fees + funding == sum of all cash flows + mark_value(mark)

holds to the last unit, through partial closes and flips. Where an average or an inverse contract has no whole number
of units, the stated rule of `docs/numbers.md` says which side keeps the rest. Nothing here knows venues or orders.
"""

from __future__ import annotations

from math import gcd
from typing import Final

from mypy_extensions import i64

from market.numbers import MAX_I64, notional

METHODS: Final = ("average", "fifo", "lifo")
_QUICK_PRODUCT: Final = 4611686018427387903  # 2 ** 62 - 1, the largest product taken in 64 bits
_QUICK_COST: Final = 2305843009213693952  # 2 ** 61
SIZE_PARTS: Final = 1_000_000_000  # a fee that is taken out of a size is counted in billionths of a unit of it
_SPENT_LOTS: Final = 64  # closed lots at the front of the list before it is cut


class PositionError(ValueError):
    """A fill, a mark or a saved state that a position cannot take; the position is left as it was."""


class ClosedLot:
    """A lot, or a part of one, that a fill has closed. The size has the sign of what was held."""

    def __init__(self, size: i64, open_price: i64, cost: int, open_ns: i64) -> None:
        self.size: Final = size
        self.open_price: Final = open_price
        self.cost: Final = cost
        self.open_ns: Final = open_ns
        self.close_price: i64 = 0
        self.close_ns: i64 = 0
        self.realised: int = 0


class Position:
    """The part that all methods share. Use `AveragePosition`, `FifoPosition` or `LifoPosition`.

    `multiplier / divisor` turns price times size into money for a linear contract, and size over price into money for
    an inverse one: `Instrument.money_multiplier` and `Instrument.money_divisor`. Both are 1 for a spot pair.
    """

    net_size: i64
    cost: int
    realised: int
    fees: int
    funding: int
    # The time of the fills that follow, for lots: whoever wants it in what is closed sets it before.
    now_ns: i64
    # What the last fill closed, lot by lot; an averaged position has none.
    closed: list[ClosedLot]

    def __init__(self, multiplier: int = 1, divisor: int = 1, inverse: bool = False) -> None:
        if multiplier <= 0 or divisor <= 0:
            raise PositionError(f"a multiplier of {multiplier} / {divisor} is not positive")
        shared = gcd(multiplier, divisor)
        self._multiplier: int = multiplier // shared
        self._divisor: int = divisor // shared
        self._inverse = inverse
        self._plain = not inverse and multiplier == divisor
        self.net_size = 0
        self.cost = 0
        self.realised = 0
        self.fees = 0
        self.funding = 0
        self.now_ns = 0
        self.closed = []

    def apply_fill(self, side: i64, price: i64, size: i64, fee: int) -> int:
        """Takes a fill (side 1 buys, -1 sells; a fee is a cost, a rebate negative) and returns what it realised.

        What is returned is before the fee. A fill against the position closes first; what is left opens at its price.
        """
        net: i64 = self.net_size
        if (side != 1 and side != -1) or size <= 0 or size > MAX_I64 or not -MAX_I64 <= price <= MAX_I64:
            raise PositionError(f"a fill of side {side}, price {price}, size {size} is not possible")
        signed: i64 = size if side > 0 else -size
        held: i64 = net if net >= 0 else -net
        if len(self.closed) > 0:
            self.closed.clear()
        if net == 0 or (net > 0) == (side > 0):
            if size > MAX_I64 - held:
                raise PositionError(f"a fill of {signed} takes a position of {net} past 64 bits")
            self._open(price, signed, self._value(price, signed))
            self.fees += fee
            return 0
        value: int = self._value(price, signed)
        if size <= held:
            delta: int = -value - self._leave(size)
            self.net_size = net + signed
            self._settle(price, delta)
        else:
            closing_value: int = self._value(price, -net)
            delta = -closing_value - self._leave(held)
            self.net_size = 0
            self._settle(price, delta)
            self._open(price, signed + net, value - closing_value)
        self.realised += delta
        self.fees += fee
        return delta

    def apply_fee_taken(self, price: i64, size: int, fee: int) -> None:
        """Takes a fee that left in what is held: this size at the trade's price, below zero where it came as a rebate.

        The fee as money is that of the fill, which the fill takes off: it comes back here, and what it is more or less
        than the size is worth is realised. So the cash that moved is that of the fill without a fee.
        """
        if not -MAX_I64 <= size <= MAX_I64:
            raise PositionError(f"a fee of {size} is not possible")
        rest: int = fee
        if size == 0:
            self.closed.clear()
        else:
            taken: i64 = size
            rest += self._value(price, -taken)
            self.apply_fill(-1 if size > 0 else 1, price, taken if size > 0 else -taken, 0)
        self.realised += rest

    def apply_funding(self, amount: int) -> None:
        """Takes a cash flow of the position itself, such as funding: positive is received, negative is paid."""
        self.funding += amount

    def unrealised(self, mark: i64) -> int:
        """What closing everything at the mark would add to the realised result, before fees, rounded down."""
        return self.mark_value(mark) - self.cost

    def mark_value(self, mark: i64) -> int:
        """What the open position is worth at the mark: net size times mark, for an inverse one minus the base owed."""
        if self.net_size == 0:
            return 0
        if not self._inverse:
            return self._value(mark, self.net_size)
        self._check_inverse_price(mark)
        net: int = self.net_size
        wide_mark: int = mark  # an i64 in a product would make all of it an i64
        return (-net * self._multiplier) // (wide_mark * self._divisor)

    def profit(self, mark: i64) -> int:
        """Everything together at the mark: realised and unrealised, less fees, with funding."""
        return self.realised + self.unrealised(mark) - self.fees + self.funding

    def average_price(self) -> tuple[int, int] | None:
        """The average price of what is open as numerator and positive denominator; None when flat.

        For an instrument whose money is price times size this is `cost / net_size`.
        """
        if self.net_size == 0:
            return None
        net: int = self.net_size
        if self._inverse:
            above, below = -net * self._multiplier, self.cost * self._divisor
        else:
            above, below = self.cost * self._divisor, net * self._multiplier
        return (-above, -below) if below < 0 else (above, below)

    def lots(self) -> list[tuple[int, int, int]]:
        """The open lots, oldest first: price of the fill, size left, cost left. None for an averaged position."""
        return []

    def save(self) -> dict[str, object]:
        """The whole state as plain data: integers, booleans, text and lists."""
        return {
            "method": self._method(),
            "multiplier": self._multiplier,
            "divisor": self._divisor,
            "inverse": self._inverse,
            "net_size": int(self.net_size),
            "cost": self.cost,
            "realised": self.realised,
            "fees": self.fees,
            "funding": self.funding,
            "lots": [list(lot) for lot in self.lots()],
        }

    def load(self, data: dict[str, object]) -> None:
        """Takes the state that `save` gave; one of another method, another multiplier or a torn one is refused."""
        for key, own in (
            ("method", self._method()),
            ("multiplier", self._multiplier),
            ("divisor", self._divisor),
            ("inverse", self._inverse),
        ):
            if data.get(key) != own:
                raise PositionError(f"the saved position has {key} {data.get(key)!r}, this one has {own!r}")
        net = _whole(data, "net_size")
        cost, realised = _whole(data, "cost"), _whole(data, "realised")
        fees, funding = _whole(data, "fees"), _whole(data, "funding")
        if abs(net) > MAX_I64 or (net == 0 and cost != 0):
            raise PositionError(f"the saved position has net size {net} and cost {cost}, which cannot be")
        self._load_lots(_saved_lots(data), net, cost)
        self.net_size = net
        self.cost = cost
        self.realised, self.fees, self.funding = realised, fees, funding

    def take_over(self, other: Position) -> None:
        """Takes what another position of the same instrument holds and has earned; where there are lots, as one lot."""
        net: int = other.net_size
        average = other.average_price()
        lots: list[tuple[int, int, int]] = []
        if average is not None and self._method() != "average":
            lots.append((average[0] // average[1], abs(net), other.cost))
        self._load_lots(lots, net, other.cost)
        self.net_size = net
        self.cost = other.cost
        self.realised, self.fees, self.funding = other.realised, other.fees, other.funding
        self.closed = []

    def _value(self, price: i64, signed_size: i64) -> int:
        """The cost of a fill: minus the cash that it moves. Exact if linear; rounded up, against us, if inverse."""
        if self._plain:
            return notional(price, signed_size)
        if self._inverse:
            self._check_inverse_price(price)
            size: int = signed_size
            wide_price: int = price
            return -((size * self._multiplier) // (wide_price * self._divisor))
        product = notional(price, signed_size) * self._multiplier
        value = product // self._divisor
        if value * self._divisor != product:
            raise PositionError(
                f"a size of {signed_size} at {price} is no whole amount of money with a multiplier of "
                f"{self._multiplier} / {self._divisor}: trade whole lots, or give the instrument a larger size scale"
            )
        return value

    def _check_inverse_price(self, price: i64) -> None:
        if price <= 0:
            raise PositionError(f"an inverse contract has no value at a price of {price}")

    def _method(self) -> str:
        raise NotImplementedError

    def _open(self, price: i64, signed_size: i64, value: int) -> None:
        """Adds to the open position."""
        raise NotImplementedError

    def _leave(self, size: i64) -> int:
        """Takes the cost of this much, never more than is open, out of the open position."""
        raise NotImplementedError

    def _settle(self, price: i64, realised: int) -> None:
        """Says of each lot that was closed at a price what of the realised result is its own."""

    def _load_lots(self, lots: list[tuple[int, int, int]], net: int, cost: int) -> None:
        raise NotImplementedError


class AveragePosition(Position):
    """All open size shares one cost; what closes takes its share of it, rounded up, and leaves the rest."""

    def _method(self) -> str:
        return "average"

    def _open(self, price: i64, signed_size: i64, value: int) -> None:
        self.net_size += signed_size
        self.cost += value

    def _leave(self, size: i64) -> int:
        net: i64 = self.net_size
        leaving = _share(self.cost, size, net if net > 0 else -net)
        self.cost -= leaving
        return leaving

    def _load_lots(self, lots: list[tuple[int, int, int]], net: int, cost: int) -> None:
        if lots:
            raise PositionError("the saved position has lots, but an averaged one keeps none")


class LotPosition(Position):
    """Every opening fill is a lot of its own. Use `FifoPosition` or `LifoPosition`, which say what closes first."""

    def __init__(self, multiplier: int = 1, divisor: int = 1, inverse: bool = False) -> None:
        super().__init__(multiplier, divisor, inverse)
        self._prices: list[int] = []
        self._sizes: list[int] = []
        self._costs: list[int] = []
        self._times: list[int] = []
        self._first = 0  # the oldest open lot; those before it are closed and await the next cut

    def lots(self) -> list[tuple[int, int, int]]:
        """The open lots, oldest first: price of the fill, size left (never negative), cost left."""
        return [(self._prices[i], self._sizes[i], self._costs[i]) for i in range(self._first, len(self._sizes))]

    def _open(self, price: i64, signed_size: i64, value: int) -> None:
        self.net_size += signed_size
        self.cost += value
        self._prices.append(price)
        self._sizes.append(signed_size if signed_size > 0 else -signed_size)
        self._costs.append(value)
        self._times.append(self.now_ns)

    def _close(self, index: int, size: i64, cost: int) -> None:
        """Remembers that so much of a lot is closed."""
        signed: i64 = size if self.net_size > 0 else -size
        self.closed.append(ClosedLot(signed, self._prices[index], cost, self._times[index]))

    def _settle(self, price: i64, realised: int) -> None:
        left = realised
        last = len(self.closed) - 1
        for index, lot in enumerate(self.closed):
            lot.close_price = price
            lot.close_ns = self.now_ns
            # Where money has no whole number of units, the last lot takes what rounding leaves.
            lot.realised = left if index == last else self._rounded_value(price, lot.size) - lot.cost
            left -= lot.realised

    def _rounded_value(self, price: i64, signed_size: i64) -> int:
        """What a part of the position is worth at a price, rounded down."""
        size: int = signed_size
        wide_price: int = price
        if self._inverse:
            return (-size * self._multiplier) // (wide_price * self._divisor)
        return (size * wide_price * self._multiplier) // self._divisor

    def _take(self, index: int, size: int) -> int:
        """Takes this much, less than all, out of one lot and returns its cost."""
        leaving = _share(self._costs[index], size, self._sizes[index])
        self._costs[index] -= leaving
        self._sizes[index] -= size
        self._close(index, size, leaving)
        return leaving

    def _load_lots(self, lots: list[tuple[int, int, int]], net: int, cost: int) -> None:
        whole = sum(size for _, size, _ in lots)
        if whole != abs(net) or sum(cost for _, _, cost in lots) != cost or any(size <= 0 for _, size, _ in lots):
            raise PositionError(f"the saved lots do not add up to net size {net} and cost {cost}")
        self._prices = [price for price, _, _ in lots]
        self._sizes = [size for _, size, _ in lots]
        self._costs = [lot_cost for _, _, lot_cost in lots]
        self._times = [0] * len(lots)
        self._first = 0

    def save(self) -> dict[str, object]:
        """The whole state as plain data, with the times at which the lots were opened."""
        return {**super().save(), "times": [int(time_ns) for time_ns in self._times[self._first :]]}

    def load(self, data: dict[str, object]) -> None:
        """Takes the state that `save` gave."""
        super().load(data)
        times = data.get("times")
        if isinstance(times, list) and len(times) == len(self._times):
            self._times = [int(time_ns) for time_ns in times]


class FifoPosition(LotPosition):
    """What was opened first closes first."""

    def _method(self) -> str:
        return "fifo"

    def _leave(self, size: i64) -> int:
        left: int = size
        leaving = 0
        while left > 0:
            lot = self._sizes[self._first]
            if lot > left:
                leaving += self._take(self._first, left)
                break
            leaving += self._costs[self._first]
            self._close(self._first, lot, self._costs[self._first])
            left -= lot
            self._first += 1
        if self._first >= _SPENT_LOTS and self._first * 2 >= len(self._sizes):
            del self._prices[: self._first]
            del self._sizes[: self._first]
            del self._costs[: self._first]
            del self._times[: self._first]
            self._first = 0
        self.cost -= leaving
        return leaving


class LifoPosition(LotPosition):
    """What was opened last closes first."""

    def _method(self) -> str:
        return "lifo"

    def _leave(self, size: i64) -> int:
        left: int = size
        leaving = 0
        while left > 0:
            last = len(self._sizes) - 1
            lot = self._sizes[last]
            if lot > left:
                leaving += self._take(last, left)
                break
            self._close(last, lot, self._costs[last])
            leaving += self._costs.pop()
            self._sizes.pop()
            self._prices.pop()
            self._times.pop()
            left -= lot
        self.cost -= leaving
        return leaving


def new_position(method: str, multiplier: int = 1, divisor: int = 1, inverse: bool = False) -> Position:
    """A flat position that closes by the method of this name: "average", "fifo" or "lifo"."""
    if method == "average":
        return AveragePosition(multiplier, divisor, inverse)
    if method == "fifo":
        return FifoPosition(multiplier, divisor, inverse)
    if method == "lifo":
        return LifoPosition(multiplier, divisor, inverse)
    raise PositionError(f"{method!r} is no position method: choose one of {', '.join(METHODS)}")


def _share(cost: int, part: i64, whole: i64) -> int:
    """`cost * part / whole`, rounded up; all of it when the part is the whole."""
    if part == whole:
        return cost
    if -_QUICK_COST < cost < _QUICK_COST and part <= _QUICK_PRODUCT // whole:
        # cost = quotient * whole + rest with rest < whole: no product below passes 2 ** 62 in magnitude.
        quick_cost: i64 = cost
        quotient: i64 = quick_cost // whole
        rest: i64 = (quick_cost - quotient * whole) * part
        share: i64 = quotient * part + (rest + whole - 1) // whole
        return share
    wide_part: int = part
    wide_whole: int = whole
    return -((-cost * wide_part) // wide_whole)


def _whole(data: dict[str, object], key: str) -> int:
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise PositionError(f"the saved position has {key} {value!r}, which is no whole number")
    return value


def _saved_lots(data: dict[str, object]) -> list[tuple[int, int, int]]:
    saved = data.get("lots")
    if not isinstance(saved, list):
        raise PositionError(f"the saved position has lots {saved!r}, which is no list")
    lots: list[tuple[int, int, int]] = []
    for lot in saved:
        if not isinstance(lot, (list, tuple)) or len(lot) != 3:
            raise PositionError(f"the saved position has a lot {lot!r}, which is not price, size and cost")
        fields = {"price": lot[0], "size": lot[1], "cost": lot[2]}
        lots.append((_whole(fields, "price"), _whole(fields, "size"), _whole(fields, "cost")))
    return lots
