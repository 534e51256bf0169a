"""Every sealed value of every organization, for whoever seals them anew."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from store import collections
from store.faults import guarded
from store.values import Database


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One sealed value, and what it belongs to.

    Attributes:
        flow_id: The flow whose parameter it is; None for a credential.
    """

    id: str
    organization_id: str
    flow_id: str | None
    sealed: bytes


class SealedValues:
    """Walks secrets and credentials across organizations."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._secrets: Any = database[collections.SECRETS]
        self._credentials: Any = database[collections.CREDENTIALS]

    async def all(self) -> AsyncIterator[SealedValue]:
        """Yield what is stored when its turn comes, by id; what comes later may be left out."""
        for collection in (self._secrets, self._credentials):
            cursor = collection.find({}, {"organization_id": 1, "flow_id": 1, "sealed": 1}).sort(
                "_id", 1
            )
            async for each in cursor:
                yield SealedValue(
                    each["_id"],
                    each["organization_id"],
                    each.get("flow_id"),
                    bytes(each["sealed"]),
                )

    @guarded
    async def replace(self, value: SealedValue, sealed: bytes) -> bool:
        """Put the same value, sealed anew, in its place; False if it was changed meanwhile."""
        collection = self._credentials if value.flow_id is None else self._secrets
        written = await collection.update_one(
            {"_id": value.id, "sealed": value.sealed}, {"$set": {"sealed": sealed}}
        )
        return bool(written.matched_count)
