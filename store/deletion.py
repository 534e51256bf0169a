"""Soft deletion of executions: hidden for good, and no longer counted anywhere."""

from typing import Any

from store import collections
from store.clock import now
from store.metadata import metadata_words
from store.models import ExecutionStatus
from store.tag_words import TagWords
from store.tallies import Tallies
from store.transactions import in_transaction
from store.values import Database

DELETED = ExecutionStatus.DELETED.value
NOT_DELETED = {"$ne": DELETED}


class Deletion:
    """Hides executions, together with what counts them."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._executions: Any = database[collections.EXECUTIONS]
        self._counters: Any = database[collections.FLOW_COUNTERS]
        self._tallies = Tallies(database)
        self._tag_words = TagWords(database)

    async def delete(self, organization_id: str, flow_execution_id: str, modified_by: str) -> bool:
        """Hide an execution; False if it is hidden, or there is none."""
        at = now()
        fields = {
            "status": DELETED,
            "deleted_at": at,
            "updated_at": at,
            "modified_by": modified_by,
        }

        async def transact(session: Any) -> bool:
            before = await self._executions.find_one_and_update(
                {
                    "_id": flow_execution_id,
                    "organization_id": organization_id,
                    "status": NOT_DELETED,
                },
                {"$set": fields, "$unset": {"tags": ""}},
                projection={"flow_id": 1, "flow_version": 1, "metadata": 1},
                session=session,
            )
            if before is None:
                return False
            gone = {"live": -1, f"versions.{before['flow_version']}": -1}
            await self._counters.update_one(
                {"_id": before["flow_id"]}, {"$inc": gone}, session=session
            )
            await self._tallies.count(organization_id, metadata_words(before), -1, session)
            await self._tag_words.forget(organization_id, flow_execution_id, session)
            return True

        return await in_transaction(self._client, transact)
