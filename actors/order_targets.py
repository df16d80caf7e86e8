"""Positions that strategies want to hold, and positions that are to be closed: from the difference to orders.

A target is of one strategy in one group of instruments. What is missing goes to the router as one `RoutedOrder`; when
that is over, what is still missing goes there again after a pause, until it is reached or too many rounds in a row
brought nothing. A new target takes the place of the old one. Closing (`FlattenPosition`) sells or buys at the very
venue where the position is held, at the market, in orders as large as risk lets pass. Where a gateway is away it waits.
A target that is reached is done: it does not hold the position later.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from actors.order_bounds import SizeBounds
from actors.order_gateways import Gateways
from actors.order_groups import Group, GroupMember, group_by_instrument, groups_of
from actors.order_ids import OrderIds
from actors.order_requests import TAKE, Requests
from market.instruments import Instrument
from market.messages import (
    ALGORITHM_AT_ONCE,
    BUY,
    IOC,
    LIMIT,
    MARKET,
    SELL,
    SEVERITY_ERROR,
    Alert,
    ChildOrder,
    ParentCancel,
    RiskRefused,
    RoutedOrder,
    TargetPosition,
)
from runtime.actor import Actor

NONE: Final = 0


@final
class Target:
    """What is to be held, and what is done about it. `flattens` closes one instrument, else it is of a whole group."""

    def __init__(self, strategy_id: i64, instrument_id: i64, flattens: bool) -> None:
        self.strategy_id: Final = strategy_id
        self.instrument_id: i64 = instrument_id
        self.flattens: Final = flattens
        self.net_size: int = 0
        self.limit_price: i64 = 0
        self.reason: str = ""
        self.receive_ns: i64 = 0
        # The order that is under way for it, and what was held when that began.
        self.order_id: i64 = NONE
        self.before: int = 0
        # Whether that order was too large for risk, so that a smaller one goes at once.
        self.is_cut: bool = False
        self.rounds: i64 = 0
        self.due_ns: i64 = 0

    def save(self) -> list[object]:
        """The target as plain data."""
        return [
            int(self.strategy_id),
            int(self.instrument_id),
            self.flattens,
            self.net_size,
            int(self.limit_price),
            self.reason,
            int(self.receive_ns),
            int(self.order_id),
            self.before,
            self.is_cut,
            int(self.rounds),
            int(self.due_ns),
        ]


def load_target(row: list[object]) -> Target:
    """The target that `save` described."""
    strategy_id, instrument_id, flattens, net_size, limit_price, reason, receive_ns = row[:7]
    order_id, before, is_cut, rounds, due = row[7:]
    assert isinstance(strategy_id, int)
    assert isinstance(instrument_id, int)
    assert isinstance(flattens, bool)
    assert isinstance(net_size, int)
    assert isinstance(limit_price, int)
    assert isinstance(reason, str)
    assert isinstance(receive_ns, int)
    assert isinstance(order_id, int)
    assert isinstance(before, int)
    assert isinstance(is_cut, bool)
    assert isinstance(rounds, int)
    assert isinstance(due, int)
    target = Target(strategy_id, instrument_id, flattens)
    target.net_size = net_size
    target.limit_price = limit_price
    target.reason = reason
    target.receive_ns = receive_ns
    target.order_id = order_id
    target.before = before
    target.is_cut = is_cut
    target.rounds = rounds
    target.due_ns = due
    return target


@final
class Targets:
    """See the head of this file."""

    def __init__(
        self, actor: Actor, ids: OrderIds, requests: Requests, gateways: Gateways, instruments: list[Instrument],
        pause_ns: i64, rounds: i64,
    ) -> None:  # fmt: skip
        self.actor: Final = actor
        self.ids: Final = ids
        self.requests: Final = requests
        self.gateways: Final = gateways
        self.bounds: Final = SizeBounds()
        self.pause_ns: Final = pause_ns
        self.rounds: Final = rounds
        groups = groups_of(instruments)
        self.groups: Final[dict[int, Group]] = group_by_instrument(groups)
        # By strategy and group, or by strategy and instrument below zero.
        self.open: dict[str, Target] = {}
        self.given_up: i64 = 0
        # Targets that were refused for the algorithm that they asked for, told once.
        self.unknown: dict[str, int] = {}

    # ---- what is wanted

    def want(self, wanted: TargetPosition, blocked: str) -> None:
        """A new target; one that is under way is ended first."""
        group = self.groups.get(wanted.instrument_id)
        if group is None:
            return
        key = f"{wanted.strategy_id} group {group.number}"
        if wanted.algorithm != ALGORITHM_AT_ONCE:
            self.refuse(key, wanted)
            return
        self.unknown.pop(key, None)
        target = self.open.get(key)
        if target is None:
            target = Target(wanted.strategy_id, wanted.instrument_id, False)
            self.open[key] = target
        elif target.order_id != NONE:
            self.actor.emit(ParentCancel(target.order_id, "a new target", wanted.receive_ns))
        target.instrument_id = wanted.instrument_id
        target.net_size = group.member(wanted.instrument_id).common(wanted.net_size)
        target.limit_price = wanted.limit_price
        target.reason = wanted.reason
        target.receive_ns = wanted.receive_ns
        target.rounds = 0
        self.work(key, target, blocked)

    def refuse(self, key: str, wanted: TargetPosition) -> None:
        """Nobody here works a target in this way: nothing of it or of the last one is sent, and a person hears why."""
        self.drop(key, "a target that cannot be worked took its place")
        if self.unknown.get(key, ALGORITHM_AT_ONCE) != wanted.algorithm:
            self.unknown[key] = wanted.algorithm
            self.actor.emit(
                Alert(
                    SEVERITY_ERROR,
                    f"target {key}",
                    f"no order is worked by algorithm {wanted.algorithm}",
                    f"strategy {wanted.strategy_id} wants a target worked in a way that is not there: "
                    f"use ALGORITHM_AT_ONCE ({ALGORITHM_AT_ONCE}): {wanted.reason}",
                    False,
                )
            )

    def flatten(self, strategy_id: i64, instrument_id: i64, reason: str, receive_ns: i64, blocked: str) -> None:
        """Close what one strategy holds of one instrument; a target of it is dropped."""
        group = self.groups.get(instrument_id)
        if group is None:
            return
        self.drop(f"{strategy_id} group {group.number}", reason)
        key = f"{strategy_id} flat {instrument_id}"
        target = self.open.get(key)
        if target is None:
            target = Target(strategy_id, instrument_id, True)
            self.open[key] = target
        target.reason = reason
        target.receive_ns = receive_ns
        target.rounds = 0
        self.work(key, target, blocked)

    def drop(self, key: str, reason: str) -> None:
        """Forget a target; what the router still does for it ends."""
        target = self.open.pop(key, None)
        if target is not None and target.order_id != NONE and not target.flattens:
            self.actor.emit(ParentCancel(target.order_id, reason, self.actor.now))

    def drop_all(self, strategy_id: i64, reason: str) -> None:
        """Forget every target, or those of one strategy (-1 is all)."""
        for key, target in list(self.open.items()):
            if strategy_id < 0 or target.strategy_id == strategy_id:
                self.drop(key, reason)

    # ---- what is done about it

    def work(self, key: str, target: Target, blocked: str) -> None:
        """Send what is missing, unless something is under way or forbids it."""
        now: i64 = self.actor.now
        if target.order_id != NONE:
            return
        group = self.groups[target.instrument_id]
        if (blocked and not target.flattens) or not self.is_reached(target, group):
            self.wait(target, now + self.pause_ns)
            return
        member = group.member(target.instrument_id)
        held = self.held(target, group, member)
        missing = self.missing(target, group, member, held)
        if missing == 0:
            del self.open[key]
        elif target.rounds >= self.rounds:
            self.give_up(key, target, member, missing)
        else:
            self.send(target, member, held, missing)

    def is_reached(self, target: Target, group: Group) -> bool:
        """Whether what it needs would be taken: by its own venue to close there, by any of the group else."""
        reaches = self.gateways.reaches
        if target.flattens:
            return reaches[target.instrument_id].is_open()
        return any(reaches[member.instrument_id].is_open() for member in group.members)

    def held(self, target: Target, group: Group, member: GroupMember) -> int:
        """What the strategy holds: of the instrument that is to be closed, or of the whole group in its units."""
        if target.flattens:
            return self.actor.ledger.standing(member.instrument_id, target.strategy_id).net_size
        return group.position(self.actor.ledger, target.strategy_id)

    def missing(self, target: Target, group: Group, member: GroupMember, held: int) -> int:
        """What has to be bought (or sold, below zero) in units of the instrument; 0 when no venue takes so little."""
        if target.flattens:
            lots = abs(held) - abs(held) % member.instrument.lot
            if lots < member.instrument.minimum_size:
                return 0
            return -lots if held > 0 else lots
        difference = target.net_size - held
        return member.own(difference) if abs(difference) >= group.least else 0

    def send(self, target: Target, member: GroupMember, held: int, missing: int) -> None:
        """Ask for the order that brings the position there."""
        order_id = self.ids.next()
        target.order_id = order_id
        target.before = held
        side = BUY if missing > 0 else SELL
        size = abs(missing)
        if target.flattens:
            size = self.cut(member.instrument, size)
            self.requests.expect(order_id, target.strategy_id, target.instrument_id, side, 0, size, TAKE, 0)
            self.actor.emit(
                ChildOrder(
                    order_id, 0, target.strategy_id, target.instrument_id, side, MARKET, IOC, 0, size, 0, 0, False,
                    False, 0, target.receive_ns,
                )
            )  # fmt: skip
        else:
            order_type = LIMIT if target.limit_price > 0 else MARKET
            self.actor.emit(
                RoutedOrder(
                    order_id, 0, target.strategy_id, target.instrument_id, side, order_type, IOC, target.limit_price,
                    size, 0, 0, False, False, 0, target.receive_ns,
                )
            )  # fmt: skip
        now: i64 = self.actor.now
        self.wait(target, now + self.requests.answer_ns)

    def cut(self, instrument: Instrument, size: int) -> int:
        """As much of a size as one order may have, in whole lots; all of it where no order would be large enough."""
        most: int = self.bounds.most_size(instrument.instrument_id)
        if size <= most:
            return size
        lots = most - most % instrument.lot
        return lots if lots >= max(instrument.minimum_size, instrument.lot) else size

    def refused(self, refused: RiskRefused) -> None:
        """Risk refused an order: one that closes a position is cut, and goes again at once."""
        for target in self.open.values():
            if target.order_id == refused.order_id and target.flattens:
                order = self.actor.ledger.order(refused.order_id)
                if order is not None and self.bounds.learn(refused, order.size):
                    instrument = self.groups[target.instrument_id].member(target.instrument_id).instrument
                    target.is_cut = self.cut(instrument, order.size) < order.size
                return

    def wait(self, target: Target, due_ns: i64) -> None:
        """Look at it again then at the latest."""
        target.due_ns = due_ns
        self.requests.wake(due_ns)

    def give_up(self, key: str, target: Target, member: GroupMember, missing: int) -> None:
        """Too many rounds in a row brought nothing: a person should know."""
        del self.open[key]
        self.given_up += 1
        what = f"{member.instrument.format_size(abs(missing))} of {member.instrument.symbol}"
        verb = "buy" if missing > 0 else "sell"
        aim = "to close a position" if target.flattens else "to reach a target"
        self.actor.emit(
            Alert(
                SEVERITY_ERROR,
                f"target {key}",
                f"could not {verb} {what}",
                f"strategy {target.strategy_id}, {aim}, after {target.rounds} rounds without a fill: {target.reason}",
                False,
            )
        )

    def over(self, order_id: i64, blocked: str) -> None:
        """An order for a target is over: what is still missing is sent after a pause, at once when some was filled."""
        for key, target in list(self.open.items()):
            if target.order_id == order_id:
                self.conclude(key, target, blocked)
                return

    def conclude(self, key: str, target: Target, blocked: str) -> None:
        """The order of a target is over."""
        group = self.groups[target.instrument_id]
        held = self.held(target, group, group.member(target.instrument_id))
        target.order_id = NONE
        now: i64 = self.actor.now
        if target.is_cut:
            target.is_cut = False
        elif held == target.before:
            target.rounds += 1
            if target.rounds < self.rounds:
                self.wait(target, now + self.pause_ns)
                return
        else:
            target.rounds = 0
        self.work(key, target, blocked)

    def look(self, blocked: str) -> None:
        """The timer has fired: go on with what waits; an order that nobody tells of and that has no child is over."""
        now: i64 = self.actor.now
        for key, target in list(self.open.items()):
            if target.due_ns > now:
                self.requests.wake(target.due_ns)
            elif target.order_id == NONE:
                self.work(key, target, blocked)
            elif self.is_under_way(target.order_id):
                self.wait(target, now + self.requests.answer_ns)
            else:
                if not target.flattens:
                    # Should the router still hold it back, nothing of it may follow what is sent now.
                    self.actor.emit(ParentCancel(target.order_id, "nothing was heard of it in time", now))
                self.conclude(key, target, blocked)

    def is_under_way(self, order_id: i64) -> bool:
        """Whether the order itself or a child of it is open."""
        ledger = self.actor.ledger
        return order_id in ledger.open or any(order.parent_id == order_id for order in ledger.open.values())

    # ---- state

    def wake_for_all(self) -> None:
        """Have the timer fire for whatever is due first."""
        for target in self.open.values():
            self.requests.wake(target.due_ns)

    def save(self) -> dict[str, object]:
        """Every target."""
        return {
            "open": [[key, target.save()] for key, target in self.open.items()],
            "given_up": int(self.given_up),
            "bounds": self.bounds.save(),
            "unknown": [[key, algorithm] for key, algorithm in self.unknown.items()],
        }

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, dict)
        self.open = {key: load_target(row) for key, row in state["open"]}
        self.given_up = state["given_up"]
        self.bounds.load(state["bounds"])
        self.unknown = {row[0]: row[1] for row in state["unknown"]}
