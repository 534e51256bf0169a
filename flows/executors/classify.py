"""``classify_document`` and ``classify_text``: a language model picks one class."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, JsonValue
from pydantic import Field as Describe

from flows.executors.doc_to_structured import MAX_INSTRUCTIONS_CHARS
from flows.executors.document import DocumentParameters
from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor

MAX_CLASSES = 200


class TextClass(Parameters):
    """One class."""

    name: str = Describe(min_length=1, max_length=200, description="What the output says.")
    description: str = Describe(
        default="", max_length=4_096, description="What belongs here, in words."
    )


def _with_own_names(classes: list[TextClass | str]) -> list[TextClass | str]:
    """Refuse two classes of one name."""
    names = class_names(classes)
    if len(set(names)) < len(names):
        raise ValueError("two classes have the same name")
    return classes


Classes = Annotated[
    list[TextClass | Annotated[str, Describe(min_length=1, max_length=200)]],
    AfterValidator(_with_own_names),
]


def class_names(classes: Sequence[TextClass | str]) -> list[str]:
    """Return the names, in author's order."""
    return [each if isinstance(each, str) else each.name for each in classes]


class _ClassifyParameters(Parameters):
    """The classes, and who decides."""

    classes: Classes = Describe(
        min_length=2, max_length=MAX_CLASSES, description="Names, or names with descriptions."
    )
    instructions: str = Describe(
        default="", max_length=MAX_INSTRUCTIONS_CHARS, description="What the model should know."
    )
    worker: str | None = Describe(
        default=None, min_length=1, description="Name of a model; left out, the first one is used."
    )


class ClassifyTextParameters(_ClassifyParameters):
    """The text to classify."""

    text: str = Describe(min_length=1, description="What to classify.")


class ClassifyDocumentParameters(_ClassifyParameters, DocumentParameters):
    """The document to classify."""


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of a verdict."""
    count: JsonSchema = {"type": ["integer", "null"]}
    return {
        "type": "object",
        "properties": {
            "label": {"type": "string", "description": "Name of the class."},
            "reason": {"type": "string", "description": "The model's reason, in a sentence."},
            "model": {"type": "string"},
            "usage": {
                "type": "object",
                "properties": {"input_tokens": count, "output_tokens": count},
                "required": ["input_tokens", "output_tokens"],
                "additionalProperties": False,
            },
        },
        "required": ["label", "reason", "model", "usage"],
        "additionalProperties": False,
    }


CLASSIFY_TEXT = TaskExecutor(
    name="classify_text",
    description="Decides with a language model which class a text belongs to.",
    agent_prompt=(
        "Use to sort texts. Give `text` and at least two `classes`, with descriptions where names "
        "do not say enough. Branch on the output's `label`."
    ),
    kind=Kind.EFFECT,
    parameters=ClassifyTextParameters,
    output_schema=_output,
    default_timeout=timedelta(minutes=5),
    is_schedulable=True,
)

CLASSIFY_DOCUMENT = TaskExecutor(
    name="classify_document",
    description="Decides with a language model which class a document belongs to.",
    agent_prompt=(
        "Use to sort documents. Give the document_url and at least two `classes`, with "
        "descriptions where names do not say enough. Branch on the output's `label`."
    ),
    kind=Kind.EFFECT,
    parameters=ClassifyDocumentParameters,
    output_schema=_output,
    default_timeout=timedelta(minutes=10),
    is_schedulable=True,
)
