"""Credentials in the query of a URL, for streams of events alone.

A browser can neither follow events nor open a WebSocket with headers of its own. So these paths
take ``?token=`` instead, and it is moved to where every other path has it before anything else sees
the URL: it reaches no log, no span and no error.

Source: docs/api.md, "Events".
"""

import re
from urllib.parse import unquote_plus

from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import API_KEY_HEADER, KEY_PREFIX

PARAMETER = "token"

_STREAMS = re.compile(
    r"(/api)?/ws/flows/[^/]+|/api/flows/[^/]+/events"
    r"|(/workflows)?/v1/workflow-runs/(ws|[^/]+/events)"
)
_CREDENTIALS = (b"authorization", API_KEY_HEADER.lower().encode())


class QueryToken:
    """ASGI middleware that turns the query parameter into a header, unless there is one already."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, the URLs of streams without their token."""
        if scope["type"] in ("http", "websocket") and _STREAMS.fullmatch(scope["path"]):
            _move(scope)
        await self._app(scope, receive, send)


def _move(scope: Scope) -> None:
    """Take tokens out of the query; the last one becomes a header."""
    pairs = scope["query_string"].split(b"&")
    tokens = [pair for pair in pairs if pair.partition(b"=")[0] == PARAMETER.encode()]
    if not tokens:
        return
    # The server logs the URL from this very scope, so it is changed in place.
    scope["query_string"] = b"&".join(pair for pair in pairs if pair not in tokens)
    if any(name.lower() in _CREDENTIALS for name, _ in scope["headers"]):
        return
    token = unquote_plus(tokens[-1].partition(b"=")[2].decode("latin-1"))
    name, value = (
        (API_KEY_HEADER, token)
        if token.startswith(KEY_PREFIX)
        else ("Authorization", f"Bearer {token}")
    )
    header = (name.lower().encode(), value.encode("latin-1", errors="replace"))
    scope["headers"] = [*scope["headers"], header]
