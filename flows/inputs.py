"""What starts a flow, and whether a given flow input fits it.

Source: docs/flow-language.md, "Input tasks".
"""

from collections.abc import Mapping

from pydantic import JsonValue

from flows.errors import Fault, InvalidInputError
from flows.executors.catalogue import executor_named
from flows.executors.document import file_url
from flows.executors.receive_file import RECEIVE_FILE
from flows.executors.spec import JsonSchema, Kind
from flows.faults import Faults
from flows.fitting import schema_faults
from flows.model import Flow, Task
from flows.suggestions import did_you_mean
from flows.values import value_faults


def is_input_task(task: Task) -> bool:
    """Tell whether a task starts a flow."""
    executor = executor_named(task.executor)
    return executor is not None and executor.kind is Kind.INPUT


def input_task_names(flow: Flow) -> list[str]:
    """Return the tasks that can start a flow, in document order."""
    return [task.name for task in flow.tasks if is_input_task(task)]


def flow_input_schema(task: Task) -> JsonSchema | None:
    """Return the schema of the flow input that a task takes; None if it is no input task."""
    executor = executor_named(task.executor)
    if executor is None or executor.flow_input_schema is None:
        return None
    return executor.flow_input_schema(task.parameters)


def choose_input_task(flow: Flow, input_task_name: str | None) -> str:
    """Return the one input task that fires.

    Raises:
        InvalidInputError: The name is no input task's, or there is a choice and none was made.
    """
    names = input_task_names(flow)
    listed = ", ".join(f"'{name}'" for name in names[:20])
    if input_task_name is not None:
        if input_task_name in names:
            return input_task_name
        reason = f"'{input_task_name}' is no input task of this flow"
        raise _no_choice(reason + did_you_mean(input_task_name, names))
    if len(names) == 1:
        return names[0]
    if not names:
        raise _no_choice("the flow has no input task")
    raise _no_choice(f"the flow has several input tasks, name one of them: {listed}")


def validate_input(flow: Flow, input_task_name: str, input: JsonValue) -> list[Fault]:
    """Return what keeps a flow input from fitting an input task; locations start inside it."""
    faults = Faults()
    faults.extend(value_faults(input))
    task = next((task for task in flow.tasks if task.name == input_task_name), None)
    schema = flow_input_schema(task) if task is not None else None
    if schema is None:
        faults.add((), f"'{input_task_name}' is no input task of this flow", "no_input_task")
    if schema is None or faults.has_any:
        return list(faults)
    faults.extend(schema_faults(schema, input))
    return list(faults)


def completed_input(
    flow: Flow, input_task_name: str, input: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return an accepted flow input as the run gets it: a file's key alone yields its URL, too.

    So tasks read ``document_url`` however the document was handed in.
    """
    completed = dict(input)
    task = next((task for task in flow.tasks if task.name == input_task_name), None)
    file_key = input.get("file_key")
    if (
        task is not None
        and executor_named(task.executor) is RECEIVE_FILE
        and isinstance(file_key, str)
        and "document_url" not in input
    ):
        completed["document_url"] = file_url(file_key)
    return completed


def _no_choice(reason: str) -> InvalidInputError:
    """Return the error for an input task that cannot be chosen."""
    return InvalidInputError(reason, [Fault(("input_task_name",), reason, "input_task_name")])
