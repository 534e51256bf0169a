"""Use cases of flows and their versions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from pydantic import JsonValue

from contracts.names import DEFAULT_TASK_QUEUE
from flows.errors import InvalidError
from flows.executors.webhook_receive import WEBHOOK_RECEIVE
from flows.parse import accepted, check, parse_definition
from flows.secrets import masked
from flows.shapes import with_task
from operations.access import FlowAccess
from operations.caller import Caller, Role
from operations.definitions import Definitions
from operations.expansion import (
    Addresses,
    DefinitionReport,
    Expansions,
    expanded,
    external_inputs,
    faults_of,
    ordered_names,
    report_on,
)
from operations.flow_views import FlowView, NewFlow, checked_changes, first_version
from operations.mail_intake import mail_addresses
from operations.remote import refuse_platform
from operations.schedules import Schedules, scheduled_tasks
from operations.sealing import Sealed, Sealing
from operations.webhooks import webhook_url
from store.flows import FlowRepository
from store.models import FlowQuery, FlowRecord, Page, TaskOutputRecord
from store.task_outputs import TaskOutputRepository

__all__ = ["DefinitionReport", "Expansions", "FlowView", "Flows", "NewFlow"]

REEXECUTE_ON_UPDATE = "reexecute_on_update"
NOTHING_MORE = Expansions()


class Flows:
    """What callers may do with flows.

    Unless said otherwise every method raises FlowNotFoundError for a flow that does not exist or
    was deleted, and ForbiddenError for another organization's where the operation documents that.
    """

    def __init__(
        self,
        *,
        flows: FlowRepository,
        task_outputs: TaskOutputRepository,
        definitions: Definitions,
        sealing: Sealing,
        schedules: Schedules,
        public_url: str | None = None,
        task_queue: str = DEFAULT_TASK_QUEUE,
    ) -> None:
        """Borrow everything.

        Args:
            public_url: How the API is reached from outside, if anybody said.
            task_queue: The platform's own, which no flow may name.
        """
        self._public_url = public_url
        self._task_queue = task_queue
        self._schedules = schedules
        self._repository = flows
        self._sealing = sealing
        self._access = FlowAccess(flows)
        self._task_outputs = task_outputs
        self._definitions = definitions

    async def create(
        self, caller: Caller, new: NewFlow, expansions: Expansions = NOTHING_MORE
    ) -> FlowView:
        """Store a flow as version 1, a draft.

        Raises:
            ForbiddenError: The role may not change flows.
            InvalidDefinitionError: The definition has faults that reject it.
            DuplicateFlowNameError: The organization has a flow of this name.
            MailAddressTakenError: Another flow receives messages at an address of this one.
        """
        caller.require(Role.PUBLISHER, "create flows")
        flow = accepted(new.definition)
        refuse_platform(flow, self._task_queue)
        scheduled = [*scheduled_tasks(flow)]
        draft = first_version(caller, new)
        sealed = await self._sealing.sealed(caller.organization_id, draft.id, draft.definition)
        draft = replace(draft, definition=sealed.definition)
        record = await self._repository.create(
            draft, sealed.secrets, scheduled, mail_addresses(flow)
        )
        if scheduled:
            await self._schedules.try_sync(record.id)
        return await self._view(record, expansions)

    async def get(
        self, caller: Caller, flow_id: str, expansions: Expansions = NOTHING_MORE
    ) -> FlowView:
        """Return the latest version of a flow."""
        return await self._view(await self._access.latest(caller, flow_id), expansions)

    async def list(
        self,
        caller: Caller,
        query: FlowQuery,
        expansions: Expansions = NOTHING_MORE,
        *,
        organization_id: str | None = None,
    ) -> Page[FlowView]:
        """Return one page of flows; another organization's only for the role ``backoffice``.

        Anybody else who names another organization gets an empty page: foreign flows look absent.
        """
        owner = organization_id or caller.organization_id
        if owner != caller.organization_id and caller.role is not Role.BACKOFFICE:
            return Page()
        page = await self._repository.list(owner, replace(query, only=caller.invited_to))
        views = await self._views(owner, page.items, expansions)
        return Page([*views], page.total)

    async def patch(
        self,
        caller: Caller,
        flow_id: str,
        changes: Mapping[str, JsonValue],
        expansions: Expansions = NOTHING_MORE,
    ) -> FlowView:
        """Change what is not the definition; an absent key stays, a null clears.

        Raises:
            InvalidError: A status that is none, or null where a value is needed.
            DuplicateFlowNameError: The organization has a flow of this name.
        """
        await self._access.authored(caller, flow_id)
        record = await self._repository.patch(
            caller.organization_id, flow_id, checked_changes(changes), caller.modified_by
        )
        if "settings" in changes:
            await self._schedules.try_sync(flow_id)
        return await self._view(record, expansions)

    async def delete(self, caller: Caller, flow_id: str) -> None:
        """Hide a flow with all its versions; its executions remain."""
        await self._access.authored(caller, flow_id)
        await self._repository.delete(caller.organization_id, flow_id, caller.modified_by)
        await self._schedules.try_sync(flow_id)

    async def update_definition(
        self,
        caller: Caller,
        flow_id: str,
        definition: dict[str, JsonValue],
        expansions: Expansions = NOTHING_MORE,
    ) -> FlowView:
        """Store the next version of a draft flow; a refused definition changes nothing.

        Raises:
            InvalidError: The flow is published.
            InvalidDefinitionError: The definition has faults that reject it.
            ConflictError: Somebody else stored a version at the same moment.
            MailAddressTakenError: Another flow receives messages at an address of this one.
        """
        latest = await self._access.authored(caller, flow_id)
        return await self._next_version(caller, latest, definition, expansions)

    async def update_task(
        self,
        caller: Caller,
        flow_id: str,
        task: dict[str, JsonValue],
        expansions: Expansions = NOTHING_MORE,
    ) -> FlowView:
        """Replace the task of that name, or append it, in the next version of a draft flow.

        Raises:
            InvalidError: The task has no name, or as ``update_definition``.
        """
        latest = await self._access.authored(caller, flow_id)
        shown = cast("dict[str, JsonValue]", masked(latest.definition))
        return await self._next_version(caller, latest, with_task(shown, task), expansions)

    async def validate(
        self,
        caller: Caller,
        flow_id: str,
        definition: dict[str, JsonValue],
        expansions: Expansions = NOTHING_MORE,
    ) -> DefinitionReport:
        """Say what is wrong with a definition; stores nothing."""
        latest = await self._access.latest(caller, flow_id, tells_foreign=False)
        report = report_on(definition, expansions, self._addresses(flow_id))
        faults = await self._sealing.faults(
            caller.organization_id, definition, latest.definition, check(definition)[0]
        )
        return replace(report, validation_errors=[*report.validation_errors, *faults])

    async def versions(
        self, caller: Caller, flow_id: str, expansions: Expansions = NOTHING_MORE
    ) -> Sequence[FlowView]:
        """Return every version, newest first."""
        await self._access.latest(caller, flow_id)
        records = await self._repository.versions(caller.organization_id, flow_id)
        return await self._views(caller.organization_id, records, expansions)

    async def version_summaries(
        self,
        caller: Caller,
        flow_id: str,
        *,
        search: str | None = None,
        favourites_only: bool = False,
        page: int = 1,
        page_size: int = 20,
    ) -> Page[FlowRecord]:
        """Return one page of versions, newest first."""
        await self._access.latest(caller, flow_id, tells_foreign=False)
        return await self._repository.version_page(
            caller.organization_id,
            flow_id,
            search=search,
            favourites_only=favourites_only,
            page=page,
            page_size=page_size,
        )

    async def version(
        self, caller: Caller, flow_id: str, version: int, expansions: Expansions = NOTHING_MORE
    ) -> FlowView:
        """Return one version.

        Raises:
            FlowVersionNotFoundError: The flow has no such version.
        """
        await self._access.latest(caller, flow_id)
        record = await self._repository.version(caller.organization_id, flow_id, version)
        return await self._view(record, expansions)

    async def patch_version(
        self, caller: Caller, flow_id: str, version: int, changes: Mapping[str, JsonValue]
    ) -> FlowRecord:
        """Change ``name`` and ``is_favourite`` of one version.

        Raises:
            FlowVersionNotFoundError: The flow has no such version.
        """
        await self._access.authored(caller, flow_id, tells_foreign=False)
        return await self._repository.patch_version(
            caller.organization_id, flow_id, version, dict(changes), caller.modified_by
        )

    async def restore(
        self, caller: Caller, flow_id: str, version: int, expansions: Expansions = NOTHING_MORE
    ) -> FlowView:
        """Store an earlier version's definition as the next version of a draft flow.

        Raises:
            FlowVersionNotFoundError: The flow has no such version.
            InvalidError: It is the latest, or as ``update_definition``.
        """
        latest = await self._access.authored(caller, flow_id, tells_foreign=False)
        if version == latest.version:
            raise InvalidError("this is the latest version already", version=version)
        earlier = await self._repository.version(caller.organization_id, flow_id, version)
        _require_draft(latest)
        accepted(earlier.definition)
        return await self._added(caller, latest, Sealed(earlier.definition, ()), expansions)

    async def version_task_summaries(
        self, caller: Caller, flow_id: str, version: int
    ) -> Sequence[TaskOutputRecord]:
        """Return the task outputs of executions that ran that version, newest first.

        Raises:
            FlowVersionNotFoundError: The flow has no such version.
        """
        await self._access.latest(caller, flow_id, tells_foreign=False)
        await self._repository.version(caller.organization_id, flow_id, version)
        return await self._task_outputs.by_version(caller.organization_id, flow_id, version)

    async def available_tags(self, caller: Caller, search: str | None = None) -> Sequence[str]:
        """Return the distinct tags of the organization's flows that contain a text."""
        return await self._repository.available_tags(
            caller.organization_id, search, caller.invited_to
        )

    async def clone_info(self, caller: Caller, flow_id: str) -> Sequence[str]:
        """Return the executors of input tasks that an outside system feeds."""
        record = await self._access.latest(caller, flow_id, tells_foreign=False)
        return external_inputs(self._definitions.of(record).flow)

    async def _next_version(
        self,
        caller: Caller,
        latest: FlowRecord,
        definition: dict[str, JsonValue],
        expansions: Expansions,
    ) -> FlowView:
        _require_draft(latest)
        refuse_platform(accepted(definition), self._task_queue)
        sealed = await self._sealing.sealed(
            caller.organization_id, latest.id, definition, latest.definition
        )
        return await self._added(caller, latest, sealed, expansions)

    async def _added(
        self, caller: Caller, latest: FlowRecord, sealed: Sealed, expansions: Expansions
    ) -> FlowView:
        flow = parse_definition(sealed.definition).flow
        scheduled = [*scheduled_tasks(flow)]
        record = await self._repository.add_version(
            caller.organization_id,
            latest.id,
            sealed.definition,
            caller.modified_by,
            latest.version,
            sealed.secrets,
            scheduled,
            mail_addresses(flow),
            is_followed=(latest.settings or {}).get(REEXECUTE_ON_UPDATE) is True,
        )
        await self._schedules.try_sync(latest.id)
        return await self._view(record, expansions)

    async def _view(self, record: FlowRecord, asked: Expansions) -> FlowView:
        views = await self._views(record.organization_id, [record], asked)
        return views[0]

    async def _views(
        self, organization_id: str, records: Sequence[FlowRecord], asked: Expansions
    ) -> Sequence[FlowView]:
        """Return records as they are shown; the counts of a whole page come from one query."""
        counts = await self._repository.counts(
            organization_id, [*{record.id for record in records}]
        )
        views = [self._shown(record, counts.get(record.id, (0, 0)), asked) for record in records]
        if not asked.validation_errors:
            return views
        return [await self._with_unknown_credentials(view) for view in views]

    async def _with_unknown_credentials(self, view: FlowView) -> FlowView:
        flow = self._definitions.of(view.record).flow
        faults = await self._sealing.unknown_credentials(view.record.organization_id, flow)
        return replace(view, validation_errors=[*(view.validation_errors or ()), *faults])

    def _shown(self, record: FlowRecord, counts: tuple[int, int], asked: Expansions) -> FlowView:
        total, of_latest = counts
        flow = self._definitions.of(record).flow
        return FlowView(
            record=record,
            definition=expanded(
                cast("dict[str, JsonValue]", masked(record.definition)),
                flow,
                asked,
                self._addresses(record.id),
            ),
            executions_count=total,
            latest_version_executions_count=(
                of_latest if asked.latest_version_executions_count else None
            ),
            task_names=ordered_names(flow) if asked.ordered_task_names else None,
            validation_errors=faults_of(record.definition) if asked.validation_errors else None,
        )

    def _addresses(self, flow_id: str) -> Addresses:
        """Return where a flow's tasks are reached from outside."""

        def of_task(executor: str, task_name: str) -> dict[str, JsonValue]:
            if executor != WEBHOOK_RECEIVE.name:
                return {}
            url = webhook_url(self._public_url, flow_id, task_name)
            return {"webhook_url": [{"label": "Webhook URL", "value": url}]}

        return of_task


def _require_draft(latest: FlowRecord) -> None:
    if latest.status != "draft":
        raise InvalidError("only drafts can be changed", flow_id=latest.id)
