"""Flows that start by the clock: their schedules follow their definitions, and fire.

Source: docs/decisions/0022-schedules-follow-flows.md.
"""

import logging

from pydantic import JsonValue, ValidationError

from contracts.messages import FireCall, FireReply
from contracts.names import flow_schedule_id
from flows.canonical import digest
from flows.errors import (
    EngineError,
    FlowExecutionNotFoundError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from flows.executors.catalogue import executor_named
from flows.executors.scheduled_trigger import SCHEDULED_TRIGGER, ScheduledTriggerParameters
from flows.model import Flow, Task
from operations.caller import Caller
from operations.definitions import Definitions
from operations.executions import Executions
from operations.triggers import Triggers, as_trigger, is_paused
from runtime.gateway import Gateway
from store.flows import FlowRepository
from store.models import ExecutionRecord
from store.schedules import ScheduleRepository, ScheduleState

logger = logging.getLogger(__name__)

MAX_ROUNDS = 5


class Schedules:
    """Brings Temporal's schedules in line with flows. Everything it does may be done twice."""

    def __init__(
        self,
        *,
        flows: FlowRepository,
        schedules: ScheduleRepository,
        gateway: Gateway,
        definitions: Definitions,
    ) -> None:
        """Borrow everything."""
        self._flows = flows
        self._schedules = schedules
        self._gateway = gateway
        self._definitions = definitions

    async def try_sync(self, flow_id: str) -> None:
        """Bring a flow's schedules in line; what fails is left to the reconciler."""
        try:
            await self.sync(flow_id)
        except EngineError as error:
            facts = {"flow_id": flow_id, "reason": error.message}
            logger.warning("schedules not in line yet; the reconciler will see to it", extra=facts)

    async def sync_pending(self, limit: int) -> None:
        """Bring the schedules of flows in line that changed and whose process then died."""
        for flow_id in await self._schedules.pending(limit):
            await self.try_sync(flow_id)

    async def sync(self, flow_id: str) -> None:
        """Bring a flow's schedules in line.

        If the flow changes meanwhile, whoever is slower goes round again: nobody stops before what
        they wrote was still right afterwards.

        Raises:
            UnavailableError: The mark stays, so the reconciler repeats it.
        """
        for _ in range(MAX_ROUNDS):
            state = await self._schedules.state(flow_id)
            if state is None:
                return
            kept = await self._apply(state)
            if await self._schedules.done(state, kept):
                return

    async def _apply(self, state: ScheduleState) -> list[str]:
        """Create, change and delete schedules; return the tasks that have one now."""
        wanted: dict[str, ScheduledTriggerParameters] = {}
        paused = True
        if not state.is_deleted:
            record = await self._flows.version(
                state.organization_id, state.flow_id, state.latest_version
            )
            wanted = scheduled_tasks(self._definitions.of(record).flow)
            paused = is_paused(record)
        for name in state.task_names:
            if name not in wanted:
                await self._gateway.delete_schedule(flow_schedule_id(state.flow_id, name))
        kept = []
        for name, parameters in wanted.items():
            if await self._put(state, name, parameters, paused):
                kept.append(name)
        return kept

    async def _put(
        self, state: ScheduleState, name: str, parameters: ScheduledTriggerParameters, paused: bool
    ) -> bool:
        """Create or change one schedule; one that Temporal refuses is logged and left out."""
        call = FireCall(
            organization_id=state.organization_id,
            flow_id=state.flow_id,
            task_name=name,
            fingerprint=fingerprint(parameters),
        )
        is_taken = await self._gateway.put_schedule(
            flow_schedule_id(state.flow_id, name),
            call,
            parameters,
            is_paused=paused,
            revision=state.revision,
        )
        if not is_taken:
            facts = {"flow_id": state.flow_id, "task_name": name}
            logger.warning("Temporal refuses the schedule", extra=facts)
        return is_taken


class ScheduledStarts:
    """Starts flows when their schedules fire."""

    def __init__(
        self, *, triggers: Triggers, schedules: ScheduleRepository, executions: Executions
    ) -> None:
        """Borrow everything."""
        self._triggers = triggers
        self._schedules = schedules
        self._executions = executions

    async def fire(self, call: FireCall) -> FireReply:
        """Record an execution for one scheduled time, once, as the task's overlap rule says.

        Raises:
            UnavailableError: Nothing is known to be recorded; fire again.
        """
        trigger = await self._triggers.find(call.flow_id, call.task_name, SCHEDULED_TRIGGER.name)
        if trigger is None:
            return FireReply(outcome="gone")
        parameters = _parameters(trigger.task)
        if parameters is None or fingerprint(parameters) != call.fingerprint:
            await self._schedules.mark(call.flow_id)
            return FireReply(outcome="outdated")
        open_now = await self._schedules.open_executions(
            call.organization_id, call.flow_id, call.task_name
        )
        if open_now and parameters.overlap in ("skip", "buffer_one"):
            return FireReply(outcome="skipped" if parameters.overlap == "skip" else "busy")
        try:
            record = await self._create(call, parameters, trigger.caller)
        except (InvalidError, NotFoundError) as error:
            facts = {"flow_id": call.flow_id, "reason": error.message}
            logger.warning("a schedule fired, but the flow cannot run", extra=facts)
            return FireReply(outcome="refused", reason=error.message)
        if parameters.overlap == "cancel_other":
            for other in open_now:
                if other.id != record.id and other.created_at <= record.created_at:
                    await self._cancel(call.organization_id, other.id)
        return FireReply(outcome="started", flow_execution_id=record.id)

    async def _create(
        self, call: FireCall, parameters: ScheduledTriggerParameters, caller: Caller
    ) -> ExecutionRecord:
        """Record the execution; the scheduled time makes it repeatable."""
        scheduled_at = call.scheduled_at.isoformat() if call.scheduled_at is not None else ""
        input: dict[str, JsonValue] = {"scheduled_at": scheduled_at}
        if parameters.input is not None:
            input["input"] = parameters.input
        # No header can hold this separator, so no caller's own key is ever the same.
        key = "\x1f".join(("schedule", call.flow_id, call.task_name, scheduled_at))
        return await self._executions.create(
            caller,
            call.flow_id,
            input,
            input_task_name=call.task_name,
            idempotency_key=key,
        )

    async def _cancel(self, organization_id: str, flow_execution_id: str) -> None:
        try:
            await self._executions.cancel(as_trigger(organization_id), flow_execution_id)
        except FlowExecutionNotFoundError:
            return
        except UnavailableError as error:
            facts = {"flow_execution_id": flow_execution_id, "reason": error.message}
            logger.warning("an overlapping execution was not cancelled", extra=facts)


def scheduled_tasks(flow: Flow) -> dict[str, ScheduledTriggerParameters]:
    """Return the tasks of a flow that the clock starts, without those that are not complete."""
    found = {task.name: _parameters(task) for task in flow.tasks}
    return {name: parameters for name, parameters in found.items() if parameters is not None}


def fingerprint(parameters: ScheduledTriggerParameters) -> str:
    """Return what tells a schedule that follows these parameters from one that does not."""
    return digest(parameters.model_dump(mode="json"))


def _parameters(task: Task) -> ScheduledTriggerParameters | None:
    executor = executor_named(task.executor)
    if executor is None or executor.name != SCHEDULED_TRIGGER.name:
        return None
    try:
        return ScheduledTriggerParameters.model_validate(task.parameters)
    except ValidationError:
        return None
