"""Workflows as runs take them: one version, whole, and fixed from then on."""

from collections.abc import Mapping

from dialogs.model import Graph
from dialogs.state import Fixed
from dialogs.super_nodes import InvalidEmbeddingError, expanded
from flows.errors import InvalidError
from flows.secrets import CREDENTIALS
from operations.caller import Caller
from operations.graph_secrets import with_owner
from operations.run_beginnings import Resolved
from operations.workflows import Workflows
from store.credentials import CredentialRepository
from store.global_variables import VariableRepository
from store.workflows import GraphDocument, WorkflowRepository

Library = Mapping[tuple[str, int | None], GraphDocument]


class RunnableWorkflows:
    """Finds the version of a workflow that a run begins with, and resolves it."""

    def __init__(
        self,
        workflows: Workflows,
        repository: WorkflowRepository,
        credentials: CredentialRepository,
        variables: VariableRepository,
        *,
        has_default_model: bool,
    ) -> None:
        """Borrow everything.

        Args:
            has_default_model: Whether the operator offers a model to workflows that name none.
        """
        self._has_default_model = has_default_model
        self._workflows = workflows
        self._repository = repository
        self._credentials = credentials
        self._variables = variables

    async def resolved(
        self, caller: Caller, workflow_id: str, version_number: int | None
    ) -> Resolved:
        """Return a version of a workflow, the active one unless given.

        Raises:
            WorkflowNotFoundError: No such workflow, or version of it.
            InvalidError: It embeds what does not exist any more.
        """
        organization_id = caller.organization_id
        workflow = await self._repository.get(organization_id, workflow_id)
        number = workflow.active_version if version_number is None else version_number
        version = await self._repository.version(organization_id, workflow_id, number)
        library = await self._workflows.library(organization_id, version.graph)
        fixed = await self._fixed(organization_id)
        return Resolved(
            workflow_id=workflow_id,
            name=workflow.name,
            version_number=number,
            version_name=version.name,
            graph=Graph.model_validate(_whole(version.graph, library, workflow_id)),
            fixed=fixed,
            max_open_runs=workflow.max_concurrent_runs,
        )

    async def max_open_runs(self, caller: Caller, workflow_id: str) -> int | None:
        """Return how many runs of a workflow may be open at once; None for any number.

        Raises:
            WorkflowNotFoundError: No such workflow.
        """
        return (await self._repository.get(caller.organization_id, workflow_id)).max_concurrent_runs

    async def _fixed(self, organization_id: str) -> Fixed:
        """Return what the organization has for all its runs; of secrets only the names."""
        credentials = await self._credentials.list(organization_id)
        variables = await self._variables.all(organization_id)
        secret = [each.name for each in variables if each.is_secret]
        return Fixed(
            team_variables={each.name: each.value for each in variables if not each.is_secret},
            secret_names=(*(f"{CREDENTIALS}.{each.name}" for each in credentials), *secret),
            has_default_model=self._has_default_model,
            makes_up_texts=True,
        )


def _whole(graph: GraphDocument, library: Library, workflow_id: str) -> GraphDocument:
    """Return a graph with those that it embeds in their places."""
    try:
        return expanded(graph, lambda *named: with_owner(library[named], named[0]), (workflow_id,))
    except (InvalidEmbeddingError, KeyError) as error:
        raise InvalidError("the graph embeds a workflow that cannot be run any more") from error
