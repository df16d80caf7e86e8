"""The paper venue after a failure, saved and loaded, and replayed: nothing is lost, and nothing goes on differently."""

from __future__ import annotations

import json
from random import Random

import pytest

from actors.paper_venue import PaperVenue
from market.messages import (
    BUY,
    LIVE,
    MODEL_OPTIMISTIC,
    MODEL_PESSIMISTIC,
    MODEL_QUEUE,
    SELL,
    STALE,
    STATE_OPEN_ORDERS,
    CancelAll,
    Digest,
    HaltReset,
    OrderFilled,
    VenueStateComplete,
    VenueStateWanted,
)
from runtime.actor import Actor
from runtime.lane_parts import Slot
from tests.actors.paper_lane import ASK, BID, PaperLane
from tests.seeds import seeds

SETTINGS: tuple[dict[str, object], ...] = (
    {},
    {"latency_us": 500, "jitter_us": 2_000, "pair_ms": 20},
    {"latency_us": 500, "report_latency_us": 700, "report_jitter_us": 900, "cancels_ahead": "squared", "pair_ms": 5},
    {"quantiles_us": (0, 100, 5_000), "report_quantiles_us": (0, 10, 4_000), "cancels_ahead": "fixed", "pair_ms": 50},
)

# Here the end of an order shows that another has moved up in its queue.
MOVED_BY_AN_END = 186
# Here orders come to a price at which older ones rest, and which the levels displayed last do not have.
BEHIND_OLDER_ONES = 752


class Run:
    """A lane that a seed drives: markets, orders, changes, cancels, failures where asked for."""

    def __init__(self, seed: int, fails: str = "") -> None:
        self.random = Random(seed)
        self.lane = PaperLane(**SETTINGS[seed % len(SETTINGS)])
        self.number = 0
        self.fails = fails
        self.before = self.lane.venue.save()
        if fails == "rebuilt":
            self.lane.core.rebuild = self.rebuild

    def rebuild(self, slot: Slot, _: int) -> Actor:
        """The actor as it was before the last input."""
        actor = slot.make()
        actor.load(self.before)
        return actor

    def step(self) -> None:
        """One event."""
        random = self.random
        lane = self.lane
        self.before = json.loads(json.dumps(lane.venue.save()))
        if self.fails and random.random() < 0.05:
            slot = lane.core.slots[0]
            slot.kill_every, slot.kill_countdown = 1 << 40, random.randint(1, 3)
        kind = random.random()
        if kind < 0.3:
            bid = BID + 100 * random.randint(-2, 2)
            state = STALE if random.random() < 0.1 else LIVE
            bids = [(bid, random.randint(1, 4_000)), (bid - 100 * random.randint(1, 3), random.randint(1, 4_000))]
            asks = [(bid + 200, random.randint(1, 4_000)), (bid + 400, random.randint(1, 4_000))]
            if state == LIVE and random.random() < 0.5:
                lane.depth(bids, asks)
            else:
                lane.top(*bids[0], *asks[0], state)
        elif kind < 0.5:
            side = random.choice((BUY, SELL))
            lane.trade(BID + 100 * random.randint(-2, 4), random.randint(1, 3_000), side)
        elif kind < 0.75:
            self.number += 1
            side = random.choice((BUY, SELL))
            price = (BID if side == BUY else ASK) + 100 * random.randint(-2, 2)
            options = random.choice(({}, {}, {"post_only": True}, {"time_in_force": 2}, {"time_in_force": 3}))
            lane.send(self.number, side, price, random.randint(10, 2_000), **options)
        elif lane.core.ledger.open:
            self.change()
        self.before = json.loads(json.dumps(lane.venue.save()))
        lane.pass_ms(random.choice((0, 0.3, 1, 3, 12)))

    def change(self) -> None:
        """Change or cancel an open order that nothing else is asked of."""
        order = self.random.choice(list(self.lane.core.ledger.open.values()))
        if self.random.random() < 0.5 and order.state in (1, 2):
            price = order.price + 100 * self.random.choice((0, 0, -1, 1))
            self.lane.replace(order.order_id, price, order.filled + self.random.randint(10, 2_000))
        else:
            self.lane.cancel(order.order_id)

    def end(self) -> None:
        """Let everything arrive, then cancel all and ask what is left."""
        lane = self.lane
        lane.core.slots[0].kill_every = 0
        lane.pass_ms(50)
        lane.take(CancelAll(0, "the end"))
        lane.take(VenueStateWanted(0, STATE_OPEN_ORDERS, 0, "the end"))
        lane.pass_ms(50)


@pytest.mark.parametrize("fails", ["fresh", "rebuilt"])
@pytest.mark.parametrize("seed", seeds(16, 2_000))
def test_no_order_and_no_fill_is_lost_in_a_failure(seed: int, fails: str) -> None:
    """Killed at any call, begun anew or rebuilt: the ledger wonders at nothing, and in the end every order is over."""
    run = Run(seed, fails)
    for _ in range(120):
        run.step()
        if run.lane.core.ledger.halted:
            run.lane.pass_ms(20)
            run.lane.take(HaltReset("test"))
    run.end()
    core = run.lane.core
    assert list(core.anomalies) == []
    assert core.ledger.open == {}
    assert run.lane.of(VenueStateComplete)[-1].count == 0
    assert run.lane.venue.orders == {}
    net = sum(one.side * one.size for one in run.lane.of(OrderFilled))
    assert net == core.ledger.net_size(1)
    assert [one for one in run.lane.failures() if "killed by fault injection" not in one] == []


def digest_of(lane: PaperLane) -> int:
    """Of everything that was told."""
    digest = Digest()
    for message in lane.heard:
        digest.mix_message(message)
    return digest.value


@pytest.mark.parametrize("seed", sorted({*seeds(12, 1_000), MOVED_BY_AN_END}))
def test_saved_loaded_and_repeated_it_goes_on_the_same(seed: int) -> None:
    """Two runs of one seed tell the same, bit for bit, though one is saved and loaded anew after every step."""
    one, other = Run(seed), Run(seed)
    slot = other.lane.core.slots[0]
    for _ in range(100):
        one.step()
        other.step()
        assert not any(market.book.has_news() for market in other.lane.venue.markets.values())
        state = json.loads(json.dumps(other.lane.venue.save()))
        fresh = slot.make()
        fresh.load(state)
        assert fresh.save() == state
        slot.replace_actor(fresh)
    one.end()
    other.end()
    assert list(one.lane.core.anomalies) == []
    assert digest_of(one.lane) == digest_of(other.lane)


@pytest.mark.parametrize("seed", sorted({*seeds(16, 2_000), BEHIND_OLDER_ONES}))
def test_the_accounts_of_a_whole_run_keep_their_order(seed: int) -> None:
    """optimistic >= queue >= pessimistic for each order, from what is told alone; no fill follows an order's end."""
    run = Run(seed)
    for _ in range(120):
        run.step()
    run.end()
    filled: dict[int, dict[int, int]] = {}
    for model in (MODEL_QUEUE, MODEL_OPTIMISTIC, MODEL_PESSIMISTIC):
        for order_id, _, size, left in run.lane.fills(model):
            by_model = filled.setdefault(order_id, {})
            by_model[model] = by_model.get(model, 0) + size
            assert left >= 0
    assert filled
    for by_model in filled.values():
        queue = by_model.get(MODEL_QUEUE, 0)
        assert by_model.get(MODEL_OPTIMISTIC, 0) >= queue >= by_model.get(MODEL_PESSIMISTIC, 0)
    assert isinstance(run.lane.venue, PaperVenue)
