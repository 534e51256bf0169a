"""When keys were last used: noted at most about once a minute, and no request waits for it."""

import asyncio
import logging
from datetime import datetime, timedelta

from flows.errors import EngineError
from store.clock import now
from store.models import ApiKey
from store.service_accounts import ServiceAccountRepository

EVERY = timedelta(minutes=1)
CLOSING_PATIENCE = timedelta(seconds=2)

logger = logging.getLogger(__name__)


class KeyUses:
    """Collects uses of keys, and writes them in the background, all that wait at once.

    What a dying process had not written yet is lost: a minute or so of one key's last use.
    """

    def __init__(self, accounts: ServiceAccountRepository) -> None:
        """Borrow the repository; nothing runs until the first use."""
        self._accounts = accounts
        self._used_at: dict[str, datetime] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, key: ApiKey) -> None:
        """Take notice of a use of a key, as it was read for this use."""
        at = now()
        if key.last_used_at is not None and at - key.last_used_at < EVERY:
            return
        self._used_at[key.id] = at
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Let what is under way end, if it does so soon."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=CLOSING_PATIENCE.total_seconds())
            self._writing.cancel()

    async def _write(self) -> None:
        while self._used_at:
            batch, self._used_at = self._used_at, {}
            try:
                await self._accounts.note_uses(batch)
            except EngineError as error:
                logger.warning("uses of keys not noted", extra={"reason": error.message})
