"""Use cases of feedback: what people say of runs that have ended.

Source: docs/workflows-api.md, "Feedback"; docs/permissions.md.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from pydantic import JsonValue

from flows.errors import ConflictError, ForbiddenError, InteractiveRunNotFoundError
from operations.caller import Caller, Role
from store.clock import now
from store.interactive_runs import RunRepository
from store.people import Person, PersonRepository
from store.run_feedback import Feedback, FeedbackKind, FeedbackRepository, Target

RatingValue = Literal["up", "down", "strong_up"]
Json = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of something, and of those who said it what is known."""

    feedback: Sequence[Feedback]
    people: Mapping[str, Person]


class RunFeedback:
    """What callers may say of runs.

    Every method raises ForbiddenError for too low a role, and InteractiveRunNotFoundError for a
    run, a turn or an event that does not exist. Those that write raise ConflictError while the
    run goes on, and return what is said of the same thing then.
    """

    def __init__(
        self, runs: RunRepository, feedback: FeedbackRepository, people: PersonRepository
    ) -> None:
        """Borrow everything."""
        self._runs = runs
        self._feedback = feedback
        self._people = people

    async def of_run(self, caller: Caller, run_id: str) -> Sequence[Feedback]:
        """Return all that was said of a run, oldest first."""
        caller.require(Role.PUBLISHER, "see runs")
        return await self._feedback.of_run(caller.organization_id, run_id)

    async def comment(self, caller: Caller, run_id: str, target: Target, text: str) -> Said:
        """Add a comment."""
        new = await self._new(caller, run_id, target, "comment", text)
        await self._feedback.put(new)
        return await self._said(caller, run_id, target)

    async def uncomment(self, caller: Caller, run_id: str, target: Target, logical_id: str) -> Said:
        """Remove a comment.

        Raises:
            ForbiddenError: It is somebody else's, and the caller does not administrate.
        """
        await self._workflow_of(caller, run_id, target)
        held = await self._feedback.of_run(caller.organization_id, run_id)
        found = next((each for each in held if each.logical_id == logical_id), None)
        if found is None or found.kind != "comment" or found.target != target:
            raise InteractiveRunNotFoundError("no such comment", comment=logical_id)
        if found.user_id != caller.user_id and not caller.role.at_least(Role.ORG_ADMIN):
            raise ForbiddenError("only its author or an administrator removes a comment")
        await self._feedback.delete(found)
        return await self._said(caller, run_id, target)

    async def rate(self, caller: Caller, run_id: str, target: Target, value: RatingValue) -> Said:
        """Say how good something was; whoever rated it before changes their mind."""
        await self._feedback.put(await self._new(caller, run_id, target, "rating", value))
        return await self._said(caller, run_id, target)

    async def unrate(self, caller: Caller, run_id: str, target: Target) -> Said:
        """Take one's own rating back, if there is one."""
        await self._feedback.delete(await self._new(caller, run_id, target, "rating", ""))
        return await self._said(caller, run_id, target)

    async def _new(
        self, caller: Caller, run_id: str, target: Target, kind: FeedbackKind, text: str
    ) -> Feedback:
        workflow_id = await self._workflow_of(caller, run_id, target)
        if caller.claimed is not None:
            await self._people.met(caller.organization_id, caller.user_id, caller.claimed)
        return Feedback(
            logical_id=f"{kind}_{uuid4()}",
            organization_id=caller.organization_id,
            workflow_id=workflow_id,
            run_id=run_id,
            target=target,
            kind=kind,
            user_id=caller.user_id,
            text=text,
            at=now(),
        )

    async def _said(self, caller: Caller, run_id: str, target: Target) -> Said:
        held = await self._feedback.of_run(caller.organization_id, run_id)
        found = [each for each in held if each.target == target]
        users = {each.user_id for each in found}
        return Said(found, await self._people.named(caller.organization_id, users))

    async def _workflow_of(self, caller: Caller, run_id: str, target: Target) -> str:
        """Return the workflow of a run, once it is known that something may be said of it."""
        caller.require(Role.PUBLISHER, "say something of runs")
        record = await self._runs.get(caller.organization_id, run_id)
        if not await self._exists(record.organization_id, run_id, target):
            raise InteractiveRunNotFoundError(f"no such {target.kind}", run_id=run_id)
        if not record.status.is_terminal:
            raise ConflictError(f"the run is {record.status}: feedback comes after its end")
        return record.workflow_id

    async def _exists(self, organization_id: str, run_id: str, target: Target) -> bool:
        match target.kind:
            case "run":
                return True
            case "turn":
                return int(target.id) < await self._runs.turn_count(organization_id, run_id)
            case "event":
                pairs = await self._runs.pairs(organization_id, run_id)
                return any(target.id == each["logical_id"] for each in _events(pairs))


def with_feedback(pairs: Sequence[JsonValue], feedback: Sequence[Feedback]) -> list[JsonValue]:
    """Return a run's turns with what was said of them, and the comments on their events."""
    if not feedback:
        return [*pairs]
    shown = copy.deepcopy([*pairs])
    for index, pair in enumerate(shown):
        if isinstance(pair, dict):
            pair.update(said_of(feedback, Target("turn", str(index))))
    for event in _events(shown):
        target = Target("event", str(event["logical_id"]))
        event["comments"] = said_of(feedback, target)["comments"]
    return shown


def ratings_of_events(feedback: Sequence[Feedback]) -> Json:
    """Return the ratings of events, by their ids; events are closed types, which have none."""
    targets = dict.fromkeys(
        each.target for each in feedback if each.target.kind == "event" and each.kind == "rating"
    )
    return {target.id: said_of(feedback, target)["ratings"] for target in targets}


def said_of(feedback: Sequence[Feedback], target: Target) -> Json:
    """Return the comments and the ratings of something, oldest first."""
    found = [each for each in feedback if each.target == target]
    comments: list[JsonValue] = [
        {**_signed(each), "content": each.text} for each in found if each.kind == "comment"
    ]
    ratings: list[JsonValue] = [
        {**_signed(each), "value": each.text} for each in found if each.kind == "rating"
    ]
    return {"comments": comments, "ratings": ratings}


def _signed(feedback: Feedback) -> Json:
    return {
        "logical_id": feedback.logical_id,
        "created_by": feedback.user_id,
        "created_at": feedback.at.isoformat(),
    }


def _events(pairs: Sequence[JsonValue]) -> list[Json]:
    """Return the events of some turns."""
    found: list[Json] = []
    for pair in pairs:
        output = pair.get("run_output") if isinstance(pair, dict) else None
        events = output.get("events") if isinstance(output, dict) else None
        told = events if isinstance(events, list) else ()
        found += [each for each in told if isinstance(each, dict)]
    return found
