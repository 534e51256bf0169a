"""What both kinds of streams of events share: what is told, when, and how a stream ends.

Source: docs/api.md, "Events".
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

_NEW = timedelta(seconds=5)
_LOOKS = (0.01, 0.05, 0.2, 1.0)

NORMAL = 1000
TOO_LARGE = 1009
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


class Checks:
    """A look at a reader now and then, by whoever writes to them."""

    def __init__(self, pause: timedelta, check: Callable[[], Awaitable[None]]) -> None:
        """Begin with a pause.

        Args:
            check: Raises what a reader is refused with by now.
        """
        self._pause = pause.total_seconds()
        self._check = check
        self._due = asyncio.get_running_loop().time() + self._pause

    async def look(self) -> None:
        """Look, if that is due; nobody is refused while the store is away."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._due:
            return
        with suppress(StoreUnavailableError):
            await self._check()
        self._due = loop.time() + self._pause


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
        pause = self.services.stream_check
        checks = Checks(pause, self._check)
        async for item in following.items(min(pause, KEEP_ALIVE)):
            await checks.look()
            message = None if isinstance(item, Idle) else await self._message(item)
            yield Told(str(item.position), message)

    async def _check(self) -> None:
        """Refuse a reader whose credential, or right to see the flow, is gone."""
        caller = await self.authenticate()
        await self.services.notifications.ensure_visible(caller, self.flow_id)

    async def _message(self, event: Event) -> bytes:
        output = None
        if event.notice.kind is NoticeKind.TASK_OUTPUT_SUMMARY:
            output = await self._output(event)
        return encode(event_message(event, output))

    async def _output(self, event: Event) -> TaskOutputRecord | None:
        """Return the output that an event is about; None if it is hidden by now.

        What announces an output and what it is found by are written side by side, so one that is
        new may be found a moment later.
        """
        notice = event.notice
        for pause in (*_LOOKS, None):
            try:
                return await self.services.task_outputs.get(
                    notice.flow.organization_id, notice.subject_id
                )
            except TaskOutputNotFoundError:
                if pause is None or datetime.now(UTC) - notice.at > _NEW:
                    break
            await asyncio.sleep(pause)
        return None


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
