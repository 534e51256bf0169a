"""Builds the activities that keep the read model true."""

from collections.abc import Callable
from typing import Any

from activities.reconciliation import ReconciliationActivities
from activities.records import RecordActivities
from activities.schedules import ScheduleActivities
from composition.waiting import waiting_activities, wakes_of
from operations.aftermath import Aftermath
from operations.definitions import Definitions
from operations.executions import Executions
from operations.files import FileSweep
from operations.promotion import Promotion
from operations.reconciliation import Reconciler
from operations.reexecution import ReExecution
from operations.reruns import Reruns
from operations.reviews import ReviewSweep
from operations.run_sweep import RunSweep
from operations.schedules import ScheduledStarts, Schedules
from operations.sealing import Sealing
from operations.starting import Starter
from operations.triggers import Triggers
from operations.vault import Vault
from runtime.gateway import Gateway
from runtime.mongo import Mongo
from runtime.run_gateway import RunGateway
from runtime.settings import Settings
from store.accounts import AccountRepository
from store.credentials import CredentialRepository
from store.executions import ExecutionRepository
from store.expiry import Expiry
from store.file_contents import GridFSContents
from store.files import FileRepository
from store.flows import FlowRepository
from store.interactive_runs import RunRepository
from store.payloads import PayloadRepository
from store.projection import Projection
from store.reruns import RerunRepository
from store.review_acts import ReviewActs
from store.schedules import ScheduleRepository
from store.task_executions import TaskExecutionRepository

Activity = Callable[..., Any]
Created = Callable[[], None]


def record_activities(
    settings: Settings,
    mongo: Mongo,
    gateway: Gateway,
    run_gateway: RunGateway,
    projection: Projection,
    created: Created,
) -> list[Activity]:
    """Return the activities that keep the read model true.

    Args:
        created: Called for each execution that a schedule starts, to count it.
    """
    executions = ExecutionRepository(mongo.database)
    flows, definitions = FlowRepository(mongo.database), Definitions()
    scheduled = ScheduleRepository(mongo.database)
    starter = Starter(
        flows=flows,
        executions=executions,
        task_executions=TaskExecutionRepository(mongo.database),
        gateway=gateway,
        definitions=definitions,
    )
    reconciler = Reconciler(
        executions=executions,
        starter=starter,
        gateway=gateway,
        aftermath=Aftermath(projection),
        expiry=Expiry(mongo.database),
        payloads=PayloadRepository(mongo.database),
        reviews=ReviewSweep(ReviewActs(mongo.database)),
        uploads=FileSweep(FileRepository(mongo.database), GridFSContents(mongo.database)),
        payload_retention=settings.payload_retention,
        wakes=wakes_of(mongo, gateway),
        runs=RunSweep(RunRepository(mongo.database), gateway, run_gateway),
        reruns=Reruns(
            RerunRepository(mongo.database),
            AccountRepository(mongo.database),
            ReExecution(
                flows=flows,
                executions=executions,
                definitions=definitions,
                sealing=_sealing(settings, mongo),
                starter=starter,
            ),
        ),
        schedules=Schedules(
            flows=flows, schedules=scheduled, gateway=gateway, definitions=definitions
        ),
    )
    triggers = Triggers(flows, AccountRepository(mongo.database), definitions)
    starts = ScheduledStarts(
        triggers=triggers,
        schedules=scheduled,
        executions=executions_of(settings, mongo, gateway, definitions, created),
    )
    records = RecordActivities(projection)
    return [
        records.open_task,
        records.close_task,
        records.settle_tasks,
        records.settle_execution,
        ReconciliationActivities(reconciler).reconcile,
        ScheduleActivities(starts).fire_trigger,
        *waiting_activities(mongo, projection, starter.promotion),
    ]


def executions_of(
    settings: Settings,
    mongo: Mongo,
    gateway: Gateway,
    definitions: Definitions,
    created: Created,
) -> Executions:
    """Return what creates executions on behalf of whatever fires triggers.

    Args:
        created: Called for each one that is recorded, to count it.
    """
    flows, executions = FlowRepository(mongo.database), ExecutionRepository(mongo.database)
    return Executions(
        sealing=_sealing(settings, mongo),
        flows=flows,
        executions=executions,
        starter=Starter(
            flows=flows,
            executions=executions,
            task_executions=TaskExecutionRepository(mongo.database),
            gateway=gateway,
            definitions=definitions,
        ),
        gateway=gateway,
        definitions=definitions,
        created=created,
        max_queued=settings.max_queued_executions,
    )


def _sealing(settings: Settings, mongo: Mongo) -> Sealing:
    """Return what knows the organization's credentials."""
    return Sealing(
        Vault.over(mongo.database, settings.keys()), CredentialRepository(mongo.database)
    )


def promotion_of(mongo: Mongo, gateway: Gateway) -> Promotion:
    """Return what starts the next in line where slots were freed."""
    return Starter(
        flows=FlowRepository(mongo.database),
        executions=ExecutionRepository(mongo.database),
        task_executions=TaskExecutionRepository(mongo.database),
        gateway=gateway,
        definitions=Definitions(),
    ).promotion
