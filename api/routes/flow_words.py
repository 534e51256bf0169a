"""What the executions of a flow can be told apart by: tags of their tasks, and their metadata."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import CallerDep, FlowWordsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.flow_words import (
    MetadataKeyResponse,
    MetadataOrderBy,
    MetadataValueResponse,
    OrderDirection,
    key_views,
    value_views,
)
from api.schemas.parameters import AFlowId

router = APIRouter(prefix="/api/flows/{flow_id}", tags=["flows"], route_class=ProtectedRoute)

Like = Annotated[str | None, Query(description="A part of it, in any case.")]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get(
    "/tags",
    summary="List the tags of a flow's tasks",
    response_model=list[str],
    responses=refusals(403, 404, 422, 500),
)
async def get_flow_tags(
    flow_id: AFlowId, caller: CallerDep, words: FlowWordsDep, task_name: str | None = None
) -> Response:
    """Return the distinct tags by which the flow's executions can be listed."""
    return reply(await words.tags(caller, flow_id, task_name))


@router.get(
    "/metadata/keys",
    summary="List the keys of metadata",
    response_model=list[MetadataKeyResponse],
    responses=refusals(403, 404, 422, 500),
)
async def get_flow_metadata_keys(
    flow_id: AFlowId,
    caller: CallerDep,
    words: FlowWordsDep,
    key_like: Like = None,
    limit: Limit = 10,
    order_by: MetadataOrderBy = MetadataOrderBy.CREATED_AT,
    order_direction: OrderDirection = OrderDirection.DESC,
) -> Response:
    """Return the keys of ``input.metadata`` with the number of executions that have each."""
    descending = order_direction is OrderDirection.DESC
    found = await words.metadata_keys(
        caller, flow_id, like=key_like, descending=descending, limit=limit
    )
    return reply(key_views(found))


@router.get(
    "/metadata/values",
    summary="List the values of a key of metadata",
    response_model=list[MetadataValueResponse],
    responses=refusals(403, 404, 422, 500),
)
async def get_flow_metadata_values(
    flow_id: AFlowId,
    key: str,
    caller: CallerDep,
    words: FlowWordsDep,
    value_like: Like = None,
    limit: Limit = 10,
    order_by: MetadataOrderBy = MetadataOrderBy.CREATED_AT,
    order_direction: OrderDirection = OrderDirection.DESC,
) -> Response:
    """Return the values of one key, as text, with the number of executions that have each."""
    descending = order_direction is OrderDirection.DESC
    found = await words.metadata_values(
        caller, flow_id, key, like=value_like, descending=descending, limit=limit
    )
    return reply(value_views(found))
