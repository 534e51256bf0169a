"""Telling apart what does not exist and what belongs to somebody else."""

from flows.errors import FlowExecutionNotFoundError, FlowNotFoundError, ForbiddenError
from operations.caller import Caller, Role
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.models import ExecutionRecord, FlowRecord

OTHER_ORGANIZATION = "it belongs to another organization"


class FlowAccess:
    """Reads flows on behalf of a caller."""

    def __init__(self, flows: FlowRepository) -> None:
        """Borrow the repository."""
        self._flows = flows

    async def latest(
        self, caller: Caller, flow_id: str, *, tells_foreign: bool = True
    ) -> FlowRecord:
        """Return the latest version of a flow that is not deleted.

        Args:
            tells_foreign: Whether this operation documents 403 for another organization's flow;
                if not, such a flow looks absent.

        Raises:
            FlowNotFoundError: No such flow, deleted, or foreign where that is not told.
            ForbiddenError: It belongs to another organization.

        Source: docs/permissions.md, "Other organizations".
        """
        try:
            return await self._flows.latest(caller.organization_id, flow_id)
        except FlowNotFoundError as error:
            if tells_foreign and await self._flows.exists_elsewhere(
                caller.organization_id, flow_id
            ):
                raise ForbiddenError(OTHER_ORGANIZATION, flow_id=flow_id) from error
            raise

    async def authored(
        self, caller: Caller, flow_id: str, *, tells_foreign: bool = True
    ) -> FlowRecord:
        """Return the latest version of a flow that the caller may change.

        Raises:
            FlowNotFoundError: As ``latest``; also for too low a role where 403 is not documented.
            ForbiddenError: As ``latest``, or the role is too low.
        """
        record = await self.latest(caller, flow_id, tells_foreign=tells_foreign)
        if not tells_foreign and not caller.role.at_least(Role.PUBLISHER):
            raise FlowNotFoundError("no such flow", flow_id=flow_id)
        caller.require(Role.PUBLISHER, "change flows")
        return record


class ExecutionAccess:
    """Reads flow executions on behalf of a caller."""

    def __init__(self, executions: ExecutionRepository) -> None:
        """Borrow the repository."""
        self._executions = executions

    async def get(
        self,
        caller: Caller,
        flow_execution_id: str,
        *,
        tells_foreign: bool = True,
        deleted_too: bool = False,
    ) -> ExecutionRecord:
        """Return an execution.

        Args:
            tells_foreign: As for flows.
            deleted_too: Whether a deleted execution is found as well.

        Raises:
            FlowExecutionNotFoundError: No such execution, deleted, or foreign where that is not
                told.
            ForbiddenError: It belongs to another organization.
        """
        read = self._executions.find_any if deleted_too else self._executions.get
        try:
            return await read(caller.organization_id, flow_execution_id)
        except FlowExecutionNotFoundError as error:
            if tells_foreign and await self._is_foreign(caller, flow_execution_id):
                raise ForbiddenError(
                    OTHER_ORGANIZATION, flow_execution_id=flow_execution_id
                ) from error
            raise

    async def _is_foreign(self, caller: Caller, flow_execution_id: str) -> bool:
        owner = await self._executions.organization_of(flow_execution_id)
        return owner is not None and owner != caller.organization_id
