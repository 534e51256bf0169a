"""Who is invited to which flow: people, and worker groups with whoever belongs to them.

Source: docs/decisions/0042-invitations.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pymongo import UpdateOne

from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.values import Database, Document

Kind = Literal["user", "group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One person or one worker group that is invited to a flow.

    Attributes:
        invitee_id: The person's id, or the group's.
        updated_at: When the invitation was last repeated.
    """

    organization_id: str
    flow_id: str
    kind: Kind
    invitee_id: str
    created_at: datetime
    updated_at: datetime
    modified_by: str


class InvitationRepository:
    """Reads and writes the invitations of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._invitations: Any = database[collections.FLOW_INVITATIONS]

    @guarded
    async def put(
        self,
        organization_id: str,
        flow_id: str,
        kind: Kind,
        invitee_ids: Collection[str],
        modified_by: str,
    ) -> None:
        """Invite some; whoever is invited already stays so."""
        at = now()
        writes = [
            UpdateOne(
                {"_id": _id(flow_id, kind, invitee_id)},
                {
                    "$set": {"updated_at": at, "modified_by": modified_by},
                    "$setOnInsert": {
                        "organization_id": organization_id,
                        "flow_id": flow_id,
                        "kind": kind,
                        "invitee": _invitee(kind, invitee_id),
                        "invitee_id": invitee_id,
                        "created_at": at,
                    },
                },
                upsert=True,
            )
            for invitee_id in dict.fromkeys(invitee_ids)
        ]
        if writes:
            await self._invitations.bulk_write(writes, ordered=False)

    @guarded
    async def delete(
        self, organization_id: str, flow_id: str, kind: Kind, invitee_ids: Collection[str]
    ) -> None:
        """Take invitations back; those that there are not do not matter."""
        ids = [_id(flow_id, kind, invitee_id) for invitee_id in invitee_ids]
        await self._invitations.delete_many(
            {"_id": {"$in": ids}, "organization_id": organization_id}
        )

    @guarded
    async def of_flow(self, organization_id: str, flow_id: str, kind: Kind) -> Sequence[Invitation]:
        """Return the people, or the groups, invited to a flow, in the order of their invitation."""
        wanted = {"organization_id": organization_id, "flow_id": flow_id, "kind": kind}
        cursor = self._invitations.find(wanted).sort([("created_at", 1), ("_id", 1)])
        return [
            Invitation(
                organization_id=each["organization_id"],
                flow_id=each["flow_id"],
                kind=each["kind"],
                invitee_id=each["invitee_id"],
                created_at=each["created_at"],
                updated_at=each["updated_at"],
                modified_by=each["modified_by"],
            )
            async for each in cursor.hint(indexes.INVITATIONS_BY_FLOW)
        ]

    @guarded
    async def flows_of(
        self, organization_id: str, user_id: str, group_ids: Collection[str]
    ) -> frozenset[str]:
        """Return the flows to which a person, or one of these groups, is invited."""
        invitees = [_invitee("user", user_id), *(_invitee("group", each) for each in group_ids)]
        found = self._invitations.find(
            {"organization_id": organization_id, "invitee": {"$in": invitees}},
            {"_id": 0, "flow_id": 1},
        )
        return frozenset(
            [each["flow_id"] async for each in found.hint(indexes.INVITATIONS_BY_INVITEE)]
        )

    @guarded
    async def forget_group(self, organization_id: str, group_id: str) -> None:
        """Delete what is left of a worker group that is gone."""
        await self._invitations.delete_many(
            {"organization_id": organization_id, "invitee": _invitee("group", group_id)}
        )


def of_flows(only: Collection[str] | None) -> Document:
    """Return the filter for what belongs to some flows; none for None."""
    return {} if only is None else {"flow_id": {"$in": [*only]}}


def _invitee(kind: Kind, invitee_id: str) -> str:
    return f"{kind}:{invitee_id}"


def _id(flow_id: str, kind: Kind, invitee_id: str) -> str:
    return f"{flow_id}/{_invitee(kind, invitee_id)}"
