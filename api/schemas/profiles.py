"""Profiles as people send and see their own."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictInt
from typing_extensions import TypedDict

from api.schemas.organizations import WorkerLandingPageConfig, landing_page_of
from api.schemas.parameters import AUuid
from operations.caller import Role
from operations.profiles import MAX_FLOW_VIEWS, Profile
from store.people import NAMES, Person


class UserRole(StrEnum):
    """Role of a person in their organization."""

    ORG_ADMIN = Role.ORG_ADMIN
    BACKOFFICE = Role.BACKOFFICE
    APP_USER = Role.APP_USER
    WORKER = Role.WORKER
    PUBLISHER = Role.PUBLISHER
    INTEGRATION = Role.INTEGRATION


class UserStatus(StrEnum):
    """Where a person's account stands; whoever can ask has an active one."""

    PENDING = "pending"
    ACTIVE = "active"
    INACTIVE = "inactive"


class HubViewPreference(StrEnum):
    """How flows are laid out."""

    CARDS = "cards"
    LIST = "list"


class HubTagFilter(BaseModel):
    """Which flows are shown, by tag."""

    mode: Literal["contains_any", "not_contains_any"] = "contains_any"
    values: list[str] = Field(default_factory=list)


HubSort = Literal[
    "created_at_desc",
    "created_at_asc",
    "updated_at_desc",
    "updated_at_asc",
    "display_name_asc",
    "display_name_desc",
]
AName = Annotated[str, Field(min_length=1, max_length=100)]


class UserSettingsUpdateRequest(BaseModel):
    """Changes: an absent key stays, null goes back to the default."""

    model_config = ConfigDict(extra="forbid")

    templates_collapsed: StrictBool | None = None
    hub_view: HubViewPreference | None = None
    sidebar_open: StrictBool | None = None
    hub_sort: HubSort | None = None
    hub_tag_filters: list[HubTagFilter] | None = None
    runs_per_page: StrictInt | None = None
    default_flow_views: (
        Annotated[dict[AUuid, AUuid | Literal["runs"] | None], Field(max_length=MAX_FLOW_VIEWS)]
        | None
    ) = Field(default=None, description="Views of the flows that are named; null takes one back.")


class UserUpdateRequest(BaseModel):
    """Changes: an absent key stays, a name that is null goes back to what the token says."""

    first_name: AName | None = None
    last_name: AName | None = None
    password: Annotated[str, Field(min_length=8, max_length=128)] | None = Field(
        default=None,
        description="Refused: passwords are with whoever issues tokens.",
        json_schema_extra={"writeOnly": True},
    )
    settings: UserSettingsUpdateRequest | None = None

    def names(self) -> dict[str, str | None]:
        """Return the names that were sent."""
        sent: dict[str, str | None] = self.model_dump(include=self.model_fields_set & {*NAMES})
        return sent

    def changed_settings(self) -> dict[str, JsonValue]:
        """Return the settings that were sent."""
        if self.settings is None:
            return {}
        sent: dict[str, JsonValue] = self.settings.model_dump(mode="json", exclude_unset=True)
        return sent


class UserSettings(BaseModel):
    """How somebody likes things to be shown; kept here for clients."""

    templates_collapsed: bool = False
    hub_view: HubViewPreference = HubViewPreference.CARDS
    sidebar_open: bool = True
    hub_sort: HubSort = "created_at_desc"
    hub_tag_filters: list[HubTagFilter] = Field(default_factory=list)
    runs_per_page: int = 10
    default_flow_views: Annotated[
        dict[AUuid, AUuid | Literal["runs"]], Field(max_length=MAX_FLOW_VIEWS)
    ] = Field(default_factory=dict)


class LandingPageConfig(TypedDict):
    """Where somebody begins."""

    landing_page_config: WorkerLandingPageConfig
    landing_page_flow_id: AUuid | None


class UserProfileResponse(TypedDict):
    """A person, with what a client needs to know of their organization."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    first_name: str
    last_name: str
    email: str
    role: str
    status: str
    organization_id: AUuid
    organization_name: str
    organization_tier: str
    organization_payment_method: str
    landing_page: LandingPageConfig
    settings: UserSettings


class User(TypedDict):
    """A person."""

    created_at: datetime
    updated_at: datetime
    modified_by: str
    id: AUuid
    first_name: str
    last_name: str
    email: str
    role: UserRole
    status: UserStatus
    organization_id: AUuid
    user_auth_id: AUuid | None
    settings: dict[str, JsonValue] | None
    deleted: bool


def profile_view(profile: Profile) -> dict[str, object]:
    """Return a profile as it is shown; only workers begin where their organization says."""
    person, organization = profile.person, profile.organization
    is_worker = person.role == Role.WORKER
    begins = landing_page_of(organization) if is_worker else WorkerLandingPageConfig.HUB.value
    return {
        **_person(person),
        "organization_name": organization.name,
        "organization_tier": organization.tier,
        "organization_payment_method": organization.settings.get("payment_method") or "stripe",
        "landing_page": {"landing_page_config": begins, "landing_page_flow_id": None},
    }


def user_view(person: Person) -> dict[str, object]:
    """Return a person as they are shown after a change."""
    return {**_person(person), "user_auth_id": person.id, "deleted": False}


def _person(person: Person) -> dict[str, object]:
    return {
        "id": person.id,
        "created_at": person.created_at,
        "updated_at": person.updated_at,
        "modified_by": person.modified_by,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "role": person.role,
        "status": UserStatus.ACTIVE.value,
        "organization_id": person.organization_id,
        "settings": _settings(person.settings),
    }


def _settings(settings: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    shown: dict[str, JsonValue] = UserSettings.model_validate(settings).model_dump(mode="json")
    return shown
