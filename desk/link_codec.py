"""What travels between the trading process and whoever draws it: framed, bounded, in both directions.

A frame is four bytes of length, the most significant first, and so much MessagePack. The reader takes bytes as they
come, refuses a frame longer than its bound before it is there, and never blocks. Nothing here opens a socket.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import PurePath
from typing import Any

import msgspec

HEAD_BYTES = 4
# A state of a system with many actors has some 30 KB; what the desk is told by a person fits in a line.
MOST_STATE_BYTES = 4 * 1024 * 1024
MOST_COMMAND_BYTES = 4096
# What an actor of a user's own may hand over beside plain data.
WITH_WORDS = (PurePath, Fraction, complex, range)


def _as_text(value: object) -> str:
    """What is not plain, as text: its own words where they are known to be harmless, otherwise what it is."""
    return str(value) if isinstance(value, WITH_WORDS) else f"<{type(value).__qualname__}>"


_encoder = msgspec.msgpack.Encoder(enc_hook=_as_text)
_decoder = msgspec.msgpack.Decoder()


class LinkError(Exception):
    """The other side of the link does not speak as it should; the message says how."""


def encode(value: object) -> bytes:
    """Plain data as MessagePack; what is not plain becomes its text."""
    return _encoder.encode(value)


def framed(value: object) -> bytes:
    """Plain data as one frame."""
    data = _encoder.encode(value)
    return len(data).to_bytes(HEAD_BYTES, "big") + data


class FrameReader:
    """Makes messages out of bytes that come in pieces."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Take what has come; gives the messages that are whole now."""
        pending = self._pending
        pending += data
        whole: list[dict[str, Any]] = []
        start = 0
        while len(pending) - start >= HEAD_BYTES:
            length = int.from_bytes(pending[start : start + HEAD_BYTES], "big")
            if length > self.most_bytes:
                raise LinkError(f"a frame of {length} bytes came, and no more than {self.most_bytes} are taken")
            end = start + HEAD_BYTES + length
            if len(pending) < end:
                break
            whole.append(_message(bytes(pending[start + HEAD_BYTES : end])))
            start = end
        del pending[:start]
        return whole


def _message(data: bytes) -> dict[str, Any]:
    try:
        message = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LinkError(f"a frame came that is no MessagePack: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("t"), str):
        raise LinkError("a frame came that does not say what it is")
    return message
