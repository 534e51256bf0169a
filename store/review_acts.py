"""What reviewers do: begin, give back, complete. Several may begin, one completes.

Every act changes the review first, in one transaction, so acts at the same time follow each other.

Source: docs/human-review.md; docs/decisions/0035-human-reviews.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from pydantic import JsonValue
from pymongo import ReturnDocument

from flows.errors import ConflictError, HumanReviewNotFoundError, InvalidError
from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.review_endings import OPEN_ASSIGNMENTS
from store.review_lists import marks_of, user_mark
from store.review_models import AssignmentStatus, Review, Reviewer, ReviewStatus
from store.reviews import ReviewRepository, not_found, place_of
from store.transactions import in_transaction
from store.values import Database, Document, Values, encode

_PENDING = AssignmentStatus.PENDING.value
_IN_PROGRESS = AssignmentStatus.IN_PROGRESS.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a reviewer decided; one entry of output for each target."""

    review_result: bool
    reviewed_output: Sequence[JsonValue]


class ReviewActs:
    """Changes reviews of one organization on behalf of those who are asked.

    Every method that names a review raises HumanReviewNotFoundError for one that the organization
    does not have, that was deleted, or that the reviewer is not asked for.
    """

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._stored = ReviewRepository(database)
        self._reviews: Any = database[collections.REVIEWS]
        self._assignments: Any = database[collections.REVIEW_ASSIGNMENTS]
        self._values = Values(database)

    @guarded
    async def start(
        self, organization_id: str, review_id: str, reviewer: Reviewer, within: timedelta
    ) -> Review:
        """Let somebody who is asked begin; who has begun already begins no second time.

        Args:
            within: After which the sweep takes it back.

        Raises:
            ConflictError: It is completed, or withdrawn.
        """

        async def transact(session: Any) -> None:
            review = await self._held(organization_id, review_id, session)
            mine = await self._assignment_of(review, reviewer, session)
            if review["status"] == ReviewStatus.COMPLETED.value or review["withdrawn"]:
                raise ConflictError("the review has ended", status=review["status"])
            if mine["status"] == _IN_PROGRESS:
                return
            at = now()
            begun = {"status": _IN_PROGRESS, "started_at": at, "expires_at": at + within}
            await self._assign(review, mine, reviewer, begun, session)
            await self._reviews.update_one(
                {"_id": review_id},
                {
                    "$set": {
                        "status": ReviewStatus.IN_PROGRESS.value,
                        "updated_at": at,
                        "modified_by": reviewer.user_id,
                    },
                    "$addToSet": {"reviewers": user_mark(reviewer.user_id)},
                },
                session=session,
            )

        await in_transaction(self._client, transact)
        return await self._stored.get(organization_id, review_id)

    @guarded
    async def unstart(self, organization_id: str, review_id: str, reviewer: Reviewer) -> Review:
        """Take back that somebody has begun; the review itself stays as it is.

        Raises:
            ConflictError: They have not.
        """

        async def transact(session: Any) -> None:
            review = await self._held(organization_id, review_id, session)
            mine = await self._assignment_of(review, reviewer, session)
            if mine["status"] != _IN_PROGRESS:
                raise ConflictError("the assignment is not in progress", status=mine["status"])
            await self._assignments.update_one(
                {"_id": mine["_id"]}, _taken_back(reviewer.user_id), session=session
            )

        await in_transaction(self._client, transact)
        return await self._stored.get(organization_id, review_id)

    @guarded
    async def complete(
        self,
        organization_id: str,
        review_id: str,
        reviewer: Reviewer,
        completion: Completion,
    ) -> Review:
        """Store what a reviewer decided; the first decision counts.

        Raises:
            InvalidError: Nobody has begun, somebody else completed it, or it was withdrawn.
        """
        review = await self._stored.get(organization_id, review_id)
        held = await self._values.put(
            review.flow_execution_id, encode(list(completion.reviewed_output))
        )

        async def transact(session: Any) -> None:
            found = await self._held(organization_id, review_id, session)
            mine = await self._assignment_of(found, reviewer, session)
            if found["status"] != ReviewStatus.IN_PROGRESS.value or found["withdrawn"]:
                raise InvalidError("the review is not in progress", status=found["status"])
            at = now()
            done = {"status": AssignmentStatus.COMPLETED.value}
            await self._assign(found, mine, reviewer, done, session)
            await self._assignments.update_many(
                {"review_id": review_id, "status": OPEN_ASSIGNMENTS},
                {"$set": {"status": AssignmentStatus.CANCELLED.value, "updated_at": at}},
                session=session,
            )
            fields = {
                "status": ReviewStatus.COMPLETED.value,
                "review_result": completion.review_result,
                "reviewed_output": held,
                "completed_by": reviewer.user_id,
                "completed_at": at,
                "updated_at": at,
                "modified_by": reviewer.user_id,
                "signal_sent": not found["is_awaited"],
            }
            await self._reviews.update_one({"_id": review_id}, {"$set": fields}, session=session)

        await in_transaction(self._client, transact)
        return await self._stored.get(organization_id, review_id)

    @guarded
    async def take_back_expired(self, at: datetime, limit: int) -> int:
        """Take assignments back that were begun too long ago; return how many."""
        wanted = {"status": _IN_PROGRESS, "expires_at": {"$lte": at}}
        cursor = (
            self._assignments.find(wanted, {"started_at": 1})
            .limit(limit)
            .hint(indexes.ASSIGNMENTS_EXPIRING)
        )
        count = 0
        async for document in cursor:
            begun = {**wanted, "_id": document["_id"], "started_at": document["started_at"]}
            written = await self._assignments.update_one(begun, _taken_back("system"))
            count += written.modified_count
        return count

    async def _held(self, organization_id: str, review_id: str, session: Any) -> Document:
        """Return a review that nobody else changes until the transaction ends."""
        document: Document | None = await self._reviews.find_one_and_update(
            place_of(organization_id, review_id),
            {"$inc": {"turns": 1}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if document is None:
            raise not_found(review_id)
        return document

    async def _assignment_of(self, review: Document, reviewer: Reviewer, session: Any) -> Document:
        """Return a person's own assignment, else that of one of their groups.

        Raises:
            HumanReviewNotFoundError: Nobody asked them.
        """
        if not {*marks_of(reviewer)} & {*review["reviewers"]}:
            raise _not_assigned(review["_id"])
        place = {"review_id": review["_id"]}
        own = await self._assignments.find_one(
            {**place, "user_id": reviewer.user_id}, session=session
        )
        if own is not None:
            found: Document = own
            return found
        group = await self._assignments.find_one(
            {**place, "user_id": None, "worker_group_id": {"$in": sorted(reviewer.group_ids)}},
            sort=[("worker_group_id", 1)],
            session=session,
        )
        if group is None:
            raise _not_assigned(review["_id"])
        found = group
        return found

    async def _assign(
        self,
        review: Document,
        mine: Document,
        reviewer: Reviewer,
        fields: Document,
        session: Any,
    ) -> None:
        """Change a person's assignment; the first time, their group's stays and theirs appears."""
        at = now()
        fields = {**fields, "updated_at": at, "modified_by": reviewer.user_id}
        if mine["user_id"] is not None:
            await self._assignments.update_one(
                {"_id": mine["_id"]}, {"$set": fields}, session=session
            )
            return
        claimed = {
            **mine,
            "_id": str(uuid4()),
            "user_id": reviewer.user_id,
            "created_at": at,
            **fields,
        }
        await self._assignments.insert_one(claimed, session=session)


def _taken_back(modified_by: str) -> Document:
    return {
        "$set": {
            "status": _PENDING,
            "started_at": None,
            "updated_at": now(),
            "modified_by": modified_by,
        },
        "$unset": {"expires_at": ""},
    }


def _not_assigned(review_id: str) -> HumanReviewNotFoundError:
    return HumanReviewNotFoundError("the review is not assigned to the caller", task_id=review_id)
