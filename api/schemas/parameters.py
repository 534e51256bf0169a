"""Types of path and query parameters."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query
from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic import WithJsonSchema as Shown
from pydantic_core import PydanticCustomError, PydanticKnownError

from contracts.names import FlowExecutionId, FlowId
from flows.errors import InvalidError, NotFoundError

_UUID = TypeAdapter(UUID)
_SHOWN_AS_UUID = Shown({"type": "string", "format": "uuid"})

_LARGEST = 2**63 - 1


def canonical_uuid(value: object) -> str:
    """Return a UUID in lower case with hyphens, as ids are stored."""
    try:
        return str(_UUID.validate_python(value))
    except ValidationError as error:
        reason = str(error.errors()[0].get("ctx", {}).get("error", "not a UUID"))
        raise PydanticKnownError("uuid_parsing", {"error": reason}) from error


def execution_id_or_refusal(value: object) -> str:
    """Return a UUID like ``canonical_uuid``; the one place where a malformed one is a 400."""
    try:
        return canonical_uuid(value)
    except PydanticKnownError as error:
        raise InvalidError("invalid execution ID format") from error


def public_uuid(value: object) -> str:
    """Return a UUID like ``canonical_uuid``; to the public a malformed one is as unknown as any."""
    try:
        return canonical_uuid(value)
    except PydanticKnownError as error:
        raise NotFoundError("no such webhook") from error


def in_utc(value: datetime) -> datetime:
    """Return an aware instant; one without an offset is taken as UTC."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("datetime_range", "Input is out of range") from error


def written_out(value: object) -> object:
    """Return what may be an instant as ISO 8601 has it; a number of seconds is none."""
    try:
        float(str(value))
    except ValueError:
        return value
    raise PydanticCustomError("datetime_parsing", "Input should be a valid datetime")


def within_reach(value: int) -> int:
    """Return a number that the store can compare with; nothing stored is as large as the cap."""
    return min(value, _LARGEST)


CountedFromOne = Annotated[int, Field(ge=1)]
"""A version or a run number."""

AUuid = Annotated[str, BeforeValidator(canonical_uuid), _SHOWN_AS_UUID]
AFlowId = Annotated[FlowId, BeforeValidator(canonical_uuid), _SHOWN_AS_UUID]
APublicFlowId = Annotated[FlowId, BeforeValidator(public_uuid), _SHOWN_AS_UUID]
AnExecutionId = Annotated[FlowExecutionId, BeforeValidator(canonical_uuid), _SHOWN_AS_UUID]
AnExecutionIdOr400 = Annotated[
    FlowExecutionId, BeforeValidator(execution_id_or_refusal), _SHOWN_AS_UUID
]
AnInstant = Annotated[datetime, BeforeValidator(written_out), AfterValidator(in_utc)]

AnIndex = Annotated[int, Field(ge=0), AfterValidator(within_reach)]

PageNumber = Annotated[int, Query(ge=1, le=10_000, description="Counted from 1.")]
Offset = Annotated[
    int, Query(ge=0, description="How many to leave out."), AfterValidator(within_reach)
]
Limit = Annotated[int, Query(ge=1, le=1_000, description="How many at most.")]
SortDirection = Annotated[str | None, Query(pattern="^(asc|desc)$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="The same key and request within 24 hours lead to the same result.",
    ),
]
