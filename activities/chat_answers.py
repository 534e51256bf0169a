"""What a model answered in a conversation: whole, or put together from pieces.

Endpoints add and leave out what they like; only what is needed is read.

Source: docs/workflow-language.md, "Models".
"""

import json
from dataclasses import dataclass, field

from pydantic import BaseModel, Field, JsonValue, ValidationError, field_validator

from flows.errors import TaskFailedError

MAX_ANSWER_CHARS = 256 * 1024
"""Of text and of arguments: what a run remembers it carries from history to history."""


@dataclass(frozen=True, slots=True)
class Called:
    """A function that a model calls, with the arguments as it wrote them."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer."""

    content: str = ""
    calls: tuple[Called, ...] = ()
    finish_reason: str | None = None
    id: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Function(BaseModel):
    name: str | None = None
    arguments: str | None = None

    @field_validator("arguments", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """Take arguments as an object, too: some endpoints send them read."""
        return json.dumps(value) if isinstance(value, dict) else value


class _ToolCall(BaseModel):
    index: int | None = None
    id: str | None = None
    function: _Function = _Function()


class _Message(BaseModel):
    content: str | list[JsonValue] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None

    @property
    def text(self) -> str:
        """Return what it says; of several parts those that are text."""
        if not isinstance(self.content, list):
            return self.content or ""
        texts = [part.get("text") if isinstance(part, dict) else part for part in self.content]
        return "".join(text for text in texts if isinstance(text, str))


class _Choice(BaseModel):
    message: _Message = _Message()
    delta: _Message | None = None
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(BaseModel):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] = Field(default_factory=list)
    usage: _Usage | None = None

    @field_validator("choices", mode="before")
    @classmethod
    def _none_is_empty(cls, value: object) -> object:
        return [] if value is None else value


def read_completion(model: str, text: str, unwrap: str = "") -> Completion:
    """Return a whole answer.

    Args:
        unwrap: Key under which a gateway wraps the answer; empty if it does not.

    Raises:
        TaskFailedError: ``InvalidAnswer``, worth a retry: it is none. ``ModelRefused``, final.
    """
    try:
        value = json.loads(text)
        answer = _Answer.model_validate(value.get(unwrap) if unwrap else value)
        choice = answer.choices[0]
    except (ValueError, ValidationError, IndexError, AttributeError, RecursionError):
        raise _invalid(model, "the endpoint sent no chat completion") from None
    calls = [
        Called(call.id or f"call_{number}", call.function.name or "", call.function.arguments or "")
        for number, call in enumerate(choice.message.tool_calls or [])
    ]
    return _completion(model, answer, choice.message, calls, choice.finish_reason)


@dataclass(slots=True)
class Pieces:
    """Puts an answer together that comes in pieces."""

    model: str
    _answer: _Answer = field(default_factory=_Answer)
    _texts: list[str] = field(default_factory=list)
    _refusals: list[str] = field(default_factory=list)
    _calls: dict[int, Called] = field(default_factory=dict)
    _finish_reason: str | None = None

    def add(self, piece: JsonValue) -> str:
        """Take the next piece; returns its text.

        Raises:
            TaskFailedError: ``InvalidAnswer``, worth a retry: it is none.
        """
        try:
            read = _Answer.model_validate(piece)
        except ValidationError:
            raise _invalid(self.model, "the endpoint sent no chat completion") from None
        held = self._answer
        held.id, held.model = held.id or read.id, held.model or read.model
        held.usage = read.usage or held.usage
        if not read.choices:
            return ""
        choice = read.choices[0]
        delta = choice.delta or choice.message
        self._finish_reason = choice.finish_reason or self._finish_reason
        self._texts.append(delta.text)
        self._refusals.append(delta.refusal or "")
        for number, call in enumerate(delta.tool_calls or []):
            self._add_call(number if call.index is None else call.index, call)
        return delta.text

    def whole(self) -> Completion:
        """Return the answer.

        Raises:
            TaskFailedError: ``ConnectionFailed``, worth a retry: it was cut short.
        """
        if self._finish_reason is None:
            raise TaskFailedError(
                f"the answer of {self.model} broke off", type="ConnectionFailed", retryable=True
            )
        calls = [self._calls[index] for index in sorted(self._calls)]
        message = _Message(content="".join(self._texts), refusal="".join(self._refusals))
        return _completion(self.model, self._answer, message, calls, self._finish_reason)

    def _add_call(self, index: int, call: _ToolCall) -> None:
        held = self._calls.get(index, Called(f"call_{index}", "", ""))
        self._calls[index] = Called(
            call.id or held.id,
            held.name or call.function.name or "",
            held.arguments + (call.function.arguments or ""),
        )


def _completion(
    model: str, answer: _Answer, message: _Message, calls: list[Called], finish_reason: str | None
) -> Completion:
    if message.refusal or finish_reason == "content_filter":
        said = " ".join((message.refusal or "content filter").split())[:300]
        raise TaskFailedError(f"{model} refused: {said}", type="ModelRefused")
    size = len(message.text) + sum(len(call.arguments) for call in calls)
    if size > MAX_ANSWER_CHARS:
        raise TaskFailedError(
            f"{model} answered with more than {MAX_ANSWER_CHARS} characters",
            type="ResponseTooLarge",
        )
    usage = answer.usage or _Usage()
    known = [usage.prompt_tokens, usage.completion_tokens]
    total = sum(each or 0 for each in known) if any(each is not None for each in known) else None
    return Completion(
        content=message.text,
        calls=tuple(calls),
        finish_reason=finish_reason,
        id=answer.id,
        model=answer.model,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens if usage.total_tokens is not None else total,
    )


def _invalid(model: str, reason: str) -> TaskFailedError:
    return TaskFailedError(f"{model}: {reason}", type="InvalidAnswer", retryable=True)
