"""What callers see when they look through workflows, and of bundles.

Source: docs/workflows-api.md, "Workflows" and "Bundles".
"""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, JsonValue
from typing_extensions import TypedDict

from api.schemas.parameters import within_reach
from api.schemas.workflows import Name, VersionView, a_number, version_view
from operations.bundles import Wanted
from store.models import Page
from store.workflow_catalogue import Active

BundleNumber = Annotated[int, Field(ge=0), BeforeValidator(a_number), AfterValidator(within_reach)]


class ActiveVersionListResponse(TypedDict):
    """A page of active versions, one for each workflow."""

    versions: list[VersionView]
    total: int
    page: int
    size: int


class CategoryListResponse(TypedDict):
    """Every category that a workflow has."""

    categories: list[str]


class FavouriteResponse(TypedDict):
    """Whether a workflow is the caller's favourite."""

    workflow_id: str
    is_favorite: bool


class BundleImportRequest(BaseModel):
    """A bundle, and what is taken out of it."""

    bundle: dict[str, JsonValue]
    versions_to_import: Annotated[list[BundleNumber], Field(max_length=1_000)] | None = None
    active_version_number: BundleNumber | None = None
    workflow_name: Name | None = None

    def wanted(self) -> Wanted:
        """Return what is to be imported; version 0 unless said otherwise."""
        numbers = [0] if self.versions_to_import is None else self.versions_to_import
        return Wanted(
            numbers=numbers, active=self.active_version_number or 0, name=self.workflow_name
        )


def active_versions(found: Page[Active], page: int, size: int) -> ActiveVersionListResponse:
    """Return a page of active versions."""
    return {
        "versions": [version_view(*pair) for pair in found.items],
        "total": found.total,
        "page": page,
        "size": size,
    }
