"""What starts flows from outside without a caller's credential: where it leads, and as whom.

Source: docs/api.md, "Webhooks that start flows"; docs/permissions.md.
"""

from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from flows.errors import FlowNotFoundError, OrganizationNotFoundError
from flows.executors.catalogue import executor_named
from flows.model import Task
from operations.caller import Caller, Role
from operations.definitions import Definitions
from store.accounts import AccountRepository
from store.flows import FlowRepository
from store.models import FlowRecord

TRIGGERS_PAUSED = "triggers_paused"


@dataclass(frozen=True, slots=True)
class Trigger:
    """An input task of the latest version of a flow that may be fired.

    Attributes:
        is_limited: Whether the flow's organization limits how many executions run at once.
    """

    flow: FlowRecord
    task: Task
    is_limited: bool = False

    @property
    def caller(self) -> Caller:
        """Return as whom the execution is created."""
        return as_trigger(self.flow.organization_id, is_limited=self.is_limited)


class Triggers:
    """Finds the input tasks that outside systems fire."""

    def __init__(
        self, flows: FlowRepository, accounts: AccountRepository, definitions: Definitions
    ) -> None:
        """Borrow everything."""
        self._flows = flows
        self._accounts = accounts
        self._definitions = definitions

    async def find(self, flow_id: str, task_name: str, executor: str) -> Trigger | None:
        """Return a task of this executor in a flow's latest version.

        None says as little as possible: there is no such flow, or it was deleted, or its triggers
        are paused, or its organization is inactive, or it has no such task.
        """
        found = await self.of_flow(flow_id, executor)
        return next((trigger for trigger in found if trigger.task.name == task_name), None)

    async def of_flow(self, flow_id: str, executor: str) -> list[Trigger]:
        """Return the tasks of this executor in a flow's latest version; as little said as by find.

        They come in the order of the definition.
        """
        organization_id = await self._flows.organization_of(flow_id)
        if organization_id is None:
            return []
        try:
            organization = await self._accounts.organization(organization_id)
            record = await self._flows.latest(organization_id, flow_id)
        except (FlowNotFoundError, OrganizationNotFoundError):
            return []
        if not organization.is_active or is_paused(record):
            return []
        flow = self._definitions.of(record).flow
        return [
            Trigger(record, task, organization.is_limited)
            for task in flow.tasks
            if _is_of(task, executor)
        ]


def _is_of(task: Task, executor: str) -> bool:
    found = executor_named(task.executor)
    return found is not None and found.name == executor


def is_paused(record: FlowRecord) -> bool:
    """Return whether nothing but a caller may start the flow at present."""
    return (record.settings or {}).get(TRIGGERS_PAUSED) is True


def as_trigger(organization_id: str, *, is_limited: bool = False) -> Caller:
    """Return the caller that stands for outside systems of an organization."""
    return Caller(
        organization_id=organization_id,
        user_id=str(uuid5(NAMESPACE_URL, f"perdure:trigger:{organization_id}")),
        role=Role.INTEGRATION,
        kind="integration",
        is_limited=is_limited,
    )
