"""Human reviews as they are created and read; what reviewers do is in ``store.review_acts``.

Source: docs/human-review.md; docs/decisions/0035-human-reviews.md.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

from pymongo.errors import DuplicateKeyError

from flows.errors import (
    DuplicateHumanReviewError,
    ExecutionSupersededError,
    HumanReviewNotFoundError,
)
from store import collections, indexes
from store.faults import guarded
from store.models import Page
from store.review_documents import (
    assignment_document,
    assignment_of,
    review_document,
    reviews_of,
)
from store.review_endings import discard_reviews
from store.review_lists import group_mark, list_reviews, user_mark
from store.review_models import (
    Assignment,
    AssignmentStatus,
    Review,
    Reviewer,
    ReviewQuery,
    ReviewStatus,
)
from store.transactions import in_transaction
from store.values import Database, Document, Values

_KEPT = {"deleted": False}
_PENDING = AssignmentStatus.PENDING.value
_IN_PROGRESS = AssignmentStatus.IN_PROGRESS.value


class ReviewRepository:
    """Reads and writes human reviews of one organization at a time.

    Every method that names a review raises HumanReviewNotFoundError for one that the organization
    does not have, or that was deleted.
    """

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._database = database
        self._reviews: Any = database[collections.REVIEWS]
        self._assignments: Any = database[collections.REVIEW_ASSIGNMENTS]
        self._executions: Any = database[collections.EXECUTIONS]
        self._values = Values(database)

    @guarded
    async def create(
        self, review: Review, user_ids: Sequence[str], group_ids: Sequence[str]
    ) -> None:
        """Write a review with an assignment for each person and each group.

        What an earlier generation left under the same task and index gives way.

        Raises:
            DuplicateHumanReviewError: The task execution has a review.
            ExecutionSupersededError: The execution has ended, or has a newer generation.
        """
        asked = [(user_id, None) for user_id in dict.fromkeys(user_ids)]
        asked_groups = [(None, group_id) for group_id in dict.fromkeys(group_ids)]
        assignments = [
            assignment_document(_assignment(review, *whom), review.flow_execution_id)
            for whom in (*asked, *asked_groups)
        ]
        marks = [*map(user_mark, user_ids), *map(group_mark, group_ids)]
        document = await review_document(review, marks, self._values)
        place = {
            "execution_id": review.flow_execution_id,
            "task_name": review.source_task_name,
            "idx": review.source_task_execution_idx,
        }

        async def transact(session: Any) -> None:
            await self._hold_execution(review, session)
            older = {**place, "generation": {"$lt": review.generation}}
            await discard_reviews(self._database, older, session)
            await self._reviews.insert_one(dict(document), session=session)
            if assignments:
                await self._assignments.insert_many(
                    [dict(assignment) for assignment in assignments], session=session
                )

        try:
            await in_transaction(self._client, transact)
        except DuplicateKeyError as error:
            raise DuplicateHumanReviewError(
                "the task execution has a review", source_task_name=review.source_task_name
            ) from error

    @guarded
    async def get(self, organization_id: str, review_id: str) -> Review:
        """Return one review."""
        document = await self._reviews.find_one(place_of(organization_id, review_id))
        return await self._found(document, review_id)

    @guarded
    async def at(
        self, organization_id: str, flow_execution_id: str, task_name: str, idx: int
    ) -> Review | None:
        """Return the review of a task execution, if it has one."""
        wanted = {"execution_id": flow_execution_id, "task_name": task_name, "idx": idx}
        document = await self._reviews.find_one(
            {**wanted, **_KEPT, "organization_id": organization_id}
        )
        return None if document is None else await self._found(document, document["_id"])

    @guarded
    async def list(
        self, organization_id: str, reviewer: Reviewer, query: ReviewQuery
    ) -> Page[Review]:
        """Return some of the reviews that a person is asked for, and how many there are."""
        return await list_reviews(self._database, self._values, organization_id, reviewer, query)

    @guarded
    async def of_execution(self, organization_id: str, flow_execution_id: str) -> Sequence[Review]:
        """Return an execution's reviews, oldest first."""
        wanted = {
            "execution_id": flow_execution_id,
            **_KEPT,
            "organization_id": organization_id,
        }
        cursor = self._reviews.find(wanted).hint(indexes.REVIEWS_BY_TASK)
        documents = await cursor.to_list(length=None)
        documents.sort(key=lambda each: (each["created_at"], each["_id"]))
        return await reviews_of(documents, self._values)

    @guarded
    async def assignments(self, organization_id: str, review_id: str) -> Sequence[Assignment]:
        """Return who is asked, in the order in which they were."""
        if await self._reviews.find_one(place_of(organization_id, review_id), {"_id": 1}) is None:
            raise not_found(review_id)
        cursor = (
            self._assignments.find({"review_id": review_id})
            .sort([("created_at", 1), ("_id", 1)])
            .hint(indexes.ASSIGNMENTS_BY_REVIEW)
        )
        return [assignment_of(document) async for document in cursor]

    @guarded
    async def note_signal(self, organization_id: str, review_id: str) -> None:
        """Note that the waiting task was told."""
        await self._reviews.update_one(
            {"_id": review_id, "organization_id": organization_id},
            {"$set": {"signal_sent": True}},
        )

    @guarded
    async def adopt(self, organization_id: str, review_id: str) -> None:
        """Note that a task waits for a review that somebody else asked for."""
        await self._reviews.update_one(
            {"_id": review_id, "organization_id": organization_id}, {"$set": {"is_awaited": True}}
        )

    @guarded
    async def completed(
        self, flow_execution_ids: Collection[str]
    ) -> Collection[tuple[str, str, int, int]]:
        """Return execution, task, index and generation of each completed review.

        Whoever asks has found the executions, each within its tenant.
        """
        wanted = {
            "execution_id": {"$in": sorted(flow_execution_ids)},
            **_KEPT,
            "status": ReviewStatus.COMPLETED.value,
        }
        fields = {"execution_id": 1, "task_name": 1, "idx": 1, "generation": 1}
        cursor = self._reviews.find(wanted, fields).hint(indexes.REVIEWS_BY_TASK)
        return {
            (found["execution_id"], found["task_name"], found["idx"], found["generation"])
            async for found in cursor
        }

    async def _hold_execution(self, review: Review, session: Any) -> None:
        """Have a new review and the end of its generation follow each other."""
        held = await self._executions.update_one(
            {
                "_id": review.flow_execution_id,
                "organization_id": review.organization_id,
                "generation": review.generation,
                **({"is_open": True} if review.is_awaited else {}),
            },
            {"$inc": {"reviews": 1}},
            session=session,
        )
        if not held.matched_count:
            raise ExecutionSupersededError("the execution has moved on")

    async def _found(self, document: Document | None, review_id: str) -> Review:
        if document is None:
            raise not_found(review_id)
        (review,) = await reviews_of([document], self._values)
        return review


def place_of(organization_id: str, review_id: str) -> Document:
    """Return the filter of one review that was not deleted."""
    return {"_id": review_id, "organization_id": organization_id, **_KEPT}


def _assignment(review: Review, user_id: str | None, group_id: str | None) -> Assignment:
    return Assignment(
        id=str(uuid4()),
        organization_id=review.organization_id,
        review_id=review.id,
        user_id=user_id,
        worker_group_id=group_id,
        status=AssignmentStatus.PENDING,
        started_at=None,
        created_at=review.created_at,
        updated_at=review.created_at,
        modified_by=review.modified_by,
    )


def not_found(review_id: str) -> HumanReviewNotFoundError:
    """Return the error for a review that is not there."""
    return HumanReviewNotFoundError("no such human review", task_id=review_id)
