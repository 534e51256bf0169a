"""What a webhook takes and answers."""

from typing import Any

from typing_extensions import TypedDict

A_POSTED_OBJECT: dict[str, Any] = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
}
"""The body in the OpenAPI document; it is read as it came, since its signature covers its bytes."""


class WebhookStartResponse(TypedDict):
    """The execution that a post started."""

    flow_execution_id: str
