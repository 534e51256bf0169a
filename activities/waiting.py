"""The end of a wait; the waiting itself is state of the workflow."""

from datetime import UTC

from pydantic import JsonValue
from temporalio import activity

from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.human_review import HUMAN_REVIEW
from flows.executors.wait import WAIT, due_at
from flows.executors.webhook_receiver import WEBHOOK_RECEIVER
from operations.review_source import ReviewSource
from operations.webhook_data import WebhookDataSource


class WaitActivities:
    """Says what is known once a wait is over."""

    @activity.defn(name=WAIT.name)
    async def wait(self, call: TaskCall) -> JsonValue:
        """Return when the wait was due to end.

        Raises:
            TaskFailedError: Type ``InvalidParameters``.
        """
        if call.began_at is None:
            raise TaskFailedError("nobody waited", type="InvalidCall")
        return {"waited_until": due_at(call.parameters, call.began_at).astimezone(UTC).isoformat()}


class WebhookDataActivities:
    """Fetches what outside systems submitted."""

    def __init__(self, source: WebhookDataSource) -> None:
        """Borrow the source."""
        self._source = source

    @activity.defn(name=WEBHOOK_RECEIVER.name)
    async def webhook_receiver(self, call: TaskCall) -> JsonValue:
        """Return what was submitted for the task.

        Raises:
            TaskFailedError: Nothing was; the workflow had looked before.
        """
        return await self._source.data_for(call)


class HumanReviewActivities:
    """Fetches what reviewers decided."""

    def __init__(self, source: ReviewSource) -> None:
        """Borrow the source."""
        self._source = source

    @activity.defn(name=HUMAN_REVIEW.name)
    async def human_review(self, call: TaskCall) -> JsonValue:
        """Return what was reviewed, with the verdict.

        Raises:
            TaskFailedError: Nobody completed it; the workflow had looked before.
        """
        return await self._source.output_of(call)
