"""What every actor has to keep, whatever it does: one check that any actor class can be run through.

A recorded run is taken twice. In the second, at some input, the actor is saved, its state goes through JSON into a
fresh instance, and that one goes on. From there on both runs must say the same, message by message. What an actor
emits without listing it, a handler that does not exist and state that JSON cannot hold all show as a failure here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from market.messages import Digest, Message, TimerFired
from runtime.actor import Actor
from runtime.lane_core import LaneCore

Input = tuple[Message, int, bool]
MakeCore = Callable[[], LaneCore]


class Listener:
    """Feeds a core and mixes everything that a spying actor in it heard into a digest."""

    def __init__(self, core: LaneCore) -> None:
        self.core = core

    def take(self, one: Input) -> None:
        """Take one input, and before it the timers that come due."""
        message, now_ns, batch_end = one
        while (first := self.core.timers.first()) is not None and first[0] <= now_ns:
            due_ns, actor_id, timer_id = first
            self.core.take(TimerFired(actor_id, timer_id, due_ns), due_ns, True)
        self.core.take(message, now_ns, batch_end)

    def digest(self) -> tuple[int, int]:
        """Of everything that was heard so far."""
        digest = Digest()
        for message in getattr(self.core.slots[-1].actor, "heard", []):
            digest.mix_message(message)
        return digest.value, digest.count


def check_declarations(class_: type[Actor]) -> None:
    """The tables name methods that exist, and say everything that is emitted and owned."""
    for message_type, method in class_.HANDLERS.items():
        assert callable(getattr(class_, method, None)), f"{class_.__name__} has no {method} for {message_type.__name__}"
    assert set(class_.OWNS) <= set(class_.GIVES), f"{class_.__name__} owns what it does not give"
    if class_.AT_BATCH_END:
        assert class_.on_batch_end is not Actor.on_batch_end, f"{class_.__name__} does nothing at the end of a batch"
    assert (class_.save is Actor.save) == (class_.load is Actor.load), f"{class_.__name__} needs save() and load()"


def check_save_and_load(make: MakeCore, class_: type[Actor], inputs: Iterable[Input], places: Iterable[int]) -> None:
    """Saving, loading and going on is the same as going on, at each of these inputs."""
    recorded = list(inputs)
    expected = run(make, class_, recorded, None)
    for place in places:
        found = run(make, class_, recorded, place)
        assert found == expected, f"{class_.__name__} goes on differently when saved after input {place}"


def run(make: MakeCore, class_: type[Actor], inputs: list[Input], place: int | None) -> tuple[int, int]:
    """Run the inputs; after the one at `place` the actor goes through JSON into a fresh instance."""
    listener = Listener(make())
    for number, one in enumerate(inputs):
        listener.take(one)
        if number == place:
            through_json(listener.core, class_)
    failures = [f"{failure.slot.name}: {failure.error!r}" for failure in listener.core.reported]
    assert failures == []
    assert list(listener.core.anomalies) == []
    return listener.digest()


def through_json(core: LaneCore, class_: type[Actor]) -> None:
    """Replace an actor by a fresh one with the state that JSON brought over."""
    slot = next(slot for slot in core.slots if isinstance(slot.actor, class_))
    state = slot.actor.save()
    assert not_plain(state) == [], f"{class_.__name__} saves what is no plain data"
    text = json.dumps(state, allow_nan=False)
    fresh = slot.make()
    fresh.load(json.loads(text))
    assert json.dumps(fresh.save(), allow_nan=False) == text, f"{class_.__name__} does not save what it loaded"
    slot.replace_actor(fresh)


def not_plain(value: object, place: str = "$") -> list[str]:
    """Where a saved state holds something that a snapshot would refuse; a tuple would come back as a list."""
    if isinstance(value, dict):
        return [found for key, one in value.items() for found in not_plain(one, f"{place}.{key}")]
    if isinstance(value, list):
        return [found for index, one in enumerate(value) for found in not_plain(one, f"{place}[{index}]")]
    return [] if value is None or type(value) in (bool, int, float, str) else [f"{place}: {type(value).__name__}"]
