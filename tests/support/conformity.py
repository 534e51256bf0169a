"""Holds every answer of the API against the API's own OpenAPI document."""

import re
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema_rs import Draft202012Validator
from pydantic import JsonValue

from flows.reading import read_document

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class Conformity:
    """An httpx response hook: fails the test whose answer the document does not describe."""

    def __init__(self, app: FastAPI) -> None:
        """Read the document once."""
        self._document: dict[str, Any] = app.openapi()
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path)
            for path in sorted(self._document["paths"], key=lambda path: path.count("{"))
        ]
        self._validator = cache(self._built_validator)

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

    def _built_validator(self, template: str, method: str, status: str) -> Draft202012Validator:
        answer = self._document["paths"][template][method]["responses"][status]
        schema = answer["content"]["application/json"]["schema"]
        whole = {**schema, "components": self._document["components"]}
        return Draft202012Validator(whole, validate_formats=True)


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
