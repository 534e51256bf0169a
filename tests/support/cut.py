"""A connection to MongoDB that breaks for good at a chosen command, like a killed process's."""

import asyncio
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

TURNS_OF_AN_ACCEPT = 20
"""More turns of the loop than it takes to send a connection away that is there already."""

_HEADER_BYTES = 16
_OP_MSG = 2013
_BODY = _HEADER_BYTES + 5  # flags, and the kind of the first section


class Cut:
    """Stands between a client and a server, and counts the commands that matter.

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
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.commands: list[str] = []
        self.is_cut = False

    async def __aenter__(self) -> "Cut":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._break()
        for _ in range(TURNS_OF_AN_ACCEPT):
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await asyncio.gather(*self._serving)

    def connect(self, database: str) -> Mongo:
        """Return a process's client whose commands pass here."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        options = "directConnection=true&serverSelectionTimeoutMS=100&connectTimeoutMS=500"
        return Mongo(f"mongodb://127.0.0.1:{port}/?{options}", database)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
        else:
            self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        """Break every connection; whatever connects from now on is sent away.

        The server stays: asyncio leaves a connection unclosed that arrives while one closes.
        """
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
