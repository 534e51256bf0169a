"""Executions that follow their flow: what a new version makes stale runs again.

Source: docs/decisions/0032-executions-that-follow-their-flow.md.
"""

import logging

from flows.errors import ConflictError, FlowExecutionNotFoundError, OrganizationNotFoundError
from operations.reexecution import ReExecution
from store.accounts import AccountRepository
from store.models import ExecutionRecord
from store.reruns import Rerun, RerunRepository

logger = logging.getLogger(__name__)

MAX_FLOWS = 50


class Reruns:
    """Begins, for some executions at a time, the generations that new versions ask for."""

    def __init__(
        self, reruns: RerunRepository, accounts: AccountRepository, again: ReExecution
    ) -> None:
        """Borrow everything."""
        self._reruns = reruns
        self._accounts = accounts
        self._again = again

    async def proceed(self, limit: int) -> int:
        """Run again as many executions as the limit allows; what is left keeps its mark.

        Returns:
            How many were begun.

        Raises:
            UnavailableError: Temporal or the store does not answer.
        """
        begun = 0
        for rerun in await self._reruns.pending(MAX_FLOWS):
            if begun >= limit:
                break
            begun += await self._of_flow(rerun, limit - begun)
        return begun

    async def _of_flow(self, rerun: Rerun, limit: int) -> int:
        """Run again executions of one flow; each is passed only once it has begun, or cannot."""
        try:
            organization = await self._accounts.organization(rerun.organization_id)
        except OrganizationNotFoundError:
            await self._reruns.done(rerun)
            return 0
        records = await self._reruns.executions(rerun, limit)
        begun = 0
        for record in records:
            begun += await self._begin(rerun, record, is_limited=organization.is_limited)
            await self._reruns.passed(rerun, record)
        if len(records) < limit:
            await self._reruns.done(rerun)
        return begun

    async def _begin(self, rerun: Rerun, record: ExecutionRecord, *, is_limited: bool) -> bool:
        """Run one execution again on the latest version; whatever cannot be is left as it is."""
        try:
            latest = await self._again.latest(record)
            await self._again.begin(
                record, latest, "stale", rerun.modified_by, is_limited=is_limited
            )
        except (ConflictError, FlowExecutionNotFoundError) as error:
            logger.info(
                "execution does not follow its flow",
                extra={"flow_execution_id": record.id, "reason": error.message},
            )
            return False
        return True
