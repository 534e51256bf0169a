"""Human reviews as tasks wait for them: a ``DeliverySource``.

Source: docs/human-review.md; docs/decisions/0035-human-reviews.md.
"""

from collections.abc import Collection, Sequence
from uuid import uuid4

from pydantic import JsonValue

from contracts.messages import TaskCall
from flows.errors import DuplicateHumanReviewError, TaskFailedError
from flows.executors.human_review import HUMAN_REVIEW, HumanReviewParameters, reviewed
from flows.executors.waiting import fitting
from operations.pinned import PinnedDefinitions
from operations.review_targets import awaited_targets
from store.clock import now
from store.executions import ExecutionRepository
from store.review_models import Review, ReviewStatus, ReviewTarget
from store.reviews import ReviewRepository
from store.row_places import RowPlaces
from store.suspension import Wait
from store.worker_groups import WorkerGroupRepository

ENGINE = "system"


class ReviewSource:
    """Creates the review of a task that begins to wait, and finds what became of it."""

    def __init__(
        self,
        *,
        reviews: ReviewRepository,
        executions: ExecutionRepository,
        pinned: PinnedDefinitions,
        places: RowPlaces,
        groups: WorkerGroupRepository,
    ) -> None:
        """Borrow everything."""
        self._reviews = reviews
        self._executions = executions
        self._pinned = pinned
        self._places = places
        self._groups = groups

    async def expect(self, call: TaskCall) -> None:
        """Create the task's review, unless it has one.

        Raises:
            TaskFailedError: The parameters do not fit, or name a group that does not exist.
            ExecutionSupersededError: The execution has moved on.
        """
        earlier = await self._of(call)
        if earlier is None:
            await self._create(call)
        elif not earlier.is_awaited:
            await self._reviews.adopt(earlier.organization_id, earlier.id)

    async def has_come(self, call: TaskCall) -> bool:
        """Return whether somebody completed the task's review."""
        found = await self._of(call)
        return found is not None and found.status is ReviewStatus.COMPLETED

    async def come(self, waits: Sequence[Wait]) -> Collection[Wait]:
        """Return those tasks whose review was completed."""
        done = await self._reviews.completed({wait.flow_execution_id for wait in waits})
        return [
            wait
            for wait in waits
            if (wait.flow_execution_id, wait.task_name, wait.item or 0, wait.generation) in done
        ]

    async def output_of(self, call: TaskCall) -> JsonValue:
        """Return what a task passes on, now that its review is completed; it was told, then.

        Raises:
            TaskFailedError: ``NotReviewed``.
        """
        found = await self._of(call)
        if found is None or found.reviewed_output is None:
            raise TaskFailedError("nobody completed the review", type="NotReviewed")
        if not found.signal_sent:
            await self._reviews.note_signal(found.organization_id, found.id)
        return reviewed(found.reviewed_output, found.review_result is True)

    async def _of(self, call: TaskCall) -> Review | None:
        """Return the task's review in this generation."""
        context = call.context
        found = await self._reviews.at(
            context.organization_id, context.flow_execution_id, call.task_name, call.item or 0
        )
        return found if found is not None and found.generation == context.generation else None

    async def _create(self, call: TaskCall) -> None:
        context = call.context
        asked = fitting(HumanReviewParameters, call.parameters, HUMAN_REVIEW.name)
        group_ids = asked.assigned_worker_groups
        known = await self._groups.existing(context.organization_id, group_ids)
        if unknown := sorted({*group_ids} - known):
            raise TaskFailedError(
                f"no such worker group: {', '.join(unknown)}", type="UnknownWorkerGroup"
            )
        record = await self._executions.find_any(context.organization_id, context.flow_execution_id)
        targets = await awaited_targets(self._places, call, await self._pinned.of(record))
        at = now()
        review = Review(
            id=str(uuid4()),
            organization_id=context.organization_id,
            flow_id=context.flow_id,
            flow_execution_id=context.flow_execution_id,
            generation=context.generation,
            source_task_name=call.task_name,
            source_task_execution_idx=call.item or 0,
            targets=targets,
            instructions=asked.instructions,
            human_messages=asked.human_messages,
            created_at=at,
            updated_at=at,
            modified_by=ENGINE,
            is_awaited=True,
        )
        await self._places.note_sources(call, _sources(targets))
        try:
            await self._reviews.create(review, asked.assigned_users, group_ids)
        except DuplicateHumanReviewError:
            # The same call, repeated while its first attempt was still under way.
            await self.expect(call)


def _sources(targets: Sequence[ReviewTarget]) -> JsonValue:
    """Return whose outputs are passed on: one as the whole, several field by field."""
    places: list[JsonValue] = [
        {"task_name": target.task_name, "task_execution_idx": target.task_execution_idx}
        for target in targets
    ]
    if len(places) == 1:
        return {"root": places[0], "fields": {}}
    fields: dict[str, JsonValue] = {
        f"reviewed_output.{position}": place for position, place in enumerate(places)
    }
    return {"root": None, "fields": fields}
