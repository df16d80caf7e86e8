"""The order life cycle: its table, its races, and the page that is drawn from it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from market import order_life as life
from tools import generate_order_life


def after(*events: int, state: int = life.PENDING) -> int:
    """The state that a new order reaches by these events."""
    for event in events:
        state = life.next_state(state, event)
    return state


ALL_PAIRS = list(itertools.product(range(len(life.STATE_NAMES)), range(len(life.EVENT_NAMES))))
ENDS = (life.FILLED, life.CANCELLED, life.REJECTED, life.EXPIRED)


@pytest.mark.parametrize(
    ("events", "reached"),
    [
        ((), life.PENDING),
        ((life.ACCEPT,), life.WORKING),
        ((life.REJECT,), life.REJECTED),
        ((life.ACCEPT, life.FILL_PART), life.PARTIALLY_FILLED),
        ((life.ACCEPT, life.FILL_PART, life.FILL_REST), life.FILLED),
        ((life.ACCEPT, life.TRIGGER, life.FILL_REST), life.FILLED),
        ((life.ACCEPT, life.EXPIRE), life.EXPIRED),
        ((life.ACCEPT, life.REQUEST_CANCEL), life.CANCEL_PENDING),
        ((life.ACCEPT, life.REQUEST_CANCEL, life.CANCEL), life.CANCELLED),
        ((life.ACCEPT, life.REQUEST_REPLACE), life.REPLACE_PENDING),
        ((life.ACCEPT, life.REQUEST_REPLACE, life.REPLACE), life.WORKING),
        ((life.ACCEPT, life.REQUEST_REPLACE, life.REJECT_REPLACE), life.WORKING),
    ],
)
def test_ordinary_lives(events: Sequence[int], reached: int) -> None:
    """An order goes from sent to its end by the ordinary reports of a venue."""
    assert after(*events) == reached


def test_cancel_refused_leads_back_to_where_the_order_was() -> None:
    """A refused cancel leaves a pending order pending, a working one working and a partially filled one that."""
    assert after(life.REQUEST_CANCEL, life.REJECT_CANCEL) == life.PENDING
    assert after(life.ACCEPT, life.REQUEST_CANCEL, life.REJECT_CANCEL) == life.WORKING
    assert after(life.ACCEPT, life.FILL_PART, life.REQUEST_CANCEL, life.REJECT_CANCEL) == life.PARTIALLY_FILLED


def test_fill_during_cancel_is_remembered() -> None:
    """A part filled while a cancel is pending shows when the cancel is refused, and a whole fill ends the order."""
    pending_cancel = after(life.ACCEPT, life.REQUEST_CANCEL)
    assert after(life.FILL_PART, life.REJECT_CANCEL, state=pending_cancel) == life.PARTIALLY_FILLED
    assert after(life.FILL_REST, life.REJECT_CANCEL, state=pending_cancel) == life.FILLED
    assert after(life.FILL_PART, life.CANCEL, state=pending_cancel) == life.CANCELLED


def test_fill_during_replace_is_remembered() -> None:
    """A part filled while a replace is pending shows whether the replace succeeds or not."""
    pending_replace = after(life.ACCEPT, life.REQUEST_REPLACE, life.FILL_PART)
    assert after(life.REPLACE, state=pending_replace) == life.PARTIALLY_FILLED
    assert after(life.REJECT_REPLACE, state=pending_replace) == life.PARTIALLY_FILLED


def test_cancel_while_replace_is_pending_takes_two_answers_in_either_order() -> None:
    """With both requests out, each answer settles its own request only."""
    both = after(life.ACCEPT, life.REQUEST_REPLACE, life.REQUEST_CANCEL)
    assert both == life.REPLACE_AND_CANCEL_PENDING
    assert after(life.REPLACE, life.CANCEL, state=both) == life.CANCELLED
    assert after(life.REJECT_CANCEL, life.REPLACE, state=both) == life.WORKING
    assert after(life.REJECT_REPLACE, life.REJECT_CANCEL, state=both) == life.WORKING
    assert after(life.FILL_PART, life.REPLACE, life.REJECT_CANCEL, state=both) == life.PARTIALLY_FILLED
    assert after(life.CANCEL, life.REJECT_REPLACE, state=both) == life.CANCELLED


def test_acknowledgement_may_come_late() -> None:
    """An acknowledgement overtaken by a fill, a cancel or an expiry changes nothing when it comes."""
    assert after(life.FILL_PART, life.ACCEPT) == life.PARTIALLY_FILLED
    assert after(life.FILL_REST, life.ACCEPT) == life.FILLED
    assert after(life.CANCEL, life.ACCEPT) == life.CANCELLED
    assert after(life.REQUEST_CANCEL, life.ACCEPT, life.REJECT_CANCEL) == life.WORKING


def test_a_cancel_may_be_asked_for_twice_and_refused_twice() -> None:
    """The second refusal of a repeated cancel changes nothing."""
    twice = (life.REQUEST_CANCEL, life.REQUEST_CANCEL, life.REJECT_CANCEL, life.REJECT_CANCEL)
    assert after(life.ACCEPT, *twice) == life.WORKING
    assert after(life.ACCEPT, life.FILL_PART, *twice) == life.PARTIALLY_FILLED


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("event", [life.FILL_PART, life.FILL_REST, life.CANCEL, life.EXPIRE, life.REPLACE])
def test_nothing_follows_an_end(end: int, event: int) -> None:
    """A fill, an end or a successful replace after the end is an error that names both."""
    with pytest.raises(life.ImpossibleTransition) as caught:
        life.next_state(end, event)
    assert (caught.value.state, caught.value.event) == (end, event)
    assert life.STATE_NAMES[end] in str(caught.value)
    assert life.EVENT_NAMES[event] in str(caught.value)


@pytest.mark.parametrize(("state", "event"), ALL_PAIRS)
def test_every_pair_is_what_the_table_says(state: int, event: int) -> None:
    """The quick lookup and the readable table agree on every pair, and on what is impossible."""
    following = life.TRANSITIONS[state].get(event)
    assert life.may(state, event) == (following is not None)
    if following is None:
        with pytest.raises(life.ImpossibleTransition):
            life.next_state(state, event)
    else:
        assert life.next_state(state, event) == following


def test_ends_stay_ends_and_every_open_state_can_end() -> None:
    """No event leads out of an end; every other state ends by a fill or a cancel, and lets a cancel be asked for."""
    assert set(life.TRANSITIONS) == set(range(len(life.STATE_NAMES)))
    for state, row in life.TRANSITIONS.items():
        assert life.is_final(state) == (state in ENDS)
        if life.is_final(state):
            assert set(row.values()) == {state}
        else:
            assert row[life.FILL_REST] == life.FILLED
            assert row[life.CANCEL] == life.CANCELLED
            assert life.is_cancel_pending(row[life.REQUEST_CANCEL])


def test_every_state_is_reachable() -> None:
    """Nothing in the table is dead: a new order can come to every state."""
    reached = {life.PENDING}
    while True:
        wider = reached | {following for state in reached for following in life.TRANSITIONS[state].values()}
        if wider == reached:
            break
        reached = wider
    assert reached == set(life.TRANSITIONS)


def test_pending_requests_are_told_from_the_state() -> None:
    """Which request awaits an answer can be read from the state alone, and agrees with its name."""
    for state, name in enumerate(life.STATE_NAMES):
        assert life.is_replace_pending(state) == ("replace" in name)
        assert life.is_cancel_pending(state) == ("cancel pending" in name)


@pytest.mark.parametrize(("state", "event"), [(-1, 0), (14, 0), (0, -1), (0, 12), (2**62, 2**62)])
def test_unknown_numbers_are_impossible_too(state: int, event: int) -> None:
    """A state or event number that does not exist is refused like any other impossible pair."""
    assert not life.may(state, event)
    with pytest.raises(life.ImpossibleTransition, match="unknown"):
        life.next_state(state, event)


def test_the_page_is_current() -> None:
    """`docs/order-life.md` is exactly what the generator writes from the tables."""
    written = generate_order_life.PAGE.read_text(encoding="utf-8")
    assert written == generate_order_life.rendered(), "run: python -m tools.generate_order_life"
