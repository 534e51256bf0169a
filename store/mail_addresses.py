"""Which flow receives messages at an address.

A flow's addresses are written with the version that names them, so they never need to be brought in
line; and a unique index over all flows that are not deleted keeps each with one flow.

Source: docs/decisions/0028-mail-that-starts-flows.md.
"""

from collections.abc import Sequence
from typing import Any

from pymongo.errors import DuplicateKeyError

from flows.errors import MailAddressTakenError
from store import collections, indexes
from store.faults import guarded
from store.values import Database, Document

_FIELD = "mail_addresses"


class MailAddressRepository:
    """Looks addresses up, across organizations: nobody asks but a message."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._flows: Any = database[collections.FLOWS]

    @guarded
    async def flow_at(self, address: str) -> str | None:
        """Return the id of the flow that receives messages at an address in small letters."""
        found = await self._flows.find_one(
            {_FIELD: address, "deleted": False}, {"_id": 1}, hint=indexes.FLOWS_BY_MAIL_ADDRESS
        )
        return None if found is None else str(found["_id"])


def addressed(addresses: Sequence[str]) -> Document:
    """Return what a flow's document holds; a list that is empty must not be in the index."""
    return {_FIELD: list(addresses)} if addresses else {}


def unaddressed(addresses: Sequence[str]) -> Document:
    """Return what to take away from the document of a flow that has no address any more."""
    return {} if addresses else {"$unset": {_FIELD: ""}}


def clash(error: DuplicateKeyError, addresses: Sequence[str]) -> MailAddressTakenError | None:
    """Return what an error means, if it is about addresses."""
    if _FIELD not in (error.details or {}).get("keyPattern", {}):
        return None
    return MailAddressTakenError(
        "another flow receives messages at one of these addresses", email_addresses=[*addresses]
    )
