"""Builds what starts flows and interactive runs for plain Temporal clients."""

from collections.abc import Callable
from typing import Any

from activities.outside_starts import OutsideStartActivities
from composition.records import Created, executions_of
from operations.definitions import Definitions
from operations.interactive_runs import InteractiveRuns
from operations.outside_starts import OutsideStarts
from operations.runnable import RunnableWorkflows
from operations.vault import Vault
from operations.workflows import Workflows
from runtime.gateway import Gateway
from runtime.mongo import Mongo
from runtime.run_gateway import RunGateway
from runtime.settings import Settings
from store.accounts import AccountRepository
from store.credentials import CredentialRepository
from store.global_variables import VariableRepository
from store.interactive_runs import RunRepository
from store.workflows import WorkflowRepository

Activity = Callable[..., Any]


def outside_start_activities(
    settings: Settings,
    mongo: Mongo,
    gateway: Gateway,
    run_gateway: RunGateway,
    created: Created,
) -> list[Activity]:
    """Return the activities.

    Args:
        created: Called for each flow execution that is recorded, to count it.
    """
    repository = WorkflowRepository(mongo.database)
    workflows = Workflows(repository, Vault.over(mongo.database, settings.keys()))
    starts = OutsideStarts(
        AccountRepository(mongo.database),
        executions_of(settings, mongo, gateway, Definitions(), created),
        InteractiveRuns(
            RunnableWorkflows(
                workflows,
                repository,
                CredentialRepository(mongo.database),
                VariableRepository(mongo.database),
                has_default_model=settings.llm_base_url is not None,
            ),
            RunRepository(mongo.database),
            run_gateway,
        ),
    )
    activities = OutsideStartActivities(starts)
    return [activities.record_and_start_flow, activities.record_and_start_run]
