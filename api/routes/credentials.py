"""Credentials: secrets of an organization that flows refer to by name."""

from fastapi import APIRouter, Response, status

from api.deps import CallerDep, CredentialsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.credentials import (
    CredentialCreateRequest,
    CredentialEventListResponse,
    CredentialListResponse,
    CredentialPatchRequest,
    CredentialResponse,
    credential_list,
    credential_view,
    event_list,
)
from api.schemas.errors import refusals
from api.schemas.parameters import AUuid

router = APIRouter(
    prefix="/api/integrations/credentials", tags=["credentials"], route_class=ProtectedRoute
)


@router.get(
    "",
    summary="List credentials",
    response_model=CredentialListResponse,
    responses=refusals(403, 422),
)
async def list_credentials(caller: CallerDep, credentials: CredentialsDep) -> Response:
    """Return the organization's credentials by name, their values masked."""
    return reply(credential_list(await credentials.list(caller)))


@router.post(
    "",
    summary="Create a credential",
    status_code=status.HTTP_201_CREATED,
    response_model=CredentialResponse,
    responses=refusals(400, 403, 409, 413, 422),
)
async def create_credential(
    body: CredentialCreateRequest, caller: CallerDep, credentials: CredentialsDep
) -> Response:
    """Store a secret under a name. Its value is encrypted, and never shown again."""
    record = await credentials.create(caller, body.new_credential())
    return reply(credential_view(record), status.HTTP_201_CREATED)


@router.get(
    "/events",
    summary="List changes of credentials",
    response_model=CredentialEventListResponse,
    responses=refusals(403, 422),
)
async def list_credential_events(caller: CallerDep, credentials: CredentialsDep) -> Response:
    """Return who created, changed and deleted credentials, newest first, the latest 1,000."""
    return reply(event_list(await credentials.events(caller)))


@router.get(
    "/{credential_id}",
    summary="Get a credential",
    response_model=CredentialResponse,
    responses=refusals(403, 404, 422),
)
async def get_credential(
    credential_id: AUuid, caller: CallerDep, credentials: CredentialsDep
) -> Response:
    """Return a credential, its value masked."""
    return reply(credential_view(await credentials.get(caller, credential_id)))


@router.patch(
    "/{credential_id}",
    summary="Change a credential",
    response_model=CredentialResponse,
    responses=refusals(400, 403, 404, 409, 413, 422),
)
async def patch_credential(
    credential_id: AUuid,
    body: CredentialPatchRequest,
    caller: CallerDep,
    credentials: CredentialsDep,
) -> Response:
    """Change name, value, kind or description; what tasks open from now on is the new value."""
    record = await credentials.patch(caller, credential_id, body.changes())
    return reply(credential_view(record))


@router.delete(
    "/{credential_id}",
    summary="Delete a credential",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(403, 404, 422),
)
async def delete_credential(
    credential_id: AUuid, caller: CallerDep, credentials: CredentialsDep
) -> None:
    """Remove a credential and its value for good."""
    await credentials.delete(caller, credential_id)
