"""The exchange through the suite that every actor is run through, and its lane replayed from its records."""

from __future__ import annotations

import pytest

from exchange.params import CalendarParams
from exchange.venue import ExchangeVenue
from market.messages import BookDelta, BookSnapshot, InstrumentStatus, Message, OrderReported, SessionAnswered, Ticker
from runtime.journal.records import RecordBuffer, RecordScanner
from runtime.lane_core import LaneCore
from runtime.replay_core import Replayer
from tests.conformance.check_actor import Listener, check_declarations, check_save_and_load
from tests.exchange.exchange_actor import make_core, settings
from tests.exchange.requests import random_inputs
from tests.seeds import examples, seeds

CALENDAR = CalendarParams(open="08:00", close="02:00")
RECORDED_BYTES = 64 * 1024 * 1024


def fresh_core() -> LaneCore:
    """The lane of an exchange that keeps little and closes at night."""
    return make_core(settings(fills_kept=20, ended_kept=20, calendar=CALENDAR))


def test_declarations_are_true() -> None:
    """Handlers exist, and state that is saved can be loaded."""
    check_declarations(ExchangeVenue)


@pytest.mark.parametrize("seed", seeds(1, 10))
def test_save_load_and_go_on_equals_going_on(seed: int) -> None:
    """Wherever the exchange is stopped and taken up again, it goes on as if nothing had happened."""
    count = examples(300, 1_000)
    check_save_and_load(fresh_core, ExchangeVenue, list(random_inputs(seed, count)), range(0, count, 23))


def test_the_inputs_are_worth_checking() -> None:
    """They lead to everything that an exchange can say."""
    listener = Listener(fresh_core())
    for one in random_inputs(0, 300):
        listener.take(one)
    heard: list[Message] = getattr(listener.core.slots[-1].actor, "heard", [])
    events = {message.event for message in heard if isinstance(message, OrderReported)}
    kinds = {type(message) for message in heard}
    assert {BookDelta, BookSnapshot, InstrumentStatus, SessionAnswered, Ticker} <= kinds
    assert len(events) >= 10


@pytest.mark.parametrize("seed", seeds(2, 20))
def test_a_replay_comes_to_the_same_digest(seed: int) -> None:
    """The recorded inputs, fed again, lead to the same reports, input by input, and to the same state."""
    core = fresh_core()
    core.records = RecordBuffer(1, RECORDED_BYTES)
    listener = Listener(core)
    for one in random_inputs(seed, examples(300, 3_000)):
        listener.take(one)
    assert core.failures == []
    assert core.digest.count > 500
    data = core.records.take()
    again = fresh_core()
    scanner = RecordScanner(1)
    scanner.feed(data)
    replayer = Replayer(again)
    replayer.scan(scanner)
    replayer.finish()
    assert (again.digest.value, again.digest.count) == (core.digest.value, core.digest.count)
    assert again.slots[0].actor.save() == core.slots[0].actor.save()
