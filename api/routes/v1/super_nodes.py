"""Workflows that stand for a node of others."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, JsonValue

from api.deps import SuperNodesDep, TeamCallerDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.parameters import within_reach
from api.schemas.super_nodes import (
    DependentsResponse,
    ExpandedResponse,
    InterfaceResponse,
    InterfaceWithdrawnResponse,
    SnapshotsResponse,
    SuperNodeInterfaceRequest,
    SuperNodeView,
    embeddings,
    snapshot_views,
    super_node_view,
    values_schema,
)
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflows import AnObjectId

of_workflows = APIRouter(prefix="/v1/workflows", tags=["super-nodes"], route_class=ProtectedRoute)
router = APIRouter(prefix="/v1/super-nodes", tags=["super-nodes"], route_class=ProtectedRoute)

OfVersion = Annotated[
    int | None,
    Query(ge=0, description="The active one unless given."),
    AfterValidator(within_reach),
]


@of_workflows.put(
    "/{workflow_id}/super-node-interface",
    summary="Offer an interface",
    response_model=InterfaceResponse,
    responses=v1_refusals(404, 413, 422, 500),
)
async def put_super_node_interface(
    workflow_id: AnObjectId,
    body: SuperNodeInterfaceRequest,
    caller: TeamCallerDep,
    super_nodes: SuperNodesDep,
) -> Response:
    """Say what the active version asks of workflows that embed it."""
    answer: InterfaceResponse = {
        "workflow_id": workflow_id,
        "workflow_version_number": await super_nodes.publish(caller, workflow_id, body.sent()),
        "message": "the interface is offered",
        "num_input_fields": len(body.interface.input_fields),
    }
    return reply(answer)


@of_workflows.delete(
    "/{workflow_id}/super-node-interface",
    summary="Take an interface back",
    response_model=InterfaceWithdrawnResponse,
    responses=v1_refusals(404, 422, 500),
)
async def delete_super_node_interface(
    workflow_id: AnObjectId, caller: TeamCallerDep, super_nodes: SuperNodesDep
) -> Response:
    """Offer nothing any more; workflows that embed this one go on doing so, without values."""
    number, referencing = await super_nodes.withdraw(caller, workflow_id)
    answer: InterfaceWithdrawnResponse = {
        "workflow_id": workflow_id,
        "workflow_version_number": number,
        "message": "the interface is not offered any more",
        "num_input_fields": 0,
        "workflows_referencing": embeddings(referencing),
    }
    return reply(answer)


@of_workflows.get(
    "/{workflow_id}/super-node-dependents",
    summary="List who embeds a workflow",
    response_model=DependentsResponse,
    responses=v1_refusals(404, 422, 500),
)
async def list_super_node_dependents(
    workflow_id: AnObjectId, caller: TeamCallerDep, super_nodes: SuperNodesDep
) -> Response:
    """Return every version of every workflow that embeds this one."""
    answer: DependentsResponse = {
        "workflow_id": workflow_id,
        "workflows_referencing": embeddings(await super_nodes.dependents(caller, workflow_id)),
    }
    return reply(answer)


@of_workflows.get(
    "/{workflow_id}/expand-preview",
    summary="Preview a version without super nodes",
    response_model=ExpandedResponse,
    responses=v1_refusals(404, 422, 500),
)
async def preview_expanded_workflow(
    workflow_id: AnObjectId,
    caller: TeamCallerDep,
    super_nodes: SuperNodesDep,
    version: OfVersion = None,
) -> Response:
    """Return a version as a run takes it: what it embeds stands in the places of super nodes."""
    number, graph = await super_nodes.preview(caller, workflow_id, version)
    answer: ExpandedResponse = {
        "workflow_id": workflow_id,
        "workflow_version_number": number,
        "config": graph,
    }
    return reply(answer)


@of_workflows.get(
    "/{workflow_id}/super-node-snapshot-status",
    summary="Compare super nodes with what they name",
    response_model=SnapshotsResponse,
    responses=v1_refusals(404, 422, 500),
)
async def get_super_node_snapshot_status(
    workflow_id: AnObjectId,
    caller: TeamCallerDep,
    super_nodes: SuperNodesDep,
    version: OfVersion = None,
) -> Response:
    """Return a version's super nodes, and whether the graphs that they carry are out of date."""
    number, found = await super_nodes.snapshots(caller, workflow_id, version)
    answer: SnapshotsResponse = {
        "workflow_id": workflow_id,
        "workflow_version_number": number,
        "super_nodes": snapshot_views(found),
    }
    return reply(answer)


@router.get(
    "",
    summary="List super nodes",
    response_model=list[SuperNodeView],
    responses=v1_refusals(500),
)
async def list_super_nodes(caller: TeamCallerDep, super_nodes: SuperNodesDep) -> Response:
    """Return every workflow that offers an interface, newest first."""
    return reply([super_node_view(each) for each in await super_nodes.published(caller)])


@router.get(
    "/{workflow_id}",
    summary="Get a super node",
    response_model=SuperNodeView,
    responses=v1_refusals(404, 422, 500),
)
async def get_super_node(
    workflow_id: AnObjectId, caller: TeamCallerDep, super_nodes: SuperNodesDep
) -> Response:
    """Return a workflow that offers an interface."""
    return reply(super_node_view(await super_nodes.one(caller, workflow_id)))


@router.get(
    "/{workflow_id}/schema",
    summary="Get the schema of a super node",
    response_model=dict[str, JsonValue],
    responses=v1_refusals(404, 422, 500),
)
async def get_super_node_schema(
    workflow_id: AnObjectId, caller: TeamCallerDep, super_nodes: SuperNodesDep
) -> Response:
    """Return a JSON Schema of the values that a workflow asks for."""
    return reply(values_schema(await super_nodes.one(caller, workflow_id)))
