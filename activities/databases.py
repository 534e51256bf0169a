"""``external_db``: one statement in a database of the author's, values beside it."""

import asyncio
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue
from temporalio import activity

from activities.egress import EgressGuard
from activities.parameters import parameters_of
from activities.postgresql import ask_postgresql
from activities.sqlite_files import ask_sqlite
from activities.statements import statement_of
from activities.time_limits import allowed_seconds
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.external_db import EXTERNAL_DB, ExternalDbParameters


class DatabaseActivities:
    """Asks databases on behalf of tasks."""

    def __init__(self, guard: EgressGuard, sqlite_folder: Path | None) -> None:
        """Borrow who decides where connections may go.

        Args:
            sqlite_folder: Where SQLite files of tasks are; None refuses them all.
        """
        self._guard = guard
        self._sqlite_folder = sqlite_folder

    @activity.defn(name=EXTERNAL_DB.name)
    async def external_db(self, call: TaskCall) -> JsonValue:
        """Run the statement once; a change is committed as a whole or not at all.

        Raises:
            TaskFailedError: As ``ask_postgresql`` and ``ask_sqlite`` say.
        """
        parameters = parameters_of(call, ExternalDbParameters)
        seconds = min(parameters.timeout_seconds, allowed_seconds(EXTERNAL_DB.default_timeout))
        statement = statement_of(parameters, call.effect_key, timedelta(seconds=seconds))
        try:
            # The database's own limit comes first; this one is for when nobody answers.
            async with asyncio.timeout(seconds + min(seconds / 20, 1.0)):
                if statement.url.get_backend_name() == "sqlite":
                    return await ask_sqlite(self._sqlite_folder, statement)
                return await ask_postgresql(self._guard, statement)
        except TimeoutError:
            raise TaskFailedError(
                f"the database did not answer within {seconds:g} s", type="Timeout", retryable=True
            ) from None
