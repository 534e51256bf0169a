"""Authored parameters against an executor's model, while references still stand in them.

A string that holds a reference may become anything, so it fits everywhere.
"""

from collections.abc import Sequence

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from flows.canonical import canonical_bytes
from flows.errors import Fault
from flows.executors.spec import MISSING_PARAMETER, TaskExecutor
from flows.faults import Location, shown
from flows.iteration import parameters_schema
from flows.marks import has_marks, is_marked
from flows.references import has_template, is_template
from flows.schemas import schemas_at
from flows.secrets import MASK
from flows.suggestions import did_you_mean

MAX_ERRORS = 2_000
"""Errors of one task's parameters that are looked at."""

Union = tuple[Location, tuple[str, ...]]
"""Where a union stands, and the members of unions around it that stand at the same place."""

_CUSTOM = frozenset({"value_error", "assertion_error"})


def parameter_faults(executor: TaskExecutor, parameters: dict[str, JsonValue]) -> list[Fault]:
    """Return what is wrong with parameters; locations start inside them.

    A missing parameter does not reject a definition, everything else does.
    """
    try:
        executor.parameters.model_validate_json(canonical_bytes(parameters), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        found = [_Finding(details, executor, parameters) for details in errors[:MAX_ERRORS]]
    else:
        return []
    faults: dict[tuple[Location, str], Fault] = {}
    for finding in _without_hopeless_unions(found):
        if not finding.is_excused:
            fault = finding.fault(executor)
            faults.setdefault((fault.location, fault.type), fault)
    if len(errors) > MAX_ERRORS:
        reason = f"more than {MAX_ERRORS} errors; the rest is left out"
        faults[(), "too_many_faults"] = Fault((), reason, "too_many_faults")
    return list(faults.values())


class _Finding:
    """One error of pydantic, seen from what the author wrote.

    Attributes:
        location: Path in the parameters, without the members of unions that pydantic names.
        unions: For each union on the way, where it stands and which member was tried.
        is_excused: Whether a reference stands where the error is, so that nobody can know yet.
    """

    def __init__(
        self, details: ErrorDetails, executor: TaskExecutor, parameters: dict[str, JsonValue]
    ) -> None:
        """Walk the error's path through the parameters; what may be secret is not repeated."""
        self.type = details["type"]
        self.message = details["msg"]
        self.location, self.unions, value = _walk(details["loc"], parameters, self.type)
        self.value = value
        is_secret = is_marked(executor.name, self.location)
        self.is_excused = (
            is_template(value)
            or (self.type in _CUSTOM and has_template(value))
            or (is_secret and value == MASK)
        )
        if is_secret or (self.type == "extra_forbidden" and has_marks(executor.parameters)):
            self.value = None
        if is_secret and self.type in _CUSTOM:
            self.message = "The value does not fit"

    def fault(self, executor: TaskExecutor) -> Fault:
        """Return it as a fault."""
        if self.type == "missing":
            reason = f"missing parameter '{self.location[-1]}'"
            return Fault(self.location, reason, MISSING_PARAMETER, rejects=False)
        if self.type == "extra_forbidden":
            key = str(self.location[-1])
            known = _known_keys(executor, self.location[:-1])
            reason = f"unknown parameter '{key}'" + did_you_mean(key, known)
            return Fault(self.location, reason, "unknown_parameter", input=shown(self.value))
        reason = self.message[:1].lower() + self.message[1:]
        is_missing = self.type == MISSING_PARAMETER
        return Fault(
            self.location, reason, self.type, rejects=not is_missing, input=shown(self.value)
        )


def _known_keys(executor: TaskExecutor, location: Location) -> list[str]:
    """Return the keys that an object at a place in the parameters may have."""
    found = schemas_at(parameters_schema(executor.parameters), location)
    properties = [schema.get("properties") for schema in found]
    return [key for member in properties if isinstance(member, dict) for key in member]


def _walk(
    path: Sequence[int | str], parameters: dict[str, JsonValue], type: str
) -> tuple[Location, list[tuple[Union, str]], JsonValue]:
    """Follow an error's path; a step that the value does not have is a member of a union.

    Returns:
        The path without such members, those members with their places, and the value at its end.
    """
    location: list[int | str] = []
    unions: list[tuple[Union, str]] = []
    around: tuple[str, ...] = ()
    current: JsonValue = parameters
    last = len(path) - 1
    for index, step in enumerate(path):
        found, inner = _member(current, step)
        if found:
            current, around = inner, ()
            location.append(step)
        elif index == last and type == "missing":
            location.append(step)
        elif step != "[key]":
            unions.append(((tuple(location), around), str(step)))
            around = (*around, str(step))
    return tuple(location), unions, current


def _member(value: JsonValue, step: int | str) -> tuple[bool, JsonValue]:
    """Return whether a value has a member, and the member."""
    if isinstance(value, dict) and step in value:
        return True, value[str(step)]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return True, value[step]
    return False, None


def _without_hopeless_unions(found: list[_Finding]) -> list[_Finding]:
    """Keep, of the members that were tried for one union, only the one that fits best.

    That is the member with the fewest errors that no reference excuses, where one about the value
    itself outweighs any number inside it; with none left, the union may well be right.
    """
    costs: dict[Union, dict[str, int]] = {}
    for finding in found:
        for place, member in finding.unions:
            members = costs.setdefault(place, {})
            weight = MAX_ERRORS if finding.location == place[0] else 1
            cost = 0 if finding.is_excused else weight
            members[member] = members.get(member, 0) + cost
    best = {place: min(members, key=members.__getitem__) for place, members in costs.items()}
    return [
        finding
        for finding in found
        if all(member == best[place] for place, member in finding.unions)
    ]
