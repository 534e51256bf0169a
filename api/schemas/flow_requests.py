"""What authors send about flows."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, JsonValue

from api.schemas.parameters import AUuid
from operations.flows import NewFlow

Definition = Annotated[
    dict[str, JsonValue], Field(description="Kept as sent; any of the accepted shapes.")
]


def _distinct(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Tags = Annotated[
    list[str], AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True})
]


class TTLSettings(BaseModel):
    """How long executions stay after they completed; null keeps them."""

    seconds: int | None = Field(default=None, ge=60, le=5_097_600)


class FlowSettings(BaseModel):
    """How executions of a flow are treated."""

    ttl: TTLSettings = Field(default_factory=TTLSettings)
    reexecute_on_update: bool = False
    review_view_id: AUuid | None = None
    triggers_paused: bool = False


class FlowCreateRequest(BaseModel):
    """A new flow."""

    display_name: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=5_000)
    definition: Definition
    visibility: JsonValue = None
    settings: FlowSettings | None = None
    tags: Tags = Field(default_factory=list)

    def new_flow(self) -> NewFlow:
        """Return what is to be stored, settings completed with their defaults."""
        return NewFlow(
            display_name=self.display_name,
            definition=self.definition,
            description=self.description,
            visibility=self.visibility,
            settings=self.settings.model_dump(mode="json") if self.settings else None,
            tags=self.tags,
        )


class PatchFlowRequest(BaseModel):
    """Changes to what is not the definition: an absent key stays, a null clears."""

    display_name: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=5_000)
    visibility: JsonValue = None
    settings: FlowSettings | None = None
    status: str | None = None
    tags: Tags | None = None

    def changes(self) -> dict[str, JsonValue]:
        """Return what was sent, settings completed with their defaults."""
        sent: dict[str, JsonValue] = self.model_dump(mode="json", include=self.model_fields_set)
        return sent


class FlowDefinitionUpdate(BaseModel):
    """A definition on its own."""

    definition: Definition


class UpdateFlowVersionMetadata(BaseModel):
    """Changes to what is noted about a version."""

    name: str | None = None
    is_favourite: bool | None = None

    def changes(self) -> dict[str, JsonValue]:
        """Return what was sent."""
        sent: dict[str, JsonValue] = self.model_dump(include=self.model_fields_set)
        return sent
