"""``scheduled_trigger``: a flow that starts by the clock."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, JsonValue, model_validator
from pydantic import Field as Describe
from pydantic_core import PydanticCustomError

from flows.executors.spec import MISSING_PARAMETER, JsonSchema, Kind, Parameters, TaskExecutor

Overlap = Literal["skip", "allow_all", "buffer_one", "cancel_other"]

YEAR_SECONDS = 366 * 86_400

_MINUTES = r"([*\d,/-]+)"
_CRON = rf"^\s*{_MINUTES}(\s+{_MINUTES}){{2}}(\s+[*\w,/-]+){{2}}\s*$"


def _is_time_zone(name: str) -> str:
    """Let through what the time zone database knows."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError("is no time zone of the IANA database, such as Europe/Berlin") from None
    return name


class ScheduledTriggerParameters(Parameters):
    """When, and what if the flow still runs or nobody was there; ``cron`` or ``every_seconds``."""

    cron: str | None = Describe(
        default=None,
        max_length=200,
        pattern=_CRON,
        description="Minute, hour, day of month, month, day of week, as in crontab.",
    )
    every_seconds: int | None = Describe(
        default=None, ge=1, le=YEAR_SECONDS, description="Instead: seconds between two firings."
    )
    time_zone: Annotated[str, AfterValidator(_is_time_zone)] = Describe(
        default="UTC", max_length=64, description="Time zone of `cron`, by its IANA name."
    )
    overlap: Overlap = Describe(
        default="skip",
        description=(
            "While an execution that it started still runs: skip the firing, start another one all "
            "the same, start one when it has ended, or cancel it and start another one."
        ),
    )
    catch_up_seconds: int = Describe(
        default=60,
        ge=10,
        le=YEAR_SECONDS,
        description="How late a firing may still happen if nobody was there at its time.",
    )
    input: dict[str, JsonValue] | None = Describe(
        default=None, description="Passed on as `input` with every firing."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        """Refuse neither and both."""
        if self.cron is None and self.every_seconds is None:
            raise PydanticCustomError(
                MISSING_PARAMETER, "Either 'cron' or 'every_seconds' is needed"
            )
        if self.cron is not None and self.every_seconds is not None:
            raise ValueError("'cron' and 'every_seconds' exclude each other")
        return self


def _flow_input(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return what a firing hands in, and whoever starts the flow by hand may."""
    return {
        "type": "object",
        "properties": {
            "scheduled_at": {
                "type": "string",
                "format": "date-time",
                "description": "The time that the schedule meant, in UTC.",
            },
            "input": {"type": "object", "description": "The task's own `input`."},
        },
        "additionalProperties": False,
    }


SCHEDULED_TRIGGER = TaskExecutor(
    name="scheduled_trigger",
    description="Starts a flow by the clock: by a cron expression, or every so many seconds.",
    agent_prompt=(
        "Use as the first task of a flow that runs by itself. Give `cron` and perhaps `time_zone`, "
        "or `every_seconds`; what the flow needs to know goes into `input`."
    ),
    kind=Kind.INPUT,
    parameters=ScheduledTriggerParameters,
    output_schema=_flow_input,
    flow_input_schema=_flow_input,
    is_pure=True,
    is_schedulable=True,
)
