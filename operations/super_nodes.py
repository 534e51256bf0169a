"""Use cases of workflows that others embed: what they ask for, and who embeds them.

Source: docs/workflows-api.md, "Super nodes"; docs/permissions.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from dialogs.snapshots import SnapshotStatus, SuperNode, super_nodes
from dialogs.super_nodes import InvalidEmbeddingError, embedded_in, expanded
from flows.errors import InvalidGraphError, WorkflowNotFoundError
from operations.caller import Caller, Role
from operations.graph_secrets import mask_keys
from operations.workflows import Workflows
from store.workflow_catalogue import Active, WorkflowCatalogue
from store.workflows import GraphDocument, WorkflowVersionRecord

INTERFACE = "super_node_interface"

Interface = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A version of a workflow that embeds another."""

    workflow_id: str
    name: str
    version_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A workflow that offers an interface to those that embed it."""

    workflow_id: str
    name: str
    description: str | None
    version_number: int
    interface: Interface


class SuperNodes:
    """What callers may do with workflows that stand for a node.

    Every method raises ForbiddenError for too low a role; those that name a workflow raise
    WorkflowNotFoundError for one that does not exist or is another organization's.
    """

    def __init__(self, catalogue: WorkflowCatalogue, workflows: Workflows) -> None:
        """Borrow everything."""
        self._catalogue = catalogue
        self._workflows = workflows

    async def publish(self, caller: Caller, workflow_id: str, interface: Interface) -> int:
        """Offer an interface, with the active version; returns that version's number."""
        return await self._put(caller, workflow_id, interface)

    async def withdraw(self, caller: Caller, workflow_id: str) -> tuple[int, Sequence[Embedding]]:
        """Take an interface back; returns the active version's number, and who embeds it still."""
        number = await self._put(caller, workflow_id, None)
        return number, await self.dependents(caller, workflow_id)

    async def dependents(self, caller: Caller, workflow_id: str) -> Sequence[Embedding]:
        """Return every version that embeds a workflow, by workflow and number."""
        await self._workflows.get(caller, workflow_id)
        organization_id = caller.organization_id
        embedding = [
            (version.workflow_id, version.number)
            async for version in self._catalogue.all_versions(organization_id)
            if any(named == workflow_id for named, _ in embedded_in(version.graph))
        ]
        if not embedding:
            return []
        names = {
            workflow.id: workflow.name
            async for workflow, _ in self._catalogue.all_active(organization_id)
        }
        return [
            Embedding(workflow_id=each, name=names[each], version_number=number)
            for each, number in sorted(embedding)
            if each in names
        ]

    async def published(self, caller: Caller) -> Sequence[Published]:
        """Return the workflows that offer an interface, newest first."""
        _may_read(caller)
        every = self._catalogue.all_active(caller.organization_id)
        return [found async for pair in every if (found := _published(pair)) is not None]

    async def one(self, caller: Caller, workflow_id: str) -> Published:
        """Return a workflow that offers an interface; one that offers none is not found."""
        found = _published(await self._workflows.get(caller, workflow_id))
        if found is None:
            raise WorkflowNotFoundError("Workflow not found", workflow_id=workflow_id)
        return found

    async def preview(
        self, caller: Caller, workflow_id: str, number: int | None
    ) -> tuple[int, GraphDocument]:
        """Return a version, the active one unless given, as a run takes it: without super nodes.

        Raises:
            InvalidGraphError: It embeds what does not exist any more.
        """
        version = await self._version(caller, workflow_id, number)
        library = await self._workflows.library(caller.organization_id, version.graph)
        try:
            whole = expanded(version.graph, lambda *named: library.get(named), (workflow_id,))
        except InvalidEmbeddingError as error:
            raise InvalidGraphError(error.fault.category, error.fault.error) from error
        return version.number, mask_keys(whole)

    async def snapshots(
        self, caller: Caller, workflow_id: str, number: int | None
    ) -> tuple[int, Sequence[tuple[SuperNode, SnapshotStatus]]]:
        """Return the super nodes of a version, and how the graphs that they carry stand."""
        version = await self._version(caller, workflow_id, number)
        named: list[JsonValue] = [
            {
                "type": "super_node",
                "super_workflow_id": each.workflow_id,
                "super_workflow_version_number": each.version_number,
            }
            for each in super_nodes(version.graph)
        ]
        library = await self._workflows.library(caller.organization_id, {"node_configs": named})
        shown = {key: mask_keys(graph) for key, graph in library.items()}
        return version.number, [
            (each, each.status(lambda *key: shown.get(key))) for each in super_nodes(version.graph)
        ]

    async def _version(
        self, caller: Caller, workflow_id: str, number: int | None
    ) -> WorkflowVersionRecord:
        if number is None:
            return (await self._workflows.get(caller, workflow_id))[1]
        return (await self._workflows.version(caller, workflow_id, number))[1]

    async def _put(self, caller: Caller, workflow_id: str, interface: Interface | None) -> int:
        workflow, version = await self._workflows.get(caller, workflow_id)
        config = version.graph.get("workflow_config")
        changed = {**config} if isinstance(config, dict) else {}
        changed.pop(INTERFACE, None)
        if interface is not None:
            changed[INTERFACE] = interface
        graph = {**version.graph, "workflow_config": changed}
        await self._workflows.put_config(caller, workflow_id, workflow.active_version, graph)
        return workflow.active_version


def _published(pair: Active) -> Published | None:
    workflow, version = pair
    config = version.graph.get("workflow_config")
    interface = config.get(INTERFACE) if isinstance(config, dict) else None
    if not isinstance(interface, dict):
        return None
    return Published(
        workflow_id=workflow.id,
        name=workflow.name,
        description=workflow.description,
        version_number=version.number,
        interface=interface,
    )


def _may_read(caller: Caller) -> None:
    caller.require(Role.PUBLISHER, "see workflows")
