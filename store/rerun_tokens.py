"""Tokens that let a run begin in the middle of another, once, within some minutes.

Only their hash is stored, with what the run is to begin with.

Source: docs/decisions/0066-runs-that-begin-in-the-middle.md.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from pydantic import JsonValue
from pymongo import ReturnDocument

from store import collections
from store.clock import now
from store.faults import guarded
from store.values import Database, Document, decode, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """What a token stands for.

    Attributes:
        asked: What its holder asked for: the version, the entry, variables.
    """

    run_id: str
    turn_index: int
    asked: JsonValue
    expires_at: datetime


class RerunTokenRepository:
    """Reads and writes the tokens of one organization at a time; none that has expired is found."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._tokens: Any = database[collections.RERUN_TOKENS]

    @guarded
    async def create(self, organization_id: str, token: str, stored: StoredToken) -> None:
        """Write a token."""
        await self._tokens.insert_one(
            {
                "_id": _hash(token),
                "organization_id": organization_id,
                "run_id": stored.run_id,
                "turn_index": stored.turn_index,
                "asked": encode(stored.asked),
                "expires_at": stored.expires_at,
            }
        )

    @guarded
    async def find(self, organization_id: str, token: str) -> StoredToken | None:
        """Return what a token stands for."""
        return _stored(await self._tokens.find_one(_place(organization_id, token)))

    @guarded
    async def amend(self, organization_id: str, token: str, asked: JsonValue) -> StoredToken | None:
        """Let a token stand for something else; None if it is gone."""
        changed = await self._tokens.find_one_and_update(
            _place(organization_id, token),
            {"$set": {"asked": encode(asked)}},
            return_document=ReturnDocument.AFTER,
        )
        return _stored(changed)

    @guarded
    async def take(self, organization_id: str, token: str) -> StoredToken | None:
        """Remove a token and return what it stood for; of two at once one gets None."""
        return _stored(await self._tokens.find_one_and_delete(_place(organization_id, token)))


def _hash(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def _place(organization_id: str, token: str) -> Document:
    return {
        "_id": _hash(token),
        "organization_id": organization_id,
        "expires_at": {"$gt": now()},
    }


def _stored(document: Document | None) -> StoredToken | None:
    if document is None:
        return None
    return StoredToken(
        run_id=document["run_id"],
        turn_index=document["turn_index"],
        asked=decode(document["asked"]),
        expires_at=document["expires_at"],
    )
