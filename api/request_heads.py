"""How much of a request is kept before it says anything: heads, trailers and chunk extensions.

The parser in C is several times as fast as the one in Python, and takes in what does not end.

Source: docs/api.md, "Bodies"; docs/decisions/0061-a-parser-in-c.md.
"""

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_UNTOLD_BYTES = 64 * 1024
"""Whatever comes in one piece is looked at first: so much more may be kept as is read at once."""


class BoundedHeads(HttpToolsProtocol):
    """Serves a connection; one whose request goes on and on without a word to us is closed."""

    _untold_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Take in what came; what follows from it is said in between."""
        self._untold_bytes += len(data)
        super().data_received(data)
        if self._untold_bytes > MAX_UNTOLD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        """Begin to serve a request."""
        self._untold_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a part of a body."""
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._untold_bytes = 0
        super().on_message_complete()


def bound_heads(server: uvicorn.Server | None) -> None:
    """Have the connections of a server that starts bounded, if it parses in C."""
    if server is not None and server.config.http_protocol_class is HttpToolsProtocol:
        server.config.http_protocol_class = BoundedHeads
