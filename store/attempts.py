"""Attempts as rows hold them: what is said at their beginning, and what at their end."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from pydantic import JsonValue

from contracts.messages import RunContext, TaskCall, TaskError
from store.attempt_rows import row_of
from store.clock import stored
from store.models import ProcessingStatus
from store.rows import REPORTED, RowWrite
from store.values import Document, Values, encode


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended.

    Attributes:
        status: ``completed`` with its output, ``failed`` with its error, or ``cancelled``.
        digest: ``flows.canonical.digest`` of the output.
    """

    status: ProcessingStatus
    output: JsonValue
    digest: str
    error: TaskError | None
    started_at: datetime
    completed_at: datetime


class AttemptFields:
    """Puts what an attempt says into the form of its row."""

    def __init__(self, values: Values) -> None:
        """Borrow what keeps values that are too large for a row."""
        self._values = values

    async def opening(self, call: TaskCall, run_id: str | None, at: datetime) -> Document:
        """Return what a row says from its beginning."""
        return {
            "input": await self._put(call.context, cast("JsonValue", call.parameters)),
            "fingerprint": call.fingerprint,
            "started_at": stored(at),
            "run_id": run_id,
            **({} if call.sources is None else {"source_task_executions": encode(call.sources)}),
        }

    async def ending(self, context: RunContext, end: AttemptEnd) -> Document:
        """Return what a row says from its end."""
        completed = end.status is ProcessingStatus.COMPLETED
        described = cast("JsonValue", end.error.model_dump()) if end.error is not None else None
        return {
            "output": await self._put(context, end.output) if completed else None,
            "digest": end.digest if completed else "",
            "error": await self._put(context, described),
            "completed_at": stored(end.completed_at),
        }

    async def whole(
        self, call: TaskCall, attempt: int, end: AttemptEnd, run_id: str | None
    ) -> RowWrite:
        """Return the row of an attempt that is written once, at its end."""
        fields = await self.ending(call.context, end)
        fields |= await self.opening(call, run_id, end.started_at)
        row = row_of(call, attempt, REPORTED, end.status, fields)
        row.begins = True
        return row

    async def _put(self, context: RunContext, value: JsonValue) -> object:
        """Return what a row holds of a value."""
        return await self._values.put(context.flow_execution_id, encode(value))
