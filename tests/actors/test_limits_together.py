"""A keeper and several lanes with messages that are late, lanes that die, and fills: the sum never passes the limit."""

from __future__ import annotations

import random
from collections import deque
from typing import Final

import attrs
import pytest

from actors.leases import OPEN_ORDERS, Leases, exposure_limit, money_from_text, money_in_use
from actors.limit_keeper import LimitKeeper
from actors.limit_keeper_params import LimitKeeperParams
from actors.risk import Risk
from actors.risk_params import RiskParams
from market.messages import (
    BUY,
    MAKER,
    SELL,
    ActorFailed,
    HaltReset,
    LeaseGranted,
    LeaseReturned,
    LeaseWanted,
    Message,
    NewOrder,
    OrderCancelled,
    OrderFilled,
    RunStarted,
    TimerFired,
)
from runtime.actor import Actor
from runtime.config.rules import DecimalText
from tests.actors.trading_lane import INSTRUMENT, INSTRUMENT_ID, MILLISECOND, STANDARD, TradingLane, child, top
from tests.conformance.check_actor import through_json
from tests.seeds import seeds

EXPOSURE: Final = DecimalText("3000")
MOST_ORDERS: Final = 9
LEASE_MS: Final = 400
USDT: Final = exposure_limit("USDT")
LIMITS: Final = {USDT: money_from_text(EXPOSURE), OPEN_ORDERS: MOST_ORDERS}
HOLDER: Final = "risk"
BID, ASK = 5_999_900, 6_000_100


class Party:
    """One lane, and what is on its way to it from each other one, in order, with the time of its arrival."""

    def __init__(self, class_: type[Actor], params: object) -> None:
        self.class_ = class_
        self.lane = TradingLane(class_, params={class_: params})
        self.alive = True
        self.coming: dict[str, deque[tuple[int, Message]]] = {}

    def fire_timers(self) -> None:
        """Fire what is due, late as it may be."""
        while (first := self.lane.core.timers.first()) is not None and first[0] <= self.lane.now_ns:
            due_ns, actor_id, timer_id = first
            self.lane.take(TimerFired(actor_id, timer_id, due_ns))

    def leases(self) -> Leases:
        """The leases of a trading lane."""
        leases = self.lane.actor(Risk).leases
        assert leases is not None
        return leases

    def may_use(self, limit: str) -> int:
        """What is in use, or what its lease allows, whichever is more."""
        leases = self.leases()
        held = leases.held[limit]
        allowed = held.amount if held.lease_id and self.lane.now_ns < held.expire_ns else 0
        return max(leases.in_use()[limit], allowed)

    def positions_at_cost(self) -> int:
        """What is held, whatever the leases make of it."""
        ledger = self.lane.core.ledger
        return sum(money_in_use(abs(one.cost), INSTRUMENT.money_scale) for one in ledger.positions.values())


class World:
    """A keeper and three trading lanes, driven by a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        # How many of the messages are late, and how often somebody dies.
        self.lateness = (0.0, 0.02, 0.2)[seed % 3]
        self.accidents = (0.01, 0.1)[seed % 2]
        standard = STANDARD[Risk]
        assert isinstance(standard, RiskParams)
        risk = attrs.evolve(
            standard, leased=True, lease_orders=2, lease_retry_ms=100, maximum_order_notional=DecimalText("700"),
            maximum_orders=1_000_000,
        )  # fmt: skip
        keeper = LimitKeeperParams(
            maximum_exposure={"USDT": EXPOSURE}, maximum_open_orders=MOST_ORDERS, lease_ms=LEASE_MS
        )
        self.parties = {name: Party(Risk, risk) for name in "abc"}
        self.parties["keeper"] = Party(LimitKeeper, keeper)
        self.next_id = 0
        self.passed = 0
        for party in self.parties.values():
            party.lane.take(top(BID, ASK))
        self.post()

    # ---- messages between lanes

    def post(self) -> None:
        """Send what was said: from a lane to the keeper in its own name, from the keeper to all."""
        for name, party in self.parties.items():
            for message in party.lane.heard:
                if name == "keeper" and isinstance(message, LeaseGranted):
                    for other in "abc":
                        self.send(name, other, message)
                elif name != "keeper" and isinstance(message, LeaseWanted):
                    self.send(name, "keeper", LeaseWanted(name, message.limit, 0, message.amount))
                elif name != "keeper" and isinstance(message, LeaseReturned):
                    self.send(name, "keeper", LeaseReturned(name, message.lease_id, message.unused, message.reason))
                elif isinstance(message, NewOrder):
                    self.passed += 1
            party.lane.forget()

    def send(self, source: str, target: str, message: Message) -> None:
        """Now and then much later than a lease lasts; never out of order between two."""
        late = self.draw.random() < self.lateness
        delay_ms = self.draw.choice((60, 3 * LEASE_MS)) if late else self.draw.choice((0, 0, 1, 20))
        lane = self.parties[target].coming.setdefault(source, deque())
        lane.append((self.parties[source].lane.now_ns + delay_ms * MILLISECOND, message))

    def deliver(self, at_once: bool = False) -> None:
        """Give every living lane what has arrived."""
        for name, party in self.parties.items():
            for waiting in party.coming.values():
                while party.alive and waiting and (at_once or waiting[0][0] <= party.lane.now_ns):
                    message = waiting.popleft()[1]
                    if isinstance(message, LeaseGranted) and message.lane == name:
                        message = LeaseGranted(
                            HOLDER, message.lease_id, message.limit, 0, message.amount, message.expire_ns
                        )
                    party.lane.take(message)
        self.post()

    # ---- what happens

    def step(self) -> None:
        """A moment passes and something happens."""
        moment_ns = self.draw.choice((0, 1, 7, 40, 150)) * MILLISECOND
        for party in self.parties.values():
            # A lane may come to its timers late.
            party.lane.now_ns += moment_ns
            party.alive = party.alive or self.draw.random() < 0.03
            if party.alive and self.draw.random() < 0.8:
                party.fire_timers()
        self.post()
        if self.draw.random() < 0.8:
            self.deliver()
        name = self.draw.choice("abc")
        party = self.parties[name]
        happens = self.draw.random()
        if happens < 0.6 and party.alive:
            self.order(party)
        elif happens < 1 - self.accidents:
            self.report(party)
        else:
            self.accident(self.draw.choice(list(self.parties.values())))
        self.post()
        self.check()

    def order(self, party: Party) -> None:
        """An order of some size on some side."""
        self.next_id += 1
        side = self.draw.choice((BUY, SELL))
        price = BID - self.draw.randrange(3) * 100 if side == BUY else ASK + self.draw.randrange(3) * 100
        party.lane.take(child(self.next_id, side, price, self.draw.randint(1, 1_100)))

    def report(self, party: Party) -> None:
        """A fill of an open order, in part or whole, or a cancel: also for a lane that has died, its orders live on."""
        orders = [one for one in party.lane.core.ledger.open.values() if one.sent]
        if not orders:
            return
        order = self.draw.choice(orders)
        if self.draw.random() < 0.3:
            party.lane.take(OrderCancelled(order.order_id, INSTRUMENT_ID, order.remaining, 0, "test"))
            return
        self.next_id += 1
        size = order.remaining if self.draw.random() < 0.5 else self.draw.randint(1, order.remaining)
        party.lane.take(
            OrderFilled(
                order.order_id, INSTRUMENT_ID, 90, self.next_id, order.side, order.price, size, 0, 0, MAKER, 0
            )
        )

    def accident(self, party: Party) -> None:
        """It dies or comes back, is taken up from its saved state, or begins a new run; a `Risk` may begin anew."""
        kind = self.draw.randrange(6)
        if kind < 3:
            party.alive = not party.alive or self.draw.random() < 0.5
        elif kind == 3:
            through_json(party.lane.core, party.class_)
        elif kind == 4:
            party.lane.take(RunStarted(party.lane.now_ns, self.next_id, "", ""))
        elif party.class_ is Risk:
            party.lane.take(ActorFailed(1, int(party.lane.core.sequence), 1, "test"), HaltReset("test"))
            party.lane.take(top(BID, ASK))

    # ---- what must hold

    def check(self) -> None:
        """Neither what is held, nor what open orders could add, nor what leases allow passes a limit."""
        traders = [self.parties[name] for name in "abc"]
        assert sum(party.positions_at_cost() for party in traders) <= LIMITS[USDT]
        assert sum(party.may_use(USDT) for party in traders) <= LIMITS[USDT]
        # Orders that only reduce pass without a lease, and count from then on: with them the number may pass its limit.
        leased = sum(
            party.leases().held[OPEN_ORDERS].amount for party in traders if party.leases().held[OPEN_ORDERS].lease_id
        )
        assert leased <= MOST_ORDERS
        keeper = self.parties["keeper"].lane.actor(LimitKeeper)
        for name in "abc":
            holder = keeper.limits[USDT].holders.get(name)
            assert self.parties[name].may_use(USDT) <= (holder.counted() if holder is not None else 0)

    def heal(self) -> None:
        """Everyone lives, nothing is late, and time passes."""
        for party in self.parties.values():
            party.alive = True
        for _ in range(40):
            for party in self.parties.values():
                party.lane.now_ns += 60 * MILLISECOND
                party.fire_timers()
            self.post()
            for _ in range(3):
                self.deliver(at_once=True)
            self.check()


@pytest.mark.parametrize("seed", seeds(12, 300))
def test_the_sum_over_all_lanes_never_passes_the_limit(seed: int) -> None:
    """Whoever dies, is late, forgets or trades: together they hold, and could come to hold, no more than the limit."""
    world = World(seed)
    for _ in range(400):
        world.step()
    assert world.passed > (5 if world.lateness < 0.1 else 0)


@pytest.mark.parametrize("seed", seeds(6, 100))
def test_nothing_stays_lent_to_nobody(seed: int) -> None:
    """Once all live and speak again, what counts as lent is what is leased or in use, and everyone holds a lease."""
    world = World(seed)
    for _ in range(200):
        world.step()
    world.heal()
    keeper = world.parties["keeper"].lane.actor(LimitKeeper)
    for name in "abc":
        party = world.parties[name]
        held = party.leases().held[USDT]
        assert held.lease_id > 0
        assert party.lane.now_ns < held.expire_ns
        counted = keeper.limits[USDT].holders[name].counted()
        assert counted <= max(party.may_use(USDT), held.amount) + 2 * 700 * 10**8
    total = sum(world.parties[name].may_use(USDT) for name in "abc")
    wanted = sum(world.parties[name].leases().held[USDT].asked for name in "abc")
    assert total >= min(wanted, LIMITS[USDT]) * 8 // 10
