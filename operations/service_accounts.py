"""Use cases of service accounts and their keys.

Source: docs/api.md, "Service accounts"; docs/decisions/0041-service-accounts.md.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from operations.caller import Caller, Role
from store.accounts import AccountRepository
from store.models import ApiKey, ServiceAccount
from store.service_accounts import ServiceAccountRepository

GrantableRole = Literal[
    Role.ORG_ADMIN, Role.APP_USER, Role.WORKER, Role.PUBLISHER, Role.INTEGRATION
]
"""``backoffice`` reaches beyond the organization, so nobody inside it can hand it out."""

DEFAULT_ROLE: Final = Role.APP_USER

logger = logging.getLogger(__name__)


class ServiceAccounts:
    """What administrators may do with the machine identities of their organization.

    Every method raises ForbiddenError for any role but ``org_admin``, and
    ServiceAccountNotFoundError for an account that does not exist or is another organization's.
    """

    def __init__(self, accounts: AccountRepository, looked_after: ServiceAccountRepository) -> None:
        """Borrow who makes accounts and keys, and who reads and changes them."""
        self._makes = accounts
        self._accounts = looked_after

    async def create(
        self,
        caller: Caller,
        name: str,
        *,
        description: str | None = None,
        role: GrantableRole = DEFAULT_ROLE,
    ) -> ServiceAccount:
        """Make an account, active and without a key."""
        _require_admin(caller)
        account = await self._makes.create_service_account(
            caller.organization_id,
            name,
            role=role.value,
            description=description,
            modified_by=caller.modified_by,
        )
        _log(caller, "service account created", service_account_id=account.id, role=account.role)
        return account

    async def list(self, caller: Caller, *, offset: int, limit: int) -> Sequence[ServiceAccount]:
        """Return the organization's accounts, newest first."""
        _require_admin(caller)
        return await self._accounts.list(caller.organization_id, offset=offset, limit=limit)

    async def get(self, caller: Caller, service_account_id: str) -> ServiceAccount:
        """Return one account."""
        _require_admin(caller)
        return await self._accounts.get(caller.organization_id, service_account_id)

    async def change(
        self, caller: Caller, service_account_id: str, changes: Mapping[str, str | bool | None]
    ) -> ServiceAccount:
        """Change some of ``name``, ``description``, ``role`` and ``is_active``.

        Its keys allow what it says from the next request on.
        """
        _require_admin(caller)
        account = await self._accounts.change(
            caller.organization_id, service_account_id, changes, caller.modified_by
        )
        changed: list[str] = sorted(changes)
        _log(caller, "service account changed", service_account_id=account.id, changed=changed)
        return account

    async def delete(self, caller: Caller, service_account_id: str) -> None:
        """Remove an account with all of its keys for good."""
        _require_admin(caller)
        await self._accounts.delete(caller.organization_id, service_account_id)
        _log(caller, "service account deleted", service_account_id=service_account_id)

    async def create_key(
        self, caller: Caller, service_account_id: str, name: str, description: str | None
    ) -> tuple[ApiKey, str]:
        """Make a key; its token is returned here and never again."""
        _require_admin(caller)
        key, token = await self._makes.create_key(
            caller.organization_id,
            service_account_id,
            name,
            description=description,
            modified_by=caller.modified_by,
        )
        _log(caller, "key created", service_account_id=service_account_id, api_key_id=key.id)
        return key, token

    async def keys(
        self, caller: Caller, service_account_id: str, *, offset: int, limit: int
    ) -> Sequence[ApiKey]:
        """Return an account's keys, newest first, without those that were deleted."""
        await self.get(caller, service_account_id)
        return await self._accounts.keys(
            caller.organization_id, service_account_id, offset=offset, limit=limit
        )

    async def change_key(
        self,
        caller: Caller,
        service_account_id: str,
        api_key_id: str,
        changes: Mapping[str, str | None],
    ) -> ApiKey:
        """Change ``name`` and ``description`` of a key.

        Raises:
            ApiKeyNotFoundError: The account has no such key, or no longer.
        """
        await self.get(caller, service_account_id)
        return await self._accounts.change_key(
            caller.organization_id, service_account_id, api_key_id, changes, caller.modified_by
        )

    async def delete_key(self, caller: Caller, service_account_id: str, api_key_id: str) -> None:
        """Hide a key for good; it is refused from the next request on.

        Raises:
            ApiKeyNotFoundError: The account has no such key, or no longer.
        """
        await self.get(caller, service_account_id)
        await self._accounts.delete_key(
            caller.organization_id, service_account_id, api_key_id, caller.modified_by
        )
        _log(caller, "key deleted", service_account_id=service_account_id, api_key_id=api_key_id)


def _require_admin(caller: Caller) -> None:
    caller.require_exactly(Role.ORG_ADMIN, "look after service accounts")


def _log(caller: Caller, message: str, **facts: object) -> None:
    of_caller = {"organization_id": caller.organization_id, "user_id": caller.user_id}
    logger.info(message, extra={**of_caller, **facts})
