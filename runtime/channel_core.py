"""The store of a bounded channel: a ring of messages and what happens when it is full.

It promises: constant time for each message; never more than `capacity` messages (plus the stated `reserve` under
`halt`); and at every moment `sent == received + dropped + coalesced + depth`. It never waits, never calls back and
knows nothing of tasks: `runtime/channels.py` puts waiting, waking and closing around it. Compiled.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.messages.base import Message

BLOCK: Final = 0
COALESCE: Final = 1
DROP_OLDEST: Final = 2
HALT: Final = 3

POLICY_NAMES: Final[dict[int, str]] = {0: "block", 1: "coalesce", 2: "drop_oldest", 3: "halt"}

ACCEPTED: Final = 0
COALESCED: Final = 1
DROPPED_OLDEST: Final = 2
FULL: Final = 3
TRIPPED: Final = 4

# Keys are `route_key * SCHEMA_SPAN + schema_id` in unbounded integers, so that no two pairs share one.
SCHEMA_SPAN: Final = 65536


class ChannelSetupError(ValueError):
    """A channel was declared with a capacity, policy or reserve that cannot work."""


def policy_of(name: str) -> int:
    """The policy constant of its name in a configuration."""
    for policy, known in POLICY_NAMES.items():
        if known == name:
            return policy
    choices = ", ".join(POLICY_NAMES.values())
    raise ChannelSetupError(f"unknown channel policy {name!r}: use one of {choices}")


def _key_of(message: Message) -> int:
    route_key: int = message.route_key()
    schema_id: int = message.schema_id
    return route_key * SCHEMA_SPAN + schema_id


class ChannelCore:
    """A bounded ring of messages with one policy for what a full ring does.

    `block`: refuses with FULL. `coalesce`: the latest message of each (schema id, route key) replaces the one that
    is queued and keeps its place; a new key in a full ring is refused with FULL. `drop_oldest`: the oldest makes
    room and is counted. `halt`: a message beyond `capacity` goes to the reserve and the answer is TRIPPED; when the
    reserve too is full, FULL, so nothing is ever lost.
    """

    def __init__(self, name: str, capacity: i64, policy: i64, reserve: i64 = -1) -> None:
        """Make an empty ring; `reserve` is for `halt` only and is as large as the capacity unless stated."""
        if capacity < 1:
            raise ChannelSetupError(f"channel {name!r}: capacity {capacity} must be at least 1")
        if policy < BLOCK or policy > HALT:
            raise ChannelSetupError(f"channel {name!r}: unknown policy {policy}")
        if policy == HALT:
            if reserve < 0:
                reserve = capacity
            if reserve < 1:
                raise ChannelSetupError(f"channel {name!r}: `halt` needs a reserve of at least 1")
        elif reserve > 0:
            raise ChannelSetupError(f"channel {name!r}: only `halt` has a reserve")
        else:
            reserve = 0
        self.name: str = name
        self.capacity: i64 = capacity
        self.policy: i64 = policy
        self.reserve: i64 = reserve
        self.depth: i64 = 0
        self.high_water: i64 = 0
        self.sent: i64 = 0
        self.received: i64 = 0
        self.waits: i64 = 0
        self.coalesced: i64 = 0
        self.dropped: i64 = 0
        self.tripped: i64 = 0
        self._slots: i64 = capacity + reserve
        self._head: i64 = 0
        self._ring: list[Message | None] = [None] * int(self._slots)
        self._place_of_key: dict[int, int] = {}

    def offer(self, message: Message) -> i64:
        """Take the message if the policy allows it, and say what happened; FULL means that it was not taken."""
        policy = self.policy
        if policy == COALESCE:
            return self._offer_coalescing(message)
        depth = self.depth
        if depth < self.capacity:
            self._append(message)
            return ACCEPTED
        if policy == DROP_OLDEST:
            self._drop_head()
            self._append(message)
            return DROPPED_OLDEST
        if policy == HALT and depth < self._slots:
            self.tripped += 1
            self._append(message)
            return TRIPPED
        self.waits += 1
        return FULL

    def accepts(self, message: Message) -> bool:
        """Whether `offer` would take this message now."""
        if self.depth < self._slots or self.policy == DROP_OLDEST:
            return True
        return self.policy == COALESCE and _key_of(message) in self._place_of_key

    def offer_all(self, messages: list[Message], start: i64) -> i64:
        """Offer from index `start` on until one is refused; the index of that one, or the length of the list."""
        index = start
        count: i64 = len(messages)
        while index < count:
            if self.offer(messages[index]) == FULL:
                return index
            index += 1
        return index

    def drain_into(self, target: list[Message], limit: i64 = -1) -> i64:
        """Move up to `limit` messages (all of them when negative) to the end of `target`; how many were moved."""
        count = self.depth
        if limit >= 0 and limit < count:
            count = limit
        if count == 0:
            return 0
        keyed = self.policy == COALESCE
        forget_each = keyed and count < self.depth
        ring = self._ring
        slots = self._slots
        head = self._head
        moved: i64 = 0
        while moved < count:
            message = ring[head]
            assert message is not None
            ring[head] = None
            target.append(message)
            if forget_each:
                del self._place_of_key[_key_of(message)]
            head += 1
            if head == slots:
                head = 0
            moved += 1
        if keyed and not forget_each:
            self._place_of_key.clear()
        self._head = head
        self.depth -= count
        self.received += count
        return count

    def _append(self, message: Message) -> None:
        place = self._head + self.depth
        if place >= self._slots:
            place -= self._slots
        self._ring[place] = message
        depth = self.depth + 1
        self.depth = depth
        self.sent += 1
        if depth > self.high_water:
            self.high_water = depth

    def _offer_coalescing(self, message: Message) -> i64:
        key = _key_of(message)
        place = self._place_of_key.get(key)
        if place is not None:
            self._ring[place] = message
            self.sent += 1
            self.coalesced += 1
            return COALESCED
        if self.depth >= self.capacity:
            self.waits += 1
            return FULL
        vacant = self._head + self.depth
        if vacant >= self._slots:
            vacant -= self._slots
        self._place_of_key[key] = int(vacant)
        self._append(message)
        return ACCEPTED

    def _drop_head(self) -> None:
        head = self._head
        self._ring[head] = None
        head += 1
        if head == self._slots:
            head = 0
        self._head = head
        self.depth -= 1
        self.dropped += 1
