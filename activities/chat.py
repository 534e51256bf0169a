"""Conversations with language models behind any endpoint that speaks OpenAI's protocol.

One request for one question: what fails for a while is asked again by Temporal.

Source: docs/workflow-language.md, "Models"; docs/decisions/0049-models-of-nodes.md.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import openai
from pydantic import JsonValue

from activities.chat_answers import Completion, Pieces, read_completion
from activities.exchange import NETWORK_ERRORS
from activities.model_endpoint import (
    ModelEndpoint,
    left_out,
    model_failure,
    openai_client,
    response_format,
)
from dialogs.effects import ModelCall, ModelMessage
from dialogs.model_config import ModelConfig
from flows.errors import TaskFailedError

OPENAI_URL = "https://api.openai.com/v1"

OnText = Callable[[str], None]
"""Is told each piece of text of an answer, as it comes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a question goes.

    Attributes:
        is_operators: Whether it is the platform's own endpoint.
    """

    endpoint: ModelEndpoint
    model: str
    is_operators: bool


class ChatModels:
    """Asks models, each where its configuration says, or at the operator's endpoint."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        operators_client: httpx.AsyncClient,
        endpoint: ModelEndpoint | None,
    ) -> None:
        """Borrow clients that bound answers, and stream them; whoever made them closes them.

        Args:
            client: Refuses private networks: authors choose where it connects to.
            operators_client: Lets the operator's endpoint through.
            endpoint: The operator's; None without one.
        """
        self._client = client
        self._operators_client = operators_client
        self._endpoint = endpoint

    def asked(self, config: ModelConfig) -> Asked:
        """Return where a question to this model goes.

        Raises:
            TaskFailedError: ``ModelNotConfigured`` and ``UnknownModel``, both final.
        """
        headers = {**config.default_headers}
        if config.organization:
            headers["OpenAI-Organization"] = config.organization
        if config.is_authors:
            base_url = config.base_url or (OPENAI_URL if config.type == "openai_llm" else "")
            if not base_url.startswith(("http://", "https://")):
                raise _unusable("the model's configuration has no base_url")
            if not config.model:
                raise _unusable("the model's configuration names no model")
            own = ModelEndpoint(base_url, (), config.api_key or None, headers)
            return Asked(own, config.model, is_operators=False)
        if self._endpoint is None:
            raise _unusable("the model's configuration has no base_url, and there is no default")
        model = config.model or self._endpoint.models[0]
        if model not in self._endpoint.models:
            raise TaskFailedError(f"there is no model {model!r}", type="UnknownModel")
        return Asked(self._endpoint, model, is_operators=True)

    async def ask(
        self, asked: Asked, call: ModelCall, *, effect_key: str, on_text: OnText
    ) -> Completion:
        """Return what the model answered.

        Args:
            on_text: Told pieces of the answer where the configuration wants it streamed.

        Raises:
            TaskFailedError: ``ModelRefused``, ``ModelRequestRefused``, ``HostRefused`` and
                ``ModelAuthenticationFailed`` are final; ``ModelUnavailable``, ``Timeout``,
                ``ConnectionFailed`` and ``InvalidAnswer`` are worth a retry.
        """
        seconds = call.config.seconds
        client = self._operators_client if asked.is_operators else self._client
        completions = openai_client(client, asked.endpoint).chat.completions
        request: dict[str, Any] = {
            **request_of(asked.model, call),
            "extra_headers": {**left_out(asked.endpoint), "Idempotency-Key": effect_key},
        }
        try:
            async with asyncio.timeout(seconds):
                if call.config.streaming:
                    return await _streamed(completions, request, asked.model, on_text)
                raw = await completions.with_raw_response.create(**request)
        except TimeoutError:
            raise TaskFailedError(
                f"{asked.model} did not answer within {seconds:g} s", type="Timeout", retryable=True
            ) from None
        except (openai.OpenAIError, httpx.HTTPError, *NETWORK_ERRORS) as error:
            raise model_failure(asked.endpoint, asked.model, error) from None
        return read_completion(asked.model, raw.text, call.config.response_unwrap_key)


def request_of(model: str, call: ModelCall) -> dict[str, Any]:
    """Return a request's body; what the author adds to it changes nothing of ours."""
    config = call.config
    options: dict[str, Any] = {
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "seed": config.seed,
        "reasoning_effort": config.reasoning_effort,
    }
    request: dict[str, Any] = {
        "model": model,
        "messages": [_message(each) for each in call.messages],
        **{name: value for name, value in options.items() if value is not None},
    }
    if call.functions:
        request["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": each.name,
                    "description": each.description,
                    "parameters": each.parameters,
                },
            }
            for each in call.functions
        ]
    if call.answer_schema is not None:
        request["response_format"] = response_format(call.answer_schema)
    if config.streaming:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    more = {name: value for name, value in config.model_kwargs.items() if name not in request}
    return {**request, "extra_body": more}


def _message(message: ModelMessage) -> dict[str, Any]:
    """Return a message as the protocol has it."""
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        written["content"] = message.content or None
        written["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.written},
            }
            for call in message.calls
        ]
    if message.call_id is not None:
        written["tool_call_id"] = message.call_id
    return written


async def _streamed(
    completions: Any, request: Mapping[str, Any], model: str, on_text: OnText
) -> Completion:
    """Read an answer that comes in pieces, and pass its text on."""
    pieces = Pieces(model)
    async with await completions.create(**request) as stream:
        async for chunk in stream:
            text = pieces.add(_plain(chunk))
            if text:
                on_text(text)
    return pieces.whole()


def _plain(chunk: Any) -> JsonValue:
    """Return a piece as the endpoint sent it: the library checks nothing of it."""
    plain: JsonValue = chunk.model_dump(mode="json", warnings=False)
    return plain


def _unusable(reason: str) -> TaskFailedError:
    return TaskFailedError(reason, type="ModelNotConfigured")
