"""``wait``: lets time pass before what depends on it runs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, JsonValue, model_validator
from pydantic import Field as Describe
from pydantic_core import PydanticCustomError

from flows.errors import TaskFailedError
from flows.executors.spec import MISSING_PARAMETER, JsonSchema, Kind, Parameters, TaskExecutor
from flows.executors.waiting import fitting

LONGEST_WAIT = timedelta(days=366)


def _is_instant(text: str) -> str:
    """Let through what names one instant everywhere."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date and a time in ISO 8601") from None
    if instant.utcoffset() is None:
        raise ValueError("must have a time zone, 'Z' or an offset")
    return text


class WaitParameters(Parameters):
    """How long; exactly one of the two."""

    seconds: float | None = Describe(
        default=None,
        ge=0,
        le=LONGEST_WAIT.total_seconds(),
        description="Seconds from the moment when the task begins; fractions allowed.",
    )
    until: Annotated[str, AfterValidator(_is_instant)] | None = Describe(
        default=None,
        max_length=64,
        description="Instant in ISO 8601 with a time zone; one that has passed ends the wait.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        """Refuse neither and both."""
        if self.seconds is None and self.until is None:
            raise PydanticCustomError(MISSING_PARAMETER, "Either 'seconds' or 'until' is needed")
        if self.seconds is not None and self.until is not None:
            raise ValueError("'seconds' and 'until' exclude each other")
        return self


def due_at(parameters: Mapping[str, JsonValue], began_at: datetime) -> datetime:
    """Return when a wait that began then is over; perhaps that has passed.

    Raises:
        TaskFailedError: ``InvalidParameters``; they do not fit, or ask for more than a year.
    """
    asked = fitting(WaitParameters, parameters, "wait")
    if asked.until is None:
        return began_at + timedelta(seconds=asked.seconds or 0)
    instant = datetime.fromisoformat(asked.until)
    if instant - began_at > LONGEST_WAIT:
        raise TaskFailedError(
            f"{asked.until} is more than {LONGEST_WAIT.days} days ahead", type="InvalidParameters"
        )
    return instant


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of what is known after a wait."""
    return {
        "type": "object",
        "properties": {
            "waited_until": {
                "type": "string",
                "format": "date-time",
                "description": "When the wait was due to end, in UTC.",
            }
        },
        "required": ["waited_until"],
        "additionalProperties": False,
    }


WAIT = TaskExecutor(
    name="wait",
    description="Waits for a time or until an instant, without holding a worker.",
    agent_prompt=(
        "Use to pause: give `seconds`, or `until` as an ISO 8601 instant with a time zone. Connect "
        "what shall wait by an edge, or let it read `waited_until`."
    ),
    kind=Kind.WAITING,
    parameters=WaitParameters,
    output_schema=_output,
    is_pure=True,
    default_timeout=timedelta(seconds=10),
    is_schedulable=True,
)
