"""What every protected route does before FastAPI parses anything."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.bodies import JsonRequest
from api.observation import tell_organization
from api.services import services_of
from flows.errors import InvalidError, StoreUnavailableError


class PublicRoute(APIRoute):
    """A route that anybody may call; what it does decides whether the caller may."""

    # FastAPI types handlers with Any.
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind a look at the store."""
        handle = super().get_route_handler()

        async def handle_public(request: Request) -> Response:
            if services_of(request).mongodb.is_down:
                raise StoreUnavailableError("the store does not answer")
            return await handle(request)

        return handle_public


class ProtectedRoute(APIRoute):
    """A route that knows its caller before it looks at the request's parameters or body.

    So 401 comes before 422, and nobody makes us read a body without a credential.
    """

    # FastAPI types handlers with Any.
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind authentication and our own reading of JSON."""
        handle = super().get_route_handler()
        reads_body = self.body_field is not None

        async def handle_protected(received: Request) -> Response:
            request = JsonRequest(received.scope, received.receive)
            services = services_of(request)
            if services.mongodb.is_down or services.mongodb.is_unusable:
                raise StoreUnavailableError("the store does not answer")
            authenticate = services.authenticator.authenticate
            request.state.caller = await authenticate(request.method, request.headers)
            tell_organization(request, request.state.caller.organization_id)
            if b"%00" in request.scope["query_string"]:
                raise InvalidError("a query parameter contains NUL")
            if reads_body and request.says_json and await request.body():
                await request.json()
            return await handle(request)

        return handle_protected
