"""What callers see: their organization's, and workers of that only what they are invited to.

Tells apart what does not exist and what belongs to somebody else.

Source: docs/permissions.md; docs/decisions/0042-invitations.md.
"""

from flows.errors import FlowExecutionNotFoundError, FlowNotFoundError, ForbiddenError
from operations.caller import Caller, Role, Visible
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.invitations import InvitationRepository
from store.models import ExecutionRecord, FlowRecord
from store.worker_groups import WorkerGroupRepository

OTHER_ORGANIZATION = "it belongs to another organization"
UNINVITED = "the caller is not invited to the flow"


class Guests:
    """Knows which flows a caller may see. Looked up for each request, so it holds at once."""

    def __init__(self, invitations: InvitationRepository, groups: WorkerGroupRepository) -> None:
        """Borrow both."""
        self._invitations = invitations
        self._groups = groups

    async def flows_for(self, organization_id: str, user_id: str, role: Role) -> Visible:
        """Return the flows that somebody may see, None for all of the organization's."""
        if role is not Role.WORKER:
            return None
        groups = await self._groups.of_member(organization_id, user_id)
        return await self._invitations.flows_of(organization_id, user_id, groups)


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
            FlowNotFoundError: No such flow, deleted, or foreign where that is not told. To a
                worker a flow without an invitation is as foreign as another organization's.
            ForbiddenError: It is foreign.

        Source: docs/permissions.md, "Other organizations".
        """
        try:
            record = await self._flows.latest(caller.organization_id, flow_id)
        except FlowNotFoundError as error:
            if tells_foreign and await self._flows.exists_elsewhere(
                caller.organization_id, flow_id
            ):
                raise ForbiddenError(OTHER_ORGANIZATION, flow_id=flow_id) from error
            raise
        if caller.sees(flow_id):
            return record
        if tells_foreign:
            raise ForbiddenError(UNINVITED, flow_id=flow_id)
        raise FlowNotFoundError("no such flow", flow_id=flow_id)

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
        reports: bool = False,
    ) -> ExecutionRecord:
        """Return an execution.

        Args:
            tells_foreign: As for flows.
            reports: Whether this is a machine's report on its work. It was handed the execution
                by whoever runs it, and needs no invitation.
            deleted_too: Whether a deleted execution is found as well.

        Raises:
            FlowExecutionNotFoundError: No such execution, deleted, or foreign where that is not
                told. To a worker it is foreign without an invitation to its flow.
            ForbiddenError: It is foreign.
        """
        read = self._executions.find_any if deleted_too else self._executions.get
        try:
            record = await read(caller.organization_id, flow_execution_id)
        except FlowExecutionNotFoundError as error:
            if tells_foreign and await self._is_foreign(caller, flow_execution_id):
                raise ForbiddenError(
                    OTHER_ORGANIZATION, flow_execution_id=flow_execution_id
                ) from error
            raise
        if reports or caller.sees(record.flow_id):
            return record
        if tells_foreign:
            raise ForbiddenError(UNINVITED, flow_execution_id=flow_execution_id)
        raise FlowExecutionNotFoundError(
            "no such flow execution", flow_execution_id=flow_execution_id
        )

    async def _is_foreign(self, caller: Caller, flow_execution_id: str) -> bool:
        owner = await self._executions.organization_of(flow_execution_id)
        return owner is not None and owner != caller.organization_id
