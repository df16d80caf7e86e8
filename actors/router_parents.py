"""Orders that the router is working: each with what was sent of it, to where, and what became of that."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.messages import ParentProgress, RoutedOrder

BASIS_POINTS: Final = 10_000.0


@final
class RoutedChild:
    """One order at one venue, a part of a routed order."""

    def __init__(self, order_id: i64, parent_id: i64, instrument_id: i64, sent: i64, sent_ns: i64) -> None:
        self.order_id: Final = order_id
        self.parent_id: Final = parent_id
        self.instrument_id: Final = instrument_id
        self.sent: Final = sent
        self.sent_ns: Final = sent_ns
        self.filled: i64 = 0
        # 0 until the venue has said anything.
        self.answered_ns: i64 = 0
        # Risk refused it for its size, and a smaller one may pass.
        self.is_cut: bool = False

    def save(self) -> list[int]:
        """The child as plain data."""
        return [
            int(self.order_id),
            int(self.parent_id),
            int(self.instrument_id),
            int(self.sent),
            int(self.sent_ns),
            int(self.filled),
            int(self.answered_ns),
            int(self.is_cut),
        ]


def load_child(row: list[int]) -> RoutedChild:
    """The child that `save` described."""
    child = RoutedChild(row[0], row[1], row[2], row[3], row[4])
    child.filled = row[5]
    child.answered_ns = row[6]
    child.is_cut = row[7] != 0
    return child


@final
class RoutedParent:
    """A routed order, sizes in units of its group.

    `tried` holds what a venue had told when it was last tried, `refused` what was refused there, and why.
    """

    def __init__(
        self, order_id: i64, strategy_id: i64, instrument_id: i64, side: i64, limit_price: i64, units: i64,
        receive_ns: i64,
    ) -> None:  # fmt: skip
        self.order_id: Final = order_id
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = instrument_id
        self.side: Final = side
        self.limit_price: Final = limit_price
        self.units: Final = units
        self.receive_ns: Final = receive_ns
        self.filled: i64 = 0
        self.notional: int = 0
        self.arrival_price: float = 0.0
        self.open_children: i64 = 0
        self.rounds: i64 = 0
        # When it is routed again; 0 while children are open.
        self.due_ns: i64 = 0
        # Why it is not routed any more; empty while it is.
        self.ended: str = ""
        self.tried: dict[int, int] = {}
        self.refused: dict[int, str] = {}
        # Whether one of its parts was too large for risk: the next round is no new one.
        self.is_cut: bool = False
        # How often that was.
        self.cuts: i64 = 0

    @property
    def left(self) -> int:
        """What is not filled, in units."""
        return self.units - self.filled

    def save(self) -> list[object]:
        """The parent as plain data."""
        return [
            int(self.order_id),
            int(self.strategy_id),
            int(self.instrument_id),
            int(self.side),
            int(self.limit_price),
            int(self.units),
            int(self.receive_ns),
            int(self.filled),
            self.notional,
            self.arrival_price,
            int(self.open_children),
            int(self.rounds),
            int(self.due_ns),
            self.ended,
            [[key, value] for key, value in self.tried.items()],
            [[key, reason] for key, reason in self.refused.items()],
            self.is_cut,
            int(self.cuts),
        ]


def load_parent(row: list[object]) -> RoutedParent:
    """The parent that `save` described."""
    order_id, strategy_id, instrument_id, side, limit_price, units, receive_ns = row[:7]
    filled, notional, arrival_price, open_children, rounds, due_ns, ended, tried, refused, is_cut, cuts = row[7:]
    assert isinstance(order_id, int)
    assert isinstance(strategy_id, int)
    assert isinstance(instrument_id, int)
    assert isinstance(side, int)
    assert isinstance(limit_price, int)
    assert isinstance(units, int)
    assert isinstance(receive_ns, int)
    assert isinstance(filled, int)
    assert isinstance(notional, int)
    assert isinstance(arrival_price, float)
    assert isinstance(open_children, int)
    assert isinstance(rounds, int)
    assert isinstance(due_ns, int)
    assert isinstance(ended, str)
    assert isinstance(tried, list)
    assert isinstance(refused, list)
    assert isinstance(is_cut, bool)
    assert isinstance(cuts, int)
    parent = RoutedParent(order_id, strategy_id, instrument_id, side, limit_price, units, receive_ns)
    parent.filled = filled
    parent.notional = notional
    parent.arrival_price = arrival_price
    parent.open_children = open_children
    parent.rounds = rounds
    parent.due_ns = due_ns
    parent.ended = ended
    parent.tried = {one[0]: one[1] for one in tried}
    parent.refused = {one[0]: one[1] for one in refused}
    parent.is_cut = is_cut
    parent.cuts = cuts
    return parent


def progress_of(parent: RoutedParent, filled: i64, left: i64, state: i64, reason: str) -> ParentProgress:
    """How far a routed order has come, with its slippage against the middle at its arrival."""
    slippage_bps: float = 0.0
    if filled > 0 and parent.arrival_price > 0.0:
        whole: int = filled
        side: int = parent.side
        average = parent.notional / whole
        slippage_bps = side * (average - parent.arrival_price) / parent.arrival_price * BASIS_POINTS
    return ParentProgress(
        parent.order_id,
        parent.instrument_id,
        state,
        filled,
        left,
        parent.notional,
        parent.arrival_price,
        slippage_bps,
        reason,
        parent.receive_ns,
    )


def parent_of(order: RoutedOrder, units: i64) -> RoutedParent:
    """A routed order at its beginning."""
    return RoutedParent(
        order.order_id, order.strategy_id, order.instrument_id, order.side, order.price, units, order.receive_ns
    )
