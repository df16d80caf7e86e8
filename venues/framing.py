"""What every service that reads from a venue does with a frame before it sends it: cut it when it would take too long.

A frame up to `PIECE_BYTES` is sent as it is, without a copy. A larger one is cut by its dialect. One that cannot be cut
is sent whole while a lane can still take it in time; of a larger one only the beginning is sent, marked as such, and
the venue book refuses it. Nothing here raises, whatever the bytes are.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

from market.dialect import MOST_WHOLE_BYTES, PIECE_BYTES, Dialect
from market.messages import FRAME_AUDIT, Message, RawFrame

# Of a frame that is left out: enough to see what it was.
KEPT_BYTES: Final = 1_024


def frames_of(
    dialect: Dialect,
    connection_id: int,
    kind: int,
    instrument_id: int,
    receive_ns: int,
    data: bytes,
    most_bytes: int = PIECE_BYTES,
) -> list[RawFrame]:
    """One frame as the messages that bring it to the lanes: itself, or its pieces in their order."""
    size = len(data)
    if size <= most_bytes:
        return [RawFrame(connection_id, kind, instrument_id, receive_ns, data)]
    pieces: Sequence[bytes] = []
    if kind == FRAME_AUDIT:
        # Nothing is decoded of it before all of it is there.
        pieces = [data[start : start + most_bytes] for start in range(0, size, most_bytes)]
    elif size <= dialect.most_frame_bytes:
        pieces = dialect.cut(data, kind, most_bytes)
    if len(pieces) > 1:
        checksum = zlib.crc32(data)
        return [
            RawFrame(connection_id, kind, instrument_id, receive_ns, piece, part, len(pieces), checksum)
            for part, piece in enumerate(pieces, 1)
        ]
    if size <= MOST_WHOLE_BYTES:
        return [RawFrame(connection_id, kind, instrument_id, receive_ns, data)]
    return [RawFrame(connection_id, kind, instrument_id, receive_ns, data[:KEPT_BYTES], 1, 0)]


def batches_of(frames: Iterable[Sequence[RawFrame]]) -> list[list[Message]]:
    """The frames of one read, each as `frames_of` gave it, in batches: every piece is a batch of its own."""
    batches: list[list[Message]] = []
    together: list[Message] = []
    for one in frames:
        if len(one) == 1:
            together.append(one[0])
            continue
        if together:
            batches.append(together)
            together = []
        batches.extend([piece] for piece in one)
    if together:
        batches.append(together)
    return batches
