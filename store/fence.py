"""The fence: which generation of an execution may still write."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.messages import RunContext
from flows.errors import ExecutionSupersededError, RunNotKnownError
from store import collections
from store.group_commit import GroupCommit
from store.models import ExecutionStatus
from store.values import Database

MAX_REMEMBERED = 4_000

_FIELDS = {
    "organization_id": 1,
    "generation": 1,
    "is_open": 1,
    "status": 1,
    "mode": 1,
    "started_generation": 1,
    "input_task_name": 1,
    "run_id": 1,
    "slot": 1,
    "edit_count": 1,
}


@dataclass(frozen=True, slots=True)
class Fence:
    """What an execution says about who may write.

    Attributes:
        is_counted: Whether it takes one of a limited number of slots while it runs.
        edits: How often a person changed a result of it, in all generations.
    """

    organization_id: str
    generation: int
    is_open: bool
    status: ExecutionStatus
    is_full: bool
    started_generation: int
    input_task_name: str
    run_id: str | None = None
    is_counted: bool = False
    edits: int = 0

    def admits(self, context: RunContext) -> bool:
        """Return whether this generation is the current one, and has not settled."""
        return self.is_open and self.is_of(context)

    def is_of(self, context: RunContext) -> bool:
        """Return whether this generation is the current one, settled or not."""
        return (
            self.generation == context.generation
            and self.organization_id == context.organization_id
        )

    def is_foreign(self, context: RunContext, run_id: str | None) -> bool:
        """Return whether another run of this very generation is the one that is known."""
        is_told = run_id is not None and self.run_id is not None
        ran = self.started_generation == context.generation and self.is_of(context)
        return is_told and ran and run_id != self.run_id

    def has_settled(self, context: RunContext) -> bool:
        """Return whether this very generation ran and was settled."""
        ran = self.started_generation == context.generation
        return ran and not self.is_open and self.is_of(context)


class Fences:
    """Reads fences; those wanted at the same time come from one query."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._group: GroupCommit[str, Fence | None] = GroupCommit(self._read)
        self._open: OrderedDict[str, Fence] = OrderedDict()

    async def of(self, context: RunContext) -> Fence | None:
        """Return the fence of an execution as it is from now on; None for an unknown one."""
        fence = await self._group.submit(context.flow_execution_id)
        if fence is not None and fence.admits(context):
            self._open[context.flow_execution_id] = fence
            self._open.move_to_end(context.flow_execution_id)
            if len(self._open) > MAX_REMEMBERED:
                self._open.popitem(last=False)
        else:
            self._open.pop(context.flow_execution_id, None)
        return fence

    async def lately(self, context: RunContext, run_id: str | None) -> Fence | None:
        """Return a fence that admitted this run a while ago, or as it is from now on.

        Good enough where the fence is looked at again before anything depends on it.
        """
        remembered = self._open.get(context.flow_execution_id)
        if remembered is not None and refused(remembered, context, run_id) is None:
            return remembered
        return await self.of(context)

    async def _read(self, execution_ids: Sequence[str]) -> list[Fence | None]:
        """Return fences in order."""
        wanted = list(set(execution_ids))
        cursor = self._executions.find({"_id": {"$in": wanted}}, _FIELDS)
        documents = await cursor.to_list(length=len(wanted))
        found = {document["_id"]: _fence(document) for document in documents}
        return [found.get(execution_id) for execution_id in execution_ids]


def refused(
    fence: Fence | None, context: RunContext, run_id: str | None
) -> ExecutionSupersededError | None:
    """Return why a run may not write, None if it may."""
    if fence is not None and fence.is_foreign(context, run_id):
        return RunNotKnownError(
            "another run owns the execution",
            flow_execution_id=context.flow_execution_id,
            run_id=run_id,
        )
    if fence is None or not fence.admits(context):
        return superseded(context)
    return None


def superseded(context: RunContext) -> ExecutionSupersededError:
    """Return the error for a generation that may not write any more."""
    return ExecutionSupersededError(
        "the execution is closed, or moved on to a newer generation",
        flow_execution_id=context.flow_execution_id,
        generation=context.generation,
    )


def _fence(document: Mapping[str, Any]) -> Fence:
    """Return the fence that a document describes."""
    return Fence(
        organization_id=document["organization_id"],
        generation=document["generation"],
        is_open=document["is_open"],
        status=ExecutionStatus(document["status"]),
        is_full=document["mode"] == "full",
        started_generation=document["started_generation"],
        input_task_name=document["input_task_name"],
        run_id=document.get("run_id"),
        is_counted="slot" in document,
        edits=document.get("edit_count", 0),
    )
