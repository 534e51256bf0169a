"""Every error that Perdure raises on purpose, in one tree.

The category decides what a caller sees; the class says what happened::

    EngineError
    ├── InvalidError 400
    │   ├── InvalidDefinitionError        a definition has faults; carries all of them
    │   ├── InvalidInputError             flow input does not fit the input task
    │   ├── InvalidOutputError            what a person sends does not fit the task's output
    │   ├── InvalidGraphError             a workflow's graph breaks a rule
    │   └── EncryptionKeyMissingError     a secret needs a key that is not configured
    ├── UnauthenticatedError 401
    │   └── UserInfoNotFoundError         a genuine token, but nobody usable behind it
    ├── ForbiddenError 403
    │   └── FileUrlRefusedError           its signature does not hold, or has expired
    ├── NotFoundError 404
    │   ├── FlowNotFoundError
    │   ├── FlowVersionNotFoundError
    │   ├── FlowExecutionNotFoundError
    │   ├── TaskNotFoundError
    │   ├── TaskExecutionNotFoundError
    │   ├── TaskOutputNotFoundError
    │   ├── InteractiveRunNotFoundError
    │   ├── RerunTokenNotFoundError
    │   ├── OrganizationNotFoundError
    │   ├── CredentialNotFoundError
    │   ├── WorkerGroupNotFoundError
    │   ├── PersonNotFoundError
    │   ├── HumanReviewNotFoundError      or it is not the caller's
    │   ├── ServiceAccountNotFoundError
    │   ├── ApiKeyNotFoundError
    │   ├── WorkflowNotFoundError
    │   ├── VariableNotFoundError
    │   └── StoredFileNotFoundError
    ├── SlowRequestError 408              its body does not come
    │   └── SlowReaderError               a stream of events is not read
    ├── ConflictError 409
    │   ├── DuplicateFlowNameError
    │   ├── DuplicateCredentialError
    │   ├── DuplicateVariableError
    │   ├── DuplicateWorkerGroupError
    │   ├── DuplicateHumanReviewError
    │   ├── MailAddressTakenError         another flow receives messages there
    │   ├── FileStoredError               an upload URL serves once
    │   ├── IdempotencyConflictError      same key, other body
    │   ├── OtherDataStoredError          the task has been given other data
    │   ├── InteractiveRunEndedError      no turn can follow
    │   ├── TurnUnderWayError             another input came first
    │   ├── ExecutionEndedError           nothing will come of it any more
    │   ├── EventsExpiredError            what came after an event is not kept any more
    │   └── ExecutionSupersededError      a newer generation owns the execution
    │       └── RunNotKnownError          another run of its generation does
    ├── TooLargeError 413
    ├── UnprocessableError 422
    │   ├── WebhookDataRefusedError       it does not fit the task's fields; carries all faults
    │   └── TaskFailedError               a task executor could not do its work
    ├── RateLimitedError 429              retryable
    │   └── TooManyStreamsError           so many streams of events are open already
    ├── UnavailableError 503              retryable
    │   ├── StoreUnavailableError
    │   ├── TemporalUnavailableError
    │   └── ServerStoppingError           this process ends its streams of events
    ├── SealBrokenError                   what is stored encrypted was tampered with
    └── StartUpError                      a process cannot start; never reaches a caller
"""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import JsonValue

from flows.error_categories import (
    ConflictError,
    EngineError,
    Fault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    SlowRequestError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnprocessableError,
)

__all__ = [
    "ConflictError",
    "EngineError",
    "Fault",
    "ForbiddenError",
    "InvalidError",
    "NotFoundError",
    "RateLimitedError",
    "SlowRequestError",
    "TooLargeError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnprocessableError",
]


class InvalidDefinitionError(InvalidError):
    """A flow definition is refused; ``faults`` holds everything found, in document order."""

    code = "invalid_dsl_input"

    def __init__(self, message: str, faults: Sequence[Fault]) -> None:
        """Keep all faults."""
        super().__init__(message)
        self.faults = tuple(faults)


class InvalidInputError(InvalidError):
    """Flow input does not fit the schema of the input task; ``faults`` says where."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        """Keep all faults."""
        super().__init__(message)
        self.faults = tuple(faults)


class InvalidOutputError(InvalidError):
    """What somebody sends as a result does not fit the task's output; ``faults`` says where."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        """Keep all faults."""
        super().__init__(message)
        self.faults = tuple(faults)


class InvalidGraphError(InvalidError):
    """A workflow's graph breaks a rule.

    Attributes:
        category: What kind of rule; the message says which, and where.
    """

    def __init__(self, category: str, message: str) -> None:
        """Keep the kind beside the message."""
        super().__init__(message)
        self.category = category


class EncryptionKeyMissingError(InvalidError):
    """A secret cannot be sealed or opened: the key for it is not configured."""


class UserInfoNotFoundError(UnauthenticatedError):
    """The token is genuine, but there is no usable person behind it."""

    code = "user_info_not_found"


class FileUrlRefusedError(ForbiddenError):
    """The signature of a file's URL does not hold, or no longer."""


class FlowNotFoundError(NotFoundError):
    """No flow has this id in the caller's organization."""


class FlowVersionNotFoundError(NotFoundError):
    """The flow has no such version."""


class FlowExecutionNotFoundError(NotFoundError):
    """No flow execution has this id in the caller's organization, or it was deleted."""


class TaskNotFoundError(NotFoundError):
    """The version of the flow that runs has no task of this name."""


class TaskExecutionNotFoundError(NotFoundError):
    """No task execution has this id in the caller's organization."""


class TaskOutputNotFoundError(NotFoundError):
    """No task output has this id in the caller's organization."""


class InteractiveRunNotFoundError(NotFoundError):
    """No interactive run has this id in the caller's organization, or it belongs elsewhere."""


class RerunTokenNotFoundError(NotFoundError):
    """No token of this kind lets a run begin: it is unknown, expired, used, or of another turn."""


class OrganizationNotFoundError(NotFoundError):
    """No organization has this id."""


class CredentialNotFoundError(NotFoundError):
    """The organization has no such credential."""


class WorkerGroupNotFoundError(NotFoundError):
    """The organization has no such worker group."""


class PersonNotFoundError(NotFoundError):
    """Nobody by this id was met in the organization, or the caller is no person."""


class HumanReviewNotFoundError(NotFoundError):
    """The organization has no such human review, or nobody assigned it to the caller."""


class ServiceAccountNotFoundError(NotFoundError):
    """No service account has this id in the caller's organization."""


class ApiKeyNotFoundError(NotFoundError):
    """The service account has no such key, or no longer."""


class WorkflowNotFoundError(NotFoundError):
    """The caller's organization has no workflow of this id, or that one no such version."""


class VariableNotFoundError(NotFoundError):
    """The organization has no global variable of this id."""


class StoredFileNotFoundError(NotFoundError):
    """No file has this key in the caller's organization."""


class SlowReaderError(SlowRequestError):
    """Whoever follows events does not read them, or too slowly."""


class DuplicateFlowNameError(ConflictError):
    """Another flow of the organization has this display name."""


class DuplicateCredentialError(ConflictError):
    """Another credential of the organization has this name."""


class DuplicateVariableError(ConflictError):
    """Another global variable of the organization has this name."""


class DuplicateWorkerGroupError(ConflictError):
    """Another worker group of the organization has this name."""


class DuplicateHumanReviewError(ConflictError):
    """The task execution has a human review already."""


class MailAddressTakenError(ConflictError):
    """Another flow, perhaps of another organization, receives messages at this address."""


class FileStoredError(ConflictError):
    """The file was uploaded already; its URL serves once."""


class IdempotencyConflictError(ConflictError):
    """The idempotency key was used before, with another body."""


class OtherDataStoredError(ConflictError):
    """Other data was submitted for the task before; the first stands."""


class InteractiveRunEndedError(ConflictError):
    """The interactive run is at its end; no turn can follow."""


class TurnUnderWayError(ConflictError):
    """Another input of the interactive run came first, and its turn is under way."""


class ExecutionEndedError(ConflictError):
    """The execution has ended, so nobody would read what is submitted."""


class EventsExpiredError(ConflictError):
    """What happened after the event that was named is not kept any more."""


class ExecutionSupersededError(ConflictError):
    """The execution has moved on to a newer generation, or is closed; the attempt must not run."""


class RunNotKnownError(ExecutionSupersededError):
    """The write comes from another Temporal run than the one that the execution knows."""


class WebhookDataRefusedError(UnprocessableError):
    """Submitted data does not fit the task's fields; ``faults`` says where."""

    def __init__(self, message: str, faults: Sequence[Fault]) -> None:
        """Keep all faults."""
        super().__init__(message)
        self.faults = tuple(faults)


class TaskFailedError(UnprocessableError):
    """A task executor could not do its work.

    Attributes:
        type: What ``error.type`` shows and ``non_retryable_error_types`` matches.
        retryable: Whether another attempt could end differently.
        traceback: The author's own traceback, where there is one (``python_code``).
        retry_after: How long to wait before the next attempt, where the outside said so.
    """

    code = "task_failed"

    def __init__(
        self,
        message: str,
        *,
        type: str,
        retryable: bool = False,
        traceback: str | None = None,
        retry_after: timedelta | None = None,
        **facts: JsonValue,
    ) -> None:
        """Name the failure's type and whether it is worth a retry."""
        super().__init__(message, **facts)
        self.type = type
        self.retryable = retryable
        self.traceback = traceback
        self.retry_after = retry_after


class TooManyStreamsError(RateLimitedError):
    """As many streams of events are open as may be."""


class StoreUnavailableError(UnavailableError):
    """MongoDB does not answer."""


class TemporalUnavailableError(UnavailableError):
    """The Temporal server does not answer."""


class ServerStoppingError(UnavailableError):
    """This process stops; another one goes on with its streams of events."""


class SealBrokenError(EngineError):
    """What is stored encrypted was changed, or put where it does not belong."""


class StartUpError(EngineError):
    """A process cannot start; the message is one line that says what to do."""
