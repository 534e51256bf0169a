"""What a database must hold before anybody works with it."""

from store.indexes import ensure_indexes
from store.migrations.runner import Migrations
from store.values import Database


async def prepare(database: Database) -> None:
    """Migrate the data and create missing indexes; harmless when repeated, and all at once.

    Raises:
        StartUpError: The database belongs to a newer version.
        StoreUnavailableError: MongoDB does not answer, or another process migrates it.
    """
    await Migrations(database).run()
    await ensure_indexes(database)
