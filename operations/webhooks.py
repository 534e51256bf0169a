"""Posts that start flows.

Source: docs/api.md, "Webhooks that start flows".
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from pydantic import JsonValue

from flows.errors import (
    ConflictError,
    CredentialNotFoundError,
    EncryptionKeyMissingError,
    InvalidDefinitionError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)
from flows.executors.webhook_receive import WEBHOOK_RECEIVE
from operations.executions import Executions
from operations.triggers import Trigger, Triggers
from operations.vault import Vault
from store.models import ExecutionRecord

SIGNATURE_PREFIX = "sha256="


@dataclass(frozen=True, slots=True)
class Webhook:
    """One task that a post can fire."""

    trigger: Trigger
    secret: str | None

    def require_signature(self, body: bytes, signature: str | None) -> None:
        """Refuse a body whose sender does not know the task's secret, if it has one.

        Raises:
            UnauthenticatedError: The signature is missing, or not this body's.
        """
        if self.secret is None:
            return
        expected = SIGNATURE_PREFIX + hmac.new(self.secret.encode(), body, sha256).hexdigest()
        given = (signature or "").strip().lower().encode("utf-8", "replace")
        if not hmac.compare_digest(expected.encode(), given):
            raise UnauthenticatedError("the signature is missing or does not fit the body")


class Webhooks:
    """Receives posts on behalf of flows."""

    def __init__(self, triggers: Triggers, executions: Executions, vault: Vault) -> None:
        """Borrow everything."""
        self._vault = vault
        self._triggers = triggers
        self._executions = executions

    async def find(self, flow_id: str, task_name: str) -> Webhook:
        """Return the task that a URL means.

        Raises:
            NotFoundError: None, for whatever reason.
            ConflictError: Its secret cannot be opened; why is none of the sender's business.
        """
        trigger = await self._triggers.find(flow_id, task_name, WEBHOOK_RECEIVE.name)
        if trigger is None:
            raise NotFoundError("no such webhook")
        secret = trigger.task.parameters.get("secret")
        if not isinstance(secret, str):
            return Webhook(trigger, None)
        flow = trigger.flow
        try:
            return Webhook(
                trigger, await self._vault.open_text(flow.organization_id, flow.id, secret)
            )
        except (CredentialNotFoundError, EncryptionKeyMissingError):
            raise ConflictError("the flow cannot run as it is") from None

    async def start(
        self, webhook: Webhook, posted: JsonValue, delivery_id: str | None
    ) -> ExecutionRecord:
        """Record an execution on what was posted, and ask for its start.

        Args:
            delivery_id: The sender's name for this delivery; within 24 hours the same one with the
                same object gives the same execution.

        Raises:
            InvalidError: It is no object, or does not fit the task's fields.
            ConflictError: The flow cannot run as it is; why is none of the sender's business.
            IdempotencyConflictError: Another object came under this delivery id.
        """
        if not isinstance(posted, dict):
            raise InvalidError("a post must be a JSON object")
        trigger = webhook.trigger
        key = None
        if delivery_id is not None:
            # No header can hold this separator, so no caller's own key is ever the same.
            key = "\x1f".join(("webhook", trigger.flow.id, trigger.task.name, delivery_id))
        try:
            return await self._executions.create(
                trigger.caller,
                trigger.flow.id,
                posted,
                input_task_name=trigger.task.name,
                idempotency_key=key,
            )
        except InvalidDefinitionError:
            raise ConflictError("the flow cannot run as it is") from None


def webhook_url(public_url: str | None, flow_id: str, task_name: str) -> str:
    """Return where a task is posted to; a path alone where nobody said how we are reached."""
    path = f"/api/webhooks/{flow_id}/{quote(task_name, safe='')}"
    return f"{(public_url or '').rstrip('/')}{path}"
