"""No repository's method gives, or changes, what belongs to another organization."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from flows.errors import NotFoundError
from store.accounts import AccountRepository
from store.clock import now
from store.credentials import CredentialRepository
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.global_variables import VariableRepository
from store.invitations import InvitationRepository
from store.models import ExecutionQuery, ExecutionStatus
from store.people import PersonRepository
from store.secrets import SecretRepository
from store.service_accounts import ServiceAccountRepository
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository
from store.worker_groups import WorkerGroupRepository
from tests.support.stores import AUTHOR, STRANGER, Stores, a_flow

REPOSITORIES = (
    AccountRepository,
    CredentialRepository,
    ExecutionRepository,
    FlowRepository,
    PersonRepository,
    InvitationRepository,
    SecretRepository,
    ServiceAccountRepository,
    TaskExecutionRepository,
    TaskOutputRepository,
    VariableRepository,
    WorkerGroupRepository,
)

UNTENANTED = {
    "AccountRepository.create_organization": "makes the tenant",
    "AccountRepository.find_key": "finds out who the caller is; a token names nobody",
    "CredentialRepository.create": "the record names its organization",
    "ExecutionRepository.create": "the record names its organization",
    "ExecutionRepository.open_records": "the reconciler looks after every organization",
    "ExecutionRepository.organization_of": "tells foreign from absent, and nothing else",
    "FlowRepository.create": "the record names its organization",
    "FlowRepository.organization_of": "a post to a webhook comes without a caller",
    "VariableRepository.create": "the record names its organization",
    "VariableRepository.put": "the record names its organization",
    "WorkerGroupRepository.create": "the record names its organization",
    "ServiceAccountRepository.note_uses": "keys that were let in; nothing of them is given",
}


def methods() -> list[tuple[str, Any]]:
    return [
        (f"{repository.__name__}.{name}", method)
        for repository in REPOSITORIES
        for name, method in inspect.getmembers(repository, inspect.isfunction)
        if not name.startswith("_")
    ]


@pytest.mark.parametrize(("name", "method"), methods(), ids=[name for name, _ in methods()])
def test_every_method_asks_for_the_organization_first(name: str, method: Any) -> None:
    _, *parameters = inspect.signature(method).parameters

    assert (parameters[:1] == ["organization_id"]) != (name in UNTENANTED)


def test_every_exception_is_still_there() -> None:
    assert set(UNTENANTED) <= {name for name, _ in methods()}


Attempt = Callable[[Stores, str, str], Awaitable[object]]

REFUSED: dict[str, Attempt] = {
    "execution": lambda s, _, e: s.executions.get(STRANGER, e),
    "any execution": lambda s, _, e: s.executions.find_any(STRANGER, e),
    "cancel": lambda s, _, e: s.executions.request_cancel(STRANGER, e, AUTHOR),
    "re-execute": lambda s, _, e: s.executions.begin_generation(STRANGER, e, 1, "full", 1, AUTHOR),
    "delete execution": lambda s, _, e: s.executions.delete(STRANGER, e, AUTHOR),
    "status": lambda s, _, e: s.executions.set_status(STRANGER, e, ExecutionStatus.FAILED, AUTHOR),
    "flow": lambda s, f, _: s.flows.latest(STRANGER, f),
    "version": lambda s, f, _: s.flows.version(STRANGER, f, 1),
    "versions": lambda s, f, _: s.flows.versions(STRANGER, f),
    "version page": lambda s, f, _: s.flows.version_page(STRANGER, f),
    "patch": lambda s, f, _: s.flows.patch(STRANGER, f, {"description": "x"}, AUTHOR),
    "patch version": lambda s, f, _: s.flows.patch_version(STRANGER, f, 1, {"name": "x"}, AUTHOR),
    "add version": lambda s, f, _: s.flows.add_version(STRANGER, f, {}, AUTHOR, 1),
    "delete flow": lambda s, f, _: s.flows.delete(STRANGER, f, AUTHOR),
}

EMPTY: dict[str, Attempt] = {
    "executions": lambda s, f, _: s.executions.list(STRANGER, ExecutionQuery(flow_id=f)),
    "start": lambda s, _, e: s.executions.mark_started(STRANGER, e, 1, "run", now()),
    "close": lambda s, _, e: s.executions.close_unstarted(
        STRANGER, e, 1, ExecutionStatus.CANCELLED
    ),
    "task executions": lambda s, _, e: s.task_executions.list(STRANGER, flow_execution_id=e),
    "all task executions": lambda s, _, e: s.task_executions.list(STRANGER),
    "seeds": lambda s, _, e: s.task_executions.seeds(STRANGER, e),
    "outputs": lambda s, _, e: s.task_outputs.list(STRANGER),
    "outputs of an execution": lambda s, _, e: s.task_outputs.of_execution(STRANGER, e),
    "outputs of a version": lambda s, f, _: s.task_outputs.by_version(STRANGER, f, 1),
    "counts": lambda s, f, _: s.flows.counts(STRANGER, [f]),
    "tags": lambda s, _, e: s.flows.available_tags(STRANGER),
    "touch": lambda s, _, e: s.executions.touch(STRANGER, e, AUTHOR),
}


async def everything(stores: Stores) -> dict[str, list[Any]]:
    """Return all documents."""
    names = sorted(await stores.database.list_collection_names())
    return {name: await stores.database[name].find().to_list(length=None) for name in names}


async def a_tenant(stores: Stores) -> tuple[str, str]:
    """Return the ids of a flow and of an execution with a row."""
    flow = await stores.flows.create(a_flow(tags=["a"]))
    run = await stores.running(flow.id)
    await run.close("t", output=1)
    return flow.id, run.id


@pytest.mark.parametrize("what", REFUSED)
async def test_a_stranger_is_told_that_there_is_no_such_thing(stores: Stores, what: str) -> None:
    flow_id, execution_id = await a_tenant(stores)
    before = await everything(stores)

    with pytest.raises(NotFoundError):
        await REFUSED[what](stores, flow_id, execution_id)

    assert await everything(stores) == before


@pytest.mark.parametrize("what", EMPTY)
async def test_a_stranger_sees_and_changes_nothing(stores: Stores, what: str) -> None:
    flow_id, execution_id = await a_tenant(stores)
    before = await everything(stores)

    assert not await EMPTY[what](stores, flow_id, execution_id)

    assert await everything(stores) == before


async def test_a_stranger_cannot_read_one_row_or_output(stores: Stores) -> None:
    await a_tenant(stores)
    row = await stores.database["task_executions"].find_one({})
    output = await stores.database["task_outputs"].find_one({})
    assert row is not None
    assert output is not None

    with pytest.raises(NotFoundError):
        await stores.task_executions.get(STRANGER, row["_id"])
    with pytest.raises(NotFoundError):
        await stores.task_executions.list(STRANGER, after=row["_id"])
    with pytest.raises(NotFoundError):
        await stores.task_outputs.get(STRANGER, output["_id"])
    with pytest.raises(NotFoundError):
        await stores.task_outputs.list(STRANGER, after=output["_id"])
