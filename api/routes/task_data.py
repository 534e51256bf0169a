"""What editors ask about a definition while it is being written."""

from fastapi import APIRouter, Response

from api.replies import reply
from api.routing import DefinitionRoute
from api.schemas.errors import refusals
from api.schemas.task_data import (
    TaskDynamicDataRequest,
    TaskDynamicDataResponse,
    task_data_view,
)
from operations.task_data import task_data

router = APIRouter(prefix="/api/task-data", tags=["task-data"], route_class=DefinitionRoute)


@router.post(
    "",
    summary="Describe the tasks of a definition",
    response_model=TaskDynamicDataResponse,
    responses=refusals(400, 413, 422, 500),
)
async def get_task_dynamic_data(
    body: TaskDynamicDataRequest, full_validation: bool = False, include_input_schema: bool = False
) -> Response:
    """Return what each task yields, takes and offers, and what is wrong; stores nothing."""
    found = task_data(body.flow_definition, full=full_validation)
    return reply(task_data_view(found, include_input_schema))
