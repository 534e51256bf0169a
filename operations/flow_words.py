"""Use cases of a flow's words: the tags of its tasks, and the metadata of its executions."""

from collections.abc import Sequence

from operations.access import FlowAccess
from operations.caller import Caller
from store.flows import FlowRepository
from store.tallies import Kind, Tallies, Tally


class FlowWords:
    """Lists words of executions that are not deleted.

    Every method raises FlowNotFoundError for a flow that does not exist or was deleted, and
    ForbiddenError for another organization's.
    """

    def __init__(self, flows: FlowRepository, tallies: Tallies) -> None:
        """Borrow everything."""
        self._access = FlowAccess(flows)
        self._tallies = tallies

    async def tags(
        self, caller: Caller, flow_id: str, task_name: str | None = None
    ) -> Sequence[str]:
        """Return the distinct tags that executions can be listed by, of one task or of all."""
        await self._access.latest(caller, flow_id)
        return await self._tallies.distinct(caller.organization_id, flow_id, Kind.TAG, task_name)

    async def metadata_keys(
        self, caller: Caller, flow_id: str, *, like: str | None, descending: bool, limit: int
    ) -> Sequence[Tally]:
        """Return the keys of metadata, by the time that each was first seen."""
        await self._access.latest(caller, flow_id)
        return await self._tallies.page(
            caller.organization_id,
            flow_id,
            Kind.KEY,
            "",
            like=like,
            descending=descending,
            limit=limit,
        )

    async def metadata_values(
        self,
        caller: Caller,
        flow_id: str,
        key: str,
        *,
        like: str | None,
        descending: bool,
        limit: int,
    ) -> Sequence[Tally]:
        """Return the values of a key, whatever its case, by the time that each was first seen."""
        await self._access.latest(caller, flow_id)
        return await self._tallies.page(
            caller.organization_id,
            flow_id,
            Kind.VALUE,
            key.casefold(),
            like=like,
            descending=descending,
            limit=limit,
        )
