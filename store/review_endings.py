"""How human reviews end without a reviewer: with the generation that they belong to.

Source: docs/decisions/0035-human-reviews.md.
"""

from typing import Any

from store import collections
from store.clock import now
from store.faults import guarded
from store.review_models import AssignmentStatus, ReviewStatus
from store.values import Database, Document

OPEN_ASSIGNMENTS = {
    "$in": [AssignmentStatus.PENDING.value, AssignmentStatus.IN_PROGRESS.value],
}


async def discard_reviews(database: Database, wanted: Document, session: Any) -> None:
    """Delete reviews and cancel their open assignments, within somebody's transaction."""
    reviews: Any = database[collections.REVIEWS]
    cursor = reviews.find({**wanted, "deleted": False}, {"_id": 1}, session=session)
    ids = [document["_id"] async for document in cursor]
    if ids:
        gone = {"$set": {"deleted": True, "updated_at": now()}}
        await reviews.update_many({"_id": {"$in": ids}}, gone, session=session)
        await _cancel(database, {"review_id": {"$in": ids}}, session)


async def discard_of_generation(
    database: Database, execution: Document, mode: str, session: Any
) -> None:
    """Delete what a generation of this mode discards: all reviews, or those nobody completed.

    Args:
        execution: As it was before; one that never had a review costs nothing.
    """
    if not execution.get("reviews"):
        return
    wanted: Document = {"execution_id": execution["_id"]}
    if mode != "full":
        wanted["status"] = {"$ne": ReviewStatus.COMPLETED.value}
    await discard_reviews(database, wanted, session)


class ReviewEndings:
    """Withdraws what nobody needs to look at any more."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._database = database
        self._reviews: Any = database[collections.REVIEWS]

    @guarded
    async def withdraw(self, flow_execution_id: str, generation: int) -> None:
        """Let nobody begin or complete reviews of an execution that has ended. Repeatable.

        To be called once it is closed: a review is only created while its generation is open.
        """
        place = {"execution_id": flow_execution_id, "generation": generation, "deleted": False}
        cursor = self._reviews.find(
            {**place, "status": {"$ne": ReviewStatus.COMPLETED.value}}, {"_id": 1}
        )
        ids = [document["_id"] async for document in cursor]
        if not ids:
            return
        # Its status is asked for again: somebody may complete it between the two.
        await self._reviews.update_many(
            {"_id": {"$in": ids}, "status": {"$ne": ReviewStatus.COMPLETED.value}},
            {"$set": {"withdrawn": True, "updated_at": now()}},
        )
        await _cancel(self._database, {"review_id": {"$in": ids}}, None)


async def _cancel(database: Database, wanted: Document, session: Any) -> None:
    assignments: Any = database[collections.REVIEW_ASSIGNMENTS]
    await assignments.update_many(
        {**wanted, "status": OPEN_ASSIGNMENTS},
        {"$set": {"status": AssignmentStatus.CANCELLED.value, "updated_at": now()}},
        session=session,
    )
