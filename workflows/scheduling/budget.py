"""How much one workflow task may carry before it must end."""

import asyncio
from datetime import timedelta

from temporalio import workflow

MAX_COMMANDS = 200
MAX_BYTES = 1_000_000
MAX_LOCAL_TIME = timedelta(milliseconds=500)

_PAUSE = timedelta(milliseconds=1)


class CommandBudget:
    """Counts commands, their bytes and the time spent in local activities since the last pause.

    The server kills a run whose workflow task ends with more than 4 MB of commands, and nothing
    gets a chance to settle it. And what a workflow task has scheduled starts only when it ends,
    which local activities hold up. A pause of one millisecond ends it.

    It counts from pause to pause, not from workflow task to workflow task: where one ends and the
    next begins differs between a run and its replay when local activities span both.

    Source: docs/decisions/0005-what-is-local-and-what-is-not.md.
    """

    def __init__(self) -> None:
        """Start with nothing spent."""
        self._pausing = asyncio.Lock()
        self._reset()

    def spend(
        self, *, commands: int = 0, size_bytes: int = 0, local_time: timedelta | None = None
    ) -> None:
        """Count what was scheduled, or what a local activity's marker adds to the commands."""
        self._commands += commands
        self._bytes += size_bytes
        self._local_time += local_time or timedelta()

    async def paused(self) -> bool:
        """Wait, if the budget is spent, until the workflow task has ended; return whether it was.

        Much may have happened by then, a failure for instance.
        """
        async with self._pausing:
            if not self._is_spent:
                return False
            await workflow.sleep(_PAUSE, summary="end of a full workflow task")
            self._reset()
            return True

    @property
    def _is_spent(self) -> bool:
        """Return whether nothing more should be scheduled before a pause."""
        return (
            self._commands >= MAX_COMMANDS
            or self._bytes >= MAX_BYTES
            or self._local_time >= MAX_LOCAL_TIME
        )

    def _reset(self) -> None:
        """Begin to count anew."""
        self._commands = 0
        self._bytes = 0
        self._local_time = timedelta()
