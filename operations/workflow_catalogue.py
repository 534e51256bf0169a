"""Use cases of looking through workflows: favourites, categories, what they ask for, copies to go.

Source: docs/workflows-api.md, "Workflows"; docs/permissions.md.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from pydantic import JsonValue

from dialogs.skeleton import skeleton
from dialogs.variables import SYSTEM_NAMES
from operations.caller import Caller, Role
from operations.graph_secrets import mask_keys
from operations.workflows import DEFAULT_CATEGORY, Workflows
from store.models import Page
from store.workflow_catalogue import Active, CatalogueQuery, WorkflowCatalogue


class Catalogue:
    """What callers may do to find workflows.

    Every method raises ForbiddenError for too low a role; those that name a workflow raise
    WorkflowNotFoundError for one that does not exist or is another organization's.
    """

    def __init__(self, catalogue: WorkflowCatalogue, workflows: Workflows) -> None:
        """Borrow everything."""
        self._catalogue = catalogue
        self._workflows = workflows

    async def mark(self, caller: Caller, workflow_id: str, *, is_favourite: bool) -> None:
        """Make a workflow the caller's favourite, or not. Repeatable."""
        _may_read(caller)
        await self._catalogue.mark(
            caller.organization_id, workflow_id, caller.user_id, is_favourite=is_favourite
        )

    async def categories(self, caller: Caller) -> Sequence[str]:
        """Return the categories of the organization's workflows, the first one among them."""
        _may_read(caller)
        found = await self._catalogue.categories(caller.organization_id)
        return sorted({DEFAULT_CATEGORY, *found})

    async def active(
        self,
        caller: Caller,
        query: CatalogueQuery,
        *,
        logical_id: str | None,
        page: int,
        size: int,
    ) -> Page[Active]:
        """Return a page of workflows with their active versions, newest first.

        Args:
            logical_id: Of the workflow's configuration.
        """
        _may_read(caller)
        offset = (page - 1) * size
        if logical_id is None:
            found = await self._catalogue.active(
                caller.organization_id, query, offset=offset, limit=size
            )
        else:
            every = self._catalogue.all_active(caller.organization_id, query)
            fitting = [pair async for pair in every if _logical_id(pair) == logical_id]
            found = Page([*islice(fitting, offset, offset + size)], len(fitting))
        return Page([_masked(pair) for pair in found.items], found.total)

    async def asked_for(self, caller: Caller, workflow_id: str) -> dict[str, JsonValue]:
        """Return the dynamic variables that a workflow's active version names, nested."""
        _, version = await self._workflows.get(caller, workflow_id)
        return skeleton(version.graph, SYSTEM_NAMES)


def _logical_id(pair: Active) -> JsonValue:
    config = pair[1].graph.get("workflow_config")
    return config.get("logical_id") if isinstance(config, dict) else None


def _masked(pair: Active) -> Active:
    workflow, version = pair
    return workflow, replace(version, graph=mask_keys(version.graph))


def _may_read(caller: Caller) -> None:
    caller.require(Role.PUBLISHER, "see workflows")
