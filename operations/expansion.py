"""What answers about flows compute on demand; nothing of it is stored."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from flows.errors import Fault, InvalidDefinitionError
from flows.executors.catalogue import executor_named
from flows.graph import Graph
from flows.iteration import default_reference_modes
from flows.model import Flow, Task
from flows.outputs import output_schema
from flows.parse import check
from flows.shapes import map_tasks

Document = dict[str, JsonValue]
Addresses = Callable[[str, str], Document]
"""Where a task of an executor, by its name, is reached from outside, as options of its fields."""


def no_addresses(executor: str, task_name: str) -> Document:
    """Return nothing: the definition belongs to no flow yet."""
    return {}


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
    return check(document)[1]


def report_on(
    document: Document, asked: Expansions, addresses: Addresses = no_addresses
) -> DefinitionReport:
    """Say all about a definition; never fails on a bad one."""
    flow, faults = check(document)
    by_task = {task.name: _facts(task, addresses) for task in flow.tasks}

    def column(is_asked: bool, key: str) -> Document | None:
        if not is_asked:
            return None
        return {name: facts[key] for name, facts in by_task.items() if key in facts}

    return DefinitionReport(
        validation_errors=faults,
        ordered_task_names=ordered_names(flow),
        dynamic_data=column(asked.dynamic_data, "dynamic_data"),
        output_schemas=column(asked.output_schemas, "output_schema"),
        input_schemas=column(asked.input_schema, "input_schema"),
        default_reference_modes=column(asked.default_reference_modes, "default_reference_modes"),
    )


def ordered_names(flow: Flow) -> list[str] | None:
    """Return a topological order of the tasks; None if they depend on each other in a circle."""
    try:
        return Graph(flow).order()
    except InvalidDefinitionError:
        return None


def expanded(
    document: Document, flow: Flow, asked: Expansions, addresses: Addresses = no_addresses
) -> Document:
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
        task.name: {key: value for key, value in _facts(task, addresses).items() if wanted[key]}
        for task in flow.tasks
    }

    def put(tasks: list[JsonValue]) -> list[JsonValue]:
        return [
            {**task, **by_task.get(str(task.get("name")), {})} if isinstance(task, dict) else task
            for task in tasks
        ]

    return map_tasks(document, put)


def external_inputs(flow: Flow) -> list[str]:
    """Return the executors of input tasks that an outside system feeds, each once."""
    names = [
        executor.name
        for task in flow.tasks
        if (executor := executor_named(task.executor)) is not None and executor.is_external
    ]
    return list(dict.fromkeys(names))


def _facts(task: Task, addresses: Addresses) -> Document:
    """Return all that can be computed about one task; nothing for an unknown executor."""
    executor = executor_named(task.executor)
    if executor is None:
        return {}
    facts: Document = {
        "dynamic_data": addresses(executor.name, task.name),
        "output_schema": output_schema(task),
        "default_reference_modes": dict(default_reference_modes(executor)),
    }
    if executor.flow_input_schema is not None:
        facts["input_schema"] = executor.flow_input_schema(task.parameters)
    return facts
