"""Use cases of bundles: workflows that leave one place for another.

Source: docs/workflows-api.md, "Bundles"; docs/permissions.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from dialogs.bundles import without_credentials
from flows.errors import InvalidError, WorkflowNotFoundError
from operations.caller import Caller, Role
from operations.workflows import NewVersion, NewWorkflow, Workflows, graph_from
from store.workflows import GraphDocument, WorkflowRecord, WorkflowVersionRecord

FORMAT = "perdure-workflow"
FORMAT_VERSION = 1
MAX_NUMBER = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is taken out of a bundle.

    Attributes:
        active: The version that becomes active.
        name: What the workflow is called; None for its name in the bundle.
    """

    numbers: Sequence[int]
    active: int
    name: str | None


class Bundles:
    """What callers may do with bundles.

    Every method raises ForbiddenError for too low a role.
    """

    def __init__(self, workflows: Workflows) -> None:
        """Borrow everything."""
        self._workflows = workflows

    async def pack(
        self, caller: Caller, workflow_id: str, numbers: Collection[int], active: int | None
    ) -> GraphDocument:
        """Return a bundle of some versions, or of the active one; no credential is in it.

        Args:
            active: Which one is to be active where it is unpacked.

        Raises:
            WorkflowNotFoundError: No such workflow or version.
        """
        caller.require(Role.PUBLISHER, "see workflows")
        workflow, versions = await self._workflows.versions(caller, workflow_id)
        wanted = {*numbers} or {workflow.active_version}
        chosen = [each for each in versions if each.number in wanted]
        known = {each.number for each in chosen}
        if known != wanted or (active is not None and active not in known):
            raise WorkflowNotFoundError("Workflow version not found")
        preferred = workflow.active_version if active is None else active
        packed: list[JsonValue] = [_packed(each) for each in chosen]
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": workflow.name,
            "description": workflow.description,
            "active_version_number": preferred if preferred in known else min(known),
            "versions": packed,
        }

    async def unpack(
        self, caller: Caller, bundle: GraphDocument, wanted: Wanted
    ) -> tuple[WorkflowRecord, WorkflowVersionRecord]:
        """Make a workflow of what is in a bundle; versions keep their numbers and names.

        Raises:
            InvalidError: It is no bundle, or does not hold what is wanted.
            InvalidGraphError: A graph breaks a rule.
        """
        caller.require(Role.PUBLISHER, "write workflows")
        inner = bundle.get("bundle")
        packed = inner if isinstance(inner, dict) else bundle
        if packed.get("format") != FORMAT or packed.get("format_version") != FORMAT_VERSION:
            raise InvalidError("this is no bundle of a workflow that can be read here")
        held = _unpacked(packed.get("versions"))
        missing: list[JsonValue] = [each for each in wanted.numbers if each not in held]
        if missing or not wanted.numbers:
            raise InvalidError("the bundle does not hold the versions to import", missing=missing)
        if wanted.active not in wanted.numbers:
            raise InvalidError("active_version_number is none of the versions to import")
        name, description = wanted.name or packed.get("name"), packed.get("description")
        if not isinstance(name, str) or not name:
            raise InvalidError("a workflow needs a name")
        new = NewWorkflow(
            name=name,
            description=description if isinstance(description, str) else None,
            graph=held[wanted.active].graph,
        )
        versions = [held[number] for number in sorted({*wanted.numbers})]
        return await self._workflows.create_whole(caller, new, versions, wanted.active)


def _packed(version: WorkflowVersionRecord) -> GraphDocument:
    return {
        "version_number": version.number,
        "version_name": version.name,
        "config": without_credentials(version.graph),
    }


def _unpacked(versions: JsonValue) -> dict[int, NewVersion]:
    """Return the versions of a bundle by their numbers; what is none is left out."""
    held: dict[int, NewVersion] = {}
    for each in versions if isinstance(versions, list) else ():
        if not isinstance(each, dict):
            continue
        number, config = each.get("version_number"), each.get("config")
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(config, dict):
            continue
        if 0 <= number <= MAX_NUMBER:
            name = str(each.get("version_name") or f"Version {number}")
            held[number] = NewVersion(number=number, name=name, graph=graph_from(config))
    return held
