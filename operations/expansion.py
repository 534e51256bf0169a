"""What answers about flows compute on demand; nothing of it is stored."""

from dataclasses import dataclass

from pydantic import JsonValue

from flows.errors import Fault, InvalidDefinitionError
from flows.executors.catalogue import executor_named
from flows.executors.spec import TaskExecutor
from flows.graph import Graph
from flows.iteration import default_reference_modes
from flows.model import Flow, Task
from flows.parse import parse_definition
from flows.validate import validate
from operations.documents import Document, with_computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansions:
    """What a caller wants computed into the answer."""

    ordered_task_names: bool = False
    validation_errors: bool = False
    dynamic_data: bool = False
    output_schemas: bool = False
    input_schema: bool = False
    default_reference_modes: bool = False
    latest_version_executions_count: bool = False

    @property
    def of_tasks(self) -> bool:
        """Whether anything is asked that stands inside the tasks."""
        return (
            self.dynamic_data
            or self.output_schemas
            or self.input_schema
            or self.default_reference_modes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionReport:
    """What is to be said about a definition; maps are keyed by task name, None unless asked.

    Attributes:
        ordered_task_names: A topological order; None if there is none.
    """

    validation_errors: list[Fault]
    ordered_task_names: list[str] | None
    dynamic_data: dict[str, JsonValue] | None = None
    output_schemas: dict[str, JsonValue] | None = None
    input_schemas: dict[str, JsonValue] | None = None
    default_reference_modes: dict[str, JsonValue] | None = None


def faults_of(document: Document) -> list[Fault]:
    """Return everything that is wrong with a definition, whether it rejects it or not."""
    parsed = parse_definition(document)
    return [*parsed.faults, *validate(parsed.flow)]


def report_on(document: Document, asked: Expansions) -> DefinitionReport:
    """Say all about a definition; never fails on a bad one."""
    flow = parse_definition(document).flow
    return DefinitionReport(
        validation_errors=faults_of(document),
        ordered_task_names=ordered_names(flow),
        dynamic_data=_by_task(flow, "dynamic_data") if asked.dynamic_data else None,
        output_schemas=_by_task(flow, "output_schema") if asked.output_schemas else None,
        input_schemas=_by_task(flow, "input_schema") if asked.input_schema else None,
        default_reference_modes=(
            _by_task(flow, "default_reference_modes") if asked.default_reference_modes else None
        ),
    )


def ordered_names(flow: Flow) -> list[str] | None:
    """Return a topological order of the tasks; None if they depend on each other in a circle."""
    try:
        return Graph(flow).order()
    except InvalidDefinitionError:
        return None


def expanded(document: Document, flow: Flow, asked: Expansions) -> Document:
    """Return the definition with what was asked put into its tasks."""
    if not asked.of_tasks:
        return document
    wanted = {
        "dynamic_data": asked.dynamic_data,
        "output_schema": asked.output_schemas,
        "input_schema": asked.input_schema,
        "default_reference_modes": asked.default_reference_modes,
    }
    by_task = {
        task.name: {key: value for key, value in _facts(task).items() if wanted[key]}
        for task in flow.tasks
    }
    return with_computed(document, by_task)


def external_inputs(flow: Flow) -> list[str]:
    """Return the executors of input tasks that an outside system feeds, each once."""
    names = [
        executor.name
        for task in flow.tasks
        if (executor := executor_named(task.executor)) is not None and executor.is_external
    ]
    return list(dict.fromkeys(names))


def _by_task(flow: Flow, key: str) -> dict[str, JsonValue]:
    return {task.name: facts[key] for task in flow.tasks if key in (facts := _facts(task))}


def _facts(task: Task) -> Document:
    """Return all that can be computed about one task; nothing for an unknown executor."""
    executor = executor_named(task.executor)
    if executor is None:
        return {}
    facts: Document = {
        "dynamic_data": {},
        "output_schema": executor.output_schema(task.parameters),
        "default_reference_modes": _modes(executor),
    }
    if executor.flow_input_schema is not None:
        facts["input_schema"] = executor.flow_input_schema(task.parameters)
    return facts


def _modes(executor: TaskExecutor) -> Document:
    return dict(default_reference_modes(executor))
