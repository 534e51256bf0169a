"""Asks a node's model, and checks what it answers.

Source: docs/workflow-language.md, "Models"; docs/decisions/0049-models-of-nodes.md.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from temporalio import activity

from activities.chat import ChatModels
from activities.chat_answers import Called, Completion
from activities.heartbeats import heartbeats
from activities.interactive import OpenSecrets
from activities.json_values import NotJsonError, parse_json
from activities.model_answers import completed, value_of
from activities.redaction import Redactor
from activities.speech import Say, Speech
from contracts.names import ASK_MODEL
from contracts.runs import RunModelCall
from dialogs.effects import Function, FunctionCall, ModelCall, ModelReply
from dialogs.events import JsonObject, LlmUsageInfo
from flows.errors import (
    CredentialNotFoundError,
    EncryptionKeyMissingError,
    SealBrokenError,
    TaskFailedError,
)
from flows.json_schemas import first_fault
from flows.secrets import sealed_in
from operations.vault import Vault

_SHOWN_CHARS = 300


class RunModelActivities:
    """Asks models on behalf of nodes."""

    def __init__(
        self, models: ChatModels, vault: Vault, open_secrets: OpenSecrets, speech: Speech
    ) -> None:
        """Borrow everything."""
        self._speech = speech
        self._models = models
        self._vault = vault
        self._open_secrets = open_secrets

    @activity.defn(name=ASK_MODEL)
    async def ask_model(self, call: RunModelCall) -> ModelReply:
        """Ask once; secrets are opened here, and taken out of whatever comes back.

        Raises:
            TaskFailedError: As ``ChatModels.ask`` says; besides ``UnknownCredential`` and
                ``SecretUnreadable``, both final.
        """
        async with heartbeats():
            secrets = await self._open_secrets(call.organization_id, call.call.secrets)
            key = await self._key(call, secrets)
            asked = opened(call.call, secrets, key)
            redactor = Redactor([*secrets.values(), *([key] if key else [])])
            try:
                return await self._ask(call, asked, redactor)
            except TaskFailedError as error:
                error.message = redactor.message(error.message)
                error.args = (error.message,)
                raise

    async def _ask(self, call: RunModelCall, asked: ModelCall, redactor: Redactor) -> ModelReply:
        where = self._models.asked(asked.config)
        clock = asyncio.get_running_loop()
        begun = clock.time()
        async with self._heard(call, redactor) as say:
            completion = await self._models.ask(
                where, asked, effect_key=call.effect_key, on_text=say
            )
        took = (clock.time() - begun) * 1000
        usage = _usage(asked, completion, where.model, took)
        reply = checked(asked, completion).model_copy(update={"usage": usage})
        return redacted(reply, redactor)

    @asynccontextmanager
    async def _heard(self, call: RunModelCall, redactor: Redactor) -> AsyncIterator[Say]:
        """Yield what takes each piece of an answer, for whoever listens to the run."""
        if call.spoken_at is None:
            yield _unheard
            return
        async with self._speech.shown(call.spoken_at, activity.info().attempt) as say:
            stream = redactor.stream()
            yield lambda text: say(stream.text(text))
            say(stream.rest())

    async def _key(self, call: RunModelCall, secrets: Mapping[str, str]) -> str:
        """Return the key in the clear; empty without one.

        Raises:
            TaskFailedError: ``UnknownCredential`` and ``SecretUnreadable``, both final.
        """
        config = call.call.config
        reference = config.api_key.removeprefix("{{").removesuffix("}}")
        if sealed_in(reference) is None:
            return _in_clear(config.api_key, secrets)
        workflow_id = config.sealed_for or call.workflow_id
        try:
            found = await self._vault.open(call.organization_id, workflow_id, {reference})
        except CredentialNotFoundError:
            raise TaskFailedError(
                "the key of the model's configuration is gone", type="UnknownCredential"
            ) from None
        except (EncryptionKeyMissingError, SealBrokenError) as error:
            raise TaskFailedError(error.message, type="SecretUnreadable") from None
        return found[reference]


def _unheard(text: str) -> None:
    """Take a piece that nobody is to hear before the whole."""


def opened(call: ModelCall, secrets: Mapping[str, str], key: str) -> ModelCall:
    """Return a call with its key, and with secrets in the places of their marks."""
    config = call.config.model_copy(
        update={
            "api_key": key,
            "base_url": _in_clear(call.config.base_url, secrets),
            "default_headers": {
                name: _in_clear(value, secrets)
                for name, value in call.config.default_headers.items()
            },
        }
    )
    messages = tuple(
        each.model_copy(update={"content": _in_clear(each.content, secrets)})
        for each in call.messages
    )
    return call.model_copy(update={"config": config, "messages": messages})


def checked(call: ModelCall, completion: Completion) -> ModelReply:
    """Return an answer as the node gets it: read, and held against what was asked for."""
    schemas = {each.name: each for each in call.functions}
    calls = tuple(_checked_call(each, schemas.get(each.name)) for each in completion.calls)
    value: JsonObject = {}
    fault = None
    if call.answer_schema is not None and not calls:
        try:
            value = completed(value_of("the model", completion.content), call.answer_schema)
        except TaskFailedError as error:
            fault = error.message
        except ValueError as error:  # the author's schema is none
            fault = f"the schema cannot be used: {error}"[:_SHOWN_CHARS]
    return ModelReply(content=completion.content, calls=calls, value=value, fault=fault)


def redacted(reply: ModelReply, redactor: Redactor) -> ModelReply:
    """Return an answer without what a model repeats of secrets."""
    calls = tuple(
        call.model_copy(
            update={
                "id": redactor.text(call.id),
                "name": redactor.text(call.name),
                "written": redactor.text(call.written),
                "arguments": redactor.value(call.arguments),
                "fault": None if call.fault is None else redactor.message(call.fault),
            }
        )
        for call in reply.calls
    )
    return reply.model_copy(
        update={
            "content": redactor.text(reply.content),
            "calls": calls,
            "value": redactor.value(reply.value),
            "fault": None if reply.fault is None else redactor.message(reply.fault),
            "usage": LlmUsageInfo.model_validate(
                redactor.value(reply.usage.model_dump(mode="json"))
            ),
        }
    )


def _checked_call(called: Called, function: Function | None) -> FunctionCall:
    """Return a call with its arguments read, or what is wrong with them."""
    call = FunctionCall(id=called.id, name=called.name, written=called.arguments or "{}")
    if function is None:
        return call
    try:
        arguments = parse_json(call.written)
        fault = first_fault(function.parameters, arguments, "the arguments")
    except (NotJsonError, ValueError) as error:
        return call.model_copy(update={"fault": str(error)[:_SHOWN_CHARS]})
    if fault is not None:
        return call.model_copy(update={"fault": fault[:_SHOWN_CHARS]})
    return call.model_copy(update={"arguments": arguments})


def _usage(
    call: ModelCall, completion: Completion, model: str, milliseconds: float
) -> LlmUsageInfo:
    reason = completion.finish_reason
    return LlmUsageInfo(
        response_model=completion.model or model,
        provider=call.config.provider or call.config.type,
        llm_response_id=completion.id,
        finish_reason=None if reason is None else (reason,),
        response_latency_milliseconds=round(milliseconds, 3),
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        total_tokens=completion.total_tokens,
        was_streamed=call.config.streaming,
    )


def _in_clear(text: str, secrets: Mapping[str, str]) -> str:
    for mark, value in secrets.items():
        text = text.replace(mark, value)
    return text
