"""Service accounts and keys as callers send and see them: a token comes out once."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, WithJsonSchema
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid
from operations.service_accounts import DEFAULT_ROLE, GrantableRole
from store.models import ApiKey, ServiceAccount

MAX_NAME_CHARS = 255
MAX_DESCRIPTION_CHARS = 5_000

Name = Annotated[str, Field(max_length=MAX_NAME_CHARS)]
Description = Annotated[str | None, Field(max_length=MAX_DESCRIPTION_CHARS)]
Status = Annotated[str, WithJsonSchema({"type": "string", "enum": ["active", "inactive"]})]


class ServiceAccountCreateRequest(BaseModel):
    """A new machine identity. Keys are made separately."""

    name: Name
    description: Description = None
    role: Annotated[GrantableRole, Field(description="What its keys allow.")] = DEFAULT_ROLE


class ServiceAccountUpdateRequest(BaseModel):
    """Changes: an absent key stays, and so do a name and a role that are null."""

    name: Name | None = None
    description: Description = None
    role: GrantableRole | None = None

    def changes(self) -> dict[str, str | bool | None]:
        """Return what is to be stored."""
        sent: dict[str, str | bool | None] = self.model_dump(
            mode="json", include=self.model_fields_set
        )
        return {
            key: value for key, value in sent.items() if key == "description" or value is not None
        }


class ApiKeyCreateRequest(BaseModel):
    """A new key of a service account."""

    name: Name
    description: Description = None


class ApiKeyUpdateRequest(BaseModel):
    """Changes: an absent key stays, and so does a name that is null."""

    name: Name | None = None
    description: Description = None

    def changes(self) -> dict[str, str | None]:
        """Return what is to be stored."""
        sent: dict[str, str | None] = self.model_dump(include=self.model_fields_set)
        return {
            key: value for key, value in sent.items() if key == "description" or value is not None
        }


class ServiceAccountResponse(TypedDict):
    """A machine identity of the organization."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    organization_id: AUuid | None
    name: str
    description: str | None
    status: Status
    role: str


class ServiceAccountCreateResponse(ServiceAccountResponse):
    """A machine identity that was just made."""


class ApiKeyResponse(TypedDict):
    """A key without its token: it belongs to a service account, or to a person."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    user_id: AUuid | None
    service_account_id: AUuid | None
    name: str
    description: str | None
    token_prefix: str
    organization_id: AUuid
    last_used_at: datetime | None


class ApiKeyCreateResponse(ApiKeyResponse):
    """A key that was just made, with its token, which is never shown again."""

    token: str


def account_view(account: ServiceAccount) -> ServiceAccountResponse:
    """Return an account as it is shown."""
    return {
        "id": account.id,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
        "modified_by": account.modified_by,
        "organization_id": account.organization_id,
        "name": account.name,
        "description": account.description,
        "status": "active" if account.is_active else "inactive",
        "role": account.role,
    }


def key_view(key: ApiKey) -> ApiKeyResponse:
    """Return a key as it is shown."""
    return {
        "id": key.id,
        "created_at": key.created_at,
        "updated_at": key.updated_at,
        "modified_by": key.modified_by,
        "user_id": key.user_id,
        "service_account_id": key.service_account_id,
        "name": key.name,
        "description": key.description,
        "token_prefix": key.token_prefix,
        "organization_id": key.organization_id,
        "last_used_at": key.last_used_at,
    }


def new_key_view(key: ApiKey, token: str) -> ApiKeyCreateResponse:
    """Return a key as it is shown once, when it is made."""
    return {**key_view(key), "token": token}
