"""What the machine gives without any of ours: a message goes over loopback to another process, an answer comes back.

Pace and cores are those of the time from socket to socket. One message in so many is answered, as few as there lead to
commands, by a plain blocking socket or by one trio task that reads and writes. What is above zero here is the kernel,
the waking of two sleeping processes and, where cores are shared, the neighbours.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import quantiles
from typing import Final

import trio

from benchmarks.machine import TREE
from benchmarks.system_sender import ORDER_HEAD, Cause, hear
from benchmarks.transport import leave_core

MESSAGE_BYTES: Final = 256
ANSWER_BYTES: Final = 64
ANSWERED_EVERY: Final = 57
_SETTLE_SECONDS: Final = 0.2
_LAST_SECONDS: Final = 0.05
_READ_BYTES: Final = 65_536
_NANOSECONDS: Final = 1_000_000_000


def answers(data: bytearray) -> bytes:
    """The answers to the whole messages in here, which are taken out."""
    found = b""
    while len(data) >= MESSAGE_BYTES:
        number = int.from_bytes(data[:8], "little")
        del data[:MESSAGE_BYTES]
        if number % ANSWERED_EVERY == 0:
            found += ORDER_HEAD.pack(1, number, ANSWER_BYTES) + bytes(ANSWER_BYTES)
    return found


def answer_plainly(port: int) -> None:
    """Answer with a blocking socket until the sender has enough."""
    data = bytearray()
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while read := stream.recv(_READ_BYTES):
            data += read
            if found := answers(data):
                stream.sendall(found)


async def answer_as_task(port: int) -> None:
    """Answer until the sender has enough."""
    data = bytearray()
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        while read := await stream.receive_some(_READ_BYTES):
            data += read
            if found := answers(data):
                await stream.send_all(found)


def answer_in_trio(port: int) -> None:
    """The same in one trio task."""
    trio.run(answer_as_task, port)


ANSWERS: Final[dict[str, Callable[[int], None]]] = {
    "a blocking socket": answer_plainly, "a single trio task": answer_in_trio,
}  # fmt: skip


def echo(pause_us: int, count: int, answer: Callable[[int], None]) -> tuple[float, float]:
    """Median and 99th percentile from a message's leave to the receipt of its answer, in microseconds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.echo", str(pause_us), str(count)],
        cwd=TREE, stdout=subprocess.PIPE, text=True, preexec_fn=leave_core,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        answer(int(process.stdout.readline()))
        times: list[int] = json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
    return shares_of(times)


def shares_of(times_ns: list[int]) -> tuple[float, float]:
    """Median and 99th percentile in microseconds."""
    shares = quantiles(times_ns, n=100)
    return shares[49] / 1_000, shares[98] / 1_000


def send(stream: socket.socket, pause_ns: int, count: int) -> list[int]:
    """Send messages one by one and hear the answers; gives the time of each."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    time.sleep(_SETTLE_SECONDS)
    sent_ns: dict[Cause, int] = {}
    heard: dict[Cause, int] = {}
    due_ns = time.monotonic_ns()
    for number in range(count):
        data = number.to_bytes(8, "little") + bytes(MESSAGE_BYTES - 8)
        sent_ns[(1, number)] = time.monotonic_ns()
        # It never blocks: the other side takes more than one message in this time.
        stream.sendall(data)
        due_ns = max(due_ns + pause_ns, time.monotonic_ns())
        hear(stream, due_ns, heard)
    hear(stream, time.monotonic_ns() + round(_LAST_SECONDS * _NANOSECONDS), heard)
    return [at_ns - sent_ns[cause] for cause, at_ns in heard.items()]


def main(words: list[str]) -> None:
    """Play the sender for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        taken, _ = listener.accept()
        with taken:
            times = send(taken, int(words[0]) * 1_000, int(words[1]))
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
