"""What is known of people: what their tokens said of them, and what they changed themselves.

There is no list of users: somebody becomes known by asking for their own profile.

Source: docs/api.md, "Profiles"; docs/decisions/0038-people-and-worker-groups.md.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from pydantic import JsonValue
from pymongo import ReturnDocument

from flows.errors import PersonNotFoundError
from store import collections
from store.clock import now
from store.faults import guarded
from store.values import Database, Document, decode, encode

NAMES = ("first_name", "last_name")
_CLAIMED = (*NAMES, "email", "role")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a token says about the person who holds it; empty where it says nothing."""

    first_name: str
    last_name: str
    email: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person in one organization.

    Attributes:
        first_name: As they changed it themselves, else as their token had it.
        settings: What they set; what they did not is absent.
    """

    id: str
    organization_id: str
    first_name: str
    last_name: str
    email: str
    role: str
    created_at: datetime
    updated_at: datetime
    modified_by: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


class PersonRepository:
    """Reads and writes people of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._people: Any = database[collections.PEOPLE]

    @guarded
    async def met(self, organization_id: str, user_id: str, claimed: Claimed) -> Person:
        """Return a person, remembered from now on as their token describes them.

        Writes only if that is news.
        """
        place = _place(organization_id, user_id)
        document = await self._people.find_one(place)
        said = {name: getattr(claimed, name) for name in _CLAIMED}
        if document is None or document["claimed"] != said:
            at = now()
            document = await self._people.find_one_and_update(
                place,
                {
                    "$set": {"claimed": said, "updated_at": at},
                    "$setOnInsert": {
                        "organization_id": organization_id,
                        "user_id": user_id,
                        "created_at": at,
                        "modified_by": user_id,
                    },
                },
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return _person(document)

    @guarded
    async def change(
        self,
        organization_id: str,
        user_id: str,
        names: Mapping[str, str | None],
        settings: Mapping[str, JsonValue],
    ) -> Person:
        """Change a person's own names, and some settings; null goes back to what was there before.

        Raises:
            PersonNotFoundError: Nobody by this id was ever met.
        """
        changes: Document = {
            f"own.{name}": value for name, value in names.items() if value is not None
        }
        changes |= {
            f"settings.{name}": encode(value)
            for name, value in settings.items()
            if value is not None
        }
        gone = [f"own.{name}" for name, value in names.items() if value is None]
        gone += [f"settings.{name}" for name, value in settings.items() if value is None]
        update: Document = {"$set": {**changes, "updated_at": now(), "modified_by": user_id}}
        if gone:
            update["$unset"] = dict.fromkeys(gone, "")
        document = await self._people.find_one_and_update(
            _place(organization_id, user_id), update, return_document=ReturnDocument.AFTER
        )
        if document is None:
            raise PersonNotFoundError("no such person", user_id=user_id)
        return _person(document)

    @guarded
    async def named(self, organization_id: str, user_ids: Collection[str]) -> dict[str, Person]:
        """Return those of these people who were ever met, by id."""
        if not user_ids:
            return {}
        wanted = [_id(organization_id, user_id) for user_id in user_ids]
        cursor = self._people.find({"_id": {"$in": wanted}, "organization_id": organization_id})
        return {document["user_id"]: _person(document) async for document in cursor}


def _id(organization_id: str, user_id: str) -> str:
    """Return a document's id; the same person in two organizations is two documents."""
    return f"{organization_id}/{user_id}"


def _place(organization_id: str, user_id: str) -> Document:
    return {"_id": _id(organization_id, user_id)}


def _person(document: Document) -> Person:
    claimed, own = document["claimed"], document.get("own", {})
    return Person(
        id=document["user_id"],
        organization_id=document["organization_id"],
        first_name=own.get("first_name", claimed["first_name"]),
        last_name=own.get("last_name", claimed["last_name"]),
        email=claimed["email"],
        role=claimed["role"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        modified_by=document["modified_by"],
        settings={
            name: decode(cast("bytes | None", held))
            for name, held in document.get("settings", {}).items()
        },
    )
