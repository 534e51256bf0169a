"""Messages that start flows.

Source: docs/task-executors.md, "receive_email"; docs/decisions/0028-mail-that-starts-flows.md.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import JsonValue

from flows.errors import (
    ConflictError,
    FileStoredError,
    InvalidDefinitionError,
    InvalidError,
    NotFoundError,
)
from flows.executors.catalogue import executor_named
from flows.executors.receive_email import RECEIVE_EMAIL, canonical_address, mail_parameters
from flows.model import Flow
from operations.executions import Executions
from operations.file_links import LINK_LIFETIME
from operations.files import FileContents
from operations.mail_messages import Attachment, MailMessage, read_message
from operations.triggers import Trigger, Triggers
from store.clock import now
from store.files import FileRepository
from store.mail_addresses import MailAddressRepository
from store.models import ExecutionRecord, FileRecord

logger = logging.getLogger(__name__)


class MailIntake:
    """Starts flows with messages. Whatever it does may be done again, with the same outcome."""

    def __init__(
        self,
        *,
        addresses: MailAddressRepository,
        triggers: Triggers,
        executions: Executions,
        files: FileRepository,
        contents: FileContents,
    ) -> None:
        """Borrow everything."""
        self._addresses = addresses
        self._triggers = triggers
        self._executions = executions
        self._files = files
        self._contents = contents

    async def receives(self, address: str) -> bool:
        """Return whether messages to an address start a flow at present."""
        return bool(await self._triggers_at(canonical_address(address)))

    async def take(self, address: str, raw: bytes) -> ExecutionRecord:
        """Record an execution on a message, and ask for its start.

        Within 24 hours the same message to the same address gives the same execution.

        Raises:
            NotFoundError: Nobody receives messages there, or no longer.
            InvalidError: It cannot be read, or the task's filters do not let it in.
            TooLargeError: It has too many parts, or too long a text.
            ConflictError: The flow cannot run as it is.
            IdempotencyConflictError: Another message had this ``Message-ID``.
            StoreUnavailableError: Nothing is known to be recorded.
        """
        recipient = canonical_address(address)
        message = await asyncio.to_thread(read_message, raw)
        triggers = await self._triggers_at(recipient)
        if not triggers:
            raise NotFoundError("nobody receives messages at this address")
        trigger = next((each for each in triggers if _lets_in(each, message)), None)
        if trigger is None:
            raise InvalidError("the flow does not take this message")
        attachments = [
            await self._kept(trigger, recipient, message, number, attachment)
            for number, attachment in enumerate(message.attachments)
        ]
        input: dict[str, JsonValue] = {
            "from": message.sender,
            "to": recipient,
            "subject": message.subject,
            "body": message.body,
            "attachments": attachments,
            "message_id": message.message_id,
        }
        # No header can hold this separator, so no caller's own key is ever the same.
        key = ("mail", trigger.flow.id, trigger.task.name, recipient, message.fingerprint)
        try:
            return await self._executions.create(
                trigger.caller,
                trigger.flow.id,
                input,
                input_task_name=trigger.task.name,
                idempotency_key="\x1f".join(key),
            )
        except InvalidDefinitionError as error:
            facts = {"flow_id": trigger.flow.id, "reason": error.message}
            logger.warning("a message came, but the flow cannot run", extra=facts)
            raise ConflictError("the flow cannot run as it is") from None

    async def _triggers_at(self, address: str) -> list[Trigger]:
        """Return the tasks that have an address, if they may be fired."""
        flow_id = await self._addresses.flow_at(address)
        if flow_id is None:
            return []
        found = await self._triggers.of_flow(flow_id, RECEIVE_EMAIL.name)
        return [each for each in found if _address_of(each.task.parameters) == address]

    async def _kept(
        self,
        trigger: Trigger,
        recipient: str,
        message: MailMessage,
        number: int,
        attachment: Attachment,
    ) -> JsonValue:
        """Store an attachment as a file, whose key follows from what it is; return its entry."""
        digest = hashlib.sha256(attachment.content).hexdigest()
        said = (trigger.flow.id, recipient, message.fingerprint, str(number), digest)
        key = str(uuid5(NAMESPACE_URL, "perdure:mail:" + "\x1f".join(said)))
        at = now()
        record = FileRecord(
            id=key,
            organization_id=trigger.flow.organization_id,
            flow_id=trigger.flow.id,
            filename=attachment.filename,
            content_type=attachment.mime_type,
            created_at=at,
            created_by=trigger.caller.modified_by,
            upload_until=at + LINK_LIFETIME,
        )
        await self._store(record, attachment.content, digest)
        return {
            "filename": attachment.filename,
            "mime_type": attachment.mime_type,
            "document_url": f"file:{key}",
            "size": len(attachment.content),
        }

    async def _store(self, record: FileRecord, content: bytes, digest: str) -> None:
        """Store a file, unless it is; what breaks off is left to the sweep."""
        content_id = uuid4().hex
        organization_id = record.organization_id
        await self._files.announce_again(record)
        try:
            await self._files.begin(organization_id, record.id, content_id)
        except FileStoredError:
            return
        await self._contents.write(content_id, _once(content))
        try:
            await self._files.complete(
                organization_id,
                record.id,
                content_id,
                content_type=record.content_type or "",
                size=len(content),
                sha256=digest,
            )
        except FileStoredError:
            await self._contents.delete(content_id)
            await self._files.forget_upload(organization_id, record.id, content_id)


def mail_addresses(flow: Flow) -> list[str]:
    """Return where a flow receives messages, each address once, without incomplete tasks."""
    found = (
        _address_of(task.parameters)
        for task in flow.tasks
        if (executor := executor_named(task.executor)) is not None
        and executor.name == RECEIVE_EMAIL.name
    )
    return [*dict.fromkeys(address for address in found if address is not None)]


def _address_of(parameters: dict[str, JsonValue]) -> str | None:
    valid = mail_parameters(parameters)
    return None if valid is None else canonical_address(valid.email_address)


def _lets_in(trigger: Trigger, message: MailMessage) -> bool:
    valid = mail_parameters(trigger.task.parameters)
    return valid is not None and valid.lets_in(message.sender, message.subject)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
