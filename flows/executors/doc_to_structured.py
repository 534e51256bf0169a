"""``doc_to_structured``: fields of a document, as a language model reads them."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field as Describe
from pydantic import JsonValue, TypeAdapter, ValidationError

from flows.executors.document import DocumentParameters
from flows.executors.fields import Field, object_schema
from flows.executors.spec import JsonSchema, Kind, TaskExecutor

MAX_INSTRUCTIONS_CHARS = 16 * 1024

_FIELDS = TypeAdapter(list[Field])


class DocToStructuredParameters(DocumentParameters):
    """The document, and what to find in it."""

    fields: list[Field] = Describe(
        min_length=1,
        description="What to extract; a field is optional, and null where the document is silent.",
    )
    instructions: str = Describe(
        default="",
        max_length=MAX_INSTRUCTIONS_CHARS,
        description="What the model should know besides the fields' own instructions.",
    )
    worker: str | None = Describe(
        default=None, min_length=1, description="Name of a model; left out, the first one is used."
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema that the fields make; of fields that are none yet, any object."""
    try:
        fields = _FIELDS.validate_python(parameters.get("fields"))
    except ValidationError:
        return {"type": "object"}
    return object_schema(fields, required=False)


DOC_TO_STRUCTURED = TaskExecutor(
    name="doc_to_structured",
    description="Extracts fields from a document with a language model.",
    agent_prompt=(
        "Use to turn a document into data. Give its document_url and `fields`, each with an id, a "
        "data_type and instructions. The output has one property per field, null where the "
        "document does not say. Answers that do not fit are asked for again."
    ),
    kind=Kind.EFFECT,
    parameters=DocToStructuredParameters,
    output_schema=_output,
    default_timeout=timedelta(minutes=10),
    is_schedulable=True,
)
