"""Use cases of profiles: people about themselves.

Source: docs/api.md, "Profiles".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from flows.errors import InvalidError, PersonNotFoundError
from operations.caller import Caller
from store.models import Organization
from store.organizations import OrganizationRepository
from store.people import Person, PersonRepository

FLOW_VIEWS = "default_flow_views"
MAX_FLOW_VIEWS = 1_000


@dataclass(frozen=True, slots=True)
class Profile:
    """A person, and the organization they belong to."""

    person: Person
    organization: Organization


class Profiles:
    """What people may see and change about themselves.

    Every method raises PersonNotFoundError for a caller who is no person.
    """

    def __init__(self, people: PersonRepository, organizations: OrganizationRepository) -> None:
        """Borrow both."""
        self._people = people
        self._organizations = organizations

    async def mine(self, caller: Caller) -> Profile:
        """Return the caller's profile."""
        person = await self._met(caller)
        return Profile(person, await self._organizations.get(caller.organization_id))

    async def change(
        self,
        caller: Caller,
        names: Mapping[str, str | None],
        settings: Mapping[str, JsonValue],
    ) -> Person:
        """Change the caller's own names and settings; null takes a change back.

        Of the views of flows only those that are named change.

        Raises:
            InvalidError: More views of flows than are kept.
        """
        person = await self._met(caller)
        changes = dict(settings)
        if isinstance(changes.get(FLOW_VIEWS), dict):
            changes[FLOW_VIEWS] = _merged(person, cast("dict[str, JsonValue]", changes[FLOW_VIEWS]))
        if not names and not changes:
            return person
        return await self._people.change(caller.organization_id, caller.user_id, names, changes)

    async def _met(self, caller: Caller) -> Person:
        if caller.claimed is None:
            raise PersonNotFoundError("an API key belongs to no person")
        return await self._people.met(caller.organization_id, caller.user_id, caller.claimed)


def _merged(person: Person, changes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a person's views of flows with some of them changed, or with null taken back."""
    before = cast("Mapping[str, JsonValue]", person.settings.get(FLOW_VIEWS) or {})
    merged: dict[str, JsonValue] = {
        flow: view for flow, view in {**before, **changes}.items() if view is not None
    }
    if len(merged) > MAX_FLOW_VIEWS:
        raise InvalidError(f"views of at most {MAX_FLOW_VIEWS} flows are kept")
    return merged
