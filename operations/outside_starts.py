"""Starts that come from whoever may reach Temporal, for any organization.

Source: docs/temporal-contract.md; docs/decisions/0055-doors-for-temporal-clients.md.
"""

from contracts.names import flow_workflow_id, run_workflow_id
from contracts.starts import FlowStarted, RunStarted, StartFlowAsked, StartRunAsked
from flows.errors import OrganizationNotFoundError
from operations.caller import Caller
from operations.executions import Executions
from operations.interactive_runs import InteractiveRuns
from operations.triggers import as_trigger
from store.accounts import AccountRepository


class OutsideStarts:
    """Does for Temporal clients what the API does for its callers. All of it is repeatable."""

    def __init__(
        self, accounts: AccountRepository, executions: Executions, runs: InteractiveRuns
    ) -> None:
        """Borrow everything."""
        self._accounts = accounts
        self._executions = executions
        self._runs = runs

    async def flow(self, asked: StartFlowAsked) -> FlowStarted:
        """Record an execution of a flow, once for each key, and have it started.

        Raises:
            OrganizationNotFoundError: No such organization, or it is not active.
            EngineError: As when an execution is created over the API.
        """
        caller = await self._caller(asked.organization_id)
        record = await self._executions.create(
            caller,
            asked.flow_id,
            asked.input,
            input_task_name=asked.input_task_name,
            idempotency_key=_key(asked.key),
        )
        return FlowStarted(
            flow_execution_id=record.id,
            flow_version=record.flow_version,
            run_number=record.run_number,
            temporal_workflow_id=flow_workflow_id(record.id, record.generation),
        )

    async def run(self, asked: StartRunAsked) -> RunStarted:
        """Record a run of an interactive workflow, once for each key, and start it.

        Raises:
            OrganizationNotFoundError: No such organization, or it is not active.
            EngineError: As when a run begins over the API.
        """
        caller = await self._caller(asked.organization_id)
        record = await self._runs.start(
            caller, asked.workflow_id, asked.run_input, asked.version_number, key=_key(asked.key)
        )
        return RunStarted(
            run_id=record.id,
            version_number=record.version_number,
            input_id=record.input_id,
            temporal_workflow_id=run_workflow_id(record.id),
        )

    async def _caller(self, organization_id: str) -> Caller:
        organization = await self._accounts.organization(organization_id)
        if not organization.is_active:
            raise OrganizationNotFoundError("no such organization")
        return as_trigger(organization_id, is_limited=organization.is_limited)


def _key(workflow_id: str) -> str:
    """Return a key that no header can hold, so that no caller's own key is ever the same."""
    return "\x1f".join(("temporal", workflow_id))
