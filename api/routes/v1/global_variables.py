"""Global variables: values of an organization that its interactive workflows read."""

from typing import Annotated

from fastapi import APIRouter, Path, Response, status

from api.deps import GlobalVariablesDep, TeamCallerDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.global_variables import (
    ResolvedVariablesResponse,
    VariableBulkRequest,
    VariableBulkResponse,
    VariableCreateRequest,
    VariableEnvelope,
    VariableListResponse,
    VariablePatchRequest,
    bulk_response,
    variable_envelope,
    variable_list,
)
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflows import OBJECT_ID, PageNumber, PageSize
from store.global_variables import VariableQuery

router = APIRouter(
    prefix="/v1/global-variables", tags=["global-variables"], route_class=ProtectedRoute
)

AVariableId = Annotated[str, Path(pattern=OBJECT_ID)]


@router.post(
    "",
    summary="Create a variable",
    status_code=status.HTTP_201_CREATED,
    response_model=VariableEnvelope,
    responses=v1_refusals(409, 413, 422, 500),
)
async def create_global_variable(
    body: VariableCreateRequest, caller: TeamCallerDep, variables: GlobalVariablesDep
) -> Response:
    """Store a value under a name; a secret one is encrypted, and never shown again."""
    made = await variables.create(caller, body.new())
    return reply(variable_envelope(made), status.HTTP_201_CREATED)


@router.post(
    "/bulk",
    summary="Create many variables",
    response_model=VariableBulkResponse,
    responses=v1_refusals(413, 422, 500),
)
async def create_global_variables(
    body: VariableBulkRequest, caller: TeamCallerDep, variables: GlobalVariablesDep
) -> Response:
    """Store many values; those that are refused keep none of the others out."""
    many = [each.new() for each in body.variables]
    return reply(bulk_response(*await variables.create_many(caller, many)))


@router.get(
    "",
    summary="List variables",
    response_model=VariableListResponse,
    responses=v1_refusals(422, 500),
)
async def list_global_variables(
    caller: TeamCallerDep,
    variables: GlobalVariablesDep,
    search: str | None = None,
    category: str | None = None,
    page: PageNumber = 1,
    size: PageSize = 100,
) -> Response:
    """Return a page of variables, newest first; ``search`` is a part of name or description."""
    query = VariableQuery(search=search, category=category, page=page, size=size)
    return reply(variable_list(await variables.list(caller, query), page, size))


@router.get(
    "/resolve",
    summary="Resolve variables",
    response_model=ResolvedVariablesResponse,
    responses=v1_refusals(422, 500),
)
async def resolve_global_variables(
    caller: TeamCallerDep, variables: GlobalVariablesDep
) -> Response:
    """Return all values by their names; secret ones are left out."""
    answer: ResolvedVariablesResponse = {"variables": await variables.resolved(caller)}
    return reply(answer)


@router.get(
    "/{variable_id}",
    summary="Get a variable",
    response_model=VariableEnvelope,
    responses=v1_refusals(404, 422, 500),
)
async def get_global_variable(
    variable_id: AVariableId, caller: TeamCallerDep, variables: GlobalVariablesDep
) -> Response:
    """Return a variable; the value of a secret one is a mask."""
    return reply(variable_envelope(await variables.get(caller, variable_id)))


@router.patch(
    "/{variable_id}",
    summary="Change a variable",
    response_model=VariableEnvelope,
    responses=v1_refusals(404, 409, 413, 422, 500),
)
async def update_global_variable(
    variable_id: AVariableId,
    body: VariablePatchRequest,
    caller: TeamCallerDep,
    variables: GlobalVariablesDep,
) -> Response:
    """Change what is named; runs that have begun keep the values they began with."""
    return reply(variable_envelope(await variables.patch(caller, variable_id, body.changes())))


@router.delete(
    "/{variable_id}",
    summary="Delete a variable",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=v1_refusals(404, 422, 500),
)
async def delete_global_variable(
    variable_id: AVariableId, caller: TeamCallerDep, variables: GlobalVariablesDep
) -> None:
    """Remove a variable and its value for good."""
    await variables.delete(caller, variable_id)
