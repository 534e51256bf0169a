"""The end of a wait; the waiting itself is a timer of the workflow."""

from datetime import UTC

from pydantic import JsonValue
from temporalio import activity

from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.wait import WAIT, due_at


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
