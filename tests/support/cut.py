"""A connection to MongoDB that breaks for good at a chosen command, like a killed process's."""

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Literal

import bson

from runtime.mongo import Mongo

WATCHED = frozenset(
    {"insert", "update", "delete", "find", "findAndModify", "commitTransaction", "aggregate"}
)

Mode = Literal["unsent", "unanswered"]

_HEADER_BYTES = 16
_OP_MSG = 2013
_BODY = _HEADER_BYTES + 5  # flags, and the kind of the first section


class Cut:
    """Stands between a client and a server, and counts the commands that matter.

    It accepts by itself: a server of asyncio leaves connections unclosed that come while it closes.

    Args:
        uri: Of the server.
        at: The command that is the last, counted from 1; 0 lets all of them pass.
        mode: Whether that command still reaches the server (its answer never comes back), or not.
    """

    def __init__(self, uri: str, at: int, mode: Mode) -> None:
        self._host, _, port = uri.removeprefix("mongodb://").partition("/")[0].partition(":")
        self._port = int(port)
        self._at = at
        self._mode = mode
        self._writers: set[asyncio.StreamWriter] = set()
        self._listening: socket.socket | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.commands: list[str] = []
        self.is_cut = False

    async def __aenter__(self) -> "Cut":
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listening, self._accept, self._listening)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._break()
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()  # who was not accepted yet is sent away by the kernel
        await asyncio.gather(*self._serving)

    def connect(self, database: str) -> Mongo:
        """Return a process's client whose commands pass here."""
        assert self._listening is not None
        port = self._listening.getsockname()[1]
        options = "directConnection=true&serverSelectionTimeoutMS=100&connectTimeoutMS=500"
        return Mongo(f"mongodb://127.0.0.1:{port}/?{options}", database)

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, ConnectionError):
            return  # it went away by itself
        if self.is_cut:
            accepted.close()
        else:
            self._serving.add(asyncio.create_task(self._serve(accepted)))

    async def _serve(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=accepted)
        self._writers.add(writer)
        from_server, to_server = await asyncio.open_connection(self._host, self._port)
        both = (writer, to_server)
        self._writers.add(to_server)
        if self.is_cut:
            self._break()
        answers = asyncio.create_task(_copy(from_server, writer))
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._pass_on(reader, to_server)
        answers.cancel()
        await asyncio.wait([answers])
        for each in both:
            self._writers.discard(each)
            await _close(each)

    async def _pass_on(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while not self.is_cut:
            header = await reader.readexactly(_HEADER_BYTES)
            length, _, _, kind = struct.unpack("<iiii", header)
            message = header + await reader.readexactly(length - _HEADER_BYTES)
            name = _command(message) if kind == _OP_MSG else ""
            if name in WATCHED:
                self.commands.append(name)
            is_last = name in WATCHED and len(self.commands) == self._at
            if is_last and self._mode == "unsent":
                self._break()
                return
            if is_last:
                await self._deliver(message)
                self._break()
                return
            to_server.write(message)
            await to_server.drain()

    async def _deliver(self, message: bytes) -> None:
        """Send the last command on a connection of its own, and see it answered."""
        from_server, to_server = await asyncio.open_connection(self._host, self._port)
        to_server.write(message)
        await to_server.drain()
        await from_server.readexactly(_HEADER_BYTES)
        await _close(to_server)

    def _break(self) -> None:
        """Break every connection; whatever connects from now on is sent away."""
        self.is_cut = True
        for writer in self._writers:
            writer.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def _command(message: bytes) -> str:
    """Return the name of the command in a message."""
    (size,) = struct.unpack_from("<i", message, _BODY)
    return next(iter(bson.decode(message[_BODY : _BODY + size])))
