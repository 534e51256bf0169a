"""The categories of errors: each decides what a caller sees; ``flows.errors`` draws the tree."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue


class EngineError(Exception):
    """Base of the tree: a plain message, a stable machine code and JSON-ready facts."""

    code = "internal_error"
    retryable = False

    def __init__(self, message: str, **facts: JsonValue) -> None:
        """Keep the message and the facts that go into the error's details."""
        super().__init__(message)
        self.message = message
        self.facts: dict[str, JsonValue] = facts


class InvalidError(EngineError):
    """Well-formed, but it means nothing sensible."""

    code = "bad_request"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a definition or an input.

    Attributes:
        location: Path from the normalised definition's root, e.g. ``("tasks", 1, "name")``.
        reason: What is wrong, in a sentence without a full stop.
        type: Stable kind, e.g. ``unknown_executor``.
        rejects: Whether a definition with this fault is refused rather than kept as a draft.
    """

    location: tuple[str | int, ...]
    reason: str
    type: str
    rejects: bool = True
    input: JsonValue = None

    def __str__(self) -> str:
        """Return ``dotted.location: reason``."""
        dotted = ".".join(str(part) for part in self.location)
        return f"{dotted}: {self.reason}" if dotted else self.reason


class UnauthenticatedError(EngineError):
    """No credential, or one that does not hold."""

    code = "unauthorized"


class ForbiddenError(EngineError):
    """The credential holds, but not for this."""

    code = "forbidden"


class NotFoundError(EngineError):
    """Nothing here by that id, as far as the caller may know."""

    code = "not_found"


class SlowRequestError(EngineError):
    """The body of a request does not come, or too slowly."""

    code = "bad_request"


class ConflictError(EngineError):
    """The request clashes with what is already there."""

    code = "conflict"


class TooLargeError(EngineError):
    """More bytes, tasks or levels than are accepted."""

    code = "payload_too_large"


class UnprocessableError(EngineError):
    """The shape is wrong."""

    code = "validation_error"


class RateLimitedError(EngineError):
    """Too much at once; try again after ``retry_after``."""

    code = "rate_limited"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta = timedelta(seconds=1),
        **facts: JsonValue,
    ) -> None:
        """Say when another try makes sense."""
        super().__init__(message, **facts)
        self.retry_after = retry_after


class UnavailableError(EngineError):
    """Something that we need does not answer; try again after ``retry_after``."""

    code = "unavailable"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta = timedelta(seconds=2),
        **facts: JsonValue,
    ) -> None:
        """Say when another try makes sense."""
        super().__init__(message, **facts)
        self.retry_after = retry_after
