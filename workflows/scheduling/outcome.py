"""What became of a task, or of one item of an iteration."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Generic, TypeVar

from pydantic import JsonValue
from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from contracts.messages import Seed, TaskError, TaskReply, TaskState
from flows.canonical import canonical_bytes
from workflows.failures import failed_attempt, is_superseded, task_error
from workflows.scheduling.resolution import Resolved


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Where it stands, what it read and what came of it.

    Attributes:
        attempt: The attempt that ended it; None while it runs, and where nobody can say.
        most_attempts: How often Temporal may let it try.
        output_digest: Of the output; computed beside the activity, or when it is asked for.
        output_bytes: Size of the output as JSON, more or less.
    """

    state: TaskState = TaskState.PENDING
    input: JsonValue = None
    output: JsonValue = None
    output_digest: str = ""
    output_bytes: int = 0
    fingerprint: str = ""
    attempt: int | None = None
    most_attempts: int = 1
    error: TaskError | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    def begin(self) -> None:
        """Its turn has come."""
        self.state = TaskState.RUNNING
        self.started_at = workflow.now()

    def read(self, ready: Resolved, most_attempts: int) -> None:
        """Keep what it works on, and how often Temporal may let it try."""
        self.input, self.fingerprint = ready.parameters, ready.fingerprint
        self.most_attempts = most_attempts

    def complete(self, reply: TaskReply, size_bytes: int) -> None:
        """Take what its activity answered."""
        self.state = TaskState.COMPLETED
        self.output_bytes = size_bytes
        self.output, self.output_digest = reply.output, reply.output_digest
        self.attempt = reply.attempt
        self.started_at = reply.started_at or self.started_at
        self.completed_at = reply.completed_at or workflow.now()

    def reuse(self, seed: Seed) -> None:
        """Take an earlier result instead of running."""
        self.state = TaskState.REUSED
        encoded = canonical_bytes(seed.output)
        self.output, self.output_bytes = seed.output, len(encoded)
        self.output_digest = sha256(encoded).hexdigest()
        self.attempt = seed.attempt
        self.completed_at = workflow.now()

    def cancel(self) -> None:
        """It was told to stop."""
        self.state = TaskState.CANCELLED
        self.completed_at = workflow.now()

    def fail(self, error: BaseException) -> None:
        """Keep why it did not complete."""
        self.state = TaskState.FAILED
        self.error, self.attempt = task_error(error), failed_attempt(error, self.most_attempts)
        self.completed_at = workflow.now()


Ended = TypeVar("Ended", bound=Outcome)


class Failures(Generic[Ended]):
    """Tells failures from cancellations, and keeps the first failure of a run.

    Attributes:
        first: What failed first.
        is_superseded: Whether an attempt found that a newer generation owns the execution.
        is_stopping: Whether what is cancelled from now on was told to stop by us.
    """

    def __init__(self) -> None:
        """Start with nothing failed."""
        self.first: Ended | None = None
        self.is_superseded = False
        self.is_stopping = False

    @property
    def has_any(self) -> bool:
        """Return whether nothing more should be begun."""
        return self.first is not None or self.is_superseded

    def keep(self, ended: Ended, error: BaseException) -> None:
        """Note that something ended without completing.

        Raises:
            NondeterminismError: The fault lies in workflow code: its workflow task must fail, until
                a worker with better code takes it.
        """
        if isinstance(error, workflow.NondeterminismError):
            raise error
        if is_superseded(error):
            self.is_superseded = True
            ended.cancel()
        elif self.is_stopping and is_cancelled_exception(error):
            ended.cancel()
        else:
            ended.fail(error)
            self.first = self.first or ended
