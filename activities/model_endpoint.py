"""An endpoint that speaks OpenAI's protocol: how it is reached, and what its failures mean.

Source: docs/decisions/0016-language-models.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import openai
from openai.types.shared_params import ResponseFormatJSONSchema

from activities.model_answers import strict_schema
from activities.retry_after import retry_after
from flows.errors import TaskFailedError
from flows.executors.spec import JsonSchema

SHOWN_CHARS = 300
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


def openai_client(client: httpx.AsyncClient, endpoint: ModelEndpoint) -> openai.AsyncOpenAI:
    """Return the library's client over ours, without retries and its own environment."""
    return openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "none",
        max_retries=0,
        timeout=None,
        default_headers=endpoint.headers,
        http_client=client,  # type: ignore[arg-type]  # takes a client of httpx, says its code
    )


def left_out(endpoint: ModelEndpoint) -> dict[str, str | openai.Omit]:
    """Return what of the library's own headers is left out of a request."""
    configured = {name.lower() for name in endpoint.headers}
    needless = [*_NOT_OURS, *(["Authorization"] if endpoint.api_key is None else [])]
    return {name: openai.omit for name in needless if name.lower() not in configured}


def response_format(answer: JsonSchema) -> ResponseFormatJSONSchema:
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


def model_failure(endpoint: ModelEndpoint, model: str, error: Exception) -> TaskFailedError:
    """Return what went wrong; what an endpoint says of a key, or repeats of it, is left out."""
    if isinstance(error, openai.APIStatusError):
        return _refused(endpoint, model, error)
    cause = error.__cause__ or error
    if isinstance(cause, TaskFailedError):
        return cause
    reason = endpoint.without_secrets(str(cause)) or type(cause).__name__
    return TaskFailedError(
        f"the request to {model} failed: {reason[:SHOWN_CHARS]}",
        type="ConnectionFailed",
        retryable=True,
    )


def _refused(endpoint: ModelEndpoint, model: str, error: openai.APIStatusError) -> TaskFailedError:
    """Return the failure that a status is."""
    status = error.status_code
    if status in {401, 403}:
        return TaskFailedError(
            f"the endpoint of {model} refused the key with {status}",
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
    said = " ".join(endpoint.without_secrets(error.message).split())[:SHOWN_CHARS]
    return TaskFailedError(
        f"the endpoint of {model} answered {status}: {said}",
        type="ModelRequestRefused",
        status_code=status,
    )
