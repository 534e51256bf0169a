"""Executions that wait altogether: they give their slot back, and get in line when woken.

Of several workflows of one execution each asks for itself before it goes on. Who asked and was not
let in is kept on the execution, until it was.

Source: docs/decisions/0037-slots.md.
"""

from typing import Any

from pymongo import ReturnDocument

from contracts.messages import RunContext
from contracts.names import flow_workflow_id
from store import collections
from store.clock import now
from store.faults import guarded
from store.models import SlotState
from store.parking import is_whole
from store.slots import slot_key
from store.transactions import in_transaction
from store.values import Database, Document

_HOLDS = [SlotState.HELD.value, SlotState.FRESH.value]
_PAUSED = [SlotState.WAITING.value, SlotState.DEFERRED.value]
_FIELDS = {"slot": 1, "parked": 1}


class SlotPauses:
    """Gives slots back and asks for them again. Every method may be repeated."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._executions: Any = database[collections.EXECUTIONS]
        self._slots: Any = database[collections.EXECUTION_SLOTS]

    @guarded
    async def give_back(self, context: RunContext) -> bool:
        """Give the slot of an execution back, if it still waits altogether.

        Returns:
            Whether there is a slot for somebody else now.
        """
        place = _place(context)
        document = await self._executions.find_one({**place, "slot": {"$in": _HOLDS}}, _FIELDS)
        if document is None or not is_whole(_own(context), document):
            return False

        async def transact(session: Any) -> bool:
            # One that stops waiting meanwhile has changed what is parked, and keeps its slot.
            paused = await self._executions.update_one(
                {**place, "slot": document["slot"], "parked": document["parked"]},
                {
                    "$set": {"slot": SlotState.WAITING.value, "checked_at": now()},
                    "$unset": {"queued_at": ""},
                },
                session=session,
            )
            if paused.modified_count:
                await self._slots.update_one(
                    {"_id": context.organization_id},
                    {"$pull": {"held": _key(context)}},
                    session=session,
                )
            return bool(paused.modified_count)

        return await in_transaction(self._client, transact)

    @guarded
    async def ask(self, context: RunContext, workflow_id: str) -> bool:
        """Return whether a workflow may go on; if not, the execution is in line from now on."""
        was_waiting = {"$eq": ["$slot", SlotState.WAITING.value]}
        asking = {"$setUnion": [{"$ifNull": ["$asking", []]}, [workflow_id]]}
        document = await self._executions.find_one_and_update(
            {**_place(context), "slot": {"$in": _PAUSED}},
            [
                {
                    "$set": {
                        "slot": {"$cond": [was_waiting, SlotState.DEFERRED.value, "$slot"]},
                        "queued_at": {"$cond": [was_waiting, now(), "$queued_at"]},
                        "asking": asking,
                    }
                }
            ],
            projection={"slot": 1},
            return_document=ReturnDocument.AFTER,
        )
        return document is None

    @guarded
    async def is_let_in(self, context: RunContext, workflow_id: str) -> bool:
        """Return whether an execution that was in line got its slot; then it no longer is."""
        wanted = {"_id": context.organization_id, "held": _key(context)}
        if await self._slots.find_one(wanted, {"_id": 1}) is None:
            return False
        await self._executions.update_one(
            _place(context),
            {
                "$set": {"slot": SlotState.HELD.value},
                "$unset": {"queued_at": ""},
                "$pull": {"asking": workflow_id},
            },
        )
        return True

    @guarded
    async def asking(self, organization_id: str, flow_execution_id: str) -> list[str]:
        """Return the workflows of an execution that asked whether they may go on, and wait."""
        document: Document | None = await self._executions.find_one(
            {"_id": flow_execution_id, "organization_id": organization_id}, {"asking": 1}
        )
        return [] if document is None else list(document.get("asking", ()))


def _own(context: RunContext) -> str:
    return flow_workflow_id(context.flow_execution_id, context.generation)


def _key(context: RunContext) -> str:
    return slot_key(context.flow_execution_id, context.generation)


def _place(context: RunContext) -> Document:
    return {
        "_id": context.flow_execution_id,
        "organization_id": context.organization_id,
        "generation": context.generation,
        "is_open": True,
    }
