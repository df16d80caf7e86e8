"""Two trading lanes and the lane that lends them their limits: whole systems, with journals, deaths and recoveries."""

from __future__ import annotations

import copy
import functools
import random
import tomllib
from typing import TYPE_CHECKING, cast

import attrs
import pytest
import trio

from actors.leases import exposure_limit, money_from_text, money_in_use
from actors.limit_keeper import LimitKeeper
from actors.risk import Risk
from market.messages import (
    BUY,
    REJECT_NO_LEASE,
    SELL,
    LeaseGranted,
    LeaseReturned,
    LeaseWanted,
    Message,
    NewOrder,
    OrderFilled,
    OrderRejected,
    RunStarted,
)
from runtime.blueprint import Blueprint, draw_blueprint
from runtime.build_core import build_core
from runtime.classes import params_of
from runtime.clock import TrioClock
from runtime.config.errors import ConfigErrors
from runtime.config.load import load_tree
from runtime.journal.durability import DurabilitySetting
from runtime.lane_core import LaneCore
from runtime.lane_journal import LAST, JournalOptions, LaneJournal, rebuilder, replay_into
from runtime.ledger import Ledger
from runtime.trial import plan_checked
from runtime.wiring import System, build_system
from tests.seeds import seeds
from tests.simulation.disk import SimulatedDisk
from tests.simulation.factory import START_NS
from tests.simulation.world import Silence, run_inline, simulate

if TYPE_CHECKING:
    from runtime.logs import Logger

SECOND = 1_000_000_000
LEASE_SECONDS = 1.0
EXPOSURE = "2000"
LIMIT = money_from_text(EXPOSURE)
USDT = exposure_limit("USDT")
LANES = ("btc", "eth")

KEEPER = f"""
[actors.limits]
class = "actors.limit_keeper:LimitKeeper"
lane = "own"
[actors.limits.params]
maximum_exposure = {{ USDT = "{EXPOSURE}" }}
maximum_open_orders = 50
lease_ms = 1000
"""

PART = """
[instruments.NAME]
symbol = "BASE/USDT"
venue = "binance"
venue_symbol = "BASEUSDT"
base = "BASE"
quote = "USDT"
kind = "spot"
tick = "0.01"
lot = "0.00001"
[services.NAME_feed]
class = "venues.simulated:SimulatedFeed"
instruments = ["NAME"]
params = { seed = CONNECTION, connection_id = CONNECTION, messages_per_second = 100, initial_price = "PRICE" }
[actors.NAME_book]
class = "actors.venue_book:VenueBook"
instruments = ["NAME"]
lane = "NAME"
params = { dialect = "venues.binance:BinanceSpot", connection_id = CONNECTION }
[actors.NAME_value]
class = "actors.fair_value:FairValueActor"
instruments = ["NAME"]
lane = "NAME"
[actors.NAME_orders]
class = "actors.order_manager:OrderManager"
instruments = ["NAME"]
lane = "NAME"
params = { refusal_pause_ms = 20 }
[actors.NAME_risk]
class = "actors.risk:Risk"
instruments = ["NAME"]
lane = "NAME"
[actors.NAME_risk.params]
maximum_order_size = "SIZE"
maximum_order_notional = "700"
maximum_position = "10"
maximum_daily_loss = "1000"
leased = true
lease_orders = 2
[actors.NAME_venue]
class = "actors.paper_venue:PaperVenue"
instruments = ["NAME"]
lane = "NAME"
params = { latency_us = 1000, jitter_us = 1000 }
[actors.NAME_maker]
class = "strategies.market_maker:MarketMaker"
instruments = ["NAME"]
lane = "NAME"
params = { size = "SIZE", maximum_position = "POSITION", half_spread_bps = 0.05, skew_bps = 0.0 }
"""


def text_of(keeper: bool = True, leased: bool = True) -> str:
    """The configuration: the parts of the main job twice, in a lane each, and the keeper in a third."""
    text = 'name = "limits"\n' + (KEEPER if keeper else "")
    parts = (("btc", "BTC", "60000", "0.01", "0.05", "1"), ("eth", "ETH", "3000", "0.2", "1", "2"))
    for name, base, price, size, position, connection in parts:
        part = PART if leased else PART.replace("leased = true\nlease_orders = 2\n", "")
        words = {"NAME": name, "BASE": base, "PRICE": price, "SIZE": size, "POSITION": position}
        for word, value in {**words, "CONNECTION": connection}.items():
            part = part.replace(word, value)
        text += part
    return text


def plan_of(text: str) -> Blueprint:
    """The plan of a configuration that is whole."""
    return plan_checked(load_tree(tomllib.loads(text), "limits.toml", params_of))


def at_worst(ledger: Ledger) -> int:
    """What a lane has at risk when all orders of one side fill that have left it; one strategy, one instrument."""
    net = sum(int(one.net_size) for one in ledger.positions.values())
    held = sum(abs(one.cost) for one in ledger.positions.values())
    worst = held
    for side in (BUY, SELL):
        orders = [one for one in ledger.open.values() if one.side == side and one.sent]
        opens = sum(one.remaining for one in orders)
        if net != 0 and (net > 0) != (side == BUY):
            opens = max(opens - abs(net), 0)
            worst = max(worst, max((one.price * opens for one in orders), default=0))
        else:
            worst = max(worst, held + sum(one.price * one.remaining for one in orders))
    return money_in_use(worst, 7)


@attrs.define
class Watch:
    """What was decided in a run, and what was at risk each time."""

    blueprint: Blueprint
    system: System | None = None
    decided: list[tuple[int, str, Message]] = attrs.field(factory=list)
    most: int = 0
    most_at_cost: int = 0

    def core(self, lane: str) -> LaneCore:
        """The core of a lane."""
        assert self.system is not None
        return self.system.lane(lane).core

    def keeper(self) -> LimitKeeper:
        """The keeper."""
        actor = self.core("limits").slots[0].actor
        assert isinstance(actor, LimitKeeper)
        return actor

    def measure(self) -> None:
        """Note the most that was at risk over both lanes."""
        at_cost = 0
        at_risk = 0
        for lane in LANES:
            positions = self.core(lane).ledger.positions.values()
            at_cost += sum(money_in_use(abs(one.cost), 7) for one in positions)
            at_risk += at_worst(self.core(lane).ledger)
        self.most_at_cost = max(self.most_at_cost, at_cost)
        self.most = max(self.most, at_risk)

    def note(self, lane: str) -> None:
        """Listen to what a lane decides."""

        def decided(message: Message, _: int) -> None:
            self.decided.append((int(self.core(lane).outlet.now_ns), lane, message))
            self.measure()

        self.core(lane).on_decision = decided


def build(watch: Watch, disks: dict[str, SimulatedDisk], seed: int, start_ns: int, run_number: int) -> System:
    """The system on simulated disks, recovered, ready to run."""
    clock = TrioClock(start_ns)
    options = JournalOptions(DurabilitySetting.INTERVAL, 50, 1 << 20, 700_000_000, 2, "test")

    def journal_of(core: LaneCore) -> LaneJournal:
        disk = disks.setdefault(core.name, SimulatedDisk(seed))
        make = functools.partial(build_core, watch.blueprint, core.name)
        return LaneJournal(core, disk, clock, options, make, run_inline)

    system = build_system(watch.blueprint, clock, random.Random(seed), cast("Logger", Silence()), journal_of)
    watch.system = system
    for lane in system.lanes:
        assert lane.journal is not None
        lane.journal.recover()
        lane.channels.urgent.offer(RunStarted(start_ns, run_number, "", ""))
        if lane.name in LANES:
            watch.note(lane.name)
    assert system.settle_after_recovery() == []
    return system


def run(watch: Watch, disks: dict[str, SimulatedDisk], seed: int, seconds: float, start_ns: int = START_NS) -> None:
    """Run for some simulated seconds and shut down in order."""

    async def main(_: random.Random) -> None:
        system = build(watch, disks, seed, start_ns, start_ns // SECOND)
        with trio.move_on_after(seconds):
            await system.supervisor.run()
        for lane in system.lanes:
            assert list(lane.core.anomalies) == []

    simulate(seed, main)


def orders_of(watch: Watch, lane: str, after_ns: int = 0) -> list[NewOrder]:
    """The orders that left a lane after a time."""
    return [one for now, name, one in watch.decided if name == lane and now > after_ns and isinstance(one, NewOrder)]


def refused_for_want_of_a_lease(watch: Watch, after_ns: int = 0) -> int:
    """How many orders were."""
    found = [one for now, _, one in watch.decided if now > after_ns and isinstance(one, OrderRejected)]
    return sum(1 for one in found if one.code == REJECT_NO_LEASE)


def check_replay(watch: Watch, disks: dict[str, SimulatedDisk]) -> None:
    """Every journal, replayed from its first record, gives the digest, the ledger and the actors of the run."""
    assert watch.system is not None
    for lane in watch.system.lanes:
        make = functools.partial(build_core, watch.blueprint, lane.name)
        core = make()
        replay_into(core, disks[lane.name], None, rebuilder(make, disks[lane.name], None), LAST).replayer.finish()
        assert core.digest.value == lane.core.digest.value
        assert core.ledger.save() == lane.core.ledger.save()
        assert [slot.actor.save() for slot in core.slots] == [slot.actor.save() for slot in lane.core.slots]


@pytest.mark.parametrize("seed", seeds(2, 20))
def test_exposure_over_both_lanes_never_passes_the_limit(seed: int) -> None:
    """Both lanes trade, want more than there is, and together never have more at risk; every journal replays."""
    watch = Watch(plan_of(text_of()))
    disks: dict[str, SimulatedDisk] = {}
    run(watch, disks, seed, 6)
    assert LIMIT * 7 // 10 < watch.most <= LIMIT
    assert watch.most_at_cost <= LIMIT
    assert refused_for_want_of_a_lease(watch) > 0
    for lane in LANES:
        assert len(orders_of(watch, lane)) > 10
        assert any(isinstance(one, OrderFilled) for _, name, one in watch.decided if name == lane)
    check_replay(watch, disks)


def test_without_leases_the_same_lanes_pass_the_limit() -> None:
    """What the test above shows is not shown by chance."""
    watch = Watch(plan_of(text_of(keeper=False, leased=False)))
    run(watch, {}, 0, 6)
    assert watch.most_at_cost > LIMIT


def test_a_lane_whose_keeper_is_silent_opens_nothing_once_its_lease_has_run_out() -> None:
    """Only what reduces leaves until the keeper speaks again."""
    watch = Watch(plan_of(text_of()))

    async def main(_: random.Random) -> None:
        system = build(watch, {}, 3, START_NS, 1)

        async def hush() -> None:
            slot = watch.core("limits").slots[0]
            await trio.sleep(2)
            slot.down = True
            await trio.sleep(4)
            slot.down = False
            await trio.sleep(2)
            system.supervisor.request_shutdown("the test is over")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hush)
            await system.supervisor.run()

    simulate(3, main)
    ran_out_ns = START_NS + round((2 + LEASE_SECONDS) * SECOND)
    speaks_ns = START_NS + 6 * SECOND
    held = dict.fromkeys(LANES, 0)
    opened: list[int] = []
    for now_ns, lane, message in watch.decided:
        if isinstance(message, OrderFilled):
            held[lane] += message.size if message.side == BUY else -message.size
        if isinstance(message, NewOrder):
            reduces = held[lane] != 0 and (held[lane] > 0) != (message.side == BUY)
            if not reduces or message.size > abs(held[lane]):
                opened.append(now_ns)
    assert [now_ns for now_ns in opened if ran_out_ns < now_ns < speaks_ns] == []
    assert any(now_ns < ran_out_ns for now_ns in opened)
    assert any(now_ns > speaks_ns for now_ns in opened)
    assert refused_for_want_of_a_lease(watch, ran_out_ns) > 0
    assert watch.most <= LIMIT


@pytest.mark.parametrize("seed", seeds(2, 20))
def test_after_a_death_of_the_process_nothing_is_lent_twice(seed: int) -> None:
    """The keeper remembers what it lent, the lanes ask anew with what they hold, and the limit holds on."""
    watch = Watch(plan_of(text_of()))
    disks: dict[str, SimulatedDisk] = {}
    left: dict[str, SimulatedDisk] = {}

    async def main(source: random.Random) -> None:
        system = build(watch, disks, seed, START_NS, 1)

        async def kill() -> None:
            await trio.sleep(1.5 + source.random())
            left.update({name: copy.deepcopy(disk) for name, disk in disks.items()})
            system.supervisor.request_shutdown("killed")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            await system.supervisor.run()

    simulate(seed, main)
    again = Watch(watch.blueprint)
    run(again, left, seed + 1, 4, START_NS + 10 * SECOND)
    assert again.keeper().remembers
    assert 0 < again.most <= LIMIT
    assert again.most_at_cost <= LIMIT
    for lane in LANES:
        assert len(orders_of(again, lane)) > 0
    check_replay(again, left)


def test_a_keeper_that_failed_comes_back_with_what_it_lent() -> None:
    """Trading halts, and the keeper is rebuilt from its journal: it knows every lease."""
    watch = Watch(plan_of(text_of()))
    disks: dict[str, SimulatedDisk] = {}

    async def main(_: random.Random) -> None:
        system = build(watch, disks, 5, START_NS, 1)

        async def kill() -> None:
            await trio.sleep(2)
            slot = watch.core("limits").slots[0]
            slot.kill_every = slot.kill_countdown = 1
            while slot.failures == 0:
                await trio.sleep(0.01)
            slot.kill_every = 0
            await trio.sleep(1)
            system.supervisor.request_shutdown("the test is over")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            await system.supervisor.run()

    simulate(5, main)
    keeper = watch.keeper()
    assert keeper.remembers
    assert sorted(keeper.limits[USDT].holders) == ["btc_risk", "eth_risk"]
    assert 0 < keeper.limits[USDT].counted() <= LIMIT
    assert watch.core("btc").ledger.halted
    check_replay(watch, disks)


def test_leases_without_a_keeper_are_an_error_of_the_configuration() -> None:
    """It is told for each `Risk`, with what to add; a keeper that nobody asks is told as well."""
    with pytest.raises(ConfigErrors) as caught:
        plan_of(text_of(keeper=False))
    told = str(caught.value)
    for lane in LANES:
        assert f"actors.{lane}_risk" in told
    assert "takes LeaseGranted, which nobody gives" in told
    assert "add an actor or service that gives LeaseGranted" in told
    with pytest.raises(ConfigErrors, match="takes LeaseWanted, which nobody gives"):
        plan_of(text_of(leased=False))


def test_beside_a_keeper_every_risk_takes_leases() -> None:
    """One `Risk` without them would open what no limit counts: an error at its key, with both remedies."""
    before, after = text_of().split("[actors.eth_risk.params]")
    text = before + "[actors.eth_risk.params]" + after.replace("leased = true\nlease_orders = 2\n", "")
    with pytest.raises(ConfigErrors) as caught:
        plan_of(text)
    assert len(caught.value.errors) == 1
    told = str(caught.value)
    assert "actors.eth_risk.params.leased" in told
    assert "lets orders out without a lease, and limits lends" in told
    assert "set leased = true in actors.eth_risk.params, or remove limits" in told
    plan_of(text_of(keeper=False, leased=False))


def test_a_keeper_of_some_instruments_binds_those_that_share_one() -> None:
    """A keeper that names instruments keeps the limits of these: a `Risk` of others needs no lease."""
    before, after = text_of().split("[actors.eth_risk.params]")
    text = before + "[actors.eth_risk.params]" + after.replace("leased = true\nlease_orders = 2\n", "")
    plan_of(text.replace('lane = "own"\n', 'lane = "own"\ninstruments = ["btc"]\n'))
    with pytest.raises(ConfigErrors, match=r"lets orders out without a lease"):
        plan_of(text.replace('lane = "own"\n', 'lane = "own"\ninstruments = ["btc", "eth"]\n'))


def test_only_a_leased_risk_speaks_of_leases() -> None:
    """Without the setting the plan has no edge for it, so that no message of leases is sent anywhere."""
    loaded = load_tree(tomllib.loads(text_of(keeper=False, leased=False)), "limits.toml", params_of)
    blueprint, problems = draw_blueprint(loaded)
    assert problems == []
    for node in blueprint.actors:
        assert LeaseGranted not in node.takes or node.class_ is not Risk
        assert not {LeaseWanted, LeaseReturned} & set(node.gives)
