"""The OpenAPI document: which credentials its operations take."""

from typing import Any, cast

from fastapi import FastAPI

from api.auth import API_KEY_HEADER
from api.examples.joining import add_examples
from api.media_types import JSON, YAML_TYPES

TAGS = [
    {"name": "flows", "description": "Definitions and their versions."},
    {"name": "flow-executions", "description": "Runs of flows."},
    {"name": "task-executions", "description": "Attempts of tasks."},
    {"name": "task-outputs", "description": "Results of tasks."},
    {"name": "task-tags", "description": "What was noted about tasks of executions."},
    {"name": "task-executors", "description": "What tasks can do."},
    {"name": "task-data", "description": "What tasks of a definition yield, take and offer."},
    {"name": "files", "description": "Documents that flows read."},
    {"name": "webhooks", "description": "Posts from outside that start flows."},
    {"name": "webhook-data", "description": "Data from outside for tasks that wait for it."},
    {"name": "human-review-tasks", "description": "What people are asked to look at."},
    {"name": "credentials", "description": "Secrets that flows refer to by name."},
    {"name": "organizations", "description": "Tenants: their settings, and what they may spend."},
    {"name": "worker-groups", "description": "People to whom work is handed as one."},
    {"name": "profile", "description": "People about themselves."},
    {"name": "service-accounts", "description": "Identities of machines, and their keys."},
    {"name": "workflows", "description": "Interactive workflows and their versions."},
    {"name": "workflow-runs", "description": "Conversations and their turns."},
    {"name": "run-feedback", "description": "What people say of runs that have ended."},
    {"name": "run-reruns", "description": "Runs that begin in the middle of another."},
    {"name": "super-nodes", "description": "Workflows that stand for a node of others."},
    {"name": "global-variables", "description": "Values that all workflows read."},
    {"name": "health", "description": "For whoever keeps the process running."},
]

_PROTECTED_PREFIXES = ("/api/", "/v1/")
_SCHEMES = {
    "BearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "APIKeyAuth": {"type": "apiKey", "in": "header", "name": API_KEY_HEADER},
}
_EITHER: list[dict[str, list[str]]] = [{"BearerAuth": []}, {"APIKeyAuth": []}]


class PerdureAPI(FastAPI):
    """FastAPI, whose document also says what our own kinds of routes ask for and answer.

    Attributes:
        yaml_operations: Methods and paths that take and answer YAML as well.
    """

    yaml_operations: frozenset[tuple[str, str]] = frozenset()

    # FastAPI types the document with Any.
    def openapi(self) -> dict[str, Any]:
        """Return the document, built once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document.setdefault("components", {})["securitySchemes"] = _SCHEMES
            add_examples(document)
            for path, operations in document["paths"].items():
                for method, operation in cast(dict[str, dict[str, Any]], operations).items():
                    if path.startswith(_PROTECTED_PREFIXES):
                        operation.setdefault("security", _EITHER)
                    if (method.upper(), path) in self.yaml_operations:
                        _say_yaml(operation)
        return super().openapi()


def _say_yaml(operation: dict[str, Any]) -> None:
    """Add YAML wherever an operation takes JSON, or answers it when all is well."""
    answers = [each for status, each in operation["responses"].items() if status.startswith("2")]
    for place in (operation.get("requestBody", {}), *answers):
        content = place.get("content", {})
        if JSON in content:
            content[YAML_TYPES[0]] = content[JSON]
