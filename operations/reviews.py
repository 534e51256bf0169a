"""Use cases of human reviews: people about what they are asked to look at.

Source: docs/human-review.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast
from uuid import uuid4

from pydantic import JsonValue

from flows.errors import (
    ExecutionSupersededError,
    FlowExecutionNotFoundError,
    HumanReviewNotFoundError,
    InvalidError,
)
from operations.access import ExecutionAccess
from operations.caller import Caller
from operations.pinned import PinnedDefinitions
from operations.review_targets import accepted_output, posted_targets
from operations.waiting import Wakes
from store.clock import now
from store.executions import ExecutionRepository
from store.models import Page
from store.people import Person, PersonRepository
from store.review_acts import Completion, ReviewActs
from store.review_models import Assignment, Review, Reviewer, ReviewQuery, ReviewTarget
from store.reviews import ReviewRepository
from store.task_executions import TaskExecutionRepository
from store.worker_groups import WorkerGroupRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReview:
    """A review as somebody asks for it; the targets without their values."""

    flow_execution_id: str
    targets: Sequence[ReviewTarget]
    source_task_name: str
    source_task_execution_idx: int
    instructions: str | None
    human_messages: Sequence[str] | None
    user_ids: Sequence[str]
    group_ids: Sequence[str]


class Reviews:
    """What callers may do with human reviews.

    Methods that name a review raise HumanReviewNotFoundError for one that does not exist, is
    another organization's, or, where the caller acts on it, is not assigned to them.
    """

    def __init__(
        self,
        *,
        reviews: ReviewRepository,
        acts: ReviewActs,
        executions: ExecutionRepository,
        pinned: PinnedDefinitions,
        rows: TaskExecutionRepository,
        groups: WorkerGroupRepository,
        people: PersonRepository,
        wakes: Wakes,
        timeout: timedelta,
    ) -> None:
        """Borrow everything.

        Args:
            timeout: After which who has begun is taken to have given up.
        """
        self._reviews = reviews
        self._acts = acts
        self._executions = ExecutionAccess(executions)
        self._slots = executions.slots
        self._pinned = pinned
        self._rows = rows
        self._groups = groups
        self._people = people
        self._wakes = wakes
        self._timeout = timeout

    async def create(self, caller: Caller, new: NewReview) -> Review:
        """Store a review with its assignments.

        Raises:
            InvalidError: No such execution, task, task execution or group.
            DuplicateHumanReviewError: The task execution has one.
        """
        try:
            record = await self._executions.get(caller, new.flow_execution_id, tells_foreign=False)
        except FlowExecutionNotFoundError as error:
            raise InvalidError("no such flow execution") from error
        flow = await self._pinned.of(record)
        if new.source_task_name not in {task.name for task in flow.tasks}:
            raise InvalidError("the flow has no such task", task_name=new.source_task_name)
        await self._require_groups(caller, new.group_ids)
        targets = await posted_targets(
            self._rows, record.organization_id, record.id, flow, new.targets
        )
        at = now()
        review = Review(
            id=str(uuid4()),
            organization_id=record.organization_id,
            flow_id=record.flow_id,
            flow_execution_id=record.id,
            generation=record.generation,
            source_task_name=new.source_task_name,
            source_task_execution_idx=new.source_task_execution_idx,
            targets=targets,
            instructions=new.instructions,
            human_messages=new.human_messages,
            created_at=at,
            updated_at=at,
            modified_by=caller.modified_by,
        )
        try:
            await self._reviews.create(review, new.user_ids, new.group_ids)
        except ExecutionSupersededError as error:
            raise InvalidError("the flow execution is being re-executed") from error
        return review

    async def list(self, caller: Caller, query: ReviewQuery) -> Page[Review]:
        """Return some of the reviews that the caller is asked for; machines never are."""
        if caller.kind != "user":
            return Page()
        return await self._reviews.list(caller.organization_id, await self._reviewer(caller), query)

    async def of_execution(self, caller: Caller, flow_execution_id: str) -> Sequence[Review]:
        """Return all reviews of an execution, oldest first, whoever is asked.

        Somebody who is not invited to the flow gets only those that they are asked for.
        """
        found = await self._reviews.of_execution(caller.organization_id, flow_execution_id)
        return [review for review in found if await self._is_shown(caller, review)]

    async def get(self, caller: Caller, review_id: str) -> Review:
        """Return one review."""
        review = await self._reviews.get(caller.organization_id, review_id)
        if not await self._is_shown(caller, review):
            raise HumanReviewNotFoundError("no such review", task_id=review_id)
        return review

    async def assignments(
        self, caller: Caller, review_id: str, *, with_people: bool
    ) -> tuple[Sequence[Assignment], Mapping[str, Person]]:
        """Return who is asked, and, if asked for, what is known of these people by id."""
        await self.get(caller, review_id)
        found = await self._reviews.assignments(caller.organization_id, review_id)
        ids = {each.user_id for each in found if each.user_id is not None}
        people = await self._people.named(caller.organization_id, ids if with_people else ())
        return found, people

    async def start(self, caller: Caller, review_id: str) -> Review:
        """Begin with a review; again changes nothing.

        Raises:
            ConflictError: It is completed, or withdrawn.
        """
        return await self._acts.start(
            caller.organization_id, review_id, await self._asked(caller, review_id), self._timeout
        )

    async def unstart(self, caller: Caller, review_id: str) -> Review:
        """Give a review back that the caller has begun.

        Raises:
            ConflictError: They have not.
        """
        return await self._acts.unstart(
            caller.organization_id, review_id, await self._asked(caller, review_id)
        )

    async def complete(
        self, caller: Caller, review_id: str, review_result: bool, output: Sequence[JsonValue]
    ) -> Review:
        """Store what the caller decided, then wake the task that waits for it.

        What it cannot be told now, the reconciler tells it. Where the organization is at its limit
        the execution goes on once it gets a slot; until then the signal counts as not sent.

        Raises:
            InvalidError: Nobody has begun, it has ended, or the output does not fit.
        """
        reviewer = await self._asked(caller, review_id)
        review = await self._reviews.get(caller.organization_id, review_id)
        done = await self._acts.complete(
            caller.organization_id,
            review_id,
            reviewer,
            Completion(
                review_result=review_result, reviewed_output=accepted_output(review, output)
            ),
        )
        if not done.is_awaited:
            return done
        organization_id, execution_id = done.organization_id, done.flow_execution_id
        is_deferred = await self._slots.would_queue(organization_id, execution_id)
        if not await self._tell(done) or is_deferred:
            return await self._reviews.get(caller.organization_id, review_id)
        await self._reviews.note_signal(caller.organization_id, review_id)
        return replace(done, signal_sent=True)

    async def _tell(self, review: Review) -> bool:
        """Wake the task that waits; only a task of an iteration is known by its item."""
        idx = review.source_task_execution_idx
        execution_id, task_name = review.flow_execution_id, review.source_task_name
        if await self._wakes.wake(execution_id, task_name, idx):
            return True
        return idx == 0 and await self._wakes.wake(execution_id, task_name)

    async def _is_shown(self, caller: Caller, review: Review) -> bool:
        """Return whether the caller sees the flow, or is asked for the review."""
        if caller.sees(review.flow_id):
            return True
        reviewer = await self._reviewer(caller)
        asked = await self._reviews.assignments(caller.organization_id, review.id)
        return any(
            each.user_id == reviewer.user_id or each.worker_group_id in reviewer.group_ids
            for each in asked
        )

    async def _asked(self, caller: Caller, review_id: str) -> Reviewer:
        """Return the caller as a reviewer.

        Raises:
            HumanReviewNotFoundError: It is a machine, and nobody asks machines.
        """
        if caller.kind != "user":
            raise HumanReviewNotFoundError(
                "the review is not assigned to the caller", task_id=review_id
            )
        return await self._reviewer(caller)

    async def _reviewer(self, caller: Caller) -> Reviewer:
        groups = await self._groups.of_member(caller.organization_id, caller.user_id)
        return Reviewer(user_id=caller.user_id, group_ids=frozenset(groups))

    async def _require_groups(self, caller: Caller, group_ids: Sequence[str]) -> None:
        known = await self._groups.existing(caller.organization_id, group_ids)
        if unknown := sorted({*group_ids} - known):
            raise InvalidError("no such worker group", unknown=cast(JsonValue, unknown))


class ReviewSweep:
    """Takes back what people began and left."""

    def __init__(self, acts: ReviewActs) -> None:
        """Borrow the store's side of it."""
        self._acts = acts

    async def sweep(self, limit: int) -> int:
        """Take back what was begun too long ago; return how many."""
        return await self._acts.take_back_expired(now(), limit)
