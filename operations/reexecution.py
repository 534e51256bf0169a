"""Running an execution again: its next generation, on one version of its flow.

Source: docs/corrections.md.
"""

from typing import Literal

from flows.changes import changes
from flows.errors import (
    ConflictError,
    FlowNotFoundError,
    InvalidDefinitionError,
    InvalidError,
)
from operations.definitions import Definition, Definitions
from operations.reuse import Reuse
from operations.sealing import Sealing
from operations.starting import Starter
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.models import ExecutionRecord, FlowRecord


class ReExecution:
    """Begins generations. All refusals come before anything is recorded."""

    def __init__(
        self,
        *,
        flows: FlowRepository,
        executions: ExecutionRepository,
        definitions: Definitions,
        sealing: Sealing,
        starter: Starter,
    ) -> None:
        """Borrow everything."""
        self._flows = flows
        self._executions = executions
        self._definitions = definitions
        self._sealing = sealing
        self._starter = starter
        self._reuse = Reuse(executions, starter)

    async def latest(self, record: ExecutionRecord) -> FlowRecord:
        """Return the flow's latest version, if it can run on the execution's input.

        Raises:
            ConflictError: It cannot, or the flow was deleted.
        """
        try:
            latest = await self._flows.latest(record.organization_id, record.flow_id)
            await self.ensure_runnable(latest, record)
        except FlowNotFoundError as error:
            raise ConflictError("the flow was deleted", flow_id=record.flow_id) from error
        except InvalidError as error:
            raise ConflictError(
                f"the flow's latest version cannot run on this input: {error.message}",
                flow_id=record.flow_id,
                flow_version=latest.version,
            ) from error
        return latest

    async def pinned(self, record: ExecutionRecord) -> FlowRecord:
        """Return the version that the execution runs."""
        return await self._flows.version(
            record.organization_id, record.flow_id, record.flow_version
        )

    async def ensure_runnable(self, version: FlowRecord, record: ExecutionRecord) -> None:
        """Refuse a version that cannot run on the execution's input.

        Raises:
            InvalidError: It cannot.
        """
        definition = self._definitions.of(version)
        definition.accepted_input_task(record.input_task_name, record.input)
        await self.require_credentials(record.organization_id, definition)

    async def require_credentials(self, organization_id: str, definition: Definition) -> None:
        """Refuse a flow that refers to credentials which do not exist.

        Raises:
            InvalidDefinitionError: It does.
        """
        if not definition.uses_credentials:
            return
        faults = await self._sealing.unknown_credentials(organization_id, definition.flow)
        if faults:
            raise InvalidDefinitionError("the flow cannot run as it is", faults)

    async def begin(
        self,
        record: ExecutionRecord,
        version: FlowRecord,
        mode: Literal["full", "stale"],
        modified_by: str,
        *,
        is_limited: bool,
    ) -> None:
        """Record the next generation in one write, and ask for its start.

        What remains (older workflows ended, the new one started) is repeated by the reconciler
        until it is done. Results that come from another definition count as stale until the run has
        found out about them. With ``stale``, what has nothing to run is completed without a
        generation.

        Args:
            is_limited: Whether the organization limits how many executions run at once.

        Raises:
            FlowExecutionNotFoundError: Deleted meanwhile.
            ConflictError: Somebody else re-executed it at the same moment.
        """
        if mode == "stale" and await self._reuse.completes(record, version, modified_by):
            return
        outdated: frozenset[str] = frozenset()
        removed: frozenset[str] = frozenset()
        if mode == "stale" and record.flow_version != version.version:
            before = self._definitions.of(await self.pinned(record)).flow
            found = changes(before, self._definitions.of(version).flow)
            outdated, removed = found.outdated, found.removed
        renewed = await self._executions.begin_generation(
            record.organization_id,
            record.id,
            record.generation,
            mode,
            version.version,
            modified_by,
            is_limited=is_limited,
            outdated=outdated,
            removed=removed,
        )
        await self._starter.try_start(renewed, version)
