"""Who asks, and what their role lets them do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from flows.errors import ForbiddenError
from store.people import Claimed


class Role(StrEnum):
    """Role of a person or of a machine inside one organization."""

    ORG_ADMIN = "org_admin"
    BACKOFFICE = "backoffice"
    APP_USER = "app_user"
    WORKER = "worker"
    PUBLISHER = "publisher"
    INTEGRATION = "integration"

    def at_least(self, other: "Role") -> bool:
        """Return whether this role may do all that the other may."""
        return _RANK[self] >= _RANK[other]


_RANK = {
    Role.WORKER: 0,
    Role.PUBLISHER: 1,
    Role.INTEGRATION: 1,
    Role.APP_USER: 2,
    Role.ORG_ADMIN: 3,
    Role.BACKOFFICE: 3,
}


Visible = frozenset[str] | None
"""Flows that somebody may see; None for all of the organization's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated side of a request.

    Attributes:
        organization_id: The one tenant whose data the caller sees.
        user_id: Id of the person, or of the service account.
        kind: ``user`` for a person, ``service_account`` for the holder of an API key,
            ``integration`` for what a flow's own trigger does.
        is_limited: Whether the organization limits how many executions run at once, as of now.
        invited_to: The flows that a worker may see; None for roles that see all of them.
        claimed: What a person's token says about them; None for machines.
    """

    organization_id: str
    user_id: str
    role: Role
    kind: Literal["user", "service_account", "integration"] = "user"
    is_limited: bool = False
    claimed: Claimed | None = None
    invited_to: Visible = None

    @property
    def modified_by(self) -> str:
        """Return what a record says about who changed it: a person's id, or a machine's kind."""
        return self.user_id if self.kind == "user" else self.kind.replace("_", "-")

    def sees(self, flow_id: str) -> bool:
        """Return whether a flow of the organization exists as far as the caller may know."""
        return self.invited_to is None or flow_id in self.invited_to

    @property
    def is_service_level(self) -> bool:
        """Return whether the credential belongs to a machine that reports on tasks."""
        return self.kind == "service_account" or self.role in (Role.WORKER, Role.INTEGRATION)

    def require(self, role: Role, action: str) -> None:
        """Refuse roles below the given one.

        Raises:
            ForbiddenError: The caller's role does not reach ``role``.
        """
        if not self.role.at_least(role):
            raise ForbiddenError(f"role {self.role.value} may not {action}", role=self.role.value)

    def require_exactly(self, role: Role, action: str) -> None:
        """Refuse every role but the given one.

        Raises:
            ForbiddenError: The caller has another role.
        """
        if self.role is not role:
            raise ForbiddenError(f"role {self.role.value} may not {action}", role=self.role.value)
