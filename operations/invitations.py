"""Use cases of invitations: which workers, and which groups of them, see a flow.

Source: docs/api.md, "Invitations"; docs/permissions.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from operations.access import FlowAccess
from operations.caller import Caller, Role
from store.flows import FlowRepository
from store.invitations import Invitation, InvitationRepository, Kind
from store.people import Person, PersonRepository
from store.worker_groups import WorkerGroup, WorkerGroupRepository


@dataclass(frozen=True, slots=True)
class Invited:
    """What became of a request to invite some.

    Attributes:
        ids: Who is invited now, among those that were named.
        skipped: Who cannot be.
        total: How many the flow has in all, of this kind.
    """

    flow_id: str
    ids: Sequence[str]
    skipped: Sequence[str]
    total: int


class Invitations:
    """What administrators may do with the invitations to a flow.

    Every method raises FlowNotFoundError for a flow that does not exist, ForbiddenError for
    another organization's and for any role but ``org_admin``.
    """

    def __init__(
        self,
        *,
        flows: FlowRepository,
        invitations: InvitationRepository,
        groups: WorkerGroupRepository,
        people: PersonRepository,
    ) -> None:
        """Borrow everything."""
        self._access = FlowAccess(flows)
        self._invitations = invitations
        self._groups = groups
        self._people = people

    async def invite_people(self, caller: Caller, flow_id: str, user_ids: Sequence[str]) -> Invited:
        """Invite people, known or not; whoever is invited already stays so."""
        await self._require(caller, flow_id)
        return await self._invite(caller, flow_id, "user", user_ids, skipped=())

    async def invite_groups(
        self, caller: Caller, flow_id: str, group_ids: Sequence[str]
    ) -> Invited:
        """Invite worker groups; those that the organization does not have are skipped."""
        await self._require(caller, flow_id)
        known = await self._groups.existing(caller.organization_id, group_ids)
        ids = [group_id for group_id in group_ids if group_id in known]
        skipped = [group_id for group_id in group_ids if group_id not in known]
        return await self._invite(caller, flow_id, "group", ids, skipped=skipped)

    async def people(
        self, caller: Caller, flow_id: str
    ) -> Sequence[tuple[Invitation, Person | None]]:
        """Return the people that are invited, with what is known of them."""
        await self._require(caller, flow_id)
        found = await self._invitations.of_flow(caller.organization_id, flow_id, "user")
        ids = [invitation.invitee_id for invitation in found]
        known = await self._people.named(caller.organization_id, ids)
        return [(invitation, known.get(invitation.invitee_id)) for invitation in found]

    async def groups(
        self, caller: Caller, flow_id: str
    ) -> Sequence[tuple[Invitation, WorkerGroup]]:
        """Return the worker groups that are invited."""
        await self._require(caller, flow_id)
        found = await self._invitations.of_flow(caller.organization_id, flow_id, "group")
        ids = [invitation.invitee_id for invitation in found]
        known = await self._groups.named(caller.organization_id, ids)
        return [
            (invitation, known[invitation.invitee_id])
            for invitation in found
            if invitation.invitee_id in known
        ]

    async def withdraw(
        self, caller: Caller, flow_id: str, kind: Kind, invitee_ids: Sequence[str]
    ) -> None:
        """Take invitations back; those that there are not do not matter."""
        await self._require(caller, flow_id)
        await self._invitations.delete(caller.organization_id, flow_id, kind, invitee_ids)

    async def _require(self, caller: Caller, flow_id: str) -> None:
        await self._access.latest(caller, flow_id)
        caller.require_exactly(Role.ORG_ADMIN, "look after invitations")

    async def _invite(
        self,
        caller: Caller,
        flow_id: str,
        kind: Kind,
        ids: Sequence[str],
        *,
        skipped: Sequence[str],
    ) -> Invited:
        organization_id = caller.organization_id
        await self._invitations.put(organization_id, flow_id, kind, ids, caller.modified_by)
        total = len(await self._invitations.of_flow(organization_id, flow_id, kind))
        return Invited(flow_id, [*dict.fromkeys(ids)], [*dict.fromkeys(skipped)], total)
