"""Every sealed value of every organization, for whoever seals them anew."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from bson import ObjectId

from store import collections
from store.faults import guarded
from store.values import Database

Kind = Literal["secret", "credential", "variable"]


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One sealed value, and what it belongs to.

    Attributes:
        kind: ``secret`` for a parameter, ``credential`` or ``variable``.
        flow_id: The flow whose parameter it is; None for all others.
    """

    id: str
    kind: Kind
    organization_id: str
    flow_id: str | None
    sealed: bytes


class SealedValues:
    """Walks secrets, credentials and secret variables across organizations."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._collections: dict[Kind, Any] = {
            "secret": database[collections.SECRETS],
            "credential": database[collections.CREDENTIALS],
            "variable": database[collections.GLOBAL_VARIABLES],
        }

    async def all(self) -> AsyncIterator[SealedValue]:
        """Yield what is stored when its turn comes, by id; what comes later may be left out."""
        shown = {"organization_id": 1, "flow_id": 1, "sealed": 1}
        for kind, collection in self._collections.items():
            cursor = collection.find({"sealed": {"$ne": None}}, shown).sort("_id", 1)
            async for each in cursor:
                yield SealedValue(
                    str(each["_id"]),
                    kind,
                    each["organization_id"],
                    each.get("flow_id"),
                    bytes(each["sealed"]),
                )

    @guarded
    async def replace(self, value: SealedValue, sealed: bytes) -> bool:
        """Put the same value, sealed anew, in its place; False if it was changed meanwhile."""
        held_as = ObjectId(value.id) if value.kind == "variable" else value.id
        written = await self._collections[value.kind].update_one(
            {"_id": held_as, "sealed": value.sealed}, {"$set": {"sealed": sealed}}
        )
        return bool(written.matched_count)
