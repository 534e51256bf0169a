"""What every protected route does before FastAPI parses anything."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer

from api.auth import API_KEY_HEADER
from api.bodies import JsonRequest
from api.services import services_of
from flows.errors import InvalidError

# For the OpenAPI document alone: ProtectedRoute does the work, before any body is read.
CREDENTIALS = [
    Security(HTTPBearer(scheme_name="BearerAuth", bearerFormat="JWT", auto_error=False)),
    Security(APIKeyHeader(name=API_KEY_HEADER, scheme_name="APIKeyAuth", auto_error=False)),
]


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
            authenticator = services_of(request).authenticator
            request.state.caller = await authenticator.authenticate(request.method, request.headers)
            if b"%00" in request.scope["query_string"]:
                raise InvalidError("a query parameter contains NUL")
            if reads_body and request.says_json and await request.body():
                await request.json()
            return await handle(request)

        return handle_protected
