"""Questions to language models behind one OpenAI-compatible endpoint.

Source: docs/decisions/0016-language-models.md.
"""

import asyncio
from dataclasses import dataclass

import httpx
import openai
from pydantic import BaseModel, JsonValue, ValidationError

from activities.exchange import NETWORK_ERRORS
from activities.model_answers import completed, value_of
from activities.model_endpoint import (
    SHOWN_CHARS,
    ModelEndpoint,
    left_out,
    model_failure,
    openai_client,
    response_format,
)
from flows.errors import TaskFailedError
from flows.executors.spec import JsonSchema


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked.

    Attributes:
        task: What to do, from us and the flow's author.
        material: What to do it with; it comes from outside, and is nobody's instruction.
        answer: JSON Schema of the answer, an object.
    """

    task: str
    material: str
    answer: JsonSchema


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered, checked against the question's schema."""

    value: dict[str, JsonValue]
    model: str
    input_tokens: int | None
    output_tokens: int | None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    """The part of an answer that we read; endpoints add and leave out what they like."""

    choices: list[_Choice]
    usage: _Usage | None = None


class LanguageModels:
    """Asks models, once for each question; repeating is Temporal's business."""

    def __init__(self, client: httpx.AsyncClient, endpoint: ModelEndpoint | None) -> None:
        """Borrow a client that bounds answers; whoever made it closes it.

        Args:
            client: Lets the endpoint through, which the operator chose.
            endpoint: None if the platform has no models.
        """
        self._endpoint = endpoint
        self._openai = None if endpoint is None else openai_client(client, endpoint)

    async def ask(
        self, question: Question, *, worker: str | None, effect_key: str, seconds: float
    ) -> Reply:
        """Return the model's answer.

        Args:
            worker: Name of a model; None for the first.

        Raises:
            TaskFailedError: ``ModelNotConfigured``, ``UnknownModel``, ``ModelRefused``,
                ``ModelRequestRefused`` and ``ModelAuthenticationFailed`` are final;
                ``InvalidAnswer``, ``ModelUnavailable``, ``Timeout`` and what the client says of
                connections are worth a retry.
        """
        endpoint = self._endpoint
        if endpoint is None or self._openai is None:
            raise TaskFailedError(
                "no model is configured: set PERDURE_LLM_BASE_URL", type="ModelNotConfigured"
            )
        model = worker or endpoint.models[0]
        if model not in endpoint.models:
            raise TaskFailedError(f"there is no model {model!r}", type="UnknownModel")
        try:
            async with asyncio.timeout(seconds):
                raw = await self._openai.chat.completions.with_raw_response.create(
                    model=model,
                    messages=[
                        {"role": "system", "content": question.task},
                        {"role": "user", "content": question.material},
                    ],
                    response_format=response_format(question.answer),
                    extra_headers={**left_out(endpoint), "Idempotency-Key": effect_key},
                )
        except TimeoutError:
            raise TaskFailedError(
                f"{model} did not answer within {seconds:g} s", type="Timeout", retryable=True
            ) from None
        except (openai.OpenAIError, httpx.HTTPError, *NETWORK_ERRORS) as error:
            raise model_failure(endpoint, model, error) from None
        return _reply(model, question, raw.text)


def _reply(model: str, question: Question, text: str) -> Reply:
    """Read an answer; ``InvalidAnswer`` for whatever does not fit."""
    try:
        completion = _Completion.model_validate_json(text)
        choice = completion.choices[0]
    except (ValidationError, IndexError):
        raise _invalid(model, "the endpoint sent no chat completion") from None
    if choice.message.refusal or choice.finish_reason == "content_filter":
        said = " ".join((choice.message.refusal or "content filter").split())[:SHOWN_CHARS]
        raise TaskFailedError(f"{model} refused: {said}", type="ModelRefused")
    if choice.finish_reason == "length":
        raise _invalid(model, "the answer was cut short")
    value = completed(value_of(model, choice.message.content or ""), question.answer)
    usage = completion.usage or _Usage()
    return Reply(value, model, usage.prompt_tokens, usage.completion_tokens)


def _invalid(model: str, reason: str) -> TaskFailedError:
    return TaskFailedError(f"{model}: {reason}", type="InvalidAnswer", retryable=True)
