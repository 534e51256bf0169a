"""Use cases of worker groups, all of them an administrator's.

Source: docs/api.md, "Worker groups"; docs/permissions.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from flows.errors import InvalidError
from operations.caller import Caller, Role
from store.clock import now
from store.invitations import InvitationRepository
from store.models import Page
from store.people import Person, PersonRepository
from store.worker_groups import Membership, WorkerGroup, WorkerGroupRepository


@dataclass(frozen=True, slots=True)
class GroupWithPeople:
    """A group, and what is known of its members by id."""

    group: WorkerGroup
    people: Mapping[str, Person]


class WorkerGroups:
    """What administrators may do with worker groups.

    Every method raises ForbiddenError for too low a role; those that name a group raise
    WorkerGroupNotFoundError for one that does not exist or is another organization's.
    """

    def __init__(
        self,
        groups: WorkerGroupRepository,
        people: PersonRepository,
        invitations: InvitationRepository,
    ) -> None:
        """Borrow everything."""
        self._groups = groups
        self._people = people
        self._invitations = invitations

    async def create(
        self, caller: Caller, name: str, description: str | None, user_ids: Sequence[str]
    ) -> GroupWithPeople:
        """Store a group.

        Raises:
            DuplicateWorkerGroupError: The organization has one of this name.
            InvalidError: Too many members.
        """
        _require(caller)
        at = now()
        group = WorkerGroup(
            id=str(uuid4()),
            organization_id=caller.organization_id,
            name=name,
            description=description,
            members=[
                Membership(user_id=user_id, added_at=at) for user_id in dict.fromkeys(user_ids)
            ],
            created_at=at,
            updated_at=at,
            modified_by=caller.modified_by,
        )
        await self._groups.create(group)
        return await self._with_people(group)

    async def list(self, caller: Caller, *, offset: int, limit: int) -> Page[WorkerGroup]:
        """Return some groups by name, and how many there are."""
        _require(caller)
        return await self._groups.list(caller.organization_id, offset=offset, limit=limit)

    async def get(self, caller: Caller, group_id: str) -> GroupWithPeople:
        """Return one group."""
        _require(caller)
        return await self._with_people(await self._groups.get(caller.organization_id, group_id))

    async def patch(
        self, caller: Caller, group_id: str, changes: Mapping[str, str | None]
    ) -> GroupWithPeople:
        """Change name, description or both; a name that is null stays as it is.

        Raises:
            DuplicateWorkerGroupError: The organization has another one of the new name.
        """
        _require(caller)
        known = {key: value for key, value in changes.items() if key != "name" or value is not None}
        if not known:
            return await self.get(caller, group_id)
        group = await self._groups.patch(
            caller.organization_id, group_id, known, caller.modified_by
        )
        return await self._with_people(group)

    async def change_members(
        self, caller: Caller, group_id: str, *, add: Sequence[str], remove: Sequence[str]
    ) -> GroupWithPeople:
        """Add and remove members; adding a member and removing a stranger change nothing.

        Raises:
            InvalidError: Somebody is to be added and removed, or there would be too many.
        """
        _require(caller)
        both = sorted({*add} & {*remove})
        if both:
            raise InvalidError("the same person is to be added and removed", user_ids=[*both])
        group = await self._groups.change_members(
            caller.organization_id,
            group_id,
            add=add,
            remove=remove,
            modified_by=caller.modified_by,
        )
        return await self._with_people(group)

    async def delete(self, caller: Caller, group_id: str) -> None:
        """Remove a group for good, and its invitations to flows.

        Invitations that a dying process leaves behind mean nothing: nobody belongs to the group.
        """
        _require(caller)
        await self._groups.delete(caller.organization_id, group_id)
        await self._invitations.forget_group(caller.organization_id, group_id)

    async def _with_people(self, group: WorkerGroup) -> GroupWithPeople:
        user_ids = [member.user_id for member in group.members]
        return GroupWithPeople(group, await self._people.named(group.organization_id, user_ids))


def _require(caller: Caller) -> None:
    caller.require(Role.ORG_ADMIN, "administrate worker groups")
