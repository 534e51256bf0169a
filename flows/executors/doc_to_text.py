"""``doc_to_text``: the text of a document, page by page."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.document import DocumentParameters
from flows.executors.spec import JsonSchema, Kind, TaskExecutor


class DocToTextParameters(DocumentParameters):
    """The document to read."""

    worker: str | None = Describe(
        default=None,
        description="Name of a model. Text that the document itself holds is read without one.",
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of a document's text."""
    return {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "All pages, joined by form feeds."},
            "pages": {"type": "array", "items": {"type": "string"}},
            "page_count": {"type": "integer", "minimum": 0},
            "mime_type": {"type": "string"},
            "metadata": {
                "type": "object",
                "description": "What the document says of itself, e.g. title and author.",
                "additionalProperties": {"type": "string"},
            },
        },
        "required": ["text", "pages", "page_count", "mime_type", "metadata"],
        "additionalProperties": False,
    }


DOC_TO_TEXT = TaskExecutor(
    name="doc_to_text",
    description="Reads the text of a PDF, a DOCX, a web page or a text document, page by page.",
    agent_prompt=(
        "Use after receive_file: pass its document_url and mime_type. Returns the whole text and "
        "the list of pages. Scanned pages have no text and fail the task."
    ),
    kind=Kind.EFFECT,
    parameters=DocToTextParameters,
    output_schema=_output,
    is_pure=True,
    default_timeout=timedelta(minutes=5),
)
