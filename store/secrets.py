"""Texts of secret parameters, encrypted; definitions refer to them by id.

One is written with the version that first needs it, and never changes: an edit makes another.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from store import collections
from store.clock import now
from store.faults import guarded
from store.values import Database, Document


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One encrypted text, by an id that nobody can guess."""

    id: str
    sealed: bytes


class SecretRepository:
    """Reads the secrets of one flow at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._secrets: Any = database[collections.SECRETS]

    @guarded
    async def find(
        self, organization_id: str, flow_id: str, ids: Collection[str]
    ) -> dict[str, bytes]:
        """Return what is stored, by id; those of another flow or organization are left out."""
        if not ids:
            return {}
        wanted = {
            "_id": {"$in": [*ids]},
            "organization_id": organization_id,
            "flow_id": flow_id,
        }
        cursor = self._secrets.find(wanted, {"sealed": 1})
        return {each["_id"]: bytes(each["sealed"]) async for each in cursor}


def secret_documents(
    organization_id: str, flow_id: str, secrets: Sequence[StoredSecret]
) -> list[Document]:
    """Return the documents of a version's new secrets."""
    at = now()
    return [
        {
            "_id": secret.id,
            "organization_id": organization_id,
            "flow_id": flow_id,
            "sealed": secret.sealed,
            "created_at": at,
        }
        for secret in secrets
    ]
