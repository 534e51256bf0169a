"""Use cases of re-runs: runs that begin in the middle of another, as it stood before a turn.

Source: docs/workflows-api.md, "Re-runs"; docs/decisions/0066-runs-that-begin-in-the-middle.md.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from pydantic import BaseModel, Field, JsonValue

from contracts.runs import TurnGiven
from dialogs.carrying_over import CarriedOver, carried_over
from dialogs.restoring import restored
from dialogs.state import RunInput, RunState, Values
from dialogs.turns import start_node
from flows.errors import (
    InteractiveRunNotFoundError,
    InvalidError,
    NotFoundError,
    RerunTokenNotFoundError,
)
from operations.caller import Caller, Role
from operations.run_beginnings import Repeated, Resolved, beginning
from operations.run_inputs import refuse_other_repetition, refuse_unusable
from operations.runnable import RunnableWorkflows
from runtime.run_gateway import RunGateway
from store.clock import now
from store.interactive_runs import RunRecord, RunRepository
from store.rerun_tokens import RerunTokenRepository, StoredToken

TOKEN_LIFETIME = timedelta(minutes=15)
TOKEN_BYTES = 32


class Asked(BaseModel):
    """What somebody wants of a re-run.

    Attributes:
        version_number: Of the workflow as it is now; None for the graph that the run had.
        entry_node_logical_id: Where to go on, instead of where the run stood.
        dynamic_variables: Merged over those of the turn that is repeated.
    """

    version_number: int | None = None
    entry_node_logical_id: str | None = None
    dynamic_variables: Values = Field(default_factory=dict)
    runtime_variables: Values = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A re-run that could begin.

    Attributes:
        turn_index: Of the turn that is repeated, from 0.
        given: What that turn was given.
        carried: What the run remembered before it, as the graph can take it.
    """

    source: RunRecord
    turn_index: int
    given: RunInput
    workflow: Resolved
    carried: CarriedOver
    asked: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token, and what it stands for."""

    token: str
    expires_in: timedelta
    plan: Plan


class RunReruns:
    """What callers may do to repeat runs.

    Every method raises ForbiddenError for too low a role, and InteractiveRunNotFoundError for a run
    or a turn that does not exist. Those that take what is asked raise WorkflowNotFoundError for
    a version that does not exist, and InvalidError for an entry that is none.
    """

    def __init__(
        self,
        runs: RunRepository,
        workflows: RunnableWorkflows,
        tokens: RerunTokenRepository,
        gateway: RunGateway,
    ) -> None:
        """Borrow everything."""
        self._runs = runs
        self._workflows = workflows
        self._tokens = tokens
        self._gateway = gateway

    async def turns(self, caller: Caller, run_id: str) -> list[int]:
        """Return how often each turn was repeated; turns that go on are none yet."""
        caller.require(Role.PUBLISHER, "see runs")
        await self._runs.get(caller.organization_id, run_id)
        count = await self._runs.turn_count(caller.organization_id, run_id)
        counts = await self._runs.rerun_counts(caller.organization_id, run_id)
        return [counts.get(index, 0) for index in range(count)]

    async def plan(self, caller: Caller, run_id: str, turn_index: int, asked: Asked) -> Plan:
        """Return how a turn would be repeated; changes nothing."""
        caller.require(Role.INTEGRATION, "run workflows")
        source = await self._runs.with_start(caller.organization_id, run_id)
        pairs = await self._runs.pairs(caller.organization_id, run_id, limit=turn_index + 1)
        start = source.start
        if start is None or turn_index >= len(pairs):
            raise InteractiveRunNotFoundError("no such turn", run_id=run_id)
        beginning_state = start.state or RunState(run_id=run_id)
        state = restored(start.graph, beginning_state, pairs[:turn_index])
        workflow = await self._target(caller, source, asked.version_number)
        known = {node.logical_id for node in workflow.graph.node_configs}
        entry = asked.entry_node_logical_id
        if entry is not None and entry not in known:
            raise InvalidError("the graph has no such entry node", node=entry)
        return Plan(
            source=source,
            turn_index=turn_index,
            given=_given(pairs[turn_index], asked, known),
            workflow=workflow,
            carried=carried_over(start.graph, state, workflow.graph, entry=entry),
            asked=asked,
        )

    async def rerun(
        self, caller: Caller, run_id: str, turn_index: int, asked: Asked, *, key: str | None = None
    ) -> tuple[RunRecord, Plan]:
        """Begin a run that repeats a turn, without waiting for it; the same key finds it again.

        Raises:
            RateLimitedError: As many runs of the workflow are open as may be.
            IdempotencyConflictError: The key began another run.
            UnavailableError: The store or Temporal does not answer.
        """
        plan = await self.plan(caller, run_id, turn_index, asked)
        record = await self._opened(caller, plan, plan.given, key)
        if record.start is not None and not record.status.is_terminal:
            await self._gateway.start(record.start)
        return record, plan

    async def issue(
        self, caller: Caller, run_id: str, turn_index: int, asked: Asked
    ) -> IssuedToken:
        """Return a token with which one run may begin as this one stood before a turn."""
        plan = await self.plan(caller, run_id, turn_index, asked)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        stored = StoredToken(
            run_id=run_id,
            turn_index=turn_index,
            asked=asked.model_dump(mode="json"),
            expires_at=now() + TOKEN_LIFETIME,
        )
        await self._tokens.create(caller.organization_id, token, stored)
        return IssuedToken(token=token, expires_in=TOKEN_LIFETIME, plan=plan)

    async def look(self, caller: Caller, run_id: str, turn_index: int, token: str) -> IssuedToken:
        """Return what a token stands for.

        Raises:
            RerunTokenNotFoundError: It is unknown, expired, used, or of another turn.
        """
        stored = await self._found(caller, run_id, turn_index, token)
        plan = await self.plan(caller, run_id, turn_index, Asked.model_validate(stored.asked))
        return IssuedToken(token=token, expires_in=stored.expires_at - now(), plan=plan)

    async def amend(
        self,
        caller: Caller,
        run_id: str,
        turn_index: int,
        token: str,
        changes: Mapping[str, JsonValue],
    ) -> IssuedToken:
        """Change what a token stands for; what is not named stays.

        Raises:
            RerunTokenNotFoundError: As for ``look``.
        """
        stored = await self._found(caller, run_id, turn_index, token)
        before = stored.asked if isinstance(stored.asked, dict) else {}
        asked = Asked.model_validate({**before, **changes})
        plan = await self.plan(caller, run_id, turn_index, asked)
        changed = await self._tokens.amend(
            caller.organization_id, token, asked.model_dump(mode="json")
        )
        if changed is None:
            raise _unknown()
        return IssuedToken(token=token, expires_in=changed.expires_at - now(), plan=plan)

    async def redeem(
        self,
        caller: Caller,
        token: str,
        given: RunInput,
        *,
        workflow_id: str | None,
        version_number: int | None,
    ) -> RunRecord:
        """Record the run that a token stands for, which is used up then; its turn is to be begun.

        Args:
            given: To the first turn, instead of what the repeated one was given.
            workflow_id: What the caller takes the token's workflow to be, if they say so.
            version_number: The same of its version.

        Raises:
            RerunTokenNotFoundError: It is unknown, expired, used, or of something else.
            RateLimitedError: As many runs of the workflow are open as may be.
        """
        caller.require(Role.INTEGRATION, "run workflows")
        refuse_unusable(given, None)
        stored = await self._tokens.find(caller.organization_id, token)
        if stored is None:
            raise _unknown()
        asked = Asked.model_validate(stored.asked)
        try:
            plan = await self.plan(caller, stored.run_id, stored.turn_index, asked)
        except NotFoundError as error:
            raise _unknown() from error
        workflow = plan.workflow
        if workflow_id not in (None, workflow.workflow_id) or version_number not in (
            None,
            workflow.version_number,
        ):
            raise _unknown()
        # Used up first: of two who redeem it at once one begins a run, and a crash begins none.
        if await self._tokens.take(caller.organization_id, token) is None:
            raise _unknown()
        return await self._opened(caller, plan, _under(given, asked), None)

    async def _opened(
        self, caller: Caller, plan: Plan, given: RunInput, key: str | None
    ) -> RunRecord:
        """Record a run, or return the one that its key made before."""
        record = beginning(
            caller,
            plan.workflow,
            TurnGiven(input_id=key or str(uuid4()), run_input=given),
            is_keyed=key is not None,
            repeated=Repeated(
                run_id=plan.source.id, turn_index=plan.turn_index, state=plan.carried.state
            ),
        )
        made = await self._runs.create(record, plan.workflow.max_open_runs)
        if made.id != record.id:
            refuse_other_repetition(made, record)
        return made

    async def _target(self, caller: Caller, source: RunRecord, number: int | None) -> Resolved:
        """Return the graph to go on in: the run's own, or that of a version as it is now."""
        if number is not None:
            workflow = await self._workflows.resolved(caller, source.workflow_id, number)
            if start_node(workflow.graph) is None:
                raise InvalidError("the graph has no start node")
            return workflow
        if source.start is None:
            raise TypeError("a run without its start message")
        return Resolved(
            workflow_id=source.workflow_id,
            name=source.start.workflow_name,
            version_number=source.version_number,
            version_name=source.version_name,
            graph=source.start.graph,
            fixed=source.start.fixed,
            max_open_runs=await self._workflows.max_open_runs(caller, source.workflow_id),
        )

    async def _found(self, caller: Caller, run_id: str, turn_index: int, token: str) -> StoredToken:
        caller.require(Role.INTEGRATION, "run workflows")
        await self._runs.get(caller.organization_id, run_id)
        stored = await self._tokens.find(caller.organization_id, token)
        if stored is None or (stored.run_id, stored.turn_index) != (run_id, turn_index):
            raise _unknown()
        return stored


def _given(pair: JsonValue, asked: Asked, known: set[str]) -> RunInput:
    """Return what a turn was given, with the variables that are asked for."""
    kept = pair.get("run_input") if isinstance(pair, dict) else None
    given = RunInput.model_validate(kept or {})
    start = given.start_node_logical_id
    return given.model_copy(
        update={
            "dynamic_variables": {**given.dynamic_variables, **asked.dynamic_variables},
            "runtime_variables": {**given.runtime_variables, **asked.runtime_variables},
            "start_node_logical_id": start if start in known else None,
        }
    )


def _under(given: RunInput, asked: Asked) -> RunInput:
    """Return an input with the variables that are asked for beneath its own."""
    return given.model_copy(
        update={
            "dynamic_variables": {**asked.dynamic_variables, **given.dynamic_variables},
            "runtime_variables": {**asked.runtime_variables, **given.runtime_variables},
        }
    )


def _unknown() -> RerunTokenNotFoundError:
    return RerunTokenNotFoundError("the rerun_token is not known")
