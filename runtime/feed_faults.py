"""What fault injection does to the frames of one feed, between the service and its channels.

Each fault is a `FaultInjected` before what it does, in the same batch: both are inputs of the lanes that take the
frames, so a journal holds them and a replay repeats them without drawing anything. Whether a fault strikes a frame is a
function of the seed, the fault and the number of the frame alone. At most one fault strikes a frame. What is delayed
comes with the first batch that is sent at or after its time, and is lost, as everything on the way is, when the
connection ends.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

from market.messages import ConnectionDown, ConnectionUp, FaultInjected, Message, RawFrame
from runtime.faults import DIGIT, FeedFault

# Frames that may be on their way late; beyond that the first of them arrives early.
MOST_DELAYED: Final = 1_024
# No text of JSON holds this byte.
_FOREIGN_BYTE: Final = 0xFF
_MASK: Final = 2**64 - 1
_DIGITS: Final = frozenset(b"0123456789")


def draw(seed: int, stream: int, number: int, purpose: int = 0) -> int:
    """A number below 2**64 that these four determine: splitmix64 over them, one after the other."""
    state = seed & _MASK
    for one in (stream, number, purpose):
        state = (state + one * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


class FeedFaults:
    """See the head of this file. It outlives the service, which is made anew after each failure."""

    def __init__(self, target: str, faults: Sequence[FeedFault], seed: int) -> None:
        self.target: Final = target
        self.faults: Final = [fault for fault in faults if fault.target == target]
        self.injected: Final[Counter[str]] = Counter()
        self.frames = 0
        # What the last batch asks of the service: to wait before it sends, and to end its connection after.
        self.stall_ns = 0
        self.disconnects = False
        # Two feeds with the same seed are not struck together.
        self._stream: Final = zlib.crc32(target.encode())
        self._seed: Final = seed
        self._delayed: list[tuple[int, RawFrame]] = []
        # By connection: a frame that the next one of its connection overtakes.
        self._overtaken: dict[int, RawFrame] = {}

    def apply(self, messages: Sequence[Message], now_ns: int) -> list[Message]:
        """What is sent instead of these messages."""
        self.stall_ns = 0
        self.disconnects = False
        out: list[Message] = []
        self._arrive(now_ns, out)
        for message in messages:
            if isinstance(message, RawFrame):
                # The rest of a read is lost with its connection.
                if not self.disconnects:
                    self._take(message, now_ns, out)
            else:
                if isinstance(message, ConnectionDown | ConnectionUp):
                    self._lose(message.connection_id)
                out.append(message)
        return out

    @property
    def waiting(self) -> int:
        """How many frames are on their way late."""
        return len(self._delayed) + len(self._overtaken)

    def flush(self) -> list[Message]:
        """Everything that is still on its way, at the end of a recording."""
        out: list[Message] = [*(frame for _, frame in self._delayed), *self._overtaken.values()]
        self._delayed = []
        self._overtaken = {}
        return out

    def _take(self, frame: RawFrame, now_ns: int, out: list[Message]) -> None:
        self.frames += 1
        fault = self._striking()
        if fault is None:
            self._pass(frame, out)
            return
        kind = fault.kind
        self.injected[kind] += 1
        out.append(FaultInjected(kind, f"{self.target} frame {self.frames}"))
        if kind == "duplicate":
            self._pass(frame, out)
            out.append(frame)
        elif kind == "corrupt":
            self._pass(self._corrupted(frame, fault), out)
        elif kind == "delay":
            self._delay(frame, now_ns + fault.for_ns, out)
        elif kind == "reorder":
            self._release(frame.connection_id, out)
            self._overtaken[frame.connection_id] = frame
        elif kind == "stall":
            self.stall_ns += fault.for_ns
            self._pass(frame, out)
        elif kind == "disconnect":
            self._lose(frame.connection_id)
            self.disconnects = True

    def _striking(self) -> FeedFault | None:
        """The first fault that strikes the present frame."""
        for place, fault in enumerate(self.faults):
            if fault.every:
                if self.frames % fault.every == 0:
                    return fault
            elif draw(self._seed, self._stream + place, self.frames) < fault.below:
                return fault
        return None

    def _pass(self, frame: RawFrame, out: list[Message]) -> None:
        out.append(frame)
        self._release(frame.connection_id, out)

    def _release(self, connection_id: int, out: list[Message]) -> None:
        """The frame that was to be overtaken has been."""
        overtaken = self._overtaken.pop(connection_id, None)
        if overtaken is not None:
            out.append(overtaken)

    def _delay(self, frame: RawFrame, due_ns: int, out: list[Message]) -> None:
        self._delayed.append((due_ns, frame))
        if len(self._delayed) > MOST_DELAYED:
            out.append(self._delayed.pop(0)[1])

    def _arrive(self, now_ns: int, out: list[Message]) -> None:
        """What was delayed and is due."""
        if not self._delayed:
            return
        due = sorted((one for one in self._delayed if one[0] <= now_ns), key=lambda one: one[0])
        if due:
            out.extend(frame for _, frame in due)
            self._delayed = [one for one in self._delayed if one[0] > now_ns]

    def _lose(self, connection_id: int) -> None:
        """What is on the way of a connection that ends does not arrive."""
        self._delayed = [one for one in self._delayed if one[1].connection_id != connection_id]
        self._overtaken.pop(connection_id, None)

    def _corrupted(self, frame: RawFrame, fault: FeedFault) -> RawFrame:
        """The frame with one byte made foreign, or one digit made another; where they are is drawn."""
        data = bytearray(frame.data)
        if not data:
            return frame
        number = draw(self._seed, self._stream, self.frames, 1)
        place = number % len(data)
        if fault.what == DIGIT:
            places = [at for at, byte in enumerate(data) if byte in _DIGITS]
            if not places:
                return frame
            place = places[number % len(places)]
            turn = 1 + draw(self._seed, self._stream, self.frames, 2) % 9
            data[place] = 48 + (data[place] - 48 + turn) % 10
        else:
            data[place] = _FOREIGN_BYTE
        return RawFrame(
            frame.connection_id, frame.kind, frame.instrument_id, frame.receive_ns, bytes(data),
            frame.part, frame.parts, frame.checksum,
        )  # fmt: skip
