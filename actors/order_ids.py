"""Order ids that no other actor and no other run uses: the session, the number of the actor, and a counter.

Whoever makes orders has one `OrderIds`. A fresh one after a failure counts above everything that the ledger knows, in a
session of its own when time has passed since the run began.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from runtime.actor import ActorError
from runtime.ledger import Ledger

COUNTER_BITS: Final = 24
ACTOR_BITS: Final = 7
SESSION_SHIFT: Final = COUNTER_BITS + ACTOR_BITS
MOST_ORDERS: Final = (1 << COUNTER_BITS) - 1
MOST_ACTORS: Final = (1 << ACTOR_BITS) - 1
NANOSECONDS_PER_SECOND: Final = 1_000_000_000


@final
class OrderIds:
    """See the head of this file."""

    def __init__(self, name: str, actor_id: int) -> None:
        if actor_id > MOST_ACTORS:
            raise ActorError(f"{name} is actor {actor_id}: place it among the first {MOST_ACTORS} actors")
        self.name: Final = name
        self.actor_id: Final[i64] = actor_id
        self.place: Final[i64] = actor_id << COUNTER_BITS
        self.session: i64 = 0
        self.counter: i64 = 0

    def next(self) -> i64:
        """An id that no order of this or any other run has."""
        self.counter += 1
        if self.counter > MOST_ORDERS:
            raise ActorError(f"{self.name} has used all {MOST_ORDERS} order ids of this run: start a new one")
        return (self.session << SESSION_SHIFT) | self.place | self.counter

    def is_own(self, order_id: i64) -> bool:
        """Whether an id was made here, in this run or another."""
        return (order_id >> COUNTER_BITS) & MOST_ACTORS == self.actor_id

    def begin(self, session: i64) -> None:
        """A new run counts anew; a run within the same second goes on counting."""
        if session > self.session:
            self.session = session
            self.counter = 0

    def prime(self, ledger: Ledger, now_ns: i64) -> None:
        """Count above all that the ledger knows; what it has forgotten was made in a second that is over."""
        highest: i64 = 0
        for order_id in list(ledger.open) + list(ledger.ended):
            if order_id > highest and self.is_own(order_id):
                highest = order_id
        if highest > (self.session << SESSION_SHIFT) | self.place | self.counter:
            self.session = highest >> SESSION_SHIFT
            self.counter = highest & MOST_ORDERS
        self.begin(now_ns // NANOSECONDS_PER_SECOND)

    def save(self) -> list[int]:
        """The session and the counter."""
        return [int(self.session), int(self.counter)]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        self.session = state[0]
        self.counter = state[1]
