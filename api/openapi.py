"""The OpenAPI document: which credentials its operations take."""

from typing import Any, cast

from fastapi import FastAPI

from api.auth import API_KEY_HEADER

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
    {"name": "credentials", "description": "Secrets that flows refer to by name."},
    {"name": "organizations", "description": "Tenants: their settings, and what they may spend."},
    {"name": "worker-groups", "description": "People to whom work is handed as one."},
    {"name": "profile", "description": "People about themselves."},
    {"name": "service-accounts", "description": "Identities of machines, and their keys."},
    {"name": "health", "description": "For whoever keeps the process running."},
]

_PROTECTED_PREFIX = "/api/"
_SCHEMES = {
    "BearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "APIKeyAuth": {"type": "apiKey", "in": "header", "name": API_KEY_HEADER},
}
_EITHER: list[dict[str, list[str]]] = [{"BearerAuth": []}, {"APIKeyAuth": []}]


class PerdureAPI(FastAPI):
    """FastAPI, whose document also says what ``ProtectedRoute`` asks for."""

    # FastAPI types the document with Any.
    def openapi(self) -> dict[str, Any]:
        """Return the document, built once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document.setdefault("components", {})["securitySchemes"] = _SCHEMES
            for path, operations in document["paths"].items():
                if path.startswith(_PROTECTED_PREFIX):
                    for operation in cast(dict[str, dict[str, Any]], operations).values():
                        operation.setdefault("security", _EITHER)
        return super().openapi()
