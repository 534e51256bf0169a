"""Migration 1: every collection exists before a transaction writes to it.

A collection that is created inside a transaction makes everybody else who does so wait or fail.
"""

from pymongo.errors import CollectionInvalid, OperationFailure

from store import collections
from store.migrations.migration import Migration
from store.values import Database

_EXISTS = 48

_NAMES = (
    collections.FLOWS,
    collections.FLOW_VERSIONS,
    collections.FLOW_COUNTERS,
    collections.EXECUTIONS,
    collections.TASK_EXECUTIONS,
    collections.TASK_OUTPUTS,
    collections.IDEMPOTENCY_KEYS,
    collections.ORGANIZATIONS,
    collections.SERVICE_ACCOUNTS,
    collections.API_KEYS,
)


async def _create_collections(database: Database) -> None:
    present = set(await database.list_collection_names())
    for name in _NAMES:
        if name not in present:
            await _create(database, name)


async def _create(database: Database, name: str) -> None:
    """Create a collection, unless somebody just did."""
    try:
        await database.create_collection(name)
    except CollectionInvalid:
        return
    except OperationFailure as error:
        if error.code != _EXISTS:
            raise


MIGRATION = Migration(1, "collections exist before transactions write to them", _create_collections)
