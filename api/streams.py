"""What both kinds of streams of events share: what is told, when, and how a stream ends.

Source: docs/api.md, "Events".
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from api.errors import status_of
from api.replies import encode
from api.schemas.events import event_message
from api.services import Services
from flows.errors import (
    EngineError,
    ServerStoppingError,
    StoreUnavailableError,
    TaskOutputNotFoundError,
)
from operations.caller import Caller
from operations.ending import ended
from operations.fan_out import Event
from operations.notifications import Following, Idle
from store.models import TaskOutputRecord
from store.notices import NoticeKind

KEEP_ALIVE = timedelta(seconds=15)
SEND_PATIENCE = timedelta(seconds=20)
"""How long one message may wait for a reader who takes nothing."""

INTERNAL_ERROR = 1011
RESTART = 1012
TRY_LATER = 1013
_OF_REFUSALS = 4_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to write: a message, or that there is none.

    Attributes:
        position: Where to go on from after it.
    """

    position: str
    message: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A reader who is looked at again and again.

    Attributes:
        authenticate: Returns who the reader's credential stands for by now.
    """

    services: Services
    flow_id: str
    authenticate: Callable[[], Awaitable[Caller]]

    async def told(self, following: Following) -> AsyncIterator[Told]:
        """Yield what is to be written, without an end.

        Raises:
            EngineError: The reader may not follow any longer, or cannot.
        """
        loop = asyncio.get_running_loop()
        pause = self.services.stream_check
        due = loop.time() + pause.total_seconds()
        async for item in following.items(min(pause, KEEP_ALIVE)):
            if loop.time() >= due:
                await self._check()
                due = loop.time() + pause.total_seconds()
            message = None if isinstance(item, Idle) else await self._message(item)
            yield Told(str(item.position), message)

    async def _check(self) -> None:
        """Refuse a reader whose credential, or right to see the flow, is gone."""
        try:
            caller = await self.authenticate()
            await self.services.notifications.ensure_visible(caller, self.flow_id)
        except StoreUnavailableError:
            return  # nobody is told anything meanwhile

    async def _message(self, event: Event) -> bytes:
        output = None
        if event.notice.kind is NoticeKind.TASK_OUTPUT_SUMMARY:
            output = await self._output(event)
        return encode(event_message(event, output))

    async def _output(self, event: Event) -> TaskOutputRecord | None:
        notice = event.notice
        try:
            return await self.services.task_outputs.get(
                notice.flow.organization_id, notice.subject_id
            )
        except TaskOutputNotFoundError:
            return None  # hidden since


def close_code(error: EngineError) -> int:
    """Return the code that a stream is closed with: 4000 and the status of the same refusal."""
    status = status_of(error)
    if isinstance(error, ServerStoppingError):
        return RESTART
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return TRY_LATER
    return INTERNAL_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _OF_REFUSALS + status


async def first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of it until something has ended; what it raises is raised, the rest is cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(tasks)
    for task in done:
        task.result()
