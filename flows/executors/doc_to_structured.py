"""``doc_to_structured``: fields of a document, as a language model reads them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, JsonValue, TypeAdapter, ValidationError, model_validator
from pydantic import Field as Describe
from pydantic_core import PydanticCustomError

from flows.executors.document import DocumentParameters
from flows.executors.fields import Field, object_schema
from flows.executors.spec import MISSING_PARAMETER, JsonSchema, Kind, TaskExecutor
from flows.json_schemas import validator_of

MAX_INSTRUCTIONS_CHARS = 16 * 1024


def _of_objects(schema: JsonSchema) -> JsonSchema:
    """Refuse what is no schema, or one of anything but objects."""
    validator_of(schema)
    if schema.get("type") != "object":
        raise ValueError("a schema of type 'object' is needed")
    return schema


ObjectSchema = Annotated[dict[str, JsonValue], AfterValidator(_of_objects)]

_FIELDS = TypeAdapter(list[Field])
_SCHEMA: TypeAdapter[JsonSchema] = TypeAdapter(ObjectSchema)


class DocToStructuredParameters(DocumentParameters):
    """The document, and what to find in it."""

    fields: list[Field] | None = Describe(
        default=None,
        min_length=1,
        description="What to extract; a field is optional, and null where the document is silent.",
    )
    written_schema: ObjectSchema | None = Describe(
        default=None,
        alias="schema",
        description="What to extract as a JSON Schema of an object, in place of fields.",
    )
    instructions: str = Describe(
        default="",
        max_length=MAX_INSTRUCTIONS_CHARS,
        description="What the model should know besides the fields' own instructions.",
    )
    worker: str | None = Describe(
        default=None, min_length=1, description="Name of a model; left out, the first one is used."
    )
    written_model: str | None = Describe(
        default=None, alias="model", min_length=1, description="Another word for worker."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        """Refuse to be told nothing to extract, or anything twice."""
        if self.fields is None and self.written_schema is None:
            raise PydanticCustomError(MISSING_PARAMETER, "Either 'fields' or 'schema' is needed")
        if self.fields is not None and self.written_schema is not None:
            raise PydanticCustomError("ambiguous", "Either 'fields' or 'schema', not both")
        if self.worker is not None and self.written_model is not None:
            raise PydanticCustomError("ambiguous", "Either 'worker' or 'model', not both")
        return self

    @property
    def answer_schema(self) -> JsonSchema:
        """Return the schema of what is extracted."""
        if self.written_schema is not None:
            return self.written_schema
        return object_schema(self.fields or [], required=False)

    @property
    def model_name(self) -> str | None:
        """Return which model was asked for."""
        return self.worker or self.written_model


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema that is written, or the fields make; where neither is one, any object."""
    try:
        return _SCHEMA.validate_python(parameters["schema"])
    except (KeyError, ValidationError):
        pass
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
