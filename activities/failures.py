"""How an attempt's exception becomes what Temporal, the workflow and the read model see of it."""

import traceback
from datetime import timedelta

from temporalio.exceptions import ApplicationError

from contracts.messages import TaskCall, TaskError
from contracts.names import SUPERSEDED
from flows.errors import (
    EngineError,
    ExecutionSupersededError,
    RateLimitedError,
    StoreUnavailableError,
    TaskFailedError,
    UnavailableError,
)
from flows.executors.catalogue import executor_named

STORE_UNAVAILABLE = "StoreUnavailable"
WORKER_LOST = "WorkerLost"


class FailureOfSecretWork(Exception):
    """Stands for the failure of a task that had secrets, and says what may be said of it.

    Attributes:
        described: What is shown.
        original: What it stands for; decides about retries, and is never shown.
    """

    def __init__(self, described: TaskError, original: Exception) -> None:
        """Keep both; the traceback that may be told becomes part of what is logged."""
        super().__init__(described.traceback or described.message)
        self.described = described
        self.original = original


def is_foreseen(error: Exception) -> bool:
    """Return whether somebody raised it on purpose, so that nobody need look into it."""
    if isinstance(error, FailureOfSecretWork):
        error = error.original
    return isinstance(error, EngineError)


def task_error(error: Exception) -> TaskError:
    """Return what the task execution shows as its error.

    Only what nobody foresaw, and what an author's own code raised, comes with a traceback.
    """
    if isinstance(error, FailureOfSecretWork):
        return error.described
    if isinstance(error, ApplicationError):
        return TaskError(message=error.message, type=error.type or type(error).__name__)
    if isinstance(error, TaskFailedError):
        return TaskError(message=error.message, type=error.type, traceback=error.traceback)
    if isinstance(error, ExecutionSupersededError):
        return TaskError(message=error.message, type=SUPERSEDED)
    if isinstance(error, StoreUnavailableError):
        return TaskError(message=error.message, type=STORE_UNAVAILABLE)
    if isinstance(error, EngineError):
        return TaskError(message=error.message, type=error.code)
    return TaskError(
        message=str(error) or type(error).__name__,
        type=type(error).__name__,
        traceback="".join(traceback.format_exception(error)),
    )


def activity_failure(error: Exception, call: TaskCall | None, attempt: int) -> ApplicationError:
    """Return the failure to raise out of an activity.

    Its details are the ``TaskError`` and the attempt that failed.

    Args:
        call: The task whose attempt failed; None for activities that are no task's.
        attempt: Temporal's, from 1.
    """
    described = task_error(error)
    if isinstance(error, FailureOfSecretWork):
        error = error.original
    return ApplicationError(
        described.message,
        described.model_dump(),
        attempt,
        type=described.type,
        non_retryable=not _is_worth_a_retry(error, call, attempt),
        next_retry_delay=_delay(error),
    )


def _is_worth_a_retry(error: Exception, call: TaskCall | None, attempt: int) -> bool:
    """Return whether Temporal may try again, within the policy that it was given.

    For pure work the policy allows more attempts than the author did, so that a lost worker costs
    none of the author's; the author's own number is enforced here.
    """
    if isinstance(error, StoreUnavailableError):
        return True
    if isinstance(error, ApplicationError) and error.non_retryable:
        return False
    if isinstance(error, EngineError) and not error.retryable:
        return False
    executor = None if call is None else executor_named(call.executor)
    is_pure = executor is not None and executor.is_pure
    return not (is_pure and call is not None and attempt >= call.max_attempts)


def _delay(error: Exception) -> timedelta | None:
    """Return how long the failure itself asks to wait; None leaves it to the policy."""
    if isinstance(error, ApplicationError):
        return error.next_retry_delay
    if isinstance(error, RateLimitedError | UnavailableError | TaskFailedError):
        return error.retry_after
    return None
