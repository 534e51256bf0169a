"""Tools as authors write them, and what of them a model reads.

Source: docs/workflow-language.md, "Tools".
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from dialogs.events import JsonObject
from dialogs.failures import RunFailedError
from dialogs.model import StaticMessages, Written

DEFAULT_VARIABLE = "tool_result"
MAX_CODE_CHARS = 100_000


class VariableArgument(Written):
    """An argument that comes from the run's variables, or is fixed."""

    argument_name: str
    source: Literal["auto", "runtime", "dynamic", "literal"] = "auto"
    variable_path: str = ""
    literal_value: JsonValue = None
    default: JsonValue = None
    required: bool = False
    expose_to_llm: bool = False
    override_provided_value: bool = True


class ResultMapping(Written):
    """A part of a tool's result that becomes a variable."""

    target_variable_name: str
    result_path: str = ""
    scope: Literal["thread", "workflow"] = "thread"
    default: JsonValue = None
    required: bool = False


class Tool(Written):
    """What every tool has."""

    type: str
    logical_id: str = ""
    name: str = ""
    description: str = ""
    signature: str = ""
    disabled: bool = False
    args_schema: JsonObject = Field(default_factory=dict)
    static_messages_config: StaticMessages = StaticMessages()
    result_runtime_variable_name: str = DEFAULT_VARIABLE
    timeout_seconds: float = Field(default=30, gt=0, le=300)
    variable_arguments: tuple[VariableArgument, ...] = ()
    result_variable_mappings: tuple[ResultMapping, ...] = ()
    expand_result_into_runtime_variables: bool = False

    @property
    def shown_name(self) -> str:
        """Return its name, or its id where it has none."""
        return self.name or self.logical_id or self.type


class PythonTool(Tool):
    """A piece of Python that runs in the sandbox."""

    type: Literal["inline_python"]
    code: str = Field(default="", max_length=MAX_CODE_CHARS)
    allow_code_variable_substitution: bool = True


class ApiTool(Tool):
    """A call of an HTTP service."""

    type: Literal["external_api"]
    api_endpoint: str = ""
    api_method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    api_headers: JsonObject | str = Field(default_factory=dict)
    api_body: JsonValue = None


RUNNABLE: Mapping[str, type[PythonTool] | type[ApiTool]] = {
    "inline_python": PythonTool,
    "external_api": ApiTool,
}


def read_tool(written: JsonObject) -> PythonTool | ApiTool:
    """Return a tool as its author wrote it.

    Raises:
        RunFailedError: Nobody here knows what such a tool does, or it is malformed.
    """
    kind = written.get("type")
    name = written.get("name") or written.get("logical_id") or "without a name"
    known = RUNNABLE.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise RunFailedError(f"tool '{name}' is of the type '{kind}', which cannot be run here")
    try:
        return known.model_validate(written)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in problem["loc"])
        raise RunFailedError(f"tool '{name}' is invalid: {place}: {problem['msg']}") from None


def parameters_of(tool: Tool) -> JsonObject:
    """Return the schema of the arguments that a model gives: not those that the run gives."""
    hidden = {each.argument_name for each in tool.variable_arguments if not each.expose_to_llm}
    schema = object_schema(tool.args_schema)
    properties = schema["properties"]
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    shown: JsonObject = {
        name: value
        for name, value in (properties.items() if isinstance(properties, dict) else ())
        if name not in hidden
    }
    return {
        **schema,
        "properties": shown,
        "required": [name for name in names if name not in hidden],
    }


def object_schema(written: JsonValue) -> JsonObject:
    """Return a schema of an object, whatever an author wrote for one."""
    schema = written if isinstance(written, dict) else {}
    properties = schema.get("properties")
    return {
        **schema,
        "type": "object",
        "properties": properties if isinstance(properties, dict) else {},
    }
