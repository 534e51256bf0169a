"""The arguments that a tool gets, and the variables that its result becomes.

Source: docs/workflow-language.md, "Tools".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from dialogs.events import JsonObject
from dialogs.placeholders import ABSENT, Found, Placeholder, value_at
from dialogs.state import Values
from dialogs.templates import Lookup
from dialogs.tools import ResultMapping, Tool, VariableArgument


class ArgumentError(ValueError):
    """A tool cannot be run with what it was given; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Yielded:
    """What a tool's result becomes.

    Attributes:
        thread: Variables of the thread.
        workflow: Variables of the whole run.
        fault: What was to be found in the result, and is not.
    """

    thread: Values = field(default_factory=dict)
    workflow: Values = field(default_factory=dict)
    fault: str | None = None


def whole_arguments(tool: Tool, given: Mapping[str, JsonValue], lookup: Lookup) -> JsonObject:
    """Return what was given, and with it what the run's variables give.

    Raises:
        ArgumentError: A variable that is needed does not exist.
    """
    arguments: JsonObject = dict(given)
    for each in tool.variable_arguments:
        name = each.argument_name
        if name in arguments and not each.override_provided_value:
            continue
        value = _value(each, lookup)
        if value is ABSENT and "default" in each.model_fields_set:
            value = each.default
        if value is not ABSENT:
            arguments[name] = value
        elif each.required and name not in arguments:
            raise ArgumentError(f"the argument '{name}' has no value")
    return arguments


def yielded(tool: Tool, result: JsonValue) -> Yielded:
    """Return the variables that a result becomes, beside the one that holds all of it."""
    thread: Values = {}
    workflow: Values = {}
    if tool.expand_result_into_runtime_variables and isinstance(result, dict):
        thread.update({name: each for name, each in result.items() if not name.startswith("_")})
    fault = None
    for mapping in tool.result_variable_mappings:
        value = _part(mapping, result)
        if value is ABSENT:
            if mapping.required:
                fault = f"the result has no '{mapping.result_path}'"
            continue
        scope = workflow if mapping.scope == "workflow" else thread
        scope[mapping.target_variable_name] = value
    return Yielded(thread, workflow, fault)


def _value(argument: VariableArgument, lookup: Lookup) -> Found:
    if argument.source == "literal":
        is_written = "literal_value" in argument.model_fields_set
        return argument.literal_value if is_written else ABSENT
    path = argument.variable_path or argument.argument_name
    runtime = Placeholder("runtime", path, "", f"[[{path}]]")
    dynamic = Placeholder("dynamic", path, "", f"{{{{{path}}}}}")
    if argument.source == "runtime":
        return lookup(runtime)
    if argument.source == "dynamic":
        return lookup(dynamic)
    found = lookup(runtime)
    return lookup(dynamic) if found is ABSENT else found


def _part(mapping: ResultMapping, result: JsonValue) -> Found:
    found: Found = result
    if mapping.result_path:
        found = value_at({"result": result}, _below_result(mapping.result_path))
    if found is ABSENT and "default" in mapping.model_fields_set:
        return mapping.default
    return found


def _below_result(path: str) -> str:
    """Return a path from a result's top: ``a.b`` or ``[0].c``."""
    return f"result{path}" if path.startswith("[") else f"result.{path}"
