"""Builds what lets people review."""

from datetime import timedelta

from flows.executors.human_review import HUMAN_REVIEW_DONE
from operations.definitions import Definitions
from operations.pinned import PinnedDefinitions
from operations.review_source import ReviewSource
from operations.reviews import Reviews
from operations.waiting import Wakes
from runtime.gateway import Gateway
from runtime.mongo import Mongo
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.people import PersonRepository
from store.review_acts import ReviewActs
from store.reviews import ReviewRepository
from store.row_places import RowPlaces
from store.suspension import Suspension
from store.task_executions import TaskExecutionRepository
from store.worker_groups import WorkerGroupRepository


def reviews_on(
    mongo: Mongo, gateway: Gateway, definitions: Definitions, timeout: timedelta
) -> Reviews:
    """Return the use cases over this process's clients."""
    database = mongo.database
    stored, executions = ReviewRepository(database), ExecutionRepository(database)
    groups = WorkerGroupRepository(database)
    pinned = PinnedDefinitions(FlowRepository(database), definitions)
    source = ReviewSource(
        reviews=stored,
        executions=executions,
        pinned=pinned,
        places=RowPlaces(database),
        groups=groups,
    )
    return Reviews(
        reviews=stored,
        acts=ReviewActs(database),
        executions=executions,
        pinned=pinned,
        rows=TaskExecutionRepository(database),
        groups=groups,
        people=PersonRepository(database),
        wakes=Wakes(Suspension(database), gateway, {HUMAN_REVIEW_DONE: source}),
        timeout=timeout,
    )
