"""Holds every answer of the API against the API's own OpenAPI document."""

import re
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema_rs import Draft202012Validator, Registry
from pydantic import JsonValue

from flows.reading import read_document

DOCUMENT = "urn:api"
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class Conformity:
    """An httpx response hook: fails the test whose answer the document does not describe.

    One serves all clients of an application: the document's schemas take megabytes.
    """

    def __init__(self, app: FastAPI) -> None:
        """Hold answers against what this application says of itself."""
        self._app = app

    def read(self) -> None:
        """Assemble the document now: it takes a second or more, once."""
        self._validator  # noqa: B018  # read for its making

    @cached_property
    def _document(self) -> dict[str, Any]:
        return self._app.openapi()

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], str]]:
        return [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path)
            for path in sorted(self._document["paths"], key=lambda path: path.count("{"))
        ]

    @cached_property
    def _validator(self) -> Callable[[str, str, str], Draft202012Validator]:
        schemas = Registry([(DOCUMENT, {"components": self._document["components"]})])

        @cache
        def built(template: str, method: str, status: str) -> Draft202012Validator:
            answer = self._document["paths"][template][method]["responses"][status]
            schema = pointing_into(DOCUMENT, answer["content"]["application/json"]["schema"])
            return Draft202012Validator(schema, validate_formats=True, registry=schemas)

        return built

    async def __call__(self, response: httpx.Response) -> None:
        """Check id, status and body of one answer."""
        await response.aread()
        request_id = response.headers["X-Request-ID"]
        assert ULID.fullmatch(request_id), request_id
        if response.status_code == 204:
            assert response.content == b""
            return
        method, path = response.request.method, response.request.url.path
        path = path.removeprefix("/workflows")
        if response.status_code >= 400:
            if path.startswith("/v1/"):
                _check_detail(response)
            else:
                _check_envelope(response, request_id)
        template = next((known for pattern, known in self._paths if pattern.match(path)), None)
        operation = self._document["paths"].get(template, {}).get(method.lower())
        if operation is not None:
            self._check_body(response, template or "", method.lower())

    def _check_body(self, response: httpx.Response, template: str, method: str) -> None:
        status = str(response.status_code)
        declared = self._document["paths"][template][method]["responses"]
        assert status in declared, f"{method} {template} does not declare {status}"
        answer = declared[status]
        if "content" not in answer or "*/*" in answer["content"]:
            return
        errors = [
            f"{'.'.join(map(str, error.instance_path))}: {error.message}"
            for error in self._validator(template, method, status).iter_errors(_value(response))
        ]
        assert not errors, f"{method} {template} {status}: {errors}"


def pointing_into(document: str, schema: JsonValue) -> Any:
    """Return a schema whose references name the document that they are in."""
    if isinstance(schema, dict):
        return {
            key: f"{document}{value}"
            if key == "$ref" and isinstance(value, str)
            else pointing_into(document, value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [pointing_into(document, item) for item in schema]
    return schema


def _value(response: httpx.Response) -> JsonValue:
    """Return what a body says, in JSON or in YAML."""
    if "yaml" in response.headers["content-type"]:
        return read_document(response.content, media="yaml")
    value: JsonValue = response.json()
    return value


def _check_detail(response: httpx.Response) -> None:
    body = response.json()
    assert {*body} in ({"detail"}, {"message", "error"})
    assert all(body.values())
    assert "Traceback" not in response.text


def _check_envelope(response: httpx.Response, request_id: str) -> None:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body["request_id"] == request_id
    assert set(body["error"]) == {"message", "code", "details"}
    assert body["error"]["message"]
    assert "Traceback" not in response.text
