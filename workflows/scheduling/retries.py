"""A task's retry policy and timeout as Temporal's own."""

from datetime import timedelta

from temporalio.common import RetryPolicy

from flows.executors.spec import Kind, TaskExecutor
from flows.model import RetryPolicy as AuthoredPolicy
from flows.model import Task

EXTRA_ATTEMPTS_OF_PURE_WORK = 10
LOCAL_TIMEOUT = timedelta(seconds=10)

_SHORTEST = timedelta(milliseconds=1)
_DEFAULT_LONGEST_FACTOR = 100
_TEMPORAL_TIMEOUTS = {
    "Timeout": "TemporalTimeout:StartToClose",
    "WorkerLost": "TemporalTimeout:Heartbeat",
}


def attempts_allowed(task: Task, executor: TaskExecutor) -> int:
    """Return how often a task may fail before it has failed."""
    policy = task.retry_policy
    if policy is None or policy.max_attempts is None:
        return executor.default_max_attempts
    return policy.max_attempts


def most_attempts(task: Task, executor: TaskExecutor) -> int:
    """Return how often Temporal may let a task try, attempts lost with their worker included."""
    extra = EXTRA_ATTEMPTS_OF_PURE_WORK if _may_be_lost(executor) else 0
    return attempts_allowed(task, executor) + extra


def retry_policy(task: Task, executor: TaskExecutor) -> RetryPolicy:
    """Return Temporal's policy for a task.

    Pure work gets attempts on top, for those that are lost with their worker: nobody can notice
    that it ran twice. The activity's interceptor ends it at the last allowed *failure*; an attempt
    that took too long is a failure too, which nobody but the server sees, so work that may fail
    once is not repeated after one.
    """
    authored = task.retry_policy or AuthoredPolicy()
    first = _interval(authored.initial_interval_seconds)
    longest = first * _DEFAULT_LONGEST_FACTOR
    if authored.max_interval_seconds is not None:
        longest = max(first, _interval(authored.max_interval_seconds))
    final_types = _error_types(authored)
    if _may_be_lost(executor) and attempts_allowed(task, executor) == 1:
        final_types.append(_TEMPORAL_TIMEOUTS["Timeout"])
    return RetryPolicy(
        initial_interval=first,
        backoff_coefficient=authored.backoff_coefficient,
        maximum_interval=longest,
        maximum_attempts=most_attempts(task, executor),
        non_retryable_error_types=final_types or None,
    )


def attempt_timeout(task: Task, executor: TaskExecutor) -> timedelta:
    """Return how long one attempt may take; instant work is cut off early, whatever it may claim.

    A local activity holds its workflow task, and with it the cancellation of the whole flow. That
    which ends a wait has nothing to do with how long the author lets a task take.
    """
    timeout = executor.default_timeout
    if task.timeout_seconds is not None:
        timeout = _interval(task.timeout_seconds)
    match executor.kind:
        case Kind.WAITING:
            return LOCAL_TIMEOUT
        case Kind.INSTANT:
            return min(timeout, LOCAL_TIMEOUT)
        case _:
            return timeout


def _may_be_lost(executor: TaskExecutor) -> bool:
    """Return whether an attempt that was lost with its worker costs the task nothing."""
    return executor.is_pure and executor.kind is Kind.EFFECT


def _interval(seconds: float) -> timedelta:
    """Return a duration that is not rounded down to none, which Temporal reads as 'not given'."""
    return max(timedelta(seconds=seconds), _SHORTEST)


def _error_types(policy: AuthoredPolicy) -> list[str]:
    """Return the types that end a task at once, our names of timeouts in Temporal's words too."""
    types = list(policy.non_retryable_error_types)
    types.extend(
        _TEMPORAL_TIMEOUTS[name]
        for name in policy.non_retryable_error_types
        if name in _TEMPORAL_TIMEOUTS
    )
    return types
