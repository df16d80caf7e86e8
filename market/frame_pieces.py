"""The pieces of one frame that was cut, as they come: each once, in their order, and together the frame that was cut.

Every decoder keeps one of these for each source that may be cut. Whatever else comes (a piece left out, repeated, in
another order, of another frame, or with other bytes) is a `BadFrame`, once for a frame: what is left of it is passed
over. It knows nothing of what the bytes mean.
"""

from __future__ import annotations

import zlib
from typing import Final, cast, final

from mypy_extensions import i64

from market.dialect import MOST_FRAME_BYTES, BadFrame


@final
class FramePieces:
    """See the head of this file."""

    def __init__(self, most_bytes: int = MOST_FRAME_BYTES) -> None:
        """Begin without a piece; of a frame of more bytes than these nothing counts."""
        self._most_bytes: Final[int] = most_bytes
        self.held: Final[list[bytes]] = []
        self.part: i64 = 0
        self.parts: i64 = 0
        self.checksum: i64 = 0
        self.refused: bool = False
        self._size: i64 = 0
        self._running: int = 0

    def take(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> bool:
        """Hold a piece. False when it is one that is left of a frame that was refused; raises `BadFrame`."""
        if part == 1 and parts > 1:
            # A first piece begins a frame, whatever became of the one before.
            self.clear()
            self.parts = parts
            self.checksum = checksum
        elif self.parts == 0 or part != self.part + 1 or parts != self.parts or checksum != self.checksum:
            reason = self._misplaced(part, parts)
            self.clear()
            self.part = part
            self.parts = parts
            self.checksum = checksum
            self.refuse()
            raise BadFrame(reason, piece)
        self.part = part
        if self.refused:
            if part == parts:
                self.clear()
            return False
        self._size += len(piece)
        self._running = zlib.crc32(piece, self._running)
        if self._size > self._most_bytes:
            self.refuse()
            raise BadFrame(f"pieces of more than {self._most_bytes} bytes together", piece)
        if part == parts and self._running != self.checksum:
            self.refuse()
            raise BadFrame("the pieces together are not the frame that was cut", piece)
        self.held.append(piece)
        return True

    def _misplaced(self, part: i64, parts: i64) -> str:
        """Why a piece is not the one that is due."""
        if self.parts == 0:
            return f"piece {part} of {parts} came without those before it"
        if part != self.part + 1 or parts != self.parts:
            return f"piece {part} of {parts} came where {self.part + 1} of {self.parts} was due"
        return f"piece {part} of {parts} is one of another frame"

    def refuse(self) -> None:
        """Nothing of this frame counts, and what is left of it will be passed over."""
        if self.part >= self.parts:
            self.clear()
        else:
            self.held.clear()
            self.refused = True

    def finish(self) -> list[bytes]:
        """The pieces of the whole frame, once the last was taken; then it holds nothing."""
        pieces = self.held[:]
        self.clear()
        return pieces

    def clear(self) -> None:
        """Forget whatever was held."""
        self.held.clear()
        self.part = 0
        self.parts = 0
        self.checksum = 0
        self.refused = False
        self._size = 0
        self._running = 0

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        return {
            "held": [piece.decode("latin-1") for piece in self.held],
            "numbers": [int(self.part), int(self.parts), int(self.checksum)],
            "refused": self.refused,
        }

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        self.clear()
        self.part, self.parts, self.checksum = cast("list[int]", saved["numbers"])
        self.refused = cast(bool, saved["refused"])
        for text in cast("list[str]", saved["held"]):
            piece = text.encode("latin-1")
            self.held.append(piece)
            self._size += len(piece)
            self._running = zlib.crc32(piece, self._running)
