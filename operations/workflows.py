"""Use cases of interactive workflows: definitions, versions, copies.

Source: docs/workflows-api.md; docs/permissions.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue, ValidationError

from dialogs.model import Graph
from dialogs.super_nodes import InvalidEmbeddingError, embedded_in, expanded
from dialogs.validate import GRAPH, first_fault
from flows.errors import (
    InvalidError,
    InvalidGraphError,
    WorkflowNotFoundError,
)
from operations.caller import Caller, Role
from operations.graph_secrets import mask_keys, move_keys, seal_keys
from operations.vault import Vault
from store.clock import now
from store.models import Page
from store.secrets import StoredSecret
from store.workflows import (
    GraphDocument,
    WorkflowRecord,
    WorkflowRepository,
    WorkflowVersionRecord,
    new_object_id,
)

INITIAL_VERSION = "Initial Version"
DEFAULT_CATEGORY = "User Created"
MAX_EMBEDDED = 50

_UNKNOWN: GraphDocument = {
    "node_configs": [{"type": "no_op", "logical_id": "unknown", "is_start": True}]
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkflow:
    """What a caller sends to create a workflow."""

    name: str
    description: str | None
    graph: GraphDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version of a workflow that is made as a whole."""

    number: int
    name: str
    graph: GraphDocument


class Workflows:
    """What callers may do with workflows; keys of models are masked in every graph that is shown.

    Every method raises ForbiddenError for too low a role, and WorkflowNotFoundError for a workflow
    or a version that does not exist or is another organization's. Those that
    take a graph raise InvalidGraphError for what is none, or breaks a rule.
    """

    def __init__(self, workflows: WorkflowRepository, vault: Vault) -> None:
        """Borrow everything."""
        self._workflows = workflows
        self._vault = vault

    async def create(
        self, caller: Caller, new: NewWorkflow
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Store a workflow with version 0, which is active."""
        _may_write(caller)
        first = NewVersion(number=0, name=INITIAL_VERSION, graph=new.graph)
        return await self.create_whole(caller, new, [first], 0)

    async def create_whole(
        self, caller: Caller, new: NewWorkflow, versions: Sequence[NewVersion], active: int
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Store a workflow with some versions, one of which is active; all of it or nothing."""
        _may_write(caller)
        workflow_id = new_object_id()
        made: dict[int, WorkflowVersionRecord] = {}
        secrets: list[StoredSecret] = []
        for each in versions:
            await self._check(caller, workflow_id, each.graph)
            sealed = seal_keys(self._vault, caller.organization_id, workflow_id, each.graph, None)
            secrets += sealed.secrets
            made[each.number] = _new_version(
                caller, workflow_id, each.number, each.name, sealed.graph
            )
        record = replace(_new_workflow(caller, new, workflow_id), active_version=active)
        await self._workflows.create(record, [*made.values()], secrets)
        return record, _shown(made[active])

    async def list(
        self, caller: Caller, *, search: str | None, page: int, size: int
    ) -> Page[WorkflowRecord]:
        """Return a page of workflows, newest first; pages count from 1."""
        _may_read(caller)
        return await self._workflows.list(
            caller.organization_id, search=search, offset=(page - 1) * size, limit=size
        )

    async def get(
        self, caller: Caller, workflow_id: str
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Return a workflow with its active version."""
        _may_read(caller)
        organization_id = caller.organization_id
        workflow = await self._workflows.get(organization_id, workflow_id)
        version = await self._workflows.version(
            organization_id, workflow_id, workflow.active_version
        )
        return workflow, _shown(version)

    async def patch(
        self, caller: Caller, workflow_id: str, changes: Mapping[str, str | int | None]
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Change name, description or the limit of concurrent runs; the graph stays."""
        _may_write(caller)
        if "name" in changes and changes["name"] is None:
            raise InvalidError("name cannot be null")
        await self._workflows.patch(caller.organization_id, workflow_id, changes, caller.user_id)
        return await self.get(caller, workflow_id)

    async def delete(self, caller: Caller, workflow_id: str) -> None:
        """Remove a workflow with all that belongs to it."""
        _may_write(caller)
        await self._workflows.delete(caller.organization_id, workflow_id)

    async def clone(
        self,
        caller: Caller,
        workflow_id: str,
        changes: Mapping[str, str | None],
        numbers: Collection[int] | None,
        fallback: int | None,
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Copy a workflow; its versions keep their numbers, names and logical ids.

        Args:
            numbers: The versions to copy; None for all.
            fallback: Which one becomes active if the active one is not copied; else the lowest.
        """
        _may_write(caller)
        source = await self._workflows.get(caller.organization_id, workflow_id)
        versions = await self._workflows.versions(caller.organization_id, workflow_id)
        chosen = [each for each in versions if numbers is None or each.number in numbers]
        known = {each.number for each in chosen}
        if not chosen or (numbers is not None and not known.issuperset(numbers)):
            raise WorkflowNotFoundError("Workflow version not found")
        preferred = [each for each in (source.active_version, fallback) if each is not None]
        active = next((each for each in preferred if each in known), min(known))
        copy_id = new_object_id()
        copies: list[WorkflowVersionRecord] = []
        secrets: list[StoredSecret] = []
        for each in chosen:
            moved = await move_keys(
                self._vault, caller.organization_id, workflow_id, copy_id, each.graph
            )
            secrets += moved.secrets
            copies.append(_new_version(caller, copy_id, each.number, each.name, moved.graph))
        name = changes.get("name") or f"{source.name} (copy)"
        record = replace(
            _new_workflow(caller, NewWorkflow(name=name, description=None, graph={}), copy_id),
            description=changes.get("description", source.description),
            category=source.category,
            active_version=active,
            max_concurrent_runs=source.max_concurrent_runs,
        )
        await self._workflows.create(record, copies, secrets)
        return await self.get(caller, copy_id)

    async def versions(
        self, caller: Caller, workflow_id: str
    ) -> tuple[WorkflowRecord, Sequence[WorkflowVersionRecord]]:
        """Return a workflow with all its versions, by number."""
        _may_read(caller)
        workflow = await self._workflows.get(caller.organization_id, workflow_id)
        versions = await self._workflows.versions(caller.organization_id, workflow_id)
        return workflow, [_shown(each) for each in versions]

    async def version(
        self, caller: Caller, workflow_id: str, number: int
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Return a workflow with one of its versions."""
        _may_read(caller)
        workflow = await self._workflows.get(caller.organization_id, workflow_id)
        version = await self._workflows.version(caller.organization_id, workflow_id, number)
        return workflow, _shown(version)

    async def add_version(
        self,
        caller: Caller,
        workflow_id: str,
        *,
        name: str | None,
        source: int | None,
        activates: bool,
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Copy a version, the active one unless another is named, under a new number."""
        _may_write(caller)
        organization_id = caller.organization_id
        workflow = await self._workflows.get(organization_id, workflow_id)
        number = workflow.active_version if source is None else source
        copied = await self._workflows.version(organization_id, workflow_id, number)
        number = await self._workflows.take_number(organization_id, workflow_id, caller.user_id)
        made = _new_version(caller, workflow_id, number, name or f"Version {number}", copied.graph)
        await self._workflows.add_version(made)
        if activates:
            workflow = await self._workflows.activate(
                organization_id, workflow_id, number, caller.user_id
            )
        return workflow, _shown(made)

    async def rename_version(
        self, caller: Caller, workflow_id: str, number: int, name: str
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Call a version something else."""
        _may_write(caller)
        workflow = await self._workflows.get(caller.organization_id, workflow_id)
        changed = await self._workflows.rename_version(
            caller.organization_id, workflow_id, number, name
        )
        return workflow, _shown(changed)

    async def put_config(
        self, caller: Caller, workflow_id: str, number: int, config: GraphDocument
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Replace the graph of a version; a configuration alone leaves nodes and edges."""
        _may_write(caller)
        organization_id = caller.organization_id
        workflow = await self._workflows.get(organization_id, workflow_id)
        previous = await self._workflows.version(organization_id, workflow_id, number)
        graph = graph_from(config, previous.graph)
        await self._check(caller, workflow_id, graph)
        sealed = seal_keys(self._vault, organization_id, workflow_id, graph, previous.graph)
        changed = await self._workflows.put_graph(
            organization_id, workflow_id, number, sealed.graph, sealed.secrets
        )
        return workflow, _shown(changed)

    async def activate(
        self, caller: Caller, workflow_id: str, number: int
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Make a version the one that new runs use."""
        _may_write(caller)
        await self._workflows.get(caller.organization_id, workflow_id)
        await self._workflows.activate(caller.organization_id, workflow_id, number, caller.user_id)
        return await self.get(caller, workflow_id)

    async def delete_version(self, caller: Caller, workflow_id: str, number: int) -> None:
        """Remove a version.

        Raises:
            ConflictError: It is the active one.
        """
        _may_write(caller)
        await self._workflows.get(caller.organization_id, workflow_id)
        await self._workflows.delete_version(caller.organization_id, workflow_id, number)

    async def _check(self, caller: Caller, workflow_id: str, graph: GraphDocument) -> None:
        try:
            fault = first_fault(Graph.model_validate(graph))
        except ValidationError as error:
            raise InvalidGraphError(GRAPH, _first_problem(error)) from error
        if fault is not None:
            raise InvalidGraphError(fault.category, fault.error)
        library = await self.library(caller.organization_id, graph)
        try:
            expanded(graph, lambda *named: library.get(named, _UNKNOWN), (workflow_id,))
        except InvalidEmbeddingError as error:
            raise InvalidGraphError(error.fault.category, error.fault.error) from error

    async def library(
        self, organization_id: str, graph: GraphDocument
    ) -> Mapping[tuple[str, int | None], GraphDocument]:
        """Return the graphs that a graph embeds, and those embed; what is missing is left out."""
        found: dict[tuple[str, int | None], GraphDocument] = {}
        wanted = embedded_in(graph)
        while wanted and len(found) < MAX_EMBEDDED:
            named = wanted.pop()
            if named in found:
                continue
            try:
                found[named] = await self._embedded(organization_id, *named)
            except WorkflowNotFoundError:
                continue
            wanted += embedded_in(found[named])
        return found

    async def _embedded(
        self, organization_id: str, workflow_id: str, number: int | None
    ) -> GraphDocument:
        if number is None:
            workflow = await self._workflows.get(organization_id, workflow_id)
            number = workflow.active_version
        return (await self._workflows.version(organization_id, workflow_id, number)).graph


def graph_from(config: GraphDocument, previous: GraphDocument | None = None) -> GraphDocument:
    """Return a whole graph from one, or from a configuration that leaves the rest as it was."""
    if {"workflow_config", "node_configs", "edge_configs"} & config.keys():
        return {**_empty(), **{name: each for name, each in config.items() if each is not None}}
    return {**(previous if previous is not None else _empty()), "workflow_config": config}


def _empty() -> GraphDocument:
    return {
        "workflow_config": {},
        "node_configs": [],
        "edge_configs": [],
        "dynamic_variables": {},
        "runtime_variables": {},
    }


def _new_workflow(caller: Caller, new: NewWorkflow, workflow_id: str) -> WorkflowRecord:
    config: JsonValue = new.graph.get("workflow_config")
    category = config.get("category") if isinstance(config, dict) else None
    at = now()
    return WorkflowRecord(
        id=workflow_id,
        organization_id=caller.organization_id,
        name=new.name,
        description=new.description,
        category=category if isinstance(category, str) else DEFAULT_CATEGORY,
        active_version=0,
        max_concurrent_runs=None,
        created_by=caller.user_id,
        updated_by=caller.user_id,
        created_at=at,
        updated_at=at,
    )


def _new_version(
    caller: Caller, workflow_id: str, number: int, name: str, graph: GraphDocument
) -> WorkflowVersionRecord:
    at = now()
    return WorkflowVersionRecord(
        id=new_object_id(),
        workflow_id=workflow_id,
        organization_id=caller.organization_id,
        number=number,
        name=name,
        graph=graph,
        created_by=caller.user_id,
        created_at=at,
        updated_at=at,
    )


def _shown(version: WorkflowVersionRecord) -> WorkflowVersionRecord:
    return replace(version, graph=mask_keys(version.graph))


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"


def _may_read(caller: Caller) -> None:
    caller.require(Role.PUBLISHER, "see workflows")


def _may_write(caller: Caller) -> None:
    caller.require(Role.PUBLISHER, "write workflows")
