"""Service accounts: identities of machines, and the keys that they send."""

from fastapi import APIRouter, Response, status

from api.deps import CallerDep, ServiceAccountsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.parameters import AUuid, Limit, Offset
from api.schemas.service_accounts import (
    ApiKeyCreateRequest,
    ApiKeyCreateResponse,
    ApiKeyResponse,
    ApiKeyUpdateRequest,
    ServiceAccountCreateRequest,
    ServiceAccountCreateResponse,
    ServiceAccountResponse,
    ServiceAccountUpdateRequest,
    account_view,
    key_view,
    new_key_view,
)

router = APIRouter(
    prefix="/api/service-accounts", tags=["service-accounts"], route_class=ProtectedRoute
)


@router.get(
    "",
    summary="List service accounts",
    response_model=list[ServiceAccountResponse],
    responses=refusals(403, 422, 500),
)
async def list_service_accounts(
    caller: CallerDep, accounts: ServiceAccountsDep, offset: Offset = 0, limit: Limit = 100
) -> Response:
    """Return the organization's service accounts, newest first."""
    found = await accounts.list(caller, offset=offset, limit=limit)
    return reply([account_view(account) for account in found])


@router.post(
    "",
    summary="Create a service account",
    status_code=status.HTTP_201_CREATED,
    response_model=ServiceAccountCreateResponse,
    responses=refusals(400, 403, 413, 422, 500),
)
async def create_service_account(
    body: ServiceAccountCreateRequest, caller: CallerDep, accounts: ServiceAccountsDep
) -> Response:
    """Make an active service account. It has no key yet."""
    account = await accounts.create(caller, body.name, description=body.description, role=body.role)
    return reply(account_view(account), status.HTTP_201_CREATED)


@router.get(
    "/{service_account_id}",
    summary="Get a service account",
    response_model=ServiceAccountResponse,
    responses=refusals(403, 404, 422, 500),
)
async def get_service_account(
    service_account_id: AUuid, caller: CallerDep, accounts: ServiceAccountsDep
) -> Response:
    """Return one service account."""
    return reply(account_view(await accounts.get(caller, service_account_id)))


@router.patch(
    "/{service_account_id}",
    summary="Change a service account",
    response_model=ServiceAccountResponse,
    responses=refusals(403, 404, 413, 422, 500),
)
async def update_service_account(
    service_account_id: AUuid,
    body: ServiceAccountUpdateRequest,
    caller: CallerDep,
    accounts: ServiceAccountsDep,
) -> Response:
    """Change name, description or role; its keys allow what the role says from now on."""
    return reply(account_view(await accounts.change(caller, service_account_id, body.changes())))


@router.delete(
    "/{service_account_id}",
    summary="Delete a service account",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(403, 404, 422, 500),
)
async def delete_service_account(
    service_account_id: AUuid, caller: CallerDep, accounts: ServiceAccountsDep
) -> None:
    """Remove a service account with all of its keys for good."""
    await accounts.delete(caller, service_account_id)


@router.post(
    "/{service_account_id}/activate",
    summary="Activate a service account",
    response_model=ServiceAccountResponse,
    responses=refusals(403, 404, 422, 500),
)
async def activate_service_account(
    service_account_id: AUuid, caller: CallerDep, accounts: ServiceAccountsDep
) -> Response:
    """Let its keys work again; an active account stays as it is."""
    account = await accounts.change(caller, service_account_id, {"is_active": True})
    return reply(account_view(account))


@router.post(
    "/{service_account_id}/deactivate",
    summary="Deactivate a service account",
    response_model=ServiceAccountResponse,
    responses=refusals(403, 404, 422, 500),
)
async def deactivate_service_account(
    service_account_id: AUuid, caller: CallerDep, accounts: ServiceAccountsDep
) -> Response:
    """Refuse its keys from the next request on; an inactive account stays as it is."""
    account = await accounts.change(caller, service_account_id, {"is_active": False})
    return reply(account_view(account))


@router.get(
    "/{service_account_id}/api-keys",
    summary="List the keys of a service account",
    response_model=list[ApiKeyResponse],
    responses=refusals(403, 404, 422, 500),
)
async def list_service_account_api_keys(
    service_account_id: AUuid,
    caller: CallerDep,
    accounts: ServiceAccountsDep,
    offset: Offset = 0,
    limit: Limit = 100,
) -> Response:
    """Return the keys that are not deleted, newest first, without their tokens."""
    found = await accounts.keys(caller, service_account_id, offset=offset, limit=limit)
    return reply([key_view(key) for key in found])


@router.post(
    "/{service_account_id}/api-keys",
    summary="Create a key",
    status_code=status.HTTP_201_CREATED,
    response_model=ApiKeyCreateResponse,
    responses=refusals(400, 403, 404, 413, 422, 500),
)
async def create_service_account_api_key(
    service_account_id: AUuid,
    body: ApiKeyCreateRequest,
    caller: CallerDep,
    accounts: ServiceAccountsDep,
) -> Response:
    """Make a key. Its token is in this answer and nowhere else, ever."""
    key, token = await accounts.create_key(caller, service_account_id, body.name, body.description)
    return reply(new_key_view(key, token), status.HTTP_201_CREATED, {"Cache-Control": "no-store"})


@router.patch(
    "/{service_account_id}/api-keys/{api_key_id}",
    summary="Change a key",
    response_model=ApiKeyResponse,
    responses=refusals(403, 404, 413, 422, 500),
)
async def update_api_key(
    service_account_id: AUuid,
    api_key_id: AUuid,
    body: ApiKeyUpdateRequest,
    caller: CallerDep,
    accounts: ServiceAccountsDep,
) -> Response:
    """Change a key's name or description; its token stays as it is."""
    key = await accounts.change_key(caller, service_account_id, api_key_id, body.changes())
    return reply(key_view(key))


@router.delete(
    "/{service_account_id}/api-keys/{api_key_id}",
    summary="Delete a key",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(403, 404, 422, 500),
)
async def delete_api_key(
    service_account_id: AUuid, api_key_id: AUuid, caller: CallerDep, accounts: ServiceAccountsDep
) -> None:
    """Refuse a key from the next request on, and list it no more."""
    await accounts.delete_key(caller, service_account_id, api_key_id)
