"""What a run begins with."""

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from flows.errors import InvalidError, WorkflowNotFoundError
from operations.caller import Caller
from operations.runnable import RunnableWorkflows
from operations.vault import Vault
from operations.workflows import NewWorkflow, Workflows
from store.credentials import CredentialRepository
from store.global_variables import VariableRepository
from store.workflows import GraphDocument, WorkflowRepository
from tests.support.dialogs import asks, graph, node, says
from tests.support.operations import ENCRYPTION_KEY, a_caller


class Shelf:
    """Workflows of one organization, and what runs make of them."""

    def __init__(self, database: AsyncIOMotorDatabase) -> None:
        stored = WorkflowRepository(database)
        self.caller: Caller = a_caller()
        self.workflows = Workflows(stored, Vault.over(database, [ENCRYPTION_KEY]))
        self.resolving = RunnableWorkflows(
            self.workflows,
            stored,
            CredentialRepository(database),
            VariableRepository(database),
            has_default_model=False,
        )

    async def add(self, document: GraphDocument) -> str:
        new = NewWorkflow(name="Desk", description=None, graph=document)
        record, _ = await self.workflows.create(self.caller, new)
        return record.id


@pytest.fixture
def shelf(database: AsyncIOMotorDatabase) -> Shelf:
    return Shelf(database)


async def test_a_run_takes_the_active_version_or_the_one_that_is_named(shelf: Shelf) -> None:
    desk = await shelf.add(graph(says("a")))
    await shelf.workflows.add_version(shelf.caller, desk, name="next", source=None, activates=True)

    active = await shelf.resolving.resolved(shelf.caller, desk, None)
    first = await shelf.resolving.resolved(shelf.caller, desk, 0)

    assert (active.version_number, active.version_name) == (1, "next")
    assert (first.version_number, first.name) == (0, "Desk")


async def test_embedded_workflows_are_in_their_places(shelf: Shelf) -> None:
    inner = await shelf.add(graph(says("x")))
    outer = await shelf.add(graph(node("super_node", "s", super_workflow_id=inner)))

    resolved = await shelf.resolving.resolved(shelf.caller, outer, None)

    assert [each.logical_id for each in resolved.graph.node_configs] == ["s__x"]


async def test_what_is_embedded_and_gone_is_told(shelf: Shelf) -> None:
    inner = await shelf.add(graph(says("x")))
    outer = await shelf.add(graph(node("super_node", "s", super_workflow_id=inner)))
    await shelf.workflows.delete(shelf.caller, inner)

    with pytest.raises(InvalidError, match="cannot be run any more"):
        await shelf.resolving.resolved(shelf.caller, outer, None)


async def test_keys_of_models_travel_as_references(shelf: Shelf) -> None:
    model = {"type": "custom_llm", "api_key": "sk-very-secret"}
    desk = await shelf.add(graph(asks("desk", llms_config=model)))

    resolved = await shelf.resolving.resolved(shelf.caller, desk, None)

    assert "sk-very-secret" not in resolved.graph.model_dump_json()
    assert "{{secret:" in resolved.graph.model_dump_json()


async def test_workflows_of_others_are_not_found_and_not_embedded(shelf: Shelf) -> None:
    inner = await shelf.add(graph(says("x")))
    other = a_caller()
    new = NewWorkflow(
        name="Thief",
        description=None,
        graph=graph(node("super_node", "s", super_workflow_id=inner)),
    )
    theirs, _ = await shelf.workflows.create(other, new)

    with pytest.raises(WorkflowNotFoundError):
        await shelf.resolving.resolved(other, inner, None)
    with pytest.raises(InvalidError):
        await shelf.resolving.resolved(other, theirs.id, None)
