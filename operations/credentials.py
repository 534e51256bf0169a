"""Use cases of credentials: named secrets of an organization, which flows refer to.

Source: docs/secrets.md, "Credentials"; docs/permissions.md.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from flows.errors import InvalidError
from flows.secrets import MASK
from operations.caller import Caller, Role
from operations.vault import Vault
from store.clock import now
from store.credentials import CredentialEvent, CredentialRecord, CredentialRepository

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """What an administrator sends to create a credential."""

    name: str
    value: str
    kind: str | None = None
    description: str | None = None


class Credentials:
    """What callers may do with credentials; nobody is ever told a value.

    Unless said otherwise every method raises ForbiddenError for too low a role, and
    CredentialNotFoundError for a credential that does not exist or is another organization's.
    """

    def __init__(self, credentials: CredentialRepository, vault: Vault) -> None:
        """Borrow everything."""
        self._credentials = credentials
        self._vault = vault

    async def create(self, caller: Caller, new: NewCredential) -> CredentialRecord:
        """Store a credential.

        Raises:
            DuplicateCredentialError: The organization has one of this name.
            EncryptionKeyMissingError: No key is configured.
            InvalidError: The value is the mask, which stands for a value that is stored.
        """
        caller.require(Role.ORG_ADMIN, "create credentials")
        if new.value == MASK:
            raise InvalidError(f"'{MASK}' stands for a stored value, and there is none yet")
        at, credential_id = now(), str(uuid4())
        record = CredentialRecord(
            id=credential_id,
            organization_id=caller.organization_id,
            name=new.name,
            kind=new.kind,
            description=new.description,
            sealed=self._vault.seal_credential(caller.organization_id, credential_id, new.value),
            created_at=at,
            updated_at=at,
            created_by=caller.user_id,
            modified_by=caller.user_id,
        )
        await self._credentials.create(record)
        _log(caller, credential_id, "created")
        return record

    async def list(self, caller: Caller) -> Sequence[CredentialRecord]:
        """Return the organization's credentials by name."""
        caller.require(Role.PUBLISHER, "see credentials")
        return await self._credentials.list(caller.organization_id)

    async def get(self, caller: Caller, credential_id: str) -> CredentialRecord:
        """Return one credential."""
        caller.require(Role.PUBLISHER, "see credentials")
        return await self._credentials.get(caller.organization_id, credential_id)

    async def patch(
        self, caller: Caller, credential_id: str, changes: Mapping[str, str | None]
    ) -> CredentialRecord:
        """Change a credential; an absent key stays, and so does a value sent as the mask.

        Every task that opens it from now on gets the new value, or misses the old name.

        Raises:
            InvalidError: Null where a value is needed.
            DuplicateCredentialError: The organization has another one of the new name.
            EncryptionKeyMissingError: No key is configured.
        """
        caller.require(Role.ORG_ADMIN, "change credentials")
        for key in ("name", "value"):
            if key in changes and changes[key] is None:
                raise InvalidError(f"{key} cannot be null")
        known: dict[str, str | bytes | None] = {
            key: changes[key] for key in ("name", "kind", "description") if key in changes
        }
        value = changes.get("value")
        if value is not None and value != MASK:
            known["sealed"] = self._vault.seal_credential(
                caller.organization_id, credential_id, value
            )
        if not known:
            return await self._credentials.get(caller.organization_id, credential_id)
        record = await self._credentials.patch(
            caller.organization_id, credential_id, known, caller.user_id
        )
        _log(caller, credential_id, "changed")
        return record

    async def delete(self, caller: Caller, credential_id: str) -> None:
        """Remove a credential and its value for good; tasks that refer to it fail from now on."""
        caller.require(Role.ORG_ADMIN, "delete credentials")
        await self._credentials.delete(caller.organization_id, credential_id, caller.user_id)
        _log(caller, credential_id, "deleted")

    async def events(self, caller: Caller) -> Sequence[CredentialEvent]:
        """Return who changed credentials, newest first; the latest 1,000."""
        caller.require(Role.ORG_ADMIN, "see who changed credentials")
        return await self._credentials.events(caller.organization_id)


def _log(caller: Caller, credential_id: str, action: str) -> None:
    logger.info(
        "credential %s",
        action,
        extra={
            "organization_id": caller.organization_id,
            "credential_id": credential_id,
            "user_id": caller.user_id,
        },
    )
