"""The trading process's side of the desk: its state over a Unix socket, coalesced, and the commands that come back.

It promises: nothing is built while nobody is connected; a reader that is slow or stopped delays nobody and makes
nothing grow, it gets the newest state when it reads again; only the same user may connect; every command enters as a
numbered input through the session. It draws nothing and knows nothing of terminals.

    with private_socket() as path:
        link = DeskLink(session, path, operator, LogTail())
        nursery.start(link.run)       # ends when it is cancelled, with a goodbye to whoever is connected
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from desk.link_codec import MOST_COMMAND_BYTES, FrameReader, LinkError, framed
from desk.link_log import LogTail
from desk.link_state import StateBuilder
from runtime.logs import get_logger

if TYPE_CHECKING:
    from runtime.session import Session

EVERY_SECONDS = 0.25
# Reading again a little later costs a person nothing, and a flood of commands the lane nothing.
COMMAND_SECONDS = 0.05
GOODBYE_SECONDS = 0.5
MOST_CLIENTS = 4
# So little may lie on the way to a reader that has stopped: what it sees when it goes on is not long ago.
SEND_BUFFER_BYTES = 64 * 1024
READ_BYTES = 4096
SOCKET_NAME = "desk.socket"
# Of `SO_PEERCRED`: process, user, group.
PEER = struct.Struct("3i")


@contextmanager
def private_socket() -> Iterator[Path]:
    """Where the socket shall lie: a directory of its own that nobody else may enter, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hftrun-desk-"))
    try:
        yield folder / SOCKET_NAME
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def no_files() -> None:
    """Where no file describes the run there is nothing to read again."""


class DeskLink:
    """See the head of this file."""

    def __init__(
        self,
        session: Session,
        path: Path,
        operator: str,
        tail: LogTail | None = None,
        banner: str = "",
        reload: Callable[[], None] = no_files,
    ) -> None:
        self.session = session
        self.path = path
        self.operator = operator
        self.reload = reload
        self.builder = StateBuilder(session, tail or LogTail(), operator, banner)
        self.clients = 0
        self.states_sent = 0
        self.goodbye = ""
        self._log = get_logger("desk.link")
        self._state = b""
        self._built_at = -1.0
        self._building = trio.Lock()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until it is cancelled."""
        listener = _listening(self.path)
        async with listener, trio.open_nursery() as nursery:
            task_status.started()
            await trio.serve_listeners(self._serve, [listener], handler_nursery=nursery)

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One connection, from its greeting to its end."""
        if _is_stranger(stream.socket) or self.clients >= MOST_CLIENTS:
            await stream.aclose()
            return
        self.clients += 1
        sending = Sending()
        try:
            async with stream, trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, stream, nursery.cancel_scope)
                try:
                    await self._tell(stream, sending)
                finally:
                    await self._say_goodbye(stream, sending)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, LinkError) as problems:
            self._log.info("a dashboard left", reason=str(problems.exceptions[0]))
        finally:
            self.clients -= 1

    async def _tell(self, stream: trio.SocketStream, sending: Sending) -> None:
        """The greeting, then the newest state again and again; one that is not taken in time replaces the next."""
        await sending.send(stream, framed(self.builder.hello()))
        while True:
            begun_at = trio.current_time()
            await sending.send(stream, await self._newest())
            self.states_sent += 1
            await trio.sleep(max(0.0, begun_at + EVERY_SECONDS - trio.current_time()))

    async def _newest(self) -> bytes:
        """The state as it is now; several readers share one."""
        async with self._building:
            if trio.current_time() - self._built_at >= EVERY_SECONDS / 2:
                self._state = framed(await self.builder.state())
                self._built_at = trio.current_time()
            return self._state

    async def _say_goodbye(self, stream: trio.SocketStream, sending: Sending) -> None:
        """The end of the run is told, unless a frame is stuck half way."""
        if sending.is_busy:
            return
        with trio.move_on_after(GOODBYE_SECONDS, shield=True):
            await stream.send_all(framed({"t": "goodbye", "reason": self.goodbye or "the run has ended"}))

    async def _listen(self, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        """Take commands until the other side closes."""
        reader = FrameReader(MOST_COMMAND_BYTES)
        while data := await stream.receive_some(READ_BYTES):
            for message in reader.feed(data):
                self.obey(message)
                await trio.sleep(COMMAND_SECONDS)
        scope.cancel()

    def obey(self, message: dict[str, Any]) -> bool:
        """Do what a person asks for; says whether it was understood."""
        session, operator = self.session, self.operator
        match message.get("command"):
            case "pause":
                session.pause_quoting(True, operator)
            case "resume":
                session.pause_quoting(False, operator)
            case "kill":
                session.kill(operator)
            case "reset_halt":
                session.reset_halt(operator)
            case "reload":
                self.reload()
            case "quit":
                session.request_shutdown(f"{operator} quit")
            case _:
                self._log.warning("a command that is not known", command=str(message.get("command"))[:40])
                return False
        return True


class Sending:
    """Whether a frame is on its way: a goodbye behind half a frame would be read as part of it."""

    def __init__(self) -> None:
        self.is_busy = False

    async def send(self, stream: trio.SocketStream, data: bytes) -> None:
        """Send a whole frame."""
        self.is_busy = True
        await stream.send_all(data)
        self.is_busy = False


def _listening(path: Path) -> trio.SocketListener:
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Accepted sockets have the buffer of the one that listens.
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    plain.setblocking(False)
    # Nobody but this user, also where the directory is one that others may enter.
    mask = os.umask(0o177)
    try:
        plain.bind(str(path))
    finally:
        os.umask(mask)
    plain.listen(MOST_CLIENTS)
    return trio.SocketListener(trio.socket.from_stdlib_socket(plain))


def _is_stranger(peer: trio.socket.SocketType) -> bool:
    """Whether another user is at the other end; the permissions of the socket forbid it already."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return False
    _, user, _ = PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, option, PEER.size))
    return bool(user not in (0, os.getuid()))
