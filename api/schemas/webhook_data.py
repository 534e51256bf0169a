"""Data that outside systems submit for tasks that wait for it."""

from typing import Literal

from pydantic import BaseModel, Field, JsonValue
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid


class WebhookDataCreateRequest(BaseModel):
    """Data for one task of an execution."""

    task_name: str = Field(description="A task of the executor `webhook_receiver`.")
    data: dict[str, JsonValue] = Field(description="Must fit the task's fields.")


class WebhookDataAckResponse(TypedDict):
    """It is stored for good: just now, or since an earlier submission of the same data."""

    id: AUuid
    status: Literal["received", "duplicate"]
