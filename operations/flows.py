"""Use cases of flows and their versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from flows.errors import Fault
from operations.caller import Caller
from store.models import FlowQuery, FlowRecord, Page, TaskOutputRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansions:
    """What a caller wants computed into the answer; nothing of it is stored."""

    ordered_task_names: bool = False
    validation_errors: bool = False
    dynamic_data: bool = False
    output_schemas: bool = False
    input_schema: bool = False
    default_reference_modes: bool = False
    latest_version_executions_count: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFlow:
    """What an author sends to create a flow."""

    display_name: str
    definition: dict[str, JsonValue]
    description: str | None = None
    visibility: JsonValue = None
    settings: dict[str, JsonValue] | None = None
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowView:
    """A flow version as it is shown.

    Attributes:
        definition: The stored definition with the expansions asked for.
        task_names: A topological order; None unless asked, or if there is none.
        validation_errors: Everything wrong with the definition; None unless asked.
    """

    record: FlowRecord
    definition: dict[str, JsonValue]
    executions_count: int = 0
    latest_version_executions_count: int | None = None
    task_names: list[str] | None = None
    validation_errors: list[Fault] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionReport:
    """What is to be said about a definition; maps are keyed by task name, None unless asked."""

    validation_errors: list[Fault]
    ordered_task_names: list[str] | None
    dynamic_data: dict[str, JsonValue] | None = None
    output_schemas: dict[str, JsonValue] | None = None
    input_schemas: dict[str, JsonValue] | None = None
    default_reference_modes: dict[str, JsonValue] | None = None


class Flows:
    """What callers may do with flows."""

    async def create(
        self, caller: Caller, new: NewFlow, expansions: Expansions = Expansions()
    ) -> FlowView:
        """Store a flow as version 1, a draft."""
        raise NotImplementedError

    async def get(
        self, caller: Caller, flow_id: str, expansions: Expansions = Expansions()
    ) -> FlowView:
        """Return the latest version of a flow."""
        raise NotImplementedError

    async def list(
        self,
        caller: Caller,
        query: FlowQuery,
        expansions: Expansions = Expansions(),
        *,
        organization_id: str | None = None,
    ) -> Page[FlowView]:
        """Return one page of flows; another organization's only for the role ``backoffice``."""
        raise NotImplementedError

    async def patch(
        self,
        caller: Caller,
        flow_id: str,
        changes: Mapping[str, JsonValue],
        expansions: Expansions = Expansions(),
    ) -> FlowView:
        """Change what is not the definition; an absent key stays, a null clears."""
        raise NotImplementedError

    async def delete(self, caller: Caller, flow_id: str) -> None:
        """Hide a flow with all its versions; its executions remain."""
        raise NotImplementedError

    async def update_definition(
        self,
        caller: Caller,
        flow_id: str,
        definition: dict[str, JsonValue],
        expansions: Expansions = Expansions(),
    ) -> FlowView:
        """Store the next version of a draft flow."""
        raise NotImplementedError

    async def update_task(
        self,
        caller: Caller,
        flow_id: str,
        task: dict[str, JsonValue],
        expansions: Expansions = Expansions(),
    ) -> FlowView:
        """Replace the task of that name, or append it, in the next version of a draft flow."""
        raise NotImplementedError

    async def validate(
        self,
        caller: Caller,
        flow_id: str,
        definition: dict[str, JsonValue],
        expansions: Expansions = Expansions(),
    ) -> DefinitionReport:
        """Say what is wrong with a definition; stores nothing."""
        raise NotImplementedError

    async def versions(
        self, caller: Caller, flow_id: str, expansions: Expansions = Expansions()
    ) -> list[FlowView]:
        """Return every version, newest first."""
        raise NotImplementedError

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
        """Return one page of versions, newest first, without their definitions' expansions."""
        raise NotImplementedError

    async def version(
        self, caller: Caller, flow_id: str, version: int, expansions: Expansions = Expansions()
    ) -> FlowView:
        """Return one version."""
        raise NotImplementedError

    async def patch_version(
        self, caller: Caller, flow_id: str, version: int, changes: Mapping[str, JsonValue]
    ) -> FlowRecord:
        """Change ``name`` and ``is_favourite`` of one version."""
        raise NotImplementedError

    async def restore(
        self, caller: Caller, flow_id: str, version: int, expansions: Expansions = Expansions()
    ) -> FlowView:
        """Store an earlier version's definition as the next version."""
        raise NotImplementedError

    async def version_task_summaries(
        self, caller: Caller, flow_id: str, version: int
    ) -> list[TaskOutputRecord]:
        """Return the task outputs, without ``output``, of executions that ran that version."""
        raise NotImplementedError

    async def available_tags(self, caller: Caller, search: str | None = None) -> list[str]:
        """Return the distinct tags of the organization's flows."""
        raise NotImplementedError

    async def clone_info(self, caller: Caller, flow_id: str) -> list[str]:
        """Return the executors of input tasks that an outside system feeds."""
        raise NotImplementedError
