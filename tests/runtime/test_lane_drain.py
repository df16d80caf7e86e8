"""The drain of a lane: what goes first, where batches end, and when it says that it lags."""

from __future__ import annotations

from typing import ClassVar

import trio
import trio.testing

from market.messages import (
    BUY,
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    BatchMark,
    CancelAll,
    CancelOrder,
    CancelRejected,
    Lagging,
    Message,
    PublicTrade,
    RawFrame,
    Signal,
    TimerFired,
    schema_id_of,
)
from market.order_life import REJECTED
from runtime.actor import Actor, ActorSetup
from runtime.channels import BLOCK, HALT, Channel, Doorbell
from runtime.clock import ManualClock
from runtime.lane import Lane, LaneChannels, LaneLink, Target
from runtime.lane_core import LaneCore
from runtime.lane_drain import LaneOptions
from runtime.lane_parts import Port, RemoteTaker
from runtime.metrics import MetricRegistry
from tests.runtime.lanes import core_of
from tests.runtime.test_lane_core import order
from venues.binance import BinanceSpot
from venues.framing import batches_of, frames_of

NOW_NS = 1_000_000_000


class Witness(Actor):
    """Writes down what it gets and where batches end."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        PublicTrade: "note", CancelAll: "note", Lagging: "note", RawFrame: "note",
    }  # fmt: skip
    AT_BATCH_END: ClassVar[bool] = True

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.seen: list[str] = []

    def note(self, message: Message) -> None:
        """Keep its name and number."""
        number = getattr(message, "trade_id", "")
        if isinstance(message, PublicTrade) and message.trade_id == 99:
            self.set_timer(1, NOW_NS + 500)
        self.seen.append(f"{type(message).__name__}{number}")

    def on_timer(self, timer: TimerFired) -> None:
        """Keep it too."""
        self.seen.append("timer")

    def on_batch_end(self) -> None:
        """Draw a line."""
        self.seen.append("|")


def trade(number: int) -> PublicTrade:
    """A trade by number."""
    return PublicTrade(1, number, 100, 1, BUY, 0, 0)


def lane_of(core: LaneCore, clock: ManualClock | None = None, outbox: int = 100) -> Lane:
    """A lane around a core, with channels of its own."""
    doorbell = Doorbell()
    channels = LaneChannels(
        doorbell,
        Channel("inbox", 100, BLOCK, doorbell=doorbell),
        Channel("urgent", 10, HALT, doorbell=doorbell),
        {
            "other": LaneLink(
                1, Channel("lanes", 100, HALT, doorbell=doorbell), Channel("urgent other", 10, HALT, doorbell=doorbell)
            )
        },
    )
    return Lane(core, channels, clock or ManualClock(NOW_NS), LaneOptions(250, 64, outbox), MetricRegistry())


def seen(lane: Lane) -> list[str]:
    """What the witness saw."""
    actor = lane.core.slots[-1].actor
    assert isinstance(actor, Witness)
    return actor.seen


async def test_what_is_urgent_overtakes_between_two_inputs() -> None:
    """A cancel is taken before whatever else is waiting."""
    lane = lane_of(core_of(Witness))
    lane.channels.inbox.offer(trade(1))
    lane.channels.lanes["other"].ordinary.offer(trade(2))
    lane.channels.urgent.offer(CancelAll(0, "now"))
    lane.drain.turn(NOW_NS)
    assert seen(lane) == ["CancelAll", "|", "PublicTrade2", "|", "PublicTrade1", "|"]


async def test_a_batch_ends_after_its_last_message() -> None:
    """The mark that announces a batch is no input; strategies run once, at its end."""
    lane = lane_of(core_of(Witness))
    for message in (BatchMark(3), trade(1), trade(2), trade(3), trade(4)):
        lane.channels.inbox.offer(message)
    lane.drain.turn(NOW_NS)
    assert seen(lane) == ["PublicTrade1", "PublicTrade2", "PublicTrade3", "|", "PublicTrade4", "|"]
    assert lane.core.sequence == 4


async def test_a_batch_that_stays_incomplete_is_closed() -> None:
    """What never arrives holds nothing up."""
    lane = lane_of(core_of(Witness))
    for message in (BatchMark(3), trade(1), trade(2)):
        lane.channels.inbox.offer(message)
    lane.drain.turn(NOW_NS)
    assert seen(lane) == ["PublicTrade1", "PublicTrade2", "|"]


async def test_after_a_piece_the_turn_leaves_the_rest_for_the_next_one() -> None:
    """Of a frame that was cut one piece a turn is taken; what is whole is taken with it, and a cancel goes before."""
    lane = lane_of(core_of(Witness))
    for part in (1, 2, 3):
        lane.channels.inbox.offer(RawFrame(1, FRAME_SNAPSHOT, 1, NOW_NS, b"piece", part, 3))
    lane.channels.inbox.offer(trade(1))
    lane.drain.turn(NOW_NS)
    assert seen(lane) == ["RawFrame", "|"]
    lane.channels.urgent.offer(CancelAll(0, "now"))
    lane.drain.turn(NOW_NS)
    assert seen(lane)[2:] == ["CancelAll", "|", "RawFrame", "|"]
    lane.drain.turn(NOW_NS)
    lane.drain.turn(NOW_NS)
    assert seen(lane)[6:] == ["RawFrame", "|", "PublicTrade1", "|"]


async def test_what_is_urgent_does_not_wait_for_the_last_piece(autojump_clock: trio.testing.MockClock) -> None:
    """Another task sends a cancel while a running lane takes a snapshot of 5,000 levels a side: it is taken between."""
    dialect = BinanceSpot()
    levels = [(6_000_000 - place, 1) for place in range(5_000)]
    data = dialect.encoder("BTCUSDT", 2, 5).snapshot(1, levels, [(6_000_001 + place, 1) for place in range(5_000)])
    frames = frames_of(dialect, 1, FRAME_SNAPSHOT, 1, NOW_NS, data)
    assert len(frames) > 15
    lane = lane_of(core_of(Witness))
    for batch in batches_of([frames]):
        await lane.channels.inbox.send_batch(batch)

    async def cancel() -> None:
        while len(seen(lane)) < 2:
            await trio.lowlevel.checkpoint()
        lane.channels.urgent.offer(CancelAll(0, "now"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        nursery.start_soon(cancel)
        await trio.testing.wait_all_tasks_blocked()
        lane.close()
    inputs = [name for name in seen(lane) if name != "|"]
    assert inputs.count("RawFrame") == len(frames)
    assert 1 <= inputs.index("CancelAll") <= 3


async def test_a_late_frame_is_preceded_by_the_news_of_it_and_followed_by_its_end() -> None:
    """Quotes are pulled before the late frame is looked at; the end of the lag is told as well."""
    lane = lane_of(core_of(Witness))
    lane.channels.inbox.offer(RawFrame(1, FRAME_STREAM, 1, NOW_NS - 251, b"late"))
    lane.channels.inbox.offer(RawFrame(1, FRAME_STREAM, 1, NOW_NS - 300, b"still late"))
    lane.drain.turn(NOW_NS)
    assert seen(lane) == ["Lagging", "|", "RawFrame", "|", "RawFrame", "|"]
    lane.channels.inbox.offer(RawFrame(1, FRAME_STREAM, 1, NOW_NS, b"in time"))
    lane.drain.turn(NOW_NS)
    assert seen(lane)[6:] == ["Lagging", "|", "RawFrame", "|"]


async def test_a_timer_fires_when_it_is_due_and_not_before() -> None:
    """Live timers come from the clock that the lane is given."""
    lane = lane_of(core_of(Witness))
    lane.channels.inbox.offer(trade(99))
    lane.drain.turn(NOW_NS)
    lane.drain.turn(NOW_NS + 499)
    assert "timer" not in seen(lane)
    lane.drain.turn(NOW_NS + 500)
    assert seen(lane)[-2:] == ["timer", "|"]


class Talker(Actor):
    """Says a signal for each trade."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def on_trade(self, message: PublicTrade) -> None:
        """Say it."""
        self.emit(Signal("said", 1, float(message.trade_id), 1.0, 0))


def connected(capacity: int, outbox: int, actor: type[Actor] = Talker) -> tuple[Lane, Channel]:
    """A lane that says signals into a channel of this size."""
    lane = lane_of(core_of(actor), outbox=outbox)
    port = Port("elsewhere", framed=False)
    target = Channel("elsewhere", capacity, BLOCK)
    lane.core.ports.append(port)
    lane.core.routes[schema_id_of(Signal)].remote.append(RemoteTaker(port, False, []))
    lane.targets.append(Target(port, target, target))
    return lane, target


async def test_a_full_receiver_keeps_the_lane_from_taking_more_but_not_from_what_is_urgent() -> None:
    """The outbox is bounded; a cancel is still taken; nothing is lost once there is room again."""
    lane, target = connected(capacity=2, outbox=3)
    for number in range(1, 11):
        lane.channels.inbox.offer(trade(number))
    for _ in range(5):
        lane.drain.turn(NOW_NS)
        await lane.let_out()
    assert target.core.depth == 2
    assert lane.drain.waiting_to_leave() == 3
    assert lane.core.sequence == 5
    lane.channels.urgent.offer(CancelAll(0, "now"))
    lane.drain.turn(NOW_NS)
    assert lane.core.sequence == 6
    got: list[Message] = []
    for _ in range(20):
        target.drain_into(got)
        lane.drain.turn(NOW_NS)
        await lane.let_out()
    target.drain_into(got)
    assert [message.value for message in got if isinstance(message, Signal)] == [float(n) for n in range(1, 11)]


async def test_an_order_for_a_receiver_that_is_gone_is_refused_and_the_rest_counted() -> None:
    """Nothing waits for ever for somebody who will not come back."""
    lane, target = connected(capacity=2, outbox=3)
    target.close()
    child, new = order(1)
    lane.core.take(child, NOW_NS, True)
    lane.core.take(new, NOW_NS, True)
    lane.core.ports[0].pending.append(new)
    lane.core.ports[0].pending.append(Signal("said", 1, 1.0, 1.0, 0))
    await lane.let_out()
    assert lane.undelivered == 2
    # The refusal is an input, taken before anything that follows from it can leave.
    assert lane.take_refusals() == 1
    assert lane.core.ledger.open_order_count() == 0
    found = lane.core.ledger.order(1)
    assert found is not None
    assert found.state == REJECTED


async def test_a_cancel_for_a_receiver_that_is_gone_is_refused_too() -> None:
    """Whoever asked for it learns that nobody will answer."""
    lane, target = connected(capacity=2, outbox=3)
    target.close()
    lane.core.ports[0].urgent.append(CancelOrder(7, 1, "", 0))
    await lane.let_out()
    (refusal,) = lane.refusals
    assert isinstance(refusal, CancelRejected)
    assert refusal.order_id == 7


class Ticker(Actor):
    """Says ten signals at every timer, and sets the next."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "begin"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def begin(self, _: PublicTrade) -> None:
        """Set the first."""
        self.set_timer(1, self.now + 1)

    def on_timer(self, timer: TimerFired) -> None:
        """Say, and go on."""
        for number in range(10):
            self.emit(Signal("said", 1, float(number), 1.0, 0))
        self.set_timer(1, self.now + 1)


async def test_timers_wait_as_well_while_the_outbox_is_full() -> None:
    """An actor that talks by the clock to a receiver that does not listen fills no more than the outbox."""
    lane, _ = connected(capacity=2, outbox=30, actor=Ticker)
    lane.core.take(trade(1), NOW_NS, True)
    for step in range(200):
        lane.drain.turn(NOW_NS + step)
        await lane.let_out()
    assert lane.drain.waiting_to_leave() <= 30 + 10


async def test_a_lane_takes_everything_that_has_arrived_before_it_ends(autojump_clock: trio.testing.MockClock) -> None:
    """Closing is not dropping."""
    lane = lane_of(core_of(Witness))
    for number in range(1, 91):
        lane.channels.inbox.offer(trade(number))
    lane.close()
    with trio.fail_after(1):
        await lane.run()
    assert lane.core.sequence == 90


async def test_those_who_wait_for_room_are_let_in_when_all_that_had_room_is_taken() -> None:
    """The drain needs no word to the channel but then: each sender's message follows those before it."""
    core = core_of(Witness)
    lane = lane_of(core)
    inbox = lane.channels.inbox
    async with trio.open_nursery() as nursery:
        for number in range(103):
            nursery.start_soon(inbox.send, trade(number))
            await trio.testing.wait_all_tasks_blocked()
        for number in range(64):
            assert not inbox.is_idle(), number
            lane.drain.turn(NOW_NS)
            await trio.testing.wait_all_tasks_blocked()
            if lane.drain.is_empty() and len(inbox.senders) == 0:
                break
    assert [name for name in seen(lane) if name != "|"] == [f"PublicTrade{number}" for number in range(103)]
