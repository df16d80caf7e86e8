"""The common frame of a WebSocket, read without the library: whole, unmasked, uncompressed, text or binary.

It takes the bytes of a connection as they come, in whatever pieces, and gives the payloads of common frames. Every
other frame, control, fragmented, compressed, masked, too large or malformed, it hands over byte for byte, in its
place among the others, to the library that keeps the connection, and it never judges one. While the library is in the
middle of a fragmented message, every frame is the library's; once the connection is no longer open, every byte is.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

# The first byte of a frame that ends its message, with no extension's bit: a text, and a binary message.
_WHOLE_TEXT: Final = 0x81
_WHOLE_BINARY: Final = 0x82
_MASKED: Final = 0x80
_SHORT_LENGTHS: Final = 126  # lengths below stand in the second byte
_SIXTEEN_BITS: Final = 126
_MASK_BYTES: Final = 4


class FrameReader:
    """See the head of this file. `feed`, then `take` until it gives nothing; what it gives is for the library."""

    def __init__(self, most_bytes: int) -> None:
        """Read frames of at most so many bytes; a larger one is for the library, which ends the connection."""
        self.most_bytes: Final[i64] = most_bytes
        # Set by the caller after the library took what it was given.
        self.is_fragmented: bool = False
        self.is_over: bool = False
        self._data: bytes = b""
        self._at: i64 = 0
        # A frame, or its header, of which something is missing; joined once all of it is there, so that a large one
        # that comes in many reads is copied once.
        self._held: list[bytes] = []
        self._held_bytes: i64 = 0
        self._wanted_bytes: i64 = 0
        # Of an uncommon frame, so many bytes are still to come.
        self._passing_bytes: i64 = 0

    def feed(self, data: bytes) -> None:
        """Take what one read brought."""
        if self._held_bytes == 0:
            self._data = data
            self._at = 0
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= self._wanted_bytes:
            self._data = b"".join(self._held)
            self._at = 0
            self._held = []
            self._held_bytes = 0

    def rest(self) -> bytes:
        """Whatever is held of a frame that never became whole: for the library, when the connection has ended."""
        held = b"".join(self._held)
        self._held = []
        self._held_bytes = 0
        return held

    def take(self, frames: list[bytes]) -> bytes:
        """Append the payloads that come next; gives what the library must take before the next call, or nothing."""
        data = self._data
        size: i64 = len(data)
        at = self._at
        if self.is_over:
            return self._hand_over(at, size - at)
        if self._passing_bytes > 0:
            return self._hand_over(at, self._passing_bytes)
        most_bytes = self.most_bytes
        is_fragmented = self.is_fragmented
        while size - at >= 2:
            first: i64 = data[at]
            length: i64 = data[at + 1]
            body = at + 2
            if length >= _SHORT_LENGTHS:
                second = length
                length &= ~_MASKED
                if length == _SIXTEEN_BITS:
                    body += 2
                elif length > _SIXTEEN_BITS:
                    body += 8
                if second >= _MASKED:
                    body += _MASK_BYTES
                if body > size:
                    return self._keep(at, body - at)
                if length >= _SIXTEEN_BITS:
                    length = _wide_length(data, at + 2, 2 if length == _SIXTEEN_BITS else 8)
                if length < 0 or length > most_bytes:
                    # Where it ends does not matter: the library ends the connection.
                    self.is_over = True
                    return self._hand_over(at, size - at)
                if second >= _MASKED:
                    return self._hand_over(at, body + length - at)
            if is_fragmented or (first != _WHOLE_TEXT and first != _WHOLE_BINARY):
                return self._hand_over(at, body + length - at)
            end = body + length
            if end > size:
                return self._keep(at, end - at)
            frames.append(data[body:end])
            at = end
        return self._keep(at, 2)

    def _hand_over(self, at: i64, length: i64) -> bytes:
        """Give the library so many bytes from here, or what is there of them."""
        there = len(self._data) - at
        given = length if length < there else there
        self._passing_bytes = length - given
        self._at = at + given
        return self._data[at : at + given]

    def _keep(self, at: i64, wanted_bytes: i64) -> bytes:
        """Hold what is left until so many bytes are there; nothing for the library."""
        left = self._data[at:]
        self._data = b""
        self._at = 0
        if len(left) > 0:
            self._held = [left]
            self._held_bytes = len(left)
            self._wanted_bytes = wanted_bytes
        return b""


def _wide_length(data: bytes, at: i64, count: i64) -> i64:
    """A length of so many bytes, the highest first; less than 0 when it is above all that could be taken."""
    length: i64 = 0
    end = at + count
    while at < end:
        if length >= 1 << 23:
            return -1
        length = length * 256 + data[at]
        at += 1
    return length
