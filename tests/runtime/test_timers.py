"""The timers of a lane: order, replacement, removal, and that the heap stays in proportion."""

from __future__ import annotations

import random

from runtime.timers import NEVER, TimerTable
from tests.seeds import seeds


def test_the_earliest_timer_comes_first_and_equal_times_go_by_actor_and_id() -> None:
    """The order is the same in every run, whatever the order of setting."""
    table = TimerTable()
    for actor_id, timer_id, due_ns in [(2, 1, 50), (1, 2, 50), (1, 1, 50), (3, 1, 40)]:
        table.set(actor_id, timer_id, due_ns)
    fired = []
    while (first := table.first()) is not None:
        fired.append(first)
        table.remove(first[1], first[2])
    assert fired == [(40, 3, 1), (50, 1, 1), (50, 1, 2), (50, 2, 1)]
    assert table.next_due_ns() == NEVER


def test_setting_again_replaces_and_the_old_time_is_forgotten() -> None:
    """A timer has one due time, the last that was asked for."""
    table = TimerTable()
    table.set(1, 1, 10)
    table.set(1, 1, 30)
    assert table.first() == (30, 1, 1)
    table.set(1, 1, 20)
    assert table.first() == (20, 1, 1)
    table.remove(1, 1)
    assert table.first() is None


def test_a_table_agrees_with_a_plain_dictionary_under_random_use() -> None:
    """Set, replace, remove, remove an actor, save and load: the same as the slow and obvious way."""
    for seed in seeds(20, 400):
        source = random.Random(seed)
        table = TimerTable()
        plain: dict[tuple[int, int], int] = {}
        for _ in range(300):
            actor_id, timer_id = source.randint(1, 4), source.randint(1, 6)
            action = source.random()
            if action < 0.6:
                due_ns = source.randint(1, 50)
                table.set(actor_id, timer_id, due_ns)
                plain[(actor_id, timer_id)] = due_ns
            elif action < 0.9:
                table.remove(actor_id, timer_id)
                plain.pop((actor_id, timer_id), None)
            elif action < 0.95:
                table.remove_actor(actor_id)
                plain = {key: due for key, due in plain.items() if key[0] != actor_id}
            else:
                again = TimerTable()
                again.load(table.save())
                table = again
            expected = min(((due, *key) for key, due in plain.items()), default=None)
            assert table.first() == expected
            assert len(table.heap) <= 64 + 4 * len(plain) + 1


def test_nothing_is_said_to_be_due_before_the_earliest_timer_and_never_nothing_when_one_is() -> None:
    """`may_be_due` spares most inputs the look at the table; it may say yes once too often, never no."""
    for seed in seeds(20, 400):
        source = random.Random(seed)
        table = TimerTable()
        assert not table.may_be_due(1 << 62)
        for _ in range(200):
            actor_id, timer_id, due_ns = source.randrange(3), source.randrange(5), source.randrange(100)
            match source.randrange(5):
                case 0 | 1 | 2:
                    table.set(actor_id, timer_id, due_ns)
                case 3:
                    table.remove(actor_id, timer_id)
                case _:
                    again = TimerTable()
                    again.load(table.save())
                    table = again
            now_ns = source.randrange(100)
            may_be_due = table.may_be_due(now_ns)
            first = table.first()
            assert may_be_due or first is None or first[0] > now_ns
            assert table.may_be_due(now_ns) == (first is not None and first[0] <= now_ns)
