"""What authors send of a flow, what is stored of it, and what is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from pydantic import JsonValue

from flows.errors import Fault, InvalidError
from flows.shapes import without_expansions
from operations.caller import Caller
from store.clock import now
from store.models import FlowRecord

_CHANGEABLE = frozenset({"display_name", "description", "visibility", "settings", "status", "tags"})
_NEVER_NULL = frozenset({"display_name", "status", "tags"})


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


def first_version(caller: Caller, new: NewFlow) -> FlowRecord:
    """Return what is stored of a new flow: version 1, a draft."""
    at = now()
    return FlowRecord(
        id=str(uuid4()),
        organization_id=caller.organization_id,
        created_at=at,
        updated_at=at,
        modified_by=caller.modified_by,
        created_by=caller.user_id,
        display_name=new.display_name,
        description=new.description,
        visibility=new.visibility,
        status="draft",
        settings=new.settings,
        tags=list(dict.fromkeys(new.tags)),
        version=1,
        is_latest=True,
        definition=without_expansions(new.definition),
    )


def checked_changes(changes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the changes to store; unknown keys are ignored.

    Raises:
        InvalidError: A status that is none, or null where a value is needed.
    """
    wanted = {key: value for key, value in changes.items() if key in _CHANGEABLE}
    for key in _NEVER_NULL & wanted.keys():
        if wanted[key] is None:
            raise InvalidError(f"{key} cannot be null")
    if wanted.get("status", "draft") not in ("draft", "published"):
        raise InvalidError("status is draft or published", status=wanted["status"])
    return wanted
