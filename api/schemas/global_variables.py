"""Global variables as callers send and see them.

Source: docs/workflows-api.md, "Global variables".
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue, StrictBool
from typing_extensions import TypedDict

from flows.errors import InvalidError
from flows.secrets import MASK
from operations.global_variables import BulkFailure, NewVariable
from store.global_variables import VariableRecord
from store.models import Page

Name = Annotated[
    str,
    Field(
        pattern="^[A-Za-z_][A-Za-z0-9_-]{0,99}$",
        description="What `{{name}}` and `{{global.name}}` say.",
    ),
]
Description = Annotated[str | None, Field(max_length=2_000)]
Category = Annotated[str | None, Field(max_length=100)]

SYSTEM_REFUSED = "is_system is the platform's own to set"


class VariableCreateRequest(BaseModel):
    """A new variable."""

    name: Name
    value: JsonValue = None
    description: Description = None
    category: Category = None
    is_secret: StrictBool | None = None
    is_system: StrictBool | None = None

    def new(self) -> NewVariable:
        """Return what is to be stored.

        Raises:
            InvalidError: It claims to be the platform's own.
        """
        if self.is_system:
            raise InvalidError(SYSTEM_REFUSED)
        return NewVariable(
            name=self.name,
            value=self.value,
            description=self.description,
            category=self.category,
            is_secret=bool(self.is_secret),
        )


class VariableBulkRequest(BaseModel):
    """New variables; each is created, or refused, on its own."""

    variables: Annotated[list[VariableCreateRequest], Field(max_length=200)]


class VariablePatchRequest(BaseModel):
    """Changes: an absent key stays, and so does the value of a secret that is sent as its mask."""

    name: Name | None = None
    value: JsonValue = None
    description: Description = None
    category: Category = None
    is_secret: StrictBool | None = None
    is_system: StrictBool | None = None

    def changes(self) -> dict[str, JsonValue]:
        """Return what was sent; only a value, a description and a category can be null.

        Raises:
            InvalidError: It claims to be the platform's own.
        """
        if self.is_system:
            raise InvalidError(SYSTEM_REFUSED)
        sent: dict[str, JsonValue] = self.model_dump(
            include=self.model_fields_set - {"is_system"}, mode="json"
        )
        clearable = ("value", "description", "category")
        return {key: each for key, each in sent.items() if each is not None or key in clearable}


class VariableView(TypedDict):
    """A variable; the value of a secret one is a mask."""

    _id: str
    team_id: str
    name: str
    value: JsonValue
    description: str | None
    category: str | None
    is_secret: bool
    is_system: bool
    created_by: str
    updated_by: str
    created_at: datetime
    updated_at: datetime


class VariableEnvelope(TypedDict):
    """A variable."""

    variable: VariableView


class VariableListResponse(TypedDict):
    """A page of variables."""

    variables: list[VariableView]
    total: int
    page: int
    size: int


class BulkError(TypedDict):
    """Why a variable was not created."""

    name: str
    error: str


class VariableBulkResponse(TypedDict):
    """What came of many variables."""

    created: list[VariableView]
    errors: list[BulkError]


class ResolvedVariablesResponse(TypedDict):
    """The values of all variables by their names, without the secret ones."""

    variables: dict[str, JsonValue]


def variable_view(record: VariableRecord) -> VariableView:
    """Return a variable as it is shown."""
    return {
        "_id": record.id,
        "team_id": record.organization_id,
        "name": record.name,
        "value": MASK if record.is_secret else record.value,
        "description": record.description,
        "category": record.category,
        "is_secret": record.is_secret,
        "is_system": False,
        "created_by": record.created_by,
        "updated_by": record.updated_by,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def variable_envelope(record: VariableRecord) -> VariableEnvelope:
    """Return a variable as it is shown alone."""
    return {"variable": variable_view(record)}


def variable_list(found: Page[VariableRecord], page: int, size: int) -> VariableListResponse:
    """Return a page of variables."""
    rows = [variable_view(each) for each in found.items]
    return {"variables": rows, "total": found.total, "page": page, "size": size}


def bulk_response(
    created: Sequence[VariableRecord], failures: Sequence[BulkFailure]
) -> VariableBulkResponse:
    """Return what came of many variables."""
    return {
        "created": [variable_view(each) for each in created],
        "errors": [{"name": each.name, "error": each.error} for each in failures],
    }
