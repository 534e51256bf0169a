"""Questions to language models behind one OpenAI-compatible endpoint.

Source: docs/decisions/0016-language-models.md.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import openai
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import BaseModel, JsonValue, ValidationError

from activities.exchange import NETWORK_ERRORS
from activities.model_answers import completed, strict_schema, value_of
from activities.retry_after import retry_after
from flows.errors import TaskFailedError
from flows.executors.spec import JsonSchema

_SHOWN_CHARS = 300
_BUSY = frozenset({408, 409, 429})
# The library takes these from the environment; they are not meant for the configured endpoint.
_NOT_OURS = ("OpenAI-Organization", "OpenAI-Project")


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """Where models answer.

    Attributes:
        base_url: Up to and including the version, e.g. ``https://models.example/v1``.
        models: Names that tasks may use; the first is used where a task names none.
        headers: Sent with every request, e.g. a key in a header of the operator's gateway.
    """

    base_url: str
    models: tuple[str, ...]
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def without_secrets(self, text: str) -> str:
        """Return what the endpoint said without what we told it."""
        for secret in filter(None, (self.api_key, *self.headers.values())):
            text = text.replace(secret, "********")
        return text


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
        self._openai = None if endpoint is None else _openai_client(client, endpoint)

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
                    response_format=_response_format(question.answer),
                    extra_headers={**_headers(endpoint), "Idempotency-Key": effect_key},
                )
        except TimeoutError:
            raise TaskFailedError(
                f"{model} did not answer within {seconds:g} s", type="Timeout", retryable=True
            ) from None
        except (openai.OpenAIError, httpx.HTTPError, *NETWORK_ERRORS) as error:
            raise _failure(endpoint, model, error) from None
        return _reply(model, question, raw.text)


def _openai_client(client: httpx.AsyncClient, endpoint: ModelEndpoint) -> openai.AsyncOpenAI:
    """Return the library's client over ours, without retries and its own environment."""
    return openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "none",
        max_retries=0,
        timeout=None,
        default_headers=endpoint.headers,
        http_client=client,  # type: ignore[arg-type]  # takes a client of httpx, says its code
    )


def _headers(endpoint: ModelEndpoint) -> dict[str, str | openai.Omit]:
    """Return what of the library's own headers is left out of a request."""
    configured = {name.lower() for name in endpoint.headers}
    needless = [*_NOT_OURS, *(["Authorization"] if endpoint.api_key is None else [])]
    return {name: openai.omit for name in needless if name.lower() not in configured}


def _response_format(answer: JsonSchema) -> ResponseFormatJSONSchema:
    """Return how the answer is asked for: strictly, where the schema can be enforced."""
    schema = strict_schema(answer)
    return {
        "type": "json_schema",
        "json_schema": {
            "name": "answer",
            "strict": schema is not None,
            "schema": {**(schema or answer)},
        },
    }


def _reply(model: str, question: Question, text: str) -> Reply:
    """Read an answer; ``InvalidAnswer`` for whatever does not fit."""
    try:
        completion = _Completion.model_validate_json(text)
        choice = completion.choices[0]
    except (ValidationError, IndexError):
        raise _invalid(model, "the endpoint sent no chat completion") from None
    if choice.message.refusal or choice.finish_reason == "content_filter":
        said = " ".join((choice.message.refusal or "content filter").split())[:_SHOWN_CHARS]
        raise TaskFailedError(f"{model} refused: {said}", type="ModelRefused")
    if choice.finish_reason == "length":
        raise _invalid(model, "the answer was cut short")
    value = completed(value_of(model, choice.message.content or ""), question.answer)
    usage = completion.usage or _Usage()
    return Reply(value, model, usage.prompt_tokens, usage.completion_tokens)


def _invalid(model: str, reason: str) -> TaskFailedError:
    return TaskFailedError(f"{model}: {reason}", type="InvalidAnswer", retryable=True)


def _failure(endpoint: ModelEndpoint, model: str, error: Exception) -> TaskFailedError:
    """Return what went wrong; what an endpoint says of a key, or repeats of it, is left out."""
    if isinstance(error, openai.APIStatusError):
        return _refused(endpoint, model, error)
    cause = error.__cause__ or error
    if isinstance(cause, TaskFailedError):
        return cause
    reason = endpoint.without_secrets(str(cause)) or type(cause).__name__
    return TaskFailedError(
        f"the request to {model} failed: {reason[:_SHOWN_CHARS]}",
        type="ConnectionFailed",
        retryable=True,
    )


def _refused(endpoint: ModelEndpoint, model: str, error: openai.APIStatusError) -> TaskFailedError:
    """Return the failure that a status is."""
    status = error.status_code
    if status in {401, 403}:
        return TaskFailedError(
            f"the endpoint of {model} refused the platform's key with {status}",
            type="ModelAuthenticationFailed",
            status_code=status,
        )
    if status in _BUSY or not 300 <= status < 500:
        return TaskFailedError(
            f"the endpoint of {model} answered {status}",
            type="ModelUnavailable",
            retryable=True,
            retry_after=retry_after(dict(error.response.headers.items())),
            status_code=status,
        )
    said = " ".join(endpoint.without_secrets(error.message).split())[:_SHOWN_CHARS]
    return TaskFailedError(
        f"the endpoint of {model} answered {status}: {said}",
        type="ModelRequestRefused",
        status_code=status,
    )
