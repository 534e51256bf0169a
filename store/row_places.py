"""Which index the last attempt of a task, or of an item, stands under; nothing else is read.

Provenance is written the same way: it is said by whoever passes the outputs of others on.
"""

from typing import Any

from pydantic import JsonValue

from contracts.messages import TaskCall
from store import collections, indexes
from store.faults import guarded
from store.identity import task_execution_id
from store.values import Database, encode


class RowPlaces:
    """Looks rows up on behalf of tasks of the same execution."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._rows: Any = database[collections.TASK_EXECUTIONS]

    @guarded
    async def idx(self, flow_execution_id: str, task_name: str, item: int | None) -> int | None:
        """Return the index; None while there is no row, or none for this item."""
        row = await self._rows.find_one(
            {
                "execution_id": flow_execution_id,
                "task_name": task_name,
                "item": item,
                "live": True,
            },
            {"idx": 1},
            sort=[("attempt", -1)],
            hint=indexes.ROWS_BY_ITEM,
        )
        return None if row is None else row["idx"]

    @guarded
    async def note_sources(self, call: TaskCall, sources: JsonValue) -> None:
        """Show whose outputs a task that waits passes on."""
        context = call.context
        row_id = task_execution_id(
            context.flow_execution_id, context.generation, call.task_name, call.item, 1
        )
        await self._rows.update_one(
            {"_id": row_id}, {"$set": {"source_task_executions": encode(sources)}}
        )
