"""``custom_form_input``: a flow that starts with a form whose fields the author chose."""

from collections.abc import Mapping

from pydantic import Field as Describe
from pydantic import JsonValue, ValidationError

from flows.executors.fields import Field, object_schema
from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor


class CustomFormInputParameters(Parameters):
    """Which fields the form has."""

    fields: list[Field] | None = Describe(
        default=None,
        description="Fields of the form; without them it asks for a document and its file name.",
    )


def _flow_input(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the form's schema; parameters that are not valid (a draft's) get the default form."""
    try:
        fields = CustomFormInputParameters.model_validate(dict(parameters)).fields
    except ValidationError:
        fields = None
    return _document_form() if fields is None else object_schema(fields, required=True)


def _document_form() -> JsonSchema:
    """Return the form of a task that names no fields."""
    text: JsonSchema = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "properties": {
            "filename": text,
            "mime_type": text,
            "document_url": text,
            "metadata": {"type": "object"},
        },
        "required": ["filename", "mime_type", "document_url"],
        "additionalProperties": False,
    }


CUSTOM_FORM_INPUT = TaskExecutor(
    name="custom_form_input",
    description="Starts a flow with the values of a form.",
    agent_prompt=(
        "Use as the first task of a flow that starts from typed values. List them in `fields`, "
        "each with an id and a data_type; later tasks read them by id."
    ),
    kind=Kind.INPUT,
    parameters=CustomFormInputParameters,
    output_schema=_flow_input,
    flow_input_schema=_flow_input,
    is_pure=True,
)
