"""Whether a value fits a JSON Schema, and if not, what to say where.

Source: docs/flow-language.md, "Outputs".
"""

from collections.abc import Sequence

import jsonschema_rs
from pydantic import JsonValue

from flows.errors import Fault
from flows.executors.spec import JsonSchema
from flows.faults import shown
from flows.json_schemas import validator_of
from flows.model import Task
from flows.outputs import output_schema
from flows.references import value_at
from flows.values import MAX_VALUE_NESTING, value_faults


def output_faults(task: Task, output: JsonValue) -> list[Fault]:
    """Return what keeps a value from being a result of a task; locations start inside it."""
    faults = [*value_faults(output, max_nesting=MAX_VALUE_NESTING, allows_nul=True)]
    return faults or schema_faults(output_schema(task), output)


def schema_faults(schema: JsonSchema, value: JsonValue) -> list[Fault]:
    """Return one fault for each field of a value that does not fit; locations start inside it."""
    errors = validator_of(schema).iter_errors(value)
    return [fault for error in errors for fault in _faults(error, value)]


def _faults(error: jsonschema_rs.ValidationError, value: JsonValue) -> list[Fault]:
    """Return one fault per field that an error is about."""
    location = tuple(error.instance_path)
    kind = error.kind
    match kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            return [Fault((*location, str(name)), "missing", "missing")]
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            return [Fault((*location, name), "unknown field", "extra_forbidden") for name in names]
        case jsonschema_rs.ValidationErrorKind.AnyOf(context=context) if wanted := _one_of_these(
            context
        ):
            return [Fault(location, f"missing: {' or '.join(wanted)}", "missing")]
        case _:
            found = shown(value_at(value, location))
            return [Fault(location, _sentence(error.message), kind.name, input=found)]


def _one_of_these(context: Sequence[Sequence[jsonschema_rs.ValidationError]]) -> list[str]:
    """Return the properties of which one must be there, if that is all that was demanded."""
    kinds = [error.kind for member in context for error in member]
    names = [
        f"'{kind.property}'"
        for kind in kinds
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required)
    ]
    return names if len(names) == len(kinds) else []


def _sentence(message: str) -> str:
    """Shorten a message that repeats a long value."""
    return message if len(message) <= 300 else f"{message[:150]} … {message[-140:]}"
