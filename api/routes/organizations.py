"""Organizations: their settings, and what may be spent."""

from fastapi import APIRouter, Response

from api.deps import CallerDep, OrganizationsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.organizations import (
    CreditBalanceResponse,
    OrganizationResponse,
    OrganizationSettings,
    credits_view,
    organization_view,
)
from api.schemas.parameters import AUuid

router = APIRouter(prefix="/api/organizations", tags=["organizations"], route_class=ProtectedRoute)


@router.put(
    "/settings",
    summary="Replace the organization's settings",
    response_model=OrganizationResponse,
    responses=refusals(400, 403, 404, 413, 422, 500),
)
async def update_organization_settings(
    body: OrganizationSettings, caller: CallerDep, organizations: OrganizationsDep
) -> Response:
    """Replace all settings; what is left out goes back to its default. A limit holds at once."""
    changed = await organizations.put_settings(caller, body.as_stored())
    return reply(organization_view(changed, organizations.period()))


@router.get(
    "/credits",
    summary="Get the organization's credits",
    response_model=CreditBalanceResponse,
    responses=refusals(500),
)
async def get_organization_credits(caller: CallerDep, organizations: OrganizationsDep) -> Response:
    """Return what may still be spent. Nothing is metered here, and nothing refused for it."""
    return reply(credits_view(await organizations.credits(caller)))


@router.get(
    "/{organization_id}",
    summary="Get an organization",
    response_model=OrganizationResponse,
    responses=refusals(400, 403, 404, 422, 500),
)
async def get_organization(
    organization_id: AUuid, caller: CallerDep, organizations: OrganizationsDep
) -> Response:
    """Return the caller's own organization."""
    found = await organizations.get(caller, organization_id)
    return reply(organization_view(found, organizations.period()))
