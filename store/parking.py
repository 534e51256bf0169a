"""Which executions wait as a whole: each workflow of one speaks for itself, here it is added up.

Source: docs/decisions/0033-waiting-for-the-outside.md.
"""

from collections.abc import Sequence
from typing import Any

from pymongo import ReturnDocument

from contracts.messages import RunContext
from contracts.names import flow_workflow_id
from store import collections
from store.faults import guarded
from store.values import Database, Document


class Parking:
    """Keeps, on an execution, which of its workflows wait as a whole."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]

    @guarded
    async def park(self, context: RunContext, workflow_id: str, children: Sequence[str]) -> bool:
        """Note that a workflow waits as a whole, but for its children; return whether all do.

        Args:
            children: Workflows that must wait as a whole, too.
        """
        own = flow_workflow_id(context.flow_execution_id, context.generation)
        is_of_generation = {"$eq": [{"$indexOfCP": ["$$this.id", own]}, 0]}
        is_other = {"$and": [is_of_generation, {"$ne": ["$$this.id", workflow_id]}]}
        others = {"$filter": {"input": _PARKED, "cond": is_other}}
        entry: Document = {"id": workflow_id, "children": {"$literal": list(children)}}
        document = await self._executions.find_one_and_update(
            _place(context),
            [{"$set": {"parked": {"$concatArrays": [others, [entry]]}}}],
            projection={"parked": 1},
            return_document=ReturnDocument.AFTER,
        )
        return document is not None and is_whole(own, document)

    @guarded
    async def unpark(self, context: RunContext, workflow_id: str) -> bool:
        """Note that a workflow goes on; return whether all of the execution waited until now."""
        own = flow_workflow_id(context.flow_execution_id, context.generation)
        document = await self._executions.find_one_and_update(
            _place(context),
            {"$pull": {"parked": {"id": workflow_id}}},
            projection={"parked": 1},
        )
        return document is not None and is_whole(own, document)


def is_whole(own: str, document: Document) -> bool:
    """Return whether the flow's own workflow waits as a whole, and so do all its children.

    Args:
        own: Id of that workflow.
        document: The execution's, with ``parked``.
    """
    parked = {entry["id"]: entry["children"] for entry in document.get("parked") or []}
    return own in parked and parked.keys() >= set(parked[own])


_PARKED = {"$ifNull": ["$parked", []]}


def _place(context: RunContext) -> Document:
    """Return where it is kept; a generation that is closed or replaced keeps nothing."""
    return {
        "_id": context.flow_execution_id,
        "organization_id": context.organization_id,
        "generation": context.generation,
        "is_open": True,
    }
