"""Task outputs that outside workers post: one for each task of an execution, replaced by the next.

Source: docs/decisions/0039-reports-of-outside-workers.md.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from store import collections
from store.clock import now
from store.faults import guarded
from store.identity import task_output_id
from store.models import ProcessingStatus
from store.outside import is_earlier
from store.reported_tasks import ReportedTasks
from store.tag_words import TaggedTask, TagWords, words_of
from store.transactions import in_transaction
from store.values import Database, Document, Values, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedOutput:
    """What a worker says of a task as a whole."""

    flow_execution_id: str
    task_name: str
    summary: JsonValue
    output: JsonValue = None
    tags: JsonValue = None
    error: dict[str, JsonValue] | None = None
    processing_status: ProcessingStatus = ProcessingStatus.QUEUED
    edited_status: str = "not_edited"
    stale_status: str = "consistent"


class PostedOutputRepository:
    """Writes task outputs of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._outputs: Any = database[collections.TASK_OUTPUTS]
        self._tasks = ReportedTasks(database)
        self._words = TagWords(database)
        self._values = Values(database)

    @guarded
    async def put(self, organization_id: str, posted: PostedOutput, modified_by: str) -> str:
        """Replace what was posted of a task before, and return the task output's id.

        An earlier state than the one posted before does not take it back: status and output stay.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization, or deleted.
        """
        output_id = task_output_id(posted.flow_execution_id, posted.task_name)
        told = {
            name: await self._values.put(posted.flow_execution_id, encode(value))
            for name, value in (
                ("summary", posted.summary),
                ("output", posted.output),
                ("error", posted.error),
            )
        }

        async def transact(session: Any) -> None:
            execution = await self._tasks.current(
                organization_id, posted.flow_execution_id, None, session
            )
            before = await self._tasks.ensure(execution, posted.task_name, session)
            fields = {
                **told,
                **_state(before.get("posted"), posted, told, execution["generation"]),
                "tags": encode(posted.tags),
                "edited_status": posted.edited_status,
                "stale_status": posted.stale_status,
                "generation": execution["generation"],
                "modified_by": modified_by,
                "at": now(),
            }
            await self._outputs.update_one(
                {"_id": output_id}, {"$set": {"posted": fields}}, session=session
            )
            task = TaggedTask(
                organization_id,
                execution["flow_id"],
                posted.flow_execution_id,
                posted.task_name,
            )
            await self._words.keep(task, "posted", words_of(posted.tags), session)

        await in_transaction(self._client, transact)
        return output_id


def _state(
    held: Document | None, posted: PostedOutput, told: Document, generation: int
) -> Document:
    """Return status and output as they are shown from now on."""
    if held is not None and held["generation"] == generation:
        before = ProcessingStatus(held["status"])
        if is_earlier(posted.processing_status, before):
            output = held["output"] if posted.output is None else told["output"]
            error = held["error"] if posted.error is None else told["error"]
            return {"status": before.value, "output": output, "error": error}
    return {"status": posted.processing_status.value}
