"""What people say of runs: comments and ratings of a run, of its turns, of their events.

Each is a document of its own; how many a run has stands in the run's, which every change touches:
so none is written for a run that is deleted meanwhile, and no more than are read at once.

Source: docs/workflows-api.md, "Feedback"; docs/decisions/0054-what-people-say-of-runs.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bson import ObjectId

from flows.errors import ConflictError
from store import collections, indexes
from store.faults import guarded
from store.transactions import in_transaction
from store.values import Database, Document

TargetKind = Literal["run", "turn", "event"]
FeedbackKind = Literal["comment", "rating"]

MAX_FEEDBACK = 2_000
"""Of one run, as many as are read at once."""


@dataclass(frozen=True, slots=True)
class Target:
    """What of a run somebody means.

    Attributes:
        id: The index of a turn, or the id of an event; "" for the run itself.
    """

    kind: TargetKind
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One comment, or one rating.

    Attributes:
        text: What a comment says, or what a rating is.
    """

    logical_id: str
    organization_id: str
    workflow_id: str
    run_id: str
    target: Target
    kind: FeedbackKind
    user_id: str
    text: str
    at: datetime


class FeedbackRepository:
    """Reads and writes what is said of the runs of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client: Any = database.client
        self._runs: Any = database[collections.INTERACTIVE_RUNS]
        self._feedback: Any = database[collections.RUN_FEEDBACK]

    @guarded
    async def of_run(self, organization_id: str, run_id: str) -> Sequence[Feedback]:
        """Return what was said of a run, oldest first."""
        wanted = {"organization_id": organization_id, "run_id": ObjectId(run_id)}
        cursor = self._feedback.find(wanted, hint=indexes.FEEDBACK_BY_RUN)
        cursor = cursor.sort([("at", 1), ("_id", 1)]).limit(MAX_FEEDBACK)
        return [_feedback(each) async for each in cursor]

    @guarded
    async def put(self, feedback: Feedback) -> None:
        """Write a comment, or somebody's rating over the one that they gave before.

        Raises:
            ConflictError: The run has not ended, is gone, or has as much said of it as may be.
        """

        async def write(session: Any) -> None:
            key = {"_id": _key(feedback)}
            written = await self._feedback.replace_one(
                key, _document(feedback), upsert=True, session=session
            )
            await self._count(feedback, 0 if written.matched_count else 1, session)

        await in_transaction(self._client, write)

    @guarded
    async def delete(self, feedback: Feedback) -> None:
        """Remove a comment or a rating, if it is still there."""

        async def remove(session: Any) -> None:
            key = {"_id": _key(feedback), "organization_id": feedback.organization_id}
            deleted = await self._feedback.delete_one(key, session=session)
            if deleted.deleted_count:
                await self._count(feedback, -1, session)

        await in_transaction(self._client, remove)

    async def _count(self, feedback: Feedback, more: int, session: Any) -> None:
        """Count in the run's document; whoever deletes that one waits, or is waited for."""
        place: Document = {
            "_id": ObjectId(feedback.run_id),
            "organization_id": feedback.organization_id,
            "is_open": False,
        }
        if more > 0:
            place["feedback_count"] = {"$not": {"$gte": MAX_FEEDBACK}}
        # A rating that replaces another changes no count, and must collide all the same.
        change = {"$inc": {"feedback_count": more, "feedback_changes": 1}}
        counted = await self._runs.update_one(place, change, session=session)
        if not counted.matched_count:
            raise ConflictError(
                f"of this run nothing more can be said: at most {MAX_FEEDBACK} things are, "
                "once it has ended"
            )


def _key(feedback: Feedback) -> str:
    """Return a document's id: of ratings there is one for each person and target."""
    if feedback.kind == "comment":
        return feedback.logical_id
    target = feedback.target
    return f"rating/{feedback.run_id}/{target.kind}/{target.id}/{feedback.user_id}"


def _document(feedback: Feedback) -> Document:
    return {
        "logical_id": feedback.logical_id,
        "organization_id": feedback.organization_id,
        "workflow_id": feedback.workflow_id,
        "run_id": ObjectId(feedback.run_id),
        "target": feedback.target.kind,
        "target_id": feedback.target.id,
        "kind": feedback.kind,
        "user_id": feedback.user_id,
        "text": feedback.text,
        "at": feedback.at,
    }


def _feedback(document: Document) -> Feedback:
    return Feedback(
        logical_id=document["logical_id"],
        organization_id=document["organization_id"],
        workflow_id=document["workflow_id"],
        run_id=str(document["run_id"]),
        target=Target(document["target"], document["target_id"]),
        kind=document["kind"],
        user_id=document["user_id"],
        text=document["text"],
        at=document["at"],
    )
