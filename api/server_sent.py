"""Server-sent events as a response that goes on until somebody has had enough.

Source: docs/api.md, "Events".
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

from fastapi.sse import format_sse_event
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.replies import encode
from api.streams import INTERNAL_ERROR, NORMAL, SEND_PATIENCE, Told, close_code, first_of
from flows.errors import EngineError

RETRY_MILLISECONDS = 2_000
CLOSE = "close"
MEDIA_TYPE = "text/event-stream"

logger = logging.getLogger(__name__)


class EventStreamResponse(Response):
    """Writes what is told; the last event says why it ended."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        told: AsyncIterator[Told],
        position: str,
        stack: AsyncExitStack,
        farewell: Callable[[], tuple[int, str]] = lambda: (NORMAL, ""),
    ) -> None:
        """Take over what was opened for the reader.

        Args:
            position: Where to go on from if nothing is told.
            stack: Closed in the end.
            farewell: Code and reason to say once everything was told, where that can be.
        """
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._told = told
        self._position = position
        self._stack = stack
        self._farewell = farewell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the reader is gone, or is let go."""
        async with self._stack:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            await first_of(_has_gone(receive), self._write(send))

    async def _write(self, send: Send) -> None:
        try:
            await _write(send, format_sse_event(id=self._position, retry=RETRY_MILLISECONDS))
            async for told in self._told:
                await _write(send, _block(told))
            await _write(send, _closing(*self._farewell()), is_last=True)
        except TimeoutError:
            logger.info("a reader of events takes nothing")
            return  # nor would it take a last word
        except EngineError as error:
            await _write(send, _last_words(error), is_last=True)
        except Exception:
            logger.exception("a stream of events failed")
            await _write(send, _last_words(EngineError("something went wrong")), is_last=True)


def _block(told: Told) -> bytes:
    """Return an event; without a message one that moves the reader's last id on, and no more."""
    if told.message is None:
        return format_sse_event(id=told.position, comment="idle")
    return format_sse_event(data_str=told.message.decode(), id=told.position)


def _last_words(error: EngineError) -> bytes:
    code = close_code(error)
    reason = "something went wrong on our side" if code == INTERNAL_ERROR else error.message
    return _closing(code, reason)


def _closing(code: int, reason: str) -> bytes:
    return format_sse_event(event=CLOSE, data_str=encode({"code": code, "reason": reason}).decode())


async def _write(send: Send, block: bytes, *, is_last: bool = False) -> None:
    """Send one block.

    Raises:
        TimeoutError: The reader does not take what it was sent before.
    """
    message: Message = {"type": "http.response.body", "body": block, "more_body": not is_last}
    async with asyncio.timeout(SEND_PATIENCE.total_seconds()):
        await send(message)


async def _has_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
