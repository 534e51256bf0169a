"""A version of a workflow as a run takes it: embedded graphs in their places, secrets as names.

Source: docs/workflow-language.md, "Super nodes" and "Variables".
"""

from dialogs.model import Graph
from dialogs.state import Fixed
from dialogs.super_nodes import InvalidEmbeddingError, expanded
from flows.errors import InvalidGraphError
from flows.secrets import CREDENTIALS
from operations.caller import Caller
from operations.interactive_runs import Resolved
from operations.workflows import Workflows
from store.credentials import CredentialRepository
from store.workflows import WorkflowRepository


class ResolvedWorkflows:
    """Finds what a run begins with, and keeps whatever is changed meanwhile."""

    def __init__(
        self,
        workflows: Workflows,
        stored: WorkflowRepository,
        credentials: CredentialRepository,
    ) -> None:
        """Borrow everything."""
        self._workflows = workflows
        self._stored = stored
        self._credentials = credentials

    async def resolved(
        self, caller: Caller, workflow_id: str, version_number: int | None
    ) -> Resolved:
        """Return a version of a workflow, the active one unless given.

        The organization's credentials may be named as ``{{secrets.<name>}}`` wherever secrets may.

        Raises:
            WorkflowNotFoundError: No such workflow or version.
            InvalidGraphError: What a super node stands for is not there, or has no start.
        """
        organization_id = caller.organization_id
        workflow = await self._stored.get(organization_id, workflow_id)
        number = workflow.active_version if version_number is None else version_number
        version = await self._stored.version(organization_id, workflow_id, number)
        library = await self._workflows.library(organization_id, version.graph)
        try:
            graph = expanded(version.graph, lambda *named: library.get(named), (workflow_id,))
        except InvalidEmbeddingError as error:
            raise InvalidGraphError(error.fault.category, error.fault.error) from error
        credentials = await self._credentials.list(organization_id)
        return Resolved(
            workflow_id=workflow_id,
            name=workflow.name,
            version_number=number,
            version_name=version.name,
            graph=Graph.model_validate(graph),
            fixed=Fixed(secret_names=tuple(f"{CREDENTIALS}.{each.name}" for each in credentials)),
        )
