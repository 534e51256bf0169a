"""Use case: what is to run again has nothing to run.

Source: docs/corrections.md, "Running again what is stale".
"""

from dataclasses import replace

from flows.changes import Changes
from operations.plans import Decision, Planner
from operations.starting import Starter
from store.executions import ExecutionRepository
from store.models import ExecutionRecord, FlowRecord
from store.reuse import CONFIRMABLE

MAX_RESULTS = 500
"""An execution that shows more is run: whoever asks does not wait for so many to be compared."""

_UNCHANGED = Changes(frozenset(), frozenset(), frozenset(), frozenset())
_IDLE = (Decision.REUSE, Decision.SKIP)


class Reuse:
    """Completes an execution at once if a run of it would only find that every result holds."""

    def __init__(self, executions: ExecutionRepository, starter: Starter) -> None:
        """Borrow everything."""
        self._executions = executions
        self._starter = starter

    async def completes(
        self, record: ExecutionRecord, version: FlowRecord, modified_by: str
    ) -> bool:
        """Return whether the execution is completed, without a run, since nothing had to run.

        One that did not complete, that runs, or that moves on to another version is left alone.
        """
        has_completed = record.status in CONFIRMABLE and record.error is None
        if record.is_open or not has_completed or version.version != record.flow_version:
            return False
        store, organization_id = self._executions.reuse, record.organization_id
        if await store.count(organization_id, record.id, MAX_RESULTS + 1) > MAX_RESULTS:
            return False
        start = await self._starter.message(replace(record, mode="stale"), version)
        tasks = Planner(start, (), _UNCHANGED, is_full=False).tasks()
        if any(task.decision not in _IDLE for task in tasks):
            return False
        skipped = [task.task_name for task in tasks if task.decision is Decision.SKIP]
        return await store.confirm(organization_id, record, skipped, modified_by)
