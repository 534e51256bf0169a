"""What interactive runs do to the outside: turns are written, services are called."""

import base64
from collections.abc import Awaitable, Callable, Mapping

import httpx
from temporalio import activity

from activities.exchange import Answer, exchange
from activities.heartbeats import heartbeats
from activities.redaction import Redactor
from activities.web_requests import encoded, request_headers, web_request
from contracts.names import CALL_SERVICE, RECORD_TURN, SHOW_EVENTS
from contracts.runs import (
    RecordTurnCall,
    RecordTurnReply,
    RunHttpCall,
    ShowEventsCall,
    ShowEventsReply,
)
from dialogs.effects import HttpCall, HttpReply
from flows.errors import (
    CredentialNotFoundError,
    EncryptionKeyMissingError,
    SealBrokenError,
    TaskFailedError,
)
from flows.secrets import credential_in
from operations.vault import Vault
from store.run_events import RunEventRepository
from store.turns import TurnRecorder

MAX_RESPONSE_BYTES = 1024 * 1024
"""What a run remembers it carries from history to history."""

OpenSecrets = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, str]]]
"""From an organization and the names of its secrets by mark to their values by mark."""


class RunRecordActivities:
    """Writes turns, and what is told in them; every call may be repeated."""

    def __init__(self, turns: TurnRecorder, events: RunEventRepository) -> None:
        """Borrow both."""
        self._turns = turns
        self._events = events

    @activity.defn(name=RECORD_TURN)
    async def record_turn(self, call: RecordTurnCall) -> RecordTurnReply:
        """Write a turn, and where its run stands."""
        await self._turns.record(call)
        return RecordTurnReply()

    @activity.defn(name=SHOW_EVENTS)
    async def show_events(self, call: ShowEventsCall) -> ShowEventsReply:
        """Show events of a turn that goes on."""
        await self._events.show(call)
        return ShowEventsReply()


class RunServiceActivities:
    """Calls outside services on behalf of nodes."""

    def __init__(self, client: httpx.AsyncClient, open_secrets: OpenSecrets) -> None:
        """Borrow a client that refuses private networks; whoever made it closes it."""
        self._client = client
        self._open_secrets = open_secrets

    @activity.defn(name=CALL_SERVICE)
    async def call_service(self, call: RunHttpCall) -> HttpReply:
        """Send a node's request once; whatever goes wrong is a reply, and the run goes on.

        Every attempt carries the same ``Idempotency-Key``.
        """
        wanted = call.call
        async with heartbeats():
            secrets: Mapping[str, str] = {}
            try:
                secrets = await self._open_secrets(call.organization_id, wanted.secrets)
                answer = await exchange(
                    self._client,
                    _request(self._client, call, secrets),
                    seconds=wanted.timeout_seconds,
                    max_bytes=MAX_RESPONSE_BYTES,
                )
            except TaskFailedError as error:
                return HttpReply(error=Redactor(secrets.values()).message(error.message))
        # What a service repeats of a secret must not become a variable of the run.
        redactor = Redactor(secrets.values())
        return HttpReply(status_code=answer.status_code, body=redactor.text(_body(wanted, answer)))


async def opened_marks(
    vault: Vault, organization_id: str, names: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the values of an organization's secrets by the marks that stand for them.

    Raises:
        TaskFailedError: ``UnknownCredential`` and ``SecretUnreadable``, both final.
        StoreUnavailableError: The store does not answer.
    """
    if not names:
        return {}
    try:
        wanted = set(names.values())
        credentials = {name for name in wanted if credential_in(name) is not None}
        texts = {
            **await vault.open(organization_id, "", credentials),
            **await vault.open_variables(organization_id, wanted - credentials),
        }
    except CredentialNotFoundError as error:
        raise TaskFailedError(error.message, type="UnknownCredential") from None
    except (EncryptionKeyMissingError, SealBrokenError) as error:
        raise TaskFailedError(error.message, type="SecretUnreadable") from None
    return {mark: texts[name] for mark, name in names.items()}


def _request(
    client: httpx.AsyncClient, call: RunHttpCall, secrets: Mapping[str, str]
) -> httpx.Request:
    """Build the request, with secrets in the places of their marks."""
    wanted = call.call

    def opened(text: str) -> str:
        for mark, value in secrets.items():
            text = text.replace(mark, value)
        return text

    headers = request_headers({name: opened(value) for name, value in wanted.headers.items()})
    headers.setdefault("idempotency-key", call.effect_key)
    content: bytes | None = None
    if wanted.form is not None:
        form = {name: (None, opened(value)) for name, value in wanted.form.items()}
        made = httpx.Request("POST", "http://form", files=form)
        content, headers["content-type"] = made.read(), made.headers["content-type"]
    elif wanted.body is not None:
        content = encoded(opened(wanted.body))
        if wanted.content_type is not None:
            headers.setdefault("content-type", wanted.content_type)
    query = [(name, opened(value)) for name, value in wanted.query]
    return web_request(
        client, wanted.method, opened(wanted.url), headers=headers, content=content, query=query
    )


def _body(wanted: HttpCall, answer: Answer) -> str:
    """Return the body as text, or in Base64 where the node wants bytes."""
    if wanted.is_binary:
        return base64.b64encode(answer.content).decode("ascii")
    try:
        return answer.content.decode(answer.encoding or "utf-8-sig", errors="replace")
    except LookupError:
        return answer.content.decode(errors="replace")
