"""The other end of the figures of the transport: a process that sends frames as fast as they are taken.

`python -m benchmarks.transport_sender messages` sends the same seeded messages on every connection;
`... traffic` plays a venue: it answers the request for a snapshot, and sends recorded frames behind it, or seeded ones
where there is no recording. It prints the port that it listens on, and ends with its input. It measures nothing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import socket
import sys
import threading
from random import Random
from typing import Final

from benchmarks.books import RECORDING, seeded_frames
from benchmarks.recordings import recording

MESSAGES: Final = 40_000
MESSAGE_BYTES: Final = 400
SEEDED_FRAMES: Final = 5_000
_BLOCK_BYTES: Final = 1024 * 1024
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SNAPSHOT: Final = b'{"lastUpdateId"'


def seeded_messages(count: int = MESSAGES, seed: int = 1) -> list[bytes]:
    """Texts of 400 bytes, all different."""
    random = Random(seed)
    return [random.randbytes(MESSAGE_BYTES // 2).hex().encode() for _ in range(count)]


def framed(payload: bytes) -> bytes:
    """A text message as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes([0x81, size]) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def traffic() -> tuple[bytes, list[bytes]]:
    """The snapshot of a recording and its frames as they came; seeded ones where there is no recording."""
    path = recording(RECORDING)
    if path is None:
        snapshot, frames, _ = seeded_frames(count=SEEDED_FRAMES)
        return snapshot, frames
    snapshot = b""
    frames = []
    with gzip.open(path, "rb") as lines:
        for line in lines:
            frame = line.split(b" ", 1)[1].rstrip()
            if frame.startswith(_SNAPSHOT):
                snapshot = frame
            else:
                frames.append(frame)
    return snapshot, frames


class Sender:
    """See the head of this file."""

    def __init__(self, early: bytes, body: bytes, snapshot: bytes) -> None:
        """Send `early` at once, and `body` when the snapshot was asked for, or at once where there is none."""
        self._early = early
        self._body = body
        self._snapshot = snapshot
        self._asked = threading.Semaphore(0)

    def serve(self, taken: socket.socket) -> None:
        """One connection, whatever it asks for."""
        try:
            with taken:
                request = b""
                while b"\r\n\r\n" not in request:
                    data = taken.recv(4_096)
                    if not data:
                        return
                    request += data
                if b"upgrade: websocket" in request.lower():
                    self._stream(taken, request)
                else:
                    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self._snapshot)
                    taken.sendall(answer + self._snapshot)
                    self._asked.release()
                    taken.recv(4_096)
        except OSError:
            # Whoever measures has seen enough.
            return

    def _stream(self, taken: socket.socket, request: bytes) -> None:
        key = next(
            line.partition(b":")[2].strip()
            for line in request.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        head = b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
        taken.sendall(head + b"\r\n\r\n" + self._early)
        if self._snapshot:
            self._asked.acquire()
        for start in range(0, len(self._body), _BLOCK_BYTES):
            taken.sendall(self._body[start : start + _BLOCK_BYTES])
        # Open until the other side goes.
        while taken.recv(4_096):
            pass


def main(words: list[str]) -> None:
    """Listen until the input ends."""
    if words[0] == "traffic":
        snapshot, frames = traffic()
        early, body = framed(frames[0]), b"".join(map(framed, frames[1:]))
    else:
        snapshot, early, body = b"", b"", b"".join(map(framed, seeded_messages()))
    sender = Sender(early, body, snapshot)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            taken, _ = listener.accept()
            threading.Thread(target=sender.serve, args=(taken,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
