"""What failed, between Temporal's exceptions, the read model's ``TaskError`` and our error tree."""

from pydantic import ValidationError
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    RetryState,
    TimeoutError,
    TimeoutType,
)

from contracts.messages import TaskError
from contracts.names import SUPERSEDED
from flows.errors import EngineError, TaskFailedError

_TIMEOUT_TYPES = {
    TimeoutType.HEARTBEAT: "WorkerLost",
    TimeoutType.SCHEDULE_TO_START: "NoWorker",
}
_TIMEOUT_MESSAGES = {
    TimeoutType.HEARTBEAT: "the worker that ran the task was lost",
    TimeoutType.SCHEDULE_TO_START: "no worker took the task in time",
}


def to_failure(error: EngineError) -> ApplicationError:
    """Return what crosses Temporal for an error of our tree; retried only where that helps."""
    error_type = error.type if isinstance(error, TaskFailedError) else error.code
    retryable = error.retryable
    return ApplicationError(error.message, type=error_type, non_retryable=not retryable)


def task_failure(task_name: str | None, error: TaskError | None) -> ApplicationError:
    """Return what a workflow fails with because one of its tasks did, or the engine itself."""
    error = error or TaskError(message="the flow execution failed", type="internal_error")
    where = f"task '{task_name}' failed: " if task_name is not None else ""
    return ApplicationError(
        f"{where}{error.message}",
        error.model_dump(mode="json"),
        type=error.type,
        non_retryable=True,
    )


def superseded_failure() -> ApplicationError:
    """Return what a run ends with that a newer generation replaced: nobody waits for it."""
    return ApplicationError(
        "a newer generation owns this execution", type=SUPERSEDED, non_retryable=True
    )


def is_superseded(error: BaseException) -> bool:
    """Return whether an attempt stopped because the execution moved on without this run."""
    cause = _root(error)
    return isinstance(cause, ApplicationError) and cause.type == SUPERSEDED


def is_final(error: BaseException) -> bool:
    """Return whether whoever failed says that another try cannot end differently."""
    cause = _root(error)
    return isinstance(cause, ApplicationError) and cause.non_retryable


def failed_attempt(error: BaseException, most: int) -> int | None:
    """Return which attempt ended a task, if that can be told.

    Whoever ran it says so in the failure's details. After a timeout only the server knows, but if
    it gave up because no attempt was left, it was the last.

    Args:
        most: How many attempts Temporal was allowed.
    """
    cause = _root(error)
    if isinstance(cause, ApplicationError) and len(cause.details) > 1:
        attempt = cause.details[1]
        return attempt if isinstance(attempt, int) else None
    if isinstance(cause, TaskFailedError):
        attempt = cause.facts.get("attempt")
        return attempt if isinstance(attempt, int) else None
    if isinstance(error, ActivityError):
        ran_out = error.retry_state is RetryState.MAXIMUM_ATTEMPTS_REACHED
        return most if ran_out else None
    return None


def task_error(error: BaseException) -> TaskError:
    """Return what ``error`` of the task execution shows.

    Activities put it into their failure's details; timeouts and errors of the engine itself are
    put into words here.
    """
    cause = _root(error)
    match cause:
        case ApplicationError():
            return _from_details(cause)
        case TimeoutError():
            return _timed_out(cause)
        case TaskFailedError():
            return TaskError(message=cause.message, type=cause.type, traceback=cause.traceback)
        case EngineError():
            return TaskError(message=cause.message, type=cause.code)
        case FailureError():
            return TaskError(message=cause.message, type=type(cause).__name__)
        case _:
            return TaskError(message=str(cause) or type(cause).__name__, type=type(cause).__name__)


def remote_error(error: BaseException) -> TaskError:
    """Return what ``error`` shows for somebody else's activity; its details mean nothing to us."""
    cause = _root(error)
    if isinstance(cause, ApplicationError):
        return TaskError(message=cause.message, type=cause.type or "ApplicationError")
    return task_error(error)


def _root(error: BaseException) -> BaseException:
    """Return what lies below Temporal's wrappers of activities and child workflows."""
    while isinstance(error, ActivityError | ChildWorkflowError) and error.cause is not None:
        error = error.cause
    return error


def _from_details(cause: ApplicationError) -> TaskError:
    """Return the failure that an activity described, or one made of its type and message."""
    if cause.details:
        try:
            return TaskError.model_validate(cause.details[0])
        except ValidationError:
            pass
    return TaskError(message=cause.message, type=cause.type or "ApplicationError")


def _timed_out(cause: TimeoutError) -> TaskError:
    """Return a timeout in words that need no knowledge of Temporal."""
    kind = cause.type
    if kind is None:
        return TaskError(message="the task took longer than allowed", type="Timeout")
    return TaskError(
        message=_TIMEOUT_MESSAGES.get(kind, "the task took longer than allowed"),
        type=_TIMEOUT_TYPES.get(kind, "Timeout"),
    )
