"""``receive_file``: a flow that starts with a document."""

from collections.abc import Mapping

from pydantic import JsonValue

from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor


class ReceiveFileParameters(Parameters):
    """Nothing to configure."""


def _flow_input(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return what a caller submits: a document by URL or by file key, and what is known of it."""
    return {
        "type": "object",
        "properties": {
            "document_url": {
                "type": "string",
                "minLength": 1,
                "description": "An http(s) URL, a data: URL, or file: and a file key.",
            },
            "file_key": {
                "type": "string",
                "minLength": 1,
                "description": "Key of a stored file; without a document_url it stands for one.",
            },
            "mime_type": {"type": "string", "description": "Media type, e.g. application/pdf."},
            "filename": {"type": "string"},
            "metadata": {"type": "object"},
            "options": {"type": "object"},
        },
        "anyOf": [{"required": ["document_url"]}, {"required": ["file_key"]}],
        "additionalProperties": False,
    }


RECEIVE_FILE = TaskExecutor(
    name="receive_file",
    description="Starts a flow with a document that the caller hands in.",
    agent_prompt=(
        "Use as the first task of a flow that works on a document. It takes no parameters; later "
        "tasks read document_url and mime_type from it."
    ),
    kind=Kind.INPUT,
    parameters=ReceiveFileParameters,
    output_schema=_flow_input,
    flow_input_schema=_flow_input,
    is_pure=True,
)
