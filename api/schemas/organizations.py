"""Organizations as callers send and see them."""

from datetime import date, datetime
from enum import StrEnum
from typing import cast

from pydantic import BaseModel, Field, JsonValue, StrictBool, StrictInt
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid
from operations.organizations import HIGHEST_LIMIT, Credits
from operations.periods import Period
from store.models import Organization
from store.organizations import Tier


class OrganizationTier(StrEnum):
    """What an organization has signed up for."""

    FREE = Tier.FREE
    GROWTH = Tier.GROWTH
    ENTERPRISE = Tier.ENTERPRISE


class OrganizationPaymentMethod(StrEnum):
    """How an organization pays."""

    STRIPE = "stripe"
    INVOICE = "invoice"


class WorkerLandingPageConfig(StrEnum):
    """Where people with the role ``worker`` begin."""

    HUB = "hub"
    ASSIGNED_FLOW_DATA_TAB = "assigned_flow_data_tab"
    ASSIGNED_FLOW_WORK_TAB = "assigned_flow_work_tab"


class OrganizationSecuritySettings(BaseModel):
    """What whoever issues tokens is to insist on; kept here for them."""

    enforce_sso: StrictBool = False
    enforce_mfa: StrictBool = False


class AutoCalibrationSettings(BaseModel):
    """Whether clients may calibrate models on corrections; kept here for them."""

    enabled: StrictBool = True


class OrganizationSettings(BaseModel):
    """What an organization's administrators decide; what is left out goes back to its default."""

    worker_landing_page: WorkerLandingPageConfig = WorkerLandingPageConfig.HUB
    max_concurrent_executions: StrictInt | None = Field(
        default=None,
        description=f"How many executions run at once, 1 to {HIGHEST_LIMIT:,}; "
        "null for what the tier says.",
    )
    payment_method: OrganizationPaymentMethod | None = None
    security: OrganizationSecuritySettings = Field(default_factory=OrganizationSecuritySettings)
    auto_calibration: AutoCalibrationSettings = Field(default_factory=AutoCalibrationSettings)

    def as_stored(self) -> dict[str, JsonValue]:
        """Return what is to be kept."""
        kept: dict[str, JsonValue] = self.model_dump(mode="json")
        return kept


class OrganizationResponse(TypedDict):
    """An organization. Its period is a month of the calendar."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    name: str
    is_active: bool
    tier: OrganizationTier
    period_start: date
    period_end: date
    settings: OrganizationSettings | None
    pending_downgrade_tier: OrganizationTier | None
    pending_downgrade_at: datetime | None


class MonthlyCredits(TypedDict):
    """What a month brings."""

    allowance: int
    consumed: int
    remaining: int
    period_end: date


class AdditionalCredits(TypedDict):
    """What was bought besides."""

    granted: int
    consumed: int
    remaining: int


class CreditBalanceResponse(TypedDict):
    """What may still be spent. Nothing is metered here: every number is 0, and none forbids."""

    organization_id: AUuid
    monthly: MonthlyCredits
    additional: AdditionalCredits
    overcharge_credits: int


def organization_view(organization: Organization, period: Period) -> dict[str, object]:
    """Return an organization as it is shown; settings that nobody made are the defaults."""
    settings = OrganizationSettings.model_validate(organization.settings)
    return {
        "id": organization.id,
        "created_at": organization.created_at,
        "updated_at": organization.updated_at,
        "modified_by": organization.modified_by,
        "name": organization.name,
        "is_active": organization.is_active,
        "tier": organization.tier,
        "period_start": period.start,
        "period_end": period.end,
        "settings": settings.as_stored(),
        "pending_downgrade_tier": None,
        "pending_downgrade_at": None,
    }


def credits_view(credits: Credits) -> CreditBalanceResponse:
    """Return what may be spent as it is shown."""
    return {
        "organization_id": credits.organization_id,
        "monthly": {
            "allowance": 0,
            "consumed": 0,
            "remaining": 0,
            "period_end": credits.period_end,
        },
        "additional": {"granted": 0, "consumed": 0, "remaining": 0},
        "overcharge_credits": 0,
    }


def landing_page_of(organization: Organization) -> str:
    """Return where the organization's workers begin."""
    chosen = cast("str | None", organization.settings.get("worker_landing_page"))
    return chosen or WorkerLandingPageConfig.HUB.value
