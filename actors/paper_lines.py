"""The ways to a venue on paper and back: how long each message takes, and that none overtakes another.

A delay follows from a seed and a counter alone. Every venue has a way of its own there and one back, each in order.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from market.messages import Message, decode, encode

NANOSECONDS_PER_MICROSECOND: Final = 1_000
PPM: Final[i64] = 1_000_000

MOST_SEED: Final[i64] = (1 << 62) - 1
_LOW: Final[i64] = 0xFFFF_FFFF
# Below 2^31, so that its product with 32 bits stays below 2^63.
_FACTOR: Final[i64] = 0x45D9_F3B
_HIGH_HALF: Final[i64] = 0x5BD1_E995


def mix(word: i64) -> i64:
    """Another 32 bits for each 32 bits, no two the same; nothing in it passes 63 bits."""
    word = ((word >> 16) ^ word) * _FACTOR & _LOW
    word = ((word >> 16) ^ word) * _FACTOR & _LOW
    return (word >> 16) ^ word


def draw(seed: i64, counter: i64, below: i64) -> i64:
    """A number from 0 to below `below` that follows from seed and counter alone; neither may be negative."""
    word = mix(mix(mix(seed & _LOW) ^ (seed >> 32)) ^ (counter >> 32))
    word = mix((word + counter) & _LOW)
    high = mix(word ^ _HIGH_HALF) >> 1
    return ((high << 32) | mix((word + _HIGH_HALF) & _LOW)) % below


class Delay:
    """How long a message is on its way: an even draw from a range, or from between the quantiles of what was measured.

    Nothing is drawn where there is nothing to choose from. The settings are at most a minute, so no product here wraps.
    """

    def __init__(self, latency_us: int, jitter_us: int, quantiles_us: tuple[int, ...]) -> None:
        self.shortest_ns: Final[i64] = latency_us * NANOSECONDS_PER_MICROSECOND
        self.jitter_ns: Final[i64] = jitter_us * NANOSECONDS_PER_MICROSECOND
        self.quantiles_ns: Final[vec[i64]] = vec[i64]([one * NANOSECONDS_PER_MICROSECOND for one in quantiles_us])

    @property
    def is_none(self) -> bool:
        """Whether messages come at once."""
        return self.shortest_ns == 0 and self.jitter_ns == 0 and len(self.quantiles_ns) == 0

    def of(self, seed: i64, counter: i64) -> i64:
        """The delay of the message of this number."""
        count: i64 = len(self.quantiles_ns)
        if count == 0:
            if self.jitter_ns == 0:
                return self.shortest_ns
            return self.shortest_ns + draw(seed, counter, self.jitter_ns + 1)
        drawn = draw(seed, counter, (count - 1) * PPM)
        place = drawn // PPM
        shorter_ns = self.quantiles_ns[place]
        return shorter_ns + (self.quantiles_ns[place + 1] - shorter_ns) * (drawn % PPM) // PPM


class OnItsWay:
    """A message on its way; `question` is the number of the question that it is part of, 0 for none."""

    def __init__(self, due_ns: i64, message: Message, question: i64 = 0) -> None:
        self.due_ns: Final = due_ns
        self.message: Final = message
        self.question: Final = question

    def save(self) -> list[object]:
        """The message as plain data."""
        return [int(self.due_ns), encode(self.message).hex(), int(self.question)]


def load_on_its_way(state: list[object]) -> OnItsWay:
    """The message that `save` described."""
    due_ns, text, question = state
    assert isinstance(due_ns, int)
    assert isinstance(text, str)
    assert isinstance(question, int)
    return OnItsWay(due_ns, decode(bytes.fromhex(text)), question)


class Line:
    """The ways to one venue and back."""

    def __init__(self, number: int, venue: str, seed: int, orders: Delay, cancels: Delay, reports: Delay) -> None:
        self.number: Final = number
        self.venue: Final = venue
        self.seed: Final[i64] = draw(seed, number + 1, MOST_SEED)
        self.orders: Final = orders
        self.cancels: Final = cancels
        self.back: Final = reports
        self.at_once: Final[bool] = reports.is_none
        self.requests: list[OnItsWay] = []
        self.reports: list[OnItsWay] = []
        self.drawn: i64 = 0
        self.sent: i64 = 0
        self.delayed_ns: int = 0

    def send(self, message: Message, delay: Delay, now_ns: i64, question: i64 = 0) -> bool:
        """Put a request on its way; says whether nothing was on the way before."""
        self.drawn += 1
        waits_ns = delay.of(self.seed, self.drawn)
        due_ns: i64 = now_ns + waits_ns
        first = len(self.requests) == 0
        if not first:
            due_ns = max(due_ns, self.requests[len(self.requests) - 1].due_ns)
        self.sent += 1
        self.delayed_ns += due_ns - now_ns
        self.requests.append(OnItsWay(due_ns, message, question))
        return first

    def answer(self, message: Message, now_ns: i64, not_before_ns: i64 = 0) -> bool:
        """Put a report on its way back; says whether nothing was on the way before."""
        self.drawn += 1
        due_ns: i64 = now_ns + self.back.of(self.seed, self.drawn)
        due_ns = max(due_ns, not_before_ns)
        first = len(self.reports) == 0
        if not first:
            due_ns = max(due_ns, self.reports[len(self.reports) - 1].due_ns)
        self.reports.append(OnItsWay(due_ns, message))
        return first

    def last_report_ns(self) -> i64:
        """When the last report that is on its way arrives; 0 when none is."""
        return self.reports[len(self.reports) - 1].due_ns if len(self.reports) > 0 else 0

    def arrived(self, now_ns: i64) -> OnItsWay | None:
        """Take off the first request, when it has arrived."""
        if len(self.requests) == 0 or self.requests[0].due_ns > now_ns:
            return None
        return self.requests.pop(0)

    def returned(self, now_ns: i64) -> OnItsWay | None:
        """Take off the first report, when it has come back."""
        if len(self.reports) == 0 or self.reports[0].due_ns > now_ns:
            return None
        return self.reports.pop(0)

    def save(self) -> list[object]:
        """What is on its way, and the counters, as plain data."""
        return [
            [one.save() for one in self.requests], [one.save() for one in self.reports], int(self.drawn),
            int(self.sent), self.delayed_ns,
        ]  # fmt: skip

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        requests, reports, drawn, sent, delayed_ns = state
        assert isinstance(requests, list)
        assert isinstance(reports, list)
        assert isinstance(drawn, int)
        assert isinstance(sent, int)
        assert isinstance(delayed_ns, int)
        self.requests = [load_on_its_way(row) for row in requests]
        self.reports = [load_on_its_way(row) for row in reports]
        self.drawn = drawn
        self.sent = sent
        self.delayed_ns = delayed_ns
