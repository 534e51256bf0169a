"""Use cases of organizations: what their administrators decide about them.

Source: docs/api.md, "Organizations"; docs/permissions.md.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pydantic import JsonValue

from flows.errors import ForbiddenError, InvalidError, UnavailableError
from operations.access import OTHER_ORGANIZATION
from operations.caller import Caller, Role
from operations.periods import Period, current_period
from operations.promotion import Promotion
from store.clock import now
from store.models import Organization
from store.organizations import LIMIT, OrganizationRepository

HIGHEST_LIMIT = 10_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """What an organization may spend and has spent; nothing is metered, so all of it is 0."""

    organization_id: str
    period_end: date


class Organizations:
    """What callers may do with their organization."""

    def __init__(self, organizations: OrganizationRepository, promotion: Promotion) -> None:
        """Borrow both."""
        self._organizations = organizations
        self._promotion = promotion

    async def get(self, caller: Caller, organization_id: str) -> Organization:
        """Return the caller's organization.

        Raises:
            OrganizationNotFoundError: No such organization.
            ForbiddenError: Another one than the caller's.
        """
        organization = await self._organizations.get(organization_id)
        if organization.id != caller.organization_id:
            raise ForbiddenError(OTHER_ORGANIZATION, organization_id=organization_id)
        return organization

    async def put_settings(self, caller: Caller, settings: Mapping[str, JsonValue]) -> Organization:
        """Replace the settings of the caller's organization; a new limit holds from now on.

        Raises:
            ForbiddenError: The role is too low.
            InvalidError: A limit below 1, or beyond what we count to.
        """
        caller.require(Role.ORG_ADMIN, "change an organization's settings")
        limit = settings.get(LIMIT)
        if isinstance(limit, int) and not 1 <= limit <= HIGHEST_LIMIT:
            raise InvalidError(f"{LIMIT} must be between 1 and {HIGHEST_LIMIT}, or null")
        changed = await self._organizations.put_settings(
            caller.organization_id, settings, caller.modified_by
        )
        facts = {"organization_id": changed.id, "user_id": caller.user_id}
        logger.info("organization settings changed", extra=facts)
        try:
            await self._promotion.limit_changed(changed.id)
        except UnavailableError as error:
            facts["reason"] = error.message
            logger.warning("new limit not put to use yet; the reconciler will do it", extra=facts)
        return changed

    async def credits(self, caller: Caller) -> Credits:
        """Return what the caller's organization may still spend."""
        return Credits(organization_id=caller.organization_id, period_end=self.period().end)

    def period(self) -> Period:
        """Return the period that is accounted for at present."""
        return current_period(now())
