"""``format_data``: reshapes what earlier tasks produced."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor


class FormatDataParameters(Parameters):
    """The shape to fill."""

    template: JsonValue = Describe(
        description="Any JSON, with references in its strings; resolved, it is the output."
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the template's shape, as far as it can be known before references are resolved."""
    template = parameters.get("template")
    if isinstance(template, dict):
        return _shape(template)
    if isinstance(template, str) and "{{" in template:
        return {"type": "object"}
    return {
        "type": "object",
        "properties": {"value": _shape(template)},
        "required": ["value"],
        "additionalProperties": False,
    }


def _shape(template: JsonValue) -> JsonSchema:
    """Return the schema of one value of the template; a reference may become anything."""
    match template:
        case dict():
            return {
                "type": "object",
                "properties": {key: _shape(value) for key, value in template.items()},
                "required": list(template),
                "additionalProperties": False,
            }
        case str() if "{{" in template:
            return {}
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"}
        case _:
            return {}


FORMAT_DATA = TaskExecutor(
    name="format_data",
    description="Builds a value from a template and the outputs of earlier tasks.",
    agent_prompt=(
        "Use to pick, rename and combine values without code. Write the wanted JSON as `template` "
        "and refer to earlier tasks inside its strings; anything but an object is wrapped as value."
    ),
    kind=Kind.INSTANT,
    parameters=FormatDataParameters,
    output_schema=_output,
    is_pure=True,
    default_timeout=timedelta(seconds=10),
    is_schedulable=True,
)
