"""What every protected route does before FastAPI parses anything."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, HTTPException, Request, Response, status
from fastapi.routing import APIRoute

from api.bodies import JsonRequest, refuse_encoded
from api.media_types import preferred_yaml
from api.observation import tell_organization
from api.replies import in_yaml
from api.services import services_of
from flows.errors import InvalidError, StoreUnavailableError

Templates = tuple[str, ...]


def refuse_foreign_method(request: Request, template: str) -> None:
    """Refuse a method that a path does not have, though a template with parameters fits the path.

    ``PATCH /flows/available-tags`` is no change of a flow whose id is ``available-tags``.

    Raises:
        HTTPException: 405.
    """
    templates: Templates = request.app.state.templates
    path = request.url.path
    if any(other.fullmatch(path) for other in _more_literal(template, templates)):
        raise HTTPException(status.HTTP_405_METHOD_NOT_ALLOWED)


def templates_of(routers: Iterable[APIRouter]) -> Templates:
    """Return every path that these routers serve, once."""
    routes = (route for router in routers for route in router.routes)
    paths = (route.path_format for route in routes if isinstance(route, APIRoute))
    return tuple(dict.fromkeys(paths))


def refuse_unreadable(request: Request) -> None:
    """Refuse a URL whose text nobody could keep as it was meant.

    Raises:
        InvalidError: Path or query hold NUL, or bytes that are not UTF-8.
    """
    for place, raw in (
        ("path", request.scope.get("raw_path") or b""),
        ("query", request.scope["query_string"]),
    ):
        text = unquote_to_bytes(raw)
        if b"\x00" in text:
            raise InvalidError(f"the {place} of the URL contains NUL")
        try:
            text.decode()
        except UnicodeDecodeError:
            raise InvalidError(f"the {place} of the URL is not UTF-8") from None


def yaml_operations(routers: Iterable[APIRouter]) -> frozenset[tuple[str, str]]:
    """Return method and path of every operation that takes and answers YAML as well."""
    return frozenset(
        (method, route.path_format)
        for router in routers
        for route in router.routes
        if isinstance(route, DefinitionRoute)
        for method in route.methods or ()
    )


@cache
def pattern_of(template: str) -> re.Pattern[str]:
    """Return what matches every path of a template."""
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", template))


@cache
def _more_literal(template: str, templates: Templates) -> list[re.Pattern[str]]:
    """Return what matches the paths of templates that spell out what this one leaves open."""
    fitting = pattern_of(template)
    return [
        pattern_of(other)
        for other in templates
        if other != template and fitting.fullmatch(other) and other.count("{") < template.count("{")
    ]


class PublicRoute(APIRoute):
    """A route that anybody may call; what it does decides whether the caller may."""

    # FastAPI types handlers with Any.
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind a look at the store."""
        handle = super().get_route_handler()

        async def handle_public(request: Request) -> Response:
            if services_of(request).mongodb.is_down:
                raise StoreUnavailableError("the store does not answer")
            refuse_unreadable(request)
            return await handle(request)

        return handle_public


class ProtectedRoute(APIRoute):
    """A route that knows its caller before it looks at the request's parameters or body.

    So 401 comes before 422, and nobody makes us read a body without a credential.
    """

    speaks_yaml = False

    # FastAPI types handlers with Any.
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind authentication and our own reading of JSON."""
        handle = super().get_route_handler()
        reads_body = self.body_field is not None
        takes_yaml = self.speaks_yaml

        async def handle_protected(received: Request) -> Response:
            refuse_foreign_method(received, self.path_format)
            request = JsonRequest(received.scope, received.receive, takes_yaml=takes_yaml)
            services = services_of(request)
            if services.mongodb.is_down or services.mongodb.is_unusable:
                raise StoreUnavailableError("the store does not answer")
            authenticate = services.authenticator.authenticate
            request.state.caller = await authenticate(request.method, request.headers)
            tell_organization(request, request.state.caller.organization_id)
            refuse_unreadable(request)
            if reads_body:
                refuse_encoded(request.headers)
            if reads_body and request.says_json and await request.body():
                await request.json()
            return await handle(request)

        return handle_protected


class DefinitionRoute(ProtectedRoute):
    """A protected route that takes YAML besides JSON, and answers in it if it is preferred.

    Refusals are JSON always.
    """

    speaks_yaml = True

    # FastAPI types handlers with Any.
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the protected handler, its answer turned into what the caller wants."""
        handle = super().get_route_handler()

        async def handle_definition(request: Request) -> Response:
            response = await handle(request)
            response.headers.append("Vary", "Accept")
            media_type = preferred_yaml(request.headers.get("accept"))
            if media_type is None:
                return response
            return await asyncio.to_thread(in_yaml, response, media_type)

        return handle_definition
