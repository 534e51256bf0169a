"""Use cases of flow executions: create, read, cancel, run again, delete."""

from pydantic import JsonValue

from operations.caller import Caller
from store.models import ExecutionQuery, ExecutionRecord, ExecutionStatus


class Executions:
    """What callers may do with flow executions."""

    async def create(
        self,
        caller: Caller,
        flow_id: str,
        input: dict[str, JsonValue],
        *,
        input_task_name: str | None = None,
        idempotency_key: str | None = None,
    ) -> ExecutionRecord:
        """Record one execution of the flow's latest version, and ask for its start."""
        raise NotImplementedError

    async def get(self, caller: Caller, flow_execution_id: str) -> ExecutionRecord:
        """Return an execution that is not deleted."""
        raise NotImplementedError

    async def list(self, caller: Caller, query: ExecutionQuery) -> list[ExecutionRecord]:
        """Return one page of the executions of one flow."""
        raise NotImplementedError

    async def cancel(self, caller: Caller, flow_execution_id: str) -> None:
        """Ask an execution to stop; one that has ended stays as it is."""
        raise NotImplementedError

    async def re_execute(
        self, caller: Caller, flow_execution_id: str, *, only_stale: bool = False
    ) -> None:
        """Run the same execution again, on the flow's latest version."""
        raise NotImplementedError

    async def delete(self, caller: Caller, flow_execution_id: str) -> None:
        """Hide an execution for good; deleting it again changes nothing."""
        raise NotImplementedError

    async def set_status(
        self, caller: Caller, flow_execution_id: str, status: ExecutionStatus
    ) -> ExecutionRecord:
        """Overwrite the status shown; ``deleted`` equals delete."""
        raise NotImplementedError
