"""Runs that an execution does not know: an operator's reset makes one, under the same workflow id.

Source: docs/decisions/0027-reset-reopens.md.
"""

import logging
from collections.abc import Sequence

from contracts.messages import RunContext, TaskSettlement, TaskState
from contracts.names import flow_workflow_id
from operations.aftermath import settlements
from runtime.gateway import Gateway
from store.adoption import Adoption

logger = logging.getLogger(__name__)


class Reopening:
    """Gives an execution back to the run that Temporal says is its current one."""

    def __init__(self, adoption: Adoption, gateway: Gateway) -> None:
        """Borrow both."""
        self._adoption = adoption
        self._gateway = gateway

    async def adopt(self, context: RunContext, run_id: str) -> Sequence[TaskSettlement] | None:
        """Open the execution for this run, and return what the run took over as completed.

        Repeatable: should the process die on the way, the run's next write begins again.

        Returns:
            None if Temporal does not say that this run is under way.

        Raises:
            UnavailableError: Temporal or the store does not answer; nothing is lost, call again.
        """
        workflow_id = flow_workflow_id(context.flow_execution_id, context.generation)
        described = await self._gateway.describe(workflow_id)
        if described is None or not described.is_running or described.run_id != run_id:
            return None
        is_ours = await self._adoption.adopt(
            context.organization_id, context.flow_execution_id, context.generation, run_id
        )
        history = await self._gateway.history(workflow_id, run_id)
        if not is_ours or history is None:
            return None
        logger.info(
            "execution reopened for a run that was reset",
            extra={"flow_execution_id": context.flow_execution_id, "run_id": run_id},
        )
        return [word for word in settlements(history) if word.state is TaskState.COMPLETED]
