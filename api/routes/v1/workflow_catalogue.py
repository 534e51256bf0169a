"""Interactive workflows as people look through them, and take them elsewhere.

These routes stand before those of one workflow: their words are no ids.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status
from pydantic import AfterValidator, JsonValue

from api.deps import BundlesDep, CatalogueDep, TeamCallerDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.parameters import within_reach
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflow_catalogue import (
    ActiveVersionListResponse,
    BundleImportRequest,
    CategoryListResponse,
    FavouriteResponse,
    active_versions,
)
from api.schemas.workflows import (
    AnObjectId,
    PageNumber,
    PageSize,
    WorkflowEnvelope,
    workflow_envelope,
)
from dialogs.model import Graph
from store.workflow_catalogue import CatalogueQuery

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], route_class=ProtectedRoute)
categories = APIRouter(
    prefix="/v1/workflow-categories", tags=["workflows"], route_class=ProtectedRoute
)

Text = Annotated[str | None, Query(max_length=255)]
AQueryNumber = Annotated[int, AfterValidator(within_reach)]


@categories.get(
    "",
    summary="List categories",
    response_model=CategoryListResponse,
    responses=v1_refusals(500),
)
async def list_workflow_categories(caller: TeamCallerDep, catalogue: CatalogueDep) -> Response:
    """Return every category that a workflow has, and the one that new ones get."""
    return reply({"categories": [*await catalogue.categories(caller)]})


@router.get(
    "/schema",
    summary="Get the schema of graphs",
    response_model=dict[str, JsonValue],
    responses=v1_refusals(500),
)
async def get_workflow_schema(caller: TeamCallerDep) -> Response:
    """Return a JSON Schema of what is read of a graph; whatever else it holds is kept."""
    return reply(Graph.model_json_schema())


@router.get(
    "/versions/active",
    summary="List active versions",
    response_model=ActiveVersionListResponse,
    responses=v1_refusals(422, 500),
)
async def list_active_versions(
    caller: TeamCallerDep,
    catalogue: CatalogueDep,
    favorites: bool = False,
    created_by_me: bool = False,
    category: Text = None,
    categories: Annotated[list[str] | None, Query(max_length=100)] = None,
    logical_id: Text = None,
    page: PageNumber = 1,
    size: PageSize = 100,
) -> Response:
    """Return a page of active versions, one for each workflow, newest workflow first."""
    query = CatalogueQuery(
        favourite_of=caller.user_id if favorites else None,
        created_by=caller.user_id if created_by_me else None,
        categories=(*(categories or ()), *([category] if category is not None else ())),
    )
    found = await catalogue.active(caller, query, logical_id=logical_id, page=page, size=size)
    return reply(active_versions(found, page, size))


@router.get(
    "/dynamic-variables/{workflow_id}",
    summary="List what a workflow asks for",
    response_model=dict[str, JsonValue],
    responses=v1_refusals(404, 422, 500),
)
async def get_dynamic_variables(
    workflow_id: AnObjectId, caller: TeamCallerDep, catalogue: CatalogueDep
) -> Response:
    """Return the dynamic variables that the active version names, nested, with their defaults."""
    return reply(await catalogue.asked_for(caller, workflow_id))


@router.post(
    "/import/bundle",
    summary="Import a bundle",
    status_code=status.HTTP_201_CREATED,
    response_model=WorkflowEnvelope,
    responses=v1_refusals(413, 422, 500),
)
async def import_workflow_bundle(
    body: BundleImportRequest, caller: TeamCallerDep, bundles: BundlesDep
) -> Response:
    """Make a workflow of versions in a bundle."""
    made = await bundles.unpack(caller, body.bundle, body.wanted())
    return reply(workflow_envelope(made), status.HTTP_201_CREATED)


@router.get(
    "/{workflow_id}/export",
    summary="Export a workflow",
    response_model=dict[str, JsonValue],
    responses=v1_refusals(404, 422, 500),
)
async def export_workflow(
    workflow_id: AnObjectId,
    caller: TeamCallerDep,
    bundles: BundlesDep,
    version_numbers: Annotated[list[AQueryNumber] | None, Query(max_length=1_000)] = None,
    active_version_number: Annotated[int | None, Query(ge=0), AfterValidator(within_reach)] = None,
) -> Response:
    """Return a bundle of some versions, or of the active one; credentials are left out."""
    packed = await bundles.pack(caller, workflow_id, version_numbers or (), active_version_number)
    return reply(packed)


@router.post(
    "/{workflow_id}/favorite",
    summary="Make a workflow a favorite",
    response_model=FavouriteResponse,
    responses=v1_refusals(404, 422, 500),
)
async def add_favorite(
    workflow_id: AnObjectId, caller: TeamCallerDep, catalogue: CatalogueDep
) -> Response:
    """Make a workflow the caller's favorite. Repeatable."""
    await catalogue.mark(caller, workflow_id, is_favourite=True)
    return reply({"workflow_id": workflow_id, "is_favorite": True})


@router.delete(
    "/{workflow_id}/favorite",
    summary="Make a workflow no favorite",
    response_model=FavouriteResponse,
    responses=v1_refusals(404, 422, 500),
)
async def remove_favorite(
    workflow_id: AnObjectId, caller: TeamCallerDep, catalogue: CatalogueDep
) -> Response:
    """Make a workflow no favorite of the caller's any more. Repeatable."""
    await catalogue.mark(caller, workflow_id, is_favourite=False)
    return reply({"workflow_id": workflow_id, "is_favorite": False})
