"""Credentials as callers send and see them: a value goes in, and never comes out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid
from flows.secrets import CREDENTIAL_NAME, MASK
from operations.credentials import NewCredential
from store.credentials import CredentialEvent, CredentialRecord

MAX_VALUE_CHARS = 64 * 1024

Name = Annotated[
    str, Field(pattern=f"^{CREDENTIAL_NAME}$", description="What `{{secrets.<name>}}` says.")
]
Value = Annotated[
    str,
    Field(min_length=1, max_length=MAX_VALUE_CHARS, json_schema_extra={"writeOnly": True}),
]
KindOfCredential = Annotated[
    str | None, Field(max_length=100, description="For people, such as `sftp`; means nothing here.")
]
Description = Annotated[str | None, Field(max_length=2_000)]


class CredentialCreateRequest(BaseModel):
    """A new credential."""

    name: Name
    value: Value
    kind: KindOfCredential = None
    description: Description = None

    def new_credential(self) -> NewCredential:
        """Return what is to be stored."""
        return NewCredential(
            name=self.name, value=self.value, kind=self.kind, description=self.description
        )


class CredentialPatchRequest(BaseModel):
    """Changes: an absent key stays, and so does a value sent as the mask."""

    name: Name | None = None
    value: Value | None = None
    kind: KindOfCredential = None
    description: Description = None

    def changes(self) -> dict[str, str | None]:
        """Return what was sent."""
        sent: dict[str, str | None] = self.model_dump(include=self.model_fields_set)
        return sent


class CredentialResponse(TypedDict):
    """A credential; ``value`` is a mask, whatever it is."""

    id: AUuid
    organization_id: AUuid
    name: str
    kind: str | None
    description: str | None
    value: str
    created_at: datetime
    updated_at: datetime
    created_by: str
    modified_by: str


class CredentialListResponse(TypedDict):
    """The organization's credentials, by name."""

    credentials: list[CredentialResponse]


class CredentialEventResponse(TypedDict):
    """Who did what to a credential, and when."""

    credential_id: AUuid
    name: str
    action: Literal["created", "changed", "deleted"]
    fields: list[str]
    at: datetime
    by: str


class CredentialEventListResponse(TypedDict):
    """Changes of credentials, newest first."""

    events: list[CredentialEventResponse]


def credential_view(record: CredentialRecord) -> CredentialResponse:
    """Return a credential as it is shown."""
    return {
        "id": record.id,
        "organization_id": record.organization_id,
        "name": record.name,
        "kind": record.kind,
        "description": record.description,
        "value": MASK,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "created_by": record.created_by,
        "modified_by": record.modified_by,
    }


def credential_list(records: Sequence[CredentialRecord]) -> CredentialListResponse:
    """Return credentials as they are listed."""
    return {"credentials": [credential_view(record) for record in records]}


def event_list(events: Sequence[CredentialEvent]) -> dict[str, list[dict[str, object]]]:
    """Return changes as they are listed."""
    return {
        "events": [
            {
                "credential_id": event.credential_id,
                "name": event.name,
                "action": event.action,
                "fields": [*event.fields],
                "at": event.at,
                "by": event.by,
            }
            for event in events
        ]
    }
