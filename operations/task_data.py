"""What can be said about the tasks of a definition that is being written.

Source: docs/api.md, "Task data".
"""

from dataclasses import dataclass

from pydantic import JsonValue

from flows.compatibility import incompatible_references
from flows.errors import Fault, InvalidDefinitionError, TooLargeError
from flows.parse import Parsed, check, parse_definition
from operations.expansion import Expansions, report_on

Document = dict[str, JsonValue]

JSON_SCHEMA_DRAFT_7 = "http://json-schema.org/draft-07/schema#"
_BASIC = frozenset({"unknown_executor", "no_tasks"})
_ALL = Expansions(dynamic_data=True, output_schemas=True, input_schema=True)


@dataclass(frozen=True, slots=True)
class TaskData:
    """Maps are keyed by task name; tasks of unknown executors are left out."""

    output_schemas: Document
    input_schemas: Document
    dynamic_data: Document
    faults: list[Fault]


def task_data(document: Document, *, full: bool) -> TaskData:
    """Say what the tasks of a definition yield, take and offer, and what is wrong with it.

    Args:
        full: Whether parameters, references, the types they connect, reachability and circles are
            looked at, too, and not only structure, data types and executors.

    Raises:
        TooLargeError: It is longer than a definition may be.
        InvalidDefinitionError: It has no list of tasks that could be read.
    """
    parsed = parse_definition(document)
    _require_tasks(parsed)
    report = report_on(document, _ALL)
    return TaskData(
        output_schemas={
            name: {"$schema": JSON_SCHEMA_DRAFT_7, **schema}
            for name, schema in (report.output_schemas or {}).items()
            if isinstance(schema, dict)
        },
        input_schemas=report.input_schemas or {},
        dynamic_data=report.dynamic_data or {},
        faults=_everything(document, parsed) if full else _basic(document, parsed),
    )


def _require_tasks(parsed: Parsed) -> None:
    """Refuse a document in which not even a list of tasks was found."""
    if parsed.is_complete or parsed.flow.tasks:
        return
    of_tasks = ("tasks", "edges")
    if any(len(at) > 1 and at[0] in of_tasks for at in (fault.location for fault in parsed.faults)):
        return
    for fault in parsed.faults:
        if fault.type == "too_large":
            raise TooLargeError(fault.reason)
    raise InvalidDefinitionError("the definition cannot be read", parsed.faults)


def _basic(document: Document, parsed: Parsed) -> list[Fault]:
    """Return what is wrong with the structure, and unknown executors, in document order."""
    structural = {(fault.location, fault.type) for fault in parsed.faults}
    return [
        fault
        for fault in check(document)[1]
        if (fault.location, fault.type) in structural or fault.type in _BASIC
    ]


def _everything(document: Document, parsed: Parsed) -> list[Fault]:
    """Return all faults, types that do not meet last."""
    types = map(parsed.located, incompatible_references(parsed.flow))
    return [*check(document)[1], *types]
