"""One WebSocket, as we write to it: never waiting for ever, and saying why it ends."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.streams import SEND_PATIENCE
from flows.errors import SlowReaderError

MAX_REASON_BYTES = 120

logger = logging.getLogger(__name__)


class Socket:
    """What is written to one socket."""

    def __init__(self, websocket: WebSocket) -> None:
        """Borrow a socket."""
        self._websocket = websocket

    async def send(self, message: bytes) -> None:
        """Send one message.

        Raises:
            SlowReaderError: The reader does not take what it was sent before.
        """
        try:
            await _patiently(self._websocket.send_text(message.decode()))
        except TimeoutError:
            logger.info("a reader of events takes nothing")
            raise SlowReaderError("events are not read") from None

    async def close(self, code: int, reason: str) -> None:
        """Say why it ends, if the reader still listens; one that does not is just cut off."""
        with suppress(WebSocketDisconnect, ClientDisconnect, RuntimeError, TimeoutError):
            if self._websocket.application_state is WebSocketState.CONNECTING:
                await self._websocket.accept()
            told = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            await _patiently(self._websocket.close(code, told))


async def _patiently(sending: Awaitable[None]) -> None:
    async with asyncio.timeout(SEND_PATIENCE.total_seconds()):
        await sending
