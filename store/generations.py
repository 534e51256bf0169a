"""How the next generation of an execution begins: in one transaction with all that follows."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from store import collections
from store.clock import now
from store.deletion import NOT_DELETED
from store.models import ExecutionStatus, SlotState
from store.review_endings import discard_of_generation
from store.slots import Slots, queue_fields
from store.staleness import NOTHING_OUTDATED, Staleness
from store.transactions import in_transaction
from store.values import Database, Document

_BEFORE = ("flow_id", "flow_version", "generation", "queued_at", "reviews")


@dataclass(frozen=True, slots=True)
class NextGeneration:
    """What is asked for.

    Attributes:
        after: The generation that the caller saw.
        is_limited: Whether the organization limits how many run.
        outdated: Tasks whose results come from another definition than that version's.
        removed: Tasks that the version does not have any more.
    """

    after: int
    mode: Literal["full", "stale"]
    flow_version: int
    modified_by: str
    is_limited: bool
    outdated: Collection[str]
    removed: Collection[str]


class Generations:
    """Begins generations; its caller turns driver errors into ours."""

    def __init__(self, database: Database, slots: Slots) -> None:
        """Borrow a database, and who of organizations with a limit may run."""
        self._database = database
        self._executions: Any = database[collections.EXECUTIONS]
        self._counters: Any = database[collections.FLOW_COUNTERS]
        self._slots = slots
        self._staleness = Staleness(database)

    async def begin(
        self, organization_id: str, flow_execution_id: str, wanted: NextGeneration
    ) -> bool:
        """Record the next generation; False if there is no such execution, or a newer one."""
        at = now()
        place = {"_id": flow_execution_id, "organization_id": organization_id}
        fields = _fields(wanted, at)
        gone = {"queued_at": "", "asking": ""} | ({} if wanted.is_limited else {"slot": ""})

        async def transact(session: Any) -> bool:
            before = await self._executions.find_one_and_update(
                {**place, "generation": wanted.after, "status": NOT_DELETED},
                {"$set": fields, "$unset": gone},
                projection=_BEFORE,
                session=session,
            )
            if before is None:
                return False
            if wanted.is_limited and not await self._slots.swap(before, organization_id, session):
                queued = queue_fields(SlotState.FRESH, before.get("queued_at", at))
                await self._executions.update_one(place, {"$set": queued}, session=session)
            if wanted.mode == "full":
                await self._staleness.discard(flow_execution_id, session)
            else:
                await self._staleness.mark(flow_execution_id, wanted.outdated, session)
                await self._staleness.hide(flow_execution_id, wanted.removed, session)
            await discard_of_generation(self._database, before, wanted.mode, session)
            await self._move_count(before, wanted.flow_version, session)
            return True

        return await in_transaction(self._database.client, transact)

    async def _move_count(self, before: Document, flow_version: int, session: Any) -> None:
        """Count the execution for the version that it runs now."""
        if before["flow_version"] == flow_version:
            return
        moved = {f"versions.{before['flow_version']}": -1, f"versions.{flow_version}": 1}
        await self._counters.update_one(
            {"_id": before["flow_id"]}, {"$inc": moved}, session=session
        )


def _fields(wanted: NextGeneration, at: datetime) -> Document:
    """Return the fields to set: open, queued, on that version, nothing known of its run yet."""
    return {
        "generation": wanted.after + 1,
        "mode": wanted.mode,
        "flow_version": wanted.flow_version,
        "status": ExecutionStatus.QUEUED.value,
        "is_open": True,
        "keeps_payloads": True,
        "started_at": None,
        "closed_at": None,
        "checked_at": at,
        "cancel_requested_at": None,
        "run_id": None,
        "error": None,
        "updated_at": at,
        "modified_by": wanted.modified_by,
        **({"slot": SlotState.HELD.value} if wanted.is_limited else {}),
        **NOTHING_OUTDATED,
    }
