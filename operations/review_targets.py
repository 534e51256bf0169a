"""What a human review is about: outputs of tasks, and what a reviewer may make of them.

Source: docs/human-review.md, "Targets".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from contracts.messages import TaskCall
from flows.errors import InvalidError, InvalidInputError, TaskFailedError
from flows.executors.human_review import with_references
from flows.executors.spec import JsonSchema
from flows.fitting import schema_faults
from flows.graph import Graph
from flows.iteration import single_references
from flows.model import Flow, Task
from flows.outputs import output_schema, output_schemas
from flows.references import Reference, references_in
from flows.schemas import schemas_at
from store.review_models import Review, ReviewTarget
from store.row_places import RowPlaces
from store.task_executions import TaskExecutionRepository


async def posted_targets(
    rows: TaskExecutionRepository,
    organization_id: str,
    flow_execution_id: str,
    flow: Flow,
    asked: Sequence[ReviewTarget],
) -> list[ReviewTarget]:
    """Return targets with what they are about, as the read model has it now.

    Raises:
        InvalidError: One of them is not there.
    """
    tasks = {task.name: task for task in flow.tasks}
    found = []
    for position, target in enumerate(asked):
        if (target.output_name is None) != (target.output_collection_idx is None):
            raise InvalidError("output_name and output_collection_idx go together", target=position)
        listed = await rows.list(
            organization_id,
            flow_execution_id=flow_execution_id,
            task_name=target.task_name,
            idx=target.task_execution_idx,
            limit=1,
        )
        if not listed or target.task_name not in tasks:
            raise InvalidError("no such task execution", target=position)
        value, schema = listed[0].output, output_schema(tasks[target.task_name])
        if target.output_name is not None:
            value = _item(value, target, position)
            schema = _part(schema, (target.output_name, 0))
        found.append(replace(target, value=value, schema=schema))
    return found


def _item(output: JsonValue, target: ReviewTarget, position: int) -> JsonValue:
    collection = output.get(target.output_name or "") if isinstance(output, dict) else None
    index = target.output_collection_idx or 0
    if not isinstance(collection, list) or not 0 <= index < len(collection):
        raise InvalidError("the output has no such item", target=position)
    return collection[index]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One target of a review task: what it refers to, and whether item by item."""

    reference: Reference
    is_by_item: bool
    value: JsonValue
    is_editable: bool


async def awaited_targets(places: RowPlaces, call: TaskCall, flow: Flow) -> list[ReviewTarget]:
    """Return the targets of a review task: the values are those that the task read.

    Raises:
        TaskFailedError: Type ``InvalidParameters``; a target refers to no task's output.
    """
    schemas = output_schemas(flow, Graph(flow), {task.name for task in flow.tasks})
    execution_id = call.context.flow_execution_id
    found = []
    for asked in _asked(call, flow):
        name, path = asked.reference.task_name, asked.reference.path
        item = call.item if asked.is_by_item else None
        idx = None if item is None else await places.idx(execution_id, name, item)
        is_item_of_output = item is not None and idx is None
        if idx is None:
            idx = await places.idx(execution_id, name, None)
        named = ".".join(map(str, path))
        is_named = is_item_of_output and bool(named)
        steps = path if item is None else (*path, 0)
        found.append(
            ReviewTarget(
                task_name=name,
                task_execution_idx=idx or 0,
                is_editable=asked.is_editable,
                output_name=named if is_named else None,
                output_collection_idx=item if is_named else None,
                value=asked.value,
                schema=_part(schemas.get(name, {}), steps),
            )
        )
    return found


def _asked(call: TaskCall, flow: Flow) -> list[_Asked]:
    task = next(task for task in flow.tasks if task.name == call.task_name)
    modes = single_references(task).get("targets", {})
    names = {other.name: index for index, other in enumerate(flow.tasks)}
    resolved = call.parameters.get("targets")
    found = []
    for authored, read in zip(_authored(task), _listed(resolved), strict=True):
        references = references_in({"value": authored.get("value")}, names)
        if len(references) != 1:
            raise TaskFailedError("a target refers to no task's output", type="InvalidParameters")
        (reference,) = references
        is_by_item = call.item is not None and modes.get(reference.text, False)
        found.append(
            _Asked(reference, is_by_item, read.get("value"), read.get("is_editable") is True)
        )
    return found


def _authored(task: Task) -> list[Mapping[str, JsonValue]]:
    return _listed(with_references(dict(task.parameters)).get("targets"))


def _listed(targets: JsonValue) -> list[Mapping[str, JsonValue]]:
    found = targets if isinstance(targets, list) else []
    return [target for target in found if isinstance(target, dict)]


def _part(root: JsonSchema, path: Sequence[str | int]) -> JsonSchema:
    """Return the schema of a part of an output; where none can be told, of anything."""
    if not path:
        return root
    found = schemas_at(root, path)
    if not found or any(not schema for schema in found):
        return {}
    part: JsonSchema = {"anyOf": [*found]}
    if "$defs" in root:
        part["$defs"] = root["$defs"]
    return part


def accepted_output(review: Review, sent: Sequence[JsonValue]) -> list[JsonValue]:
    """Return what becomes of the targets: what was sent for those that may be edited.

    Raises:
        InvalidError: It is not one entry for each target.
        InvalidInputError: An entry does not fit what its target may be.
    """
    if len(sent) != len(review.targets):
        raise InvalidError(
            "reviewed_output needs one entry for each target",
            expected=len(review.targets),
            received=len(sent),
        )
    found: list[JsonValue] = []
    faults = []
    for position, (target, entry) in enumerate(zip(review.targets, sent, strict=True)):
        found.append(entry if target.is_editable else target.value)
        if target.is_editable and entry != target.value:
            wrong = schema_faults(dict(target.schema), entry)
            faults += [
                replace(fault, location=("reviewed_output", position, *fault.location))
                for fault in wrong
            ]
    if faults:
        raise InvalidInputError("the reviewed output does not fit", faults)
    return found
