"""What both kinds of streams of runs share: what is told, and how often a listener is looked at.

Source: docs/workflows-api.md, "Streams".
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from api.replies import encode
from api.schemas.run_events import delta
from api.services import Services
from api.streams import INTERNAL_ERROR, KEEP_ALIVE, NORMAL, Checks, Told
from operations.caller import Caller
from operations.run_listening import Listening, Quiet, RunEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWatch:
    """Somebody who listens to a run, and is looked at again and again.

    Attributes:
        authenticate: Returns who the listener's credential stands for by now.
        with_deltas: Whether to tell what models say while they say it.
    """

    services: Services
    run_id: str
    authenticate: Callable[[], Awaitable[Caller]]
    with_deltas: bool = True

    async def told(self, listening: Listening) -> AsyncIterator[Told]:
        """Yield what is to be written, until the run has ended.

        Raises:
            EngineError: The listener may not listen any longer, or cannot.
        """
        pause = self.services.stream_check
        checks = Checks(pause, self._check)
        async for item in listening.items(min(pause, KEEP_ALIVE)):
            await checks.look()
            match item:
                case RunEvent():
                    yield Told(str(item.number), encode(item.event))
                case Quiet():
                    yield Told(str(listening.told), None)
                case piece if self.with_deltas:
                    yield Told(str(listening.told), delta(piece))

    async def _check(self) -> None:
        """Refuse a listener whose credential, or right to see the run, is gone."""
        caller = await self.authenticate()
        await self.services.run_listening.visible(caller, self.run_id)


def ending(listening: Listening) -> tuple[int, str]:
    """Return the code and the reason to part with, once everything was told."""
    if listening.has_ended_unsaid:
        return INTERNAL_ERROR, listening.record.error or "the run has failed"
    return NORMAL, listening.record.status.value
