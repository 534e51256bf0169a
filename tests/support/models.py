"""A server on the loopback address that speaks the protocol of OpenAI's chat completions."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from activities.model_endpoint import ModelEndpoint
from tests.support.web import Request, Web, response, serving

Answer = Callable[[dict[str, Any]], bytes | None]
"""From a request's JSON to an answer's bytes; None keeps the caller waiting."""

KEY = "sk-very-secret"


@dataclass(slots=True)
class ModelServer:
    """A running server.

    Attributes:
        asked: The JSON of each request, in order.
    """

    web: Web
    asked: list[dict[str, Any]] = field(default_factory=list)

    def endpoint(self, *models: str, **changes: Any) -> ModelEndpoint:
        """Return what reaches the server, by the name of the models that it offers."""
        settings: dict[str, Any] = {
            "base_url": f"{self.web.url}/v1",
            "models": models or ("small", "large"),
            "api_key": KEY,
            **changes,
        }
        return ModelEndpoint(**settings)


def completion(
    content: object, *, finish_reason: str = "stop", refusal: str | None = None, **changes: Any
) -> bytes:
    """Return a chat completion; content that is no text is sent as JSON."""
    text = content if isinstance(content, str | None) else json.dumps(content)
    message = {"role": "assistant", "content": text, "refusal": refusal}
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "small-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 7, "total_tokens": 127},
    }
    return response(json.dumps({**body, **changes}))


def called(*calls: tuple[str, Any], content: str | None = None) -> bytes:
    """Return a completion that calls functions; arguments that are no text are sent as JSON."""
    written = [
        {
            "id": f"call_{number}_{name}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for number, (name, given) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": content, "tool_calls": written}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return completion(None, choices=[choice])


def streamed(*texts: str, ends: bool = True, deltas: Sequence[Any] = ()) -> bytes:
    """Return an answer in pieces, as a stream of events.

    Args:
        ends: Whether it comes to its end, or breaks off.
        deltas: Further pieces of the message, after the texts.
    """
    pieces: list[Any] = [{"content": text} for text in texts] + [*deltas]
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in pieces]
    if ends:
        reason = "tool_calls" if deltas else "stop"
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        chunks.append({"choices": [], "usage": usage})
    head = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": "s-1"}
    lines = [f"data: {json.dumps({**head, **chunk})}\n\n" for chunk in chunks]
    body = "".join([*lines, "data: [DONE]\n\n" if ends else ""])
    return response(body, content_type="text/event-stream")


def refused(status: int, message: str, **headers: str) -> bytes:
    """Return an error as the protocol has it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return response(json.dumps({"error": error}), status=status, **headers)


@asynccontextmanager
async def model_server(answer: Answer) -> AsyncIterator[ModelServer]:
    """Serve chat completions on a free port; refuse what the protocol does not know."""
    asked: list[dict[str, Any]] = []

    def handle(request: Request) -> bytes | None:
        if (request.method, request.target) != ("POST", "/v1/chat/completions"):
            return refused(404, f"unknown: {request.method} {request.target}")
        body = json.loads(request.body)
        if not {"model", "messages"} <= body.keys():
            return refused(400, "model and messages are needed")
        asked.append(body)
        return answer(body)

    async with serving(handle) as web:
        yield ModelServer(web, asked)
