"""Builds what lets tasks wait for the outside."""

from collections.abc import Callable, Mapping
from typing import Any

from activities.deliveries import DeliveryActivities
from activities.waiting import HumanReviewActivities, WebhookDataActivities
from flows.executors.human_review import HUMAN_REVIEW_DONE
from flows.executors.webhook_receiver import WEBHOOK_DATA
from operations.definitions import Definitions
from operations.pinned import PinnedDefinitions
from operations.promotion import Promotion
from operations.review_source import ReviewSource
from operations.waiting import DeliverySource, Waiting, Wakes
from operations.webhook_data import WebhookDataSource
from runtime.gateway import Gateway
from runtime.mongo import Mongo
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.parking import Parking
from store.projection import Projection
from store.reviews import ReviewRepository
from store.row_places import RowPlaces
from store.suspension import Suspension
from store.webhook_data import WebhookDataRepository
from store.worker_groups import WorkerGroupRepository

Activity = Callable[..., Any]


def sources_of(mongo: Mongo) -> Mapping[str, DeliverySource]:
    """Return every kind of delivery that tasks can wait for."""
    return {
        WEBHOOK_DATA: WebhookDataSource(WebhookDataRepository(mongo.database)),
        HUMAN_REVIEW_DONE: review_source_of(mongo),
    }


def review_source_of(mongo: Mongo) -> ReviewSource:
    """Return human reviews as tasks wait for them."""
    return ReviewSource(
        reviews=ReviewRepository(mongo.database),
        executions=ExecutionRepository(mongo.database),
        pinned=PinnedDefinitions(FlowRepository(mongo.database), Definitions()),
        places=RowPlaces(mongo.database),
        groups=WorkerGroupRepository(mongo.database),
    )


def waiting_activities(
    mongo: Mongo, projection: Projection, promotion: Promotion
) -> list[Activity]:
    """Return the activities around waiting tasks, and those that end them."""
    deliveries = DeliveryActivities(
        Waiting(
            projection=projection,
            suspension=Suspension(mongo.database),
            parking=Parking(mongo.database),
            promotion=promotion,
            sources=sources_of(mongo),
        )
    )
    received = WebhookDataActivities(WebhookDataSource(WebhookDataRepository(mongo.database)))
    return [
        deliveries.begin_wait,
        deliveries.look_for_delivery,
        deliveries.note_all_wait,
        deliveries.note_woken,
        received.webhook_receiver,
        HumanReviewActivities(review_source_of(mongo)).human_review,
    ]


def wakes_of(mongo: Mongo, gateway: Gateway) -> Wakes:
    """Return what wakes tasks that wait."""
    return Wakes(Suspension(mongo.database), gateway, sources_of(mongo))
