"""The use cases on real stores, without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue
from temporalio.client import Client

from contracts.messages import ReconcileCall
from contracts.names import flow_workflow_id
from operations.aftermath import Aftermath
from operations.background import Background
from operations.caller import Caller, Role
from operations.definitions import Definitions
from operations.executions import MAX_QUEUED, Executions
from operations.files import FileSweep
from operations.flows import Flows, NewFlow
from operations.reconciliation import Reconciler
from operations.reexecution import ReExecution
from operations.reruns import Reruns
from operations.reviews import ReviewSweep
from operations.run_sweep import RunSweep
from operations.schedules import Schedules
from operations.sealing import Sealing
from operations.starting import Starter
from operations.truth import TruthCheck
from operations.vault import Vault
from operations.waiting import Wakes
from runtime.gateway import Described, Gateway
from runtime.run_gateway import RunGateway
from store.accounts import AccountRepository
from store.audit import Audit
from store.credentials import CredentialRepository
from store.executions import ExecutionRepository
from store.expiry import Expiry
from store.file_contents import GridFSContents
from store.files import FileRepository
from store.flows import FlowRepository
from store.indexes import ensure_indexes
from store.interactive_runs import RunRepository
from store.models import ExecutionRecord
from store.payloads import PayloadRepository
from store.projection import Projection
from store.reruns import RerunRepository
from store.review_acts import ReviewActs
from store.schedules import ScheduleRepository
from store.suspension import Suspension
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository
from tests.support.effect_flows import INPUT, a_flow, a_note

Json = dict[str, JsonValue]

ENCRYPTION_KEY = "cGVyZHVyZSB0ZXN0cyBzZWFsIHRoZWlyIHNlY3JldHM="
"""AES-256, in base64; for tests."""


def a_caller(organization_id: str | None = None, role: Role = Role.ORG_ADMIN) -> Caller:
    """Return a person of an organization, a new one unless named."""
    return Caller(organization_id=organization_id or str(uuid4()), user_id=str(uuid4()), role=role)


@dataclass(frozen=True, slots=True)
class Operations:
    """Everything between the API and the servers, and one caller of it."""

    caller: Caller
    gateway: Gateway
    projection: Projection
    repository: ExecutionRepository
    starter: Starter
    executions: Executions
    flows: Flows
    reconciler: Reconciler
    audit: Audit
    vault: Vault
    credentials: CredentialRepository

    async def a_flow(self, definition: Json | None = None, **fields: Any) -> str:
        """Store a flow, of one instant task unless given, and return its id."""
        new = NewFlow(
            display_name=f"flow {uuid4()}",
            definition=definition or a_flow(a_note("note", "form")),
            **fields,
        )
        return (await self.flows.create(self.caller, new)).record.id

    async def an_execution(self, definition: Json | None = None) -> ExecutionRecord:
        """Store a flow and an execution of it."""
        flow_id = await self.a_flow(definition)
        return await self.executions.create(self.caller, flow_id, INPUT)

    async def now(self, record: ExecutionRecord) -> ExecutionRecord:
        """Return an execution as it is now, deleted or not."""
        return await self.repository.find_any(record.organization_id, record.id)

    async def described(
        self, record: ExecutionRecord, generation: int | None = None
    ) -> Described | None:
        """Return what Temporal says about a generation, the record's unless given."""
        return await self.gateway.describe(
            flow_workflow_id(record.id, generation or record.generation)
        )

    async def reconcile(self) -> dict[str, int]:
        """Run one round of the reconciler and return what it did, without what it did not."""
        reply = await self.reconciler.round(ReconcileCall())
        return {name: count for name, count in reply.model_dump().items() if count}

    async def differences(self) -> list[str]:
        """Return what the truth check finds."""
        verdict = await TruthCheck(self.audit, self.gateway).run()
        return [found.what for found in verdict.differences]


async def operations_on(
    database: AsyncIOMotorDatabase,
    client: Client,
    task_queue: str,
    keys: Sequence[str] = (ENCRYPTION_KEY,),
    background: Background | None = None,
    max_queued: int = MAX_QUEUED,
) -> Operations:
    """Build the use cases on a database and a Temporal client."""
    credentials = CredentialRepository(database)
    vault = Vault.over(database, keys)
    sealing = Sealing(vault, credentials)
    await ensure_indexes(database)
    gateway = Gateway(client, task_queue)
    definitions = Definitions()
    flows = FlowRepository(database)
    executions = ExecutionRepository(database)
    projection = Projection(database)
    starter = Starter(
        flows=flows,
        executions=executions,
        task_executions=TaskExecutionRepository(database),
        gateway=gateway,
        definitions=definitions,
        background=background,
    )
    schedules = Schedules(
        flows=flows,
        schedules=ScheduleRepository(database),
        gateway=gateway,
        definitions=definitions,
    )
    return Operations(
        caller=a_caller(),
        gateway=gateway,
        projection=projection,
        repository=executions,
        starter=starter,
        executions=Executions(
            flows=flows,
            executions=executions,
            starter=starter,
            gateway=gateway,
            definitions=definitions,
            sealing=sealing,
            max_queued=max_queued,
        ),
        flows=Flows(
            flows=flows,
            task_outputs=TaskOutputRepository(database),
            definitions=definitions,
            sealing=sealing,
            schedules=schedules,
        ),
        reconciler=Reconciler(
            executions=executions,
            starter=starter,
            gateway=gateway,
            aftermath=Aftermath(projection),
            expiry=Expiry(database),
            payloads=PayloadRepository(database),
            reviews=ReviewSweep(ReviewActs(database)),
            uploads=FileSweep(FileRepository(database), GridFSContents(database)),
            payload_retention=timedelta(days=7),
            wakes=Wakes(Suspension(database), gateway, {}),
            runs=RunSweep(RunRepository(database), gateway, RunGateway(client, task_queue)),
            schedules=schedules,
            reruns=Reruns(
                RerunRepository(database),
                AccountRepository(database),
                ReExecution(
                    flows=flows,
                    executions=executions,
                    definitions=definitions,
                    sealing=sealing,
                    starter=starter,
                ),
            ),
        ),
        audit=Audit(database),
        vault=vault,
        credentials=credentials,
    )
