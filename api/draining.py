"""How an API process goes away without a request getting lost.

Whoever keeps a connection open may send the next request at the very moment in which the server
closes it, and cannot know whether it was read. So connections are closed by answers instead: told
to stop, the process serves on for a moment, each answer saying ``Connection: close``, and says that
it is not ready. Only then does it take no more connections, and lets those who have just got one
ask.

Source: docs/operations.md, "Rolling restarts".
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.envelope import error_reply
from api.listeners import refuse_connections

READINESS = "/health/ready"

LAST_WORDS_SECONDS = 0.3
"""How long those who have just connected may take to ask."""

logger = logging.getLogger(__name__)


class Draining:
    """Whether this process was told to stop."""

    def __init__(self) -> None:
        """Begin serving."""
        self.has_begun = False
        self._enders: list[Callable[[], None]] = []

    def ends(self, end: Callable[[], None]) -> None:
        """Have something ended first that would never end by itself."""
        self._enders.append(end)

    def end_streams(self) -> None:
        """End it: the server waits for every answer to be complete."""
        for end in self._enders:
            end()


class Farewell:
    """ASGI middleware that closes connections once the process drains."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        """Wrap an application."""
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, and close its connection if that is due by the time of the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start" and self._draining.has_begun:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        if self._draining.has_begun and scope["path"] == READINESS:
            request_id = scope.get("state", {}).get("request_id", "")
            leaving = error_reply(
                503, "this process is stopping", "unavailable", request_id=request_id
            )
            await leaving(scope, receive, sender)
            return
        await self._app(scope, receive, sender)


@contextmanager
def drained_first(draining: Draining, grace: timedelta) -> Iterator[None]:
    """Put draining between SIGTERM and what the server does about it, and end with status 0.

    The server raises the signal again once everything is closed, so that the process would seem to
    have been killed. By then it has been obeyed: it is blocked, and the process ends by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    leaving: list[asyncio.Task[None]] = []
    stops = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(draining.end_streams)
        known = stops[signal.Signals(number)]
        if callable(known):
            known(number, frame)

    def drain(number: int, frame: FrameType | None) -> None:
        if draining.has_begun or not grace:
            stop(number, frame)
            return
        draining.has_begun = True
        logger.info("draining", extra={"seconds": grace.total_seconds()})
        loop.call_soon_threadsafe(draining.end_streams)
        loop.call_soon_threadsafe(leave, number)

    def leave(number: int) -> None:
        leaving.append(loop.create_task(take_leave(number)))

    async def take_leave(number: int) -> None:
        await asyncio.sleep(grace.total_seconds())
        stop_listening(_listeners(stops[signal.Signals(number)]))
        await asyncio.sleep(LAST_WORDS_SECONDS)
        stop(number, None)

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def stop_listening(listeners: Sequence[asyncio.Server]) -> None:
    """Take in only those who have connected; who asks for a connection finds nobody."""
    for listener in listeners:
        refused = [refuse_connections(own.fileno()) for own in listener.sockets]
        if not all(refused):
            listener.close()


def server_of(handler: object) -> uvicorn.Server | None:
    """Return the server that a signal's handler belongs to."""
    server = getattr(handler, "__self__", None)
    return server if isinstance(server, uvicorn.Server) else None


def _listeners(handler: object) -> Sequence[asyncio.Server]:
    server = server_of(handler)
    return [] if server is None else list(server.servers)
