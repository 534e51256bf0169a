"""The Temporal workflow that is one interactive run: turns, user input, stop.

Source: docs/decisions/0048-turns-over-temporal.md.
"""

import asyncio
from datetime import timedelta

from pydantic import ValidationError
from temporalio import workflow

from contracts.names import (
    AWAIT_INPUT,
    EVENTS,
    INTERACTIVE_RUN,
    RECORD_TURN,
    STOP,
    TURN,
    USER_INPUT,
)
from contracts.runs import (
    Answer,
    AnswerKind,
    AwaitInput,
    EventsAsked,
    EventsPage,
    InteractiveRunResult,
    InteractiveRunStart,
    JsonObject,
    RecordTurnCall,
    RecordTurnReply,
    StopAsked,
    TurnGiven,
    TurnView,
)
from dialogs.state import RunState, RunStatus
from dialogs.turns import EXECUTION_ERROR, TurnOutcome, run_turn
from flows.canonical import canonical_bytes
from workflows.run_driver import WorkflowDriver
from workflows.run_inbox import Inbox
from workflows.scheduling.crew import shielded
from workflows.scheduling.settling import insist

LONGEST_WAIT = timedelta(seconds=50)
MAX_EVENTS_A_HISTORY = 8_000
MAX_ANSWER_BYTES = 12 * 1024
"""Payloads above 16 KiB leave the history, and an answer is one."""


@workflow.defn(name=INTERACTIVE_RUN, failure_exception_types=[ValidationError])
class InteractiveRunWorkflow:
    """Takes inputs one after the other, and runs a turn for each of them."""

    @workflow.init
    def __init__(self, start: InteractiveRunStart) -> None:
        """Set state before any handler runs."""
        self._start = start
        self._state = start.state or RunState(run_id=start.run_id)
        self._inbox = Inbox(start.queued, start.answered, start.last)
        self._driver = WorkflowDriver(start)
        self._stop: StopAsked | None = None
        self._turns = 0
        self._is_moving = False

    @workflow.run
    async def run(self, start: InteractiveRunStart) -> InteractiveRunResult:
        """Run turns until the run is at its end, in as many histories as that takes.

        Raises:
            CancelledError: Temporal was told to cancel the workflow; its record says so.
        """
        try:
            await self._take_turns()
        except asyncio.CancelledError:
            await shielded(self._cancel())
            raise
        self._inbox.close(self._stop)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return InteractiveRunResult(
            status=self._state.status,
            turn_number=self._state.turn_number,
            error=self._state.error,
        )

    @workflow.signal(name=USER_INPUT)
    def user_input(self, given: TurnGiven) -> None:
        """Hand in what a turn is given; the same input counts once."""
        if self._state.status.is_terminal or self._stop is not None:
            self._inbox.refuse(given.input_id, AnswerKind.ENDED)
        else:
            self._inbox.take(given, self._state.turn_number + 1)

    @workflow.signal(name=STOP)
    def stop(self, asked: StopAsked) -> None:
        """End the run; what is under way is cancelled."""
        if self._state.status.is_terminal:
            self._inbox.refuse(asked.input_id, AnswerKind.ENDED)
        elif self._stop is None:
            self._stop = asked

    @workflow.update(name=AWAIT_INPUT)
    async def await_input(self, asked: AwaitInput) -> Answer:
        """Take the input that comes along, if any, and wait for its answer, but not for ever."""
        input_id = asked.input_id
        if asked.given is not None and not self._is_moving:
            self.user_input(asked.given)
        try:
            await workflow.wait_condition(
                lambda: self._inbox.is_settled(input_id) or self._is_moving, timeout=LONGEST_WAIT
            )
        except TimeoutError:
            is_known = self._inbox.is_known(input_id) or self._stops(input_id)
            return Answer(kind=AnswerKind.RUNNING if is_known else AnswerKind.UNKNOWN)
        if self._inbox.is_settled(input_id):
            return self._inbox.told(input_id)
        return Answer(kind=AnswerKind.MOVED)

    @workflow.query(name=TURN)
    def turn(self) -> Answer:
        """Return the latest turn, and whether one is under way."""
        is_running = self._inbox.current is not None
        return Answer(
            kind=AnswerKind.RUNNING if is_running else AnswerKind.TURN, turn=self._inbox.last
        )

    @workflow.query(name=EVENTS)
    def events(self, asked: EventsAsked) -> EventsPage:
        """Return a page of the events of the turn under way, or of the last one."""
        told = self._driver.told.of_turn
        end, size = asked.after, 0
        while end < len(told) and (end == asked.after or size < MAX_ANSWER_BYTES):
            size += len(canonical_bytes(told[end]))
            end += 1
        return EventsPage(
            turn_number=self._state.turn_number,
            events=told[asked.after : end],
            next=end,
            is_whole=self._inbox.current is None and end >= len(told),
            first_event=self._driver.told.first_event,
        )

    async def _take_turns(self) -> None:
        """Run turns until there will be no more in this history."""
        while not self._state.status.is_terminal:
            await workflow.wait_condition(
                lambda: bool(self._inbox.queued) or self._stop is not None or self._is_full()
            )
            if self._stop is not None:
                await self._cancel()
            elif self._is_full():
                await self._move()
            else:
                await self._take_turn(self._inbox.next(self._state.turn_number + 1))

    async def _take_turn(self, given: TurnGiven) -> None:
        """Run one turn to its end, or until the run is stopped in the middle of it."""
        self._turns += 1
        self._driver.told.begin_turn(self._state.turn_number + 1)
        turn = asyncio.create_task(self._outcome(given))
        try:
            await workflow.wait_condition(lambda: turn.done() or self._stop is not None)
        except asyncio.CancelledError:
            await _broken_off(turn)
            raise
        await _broken_off(turn)
        if turn.cancelled():
            await self._cancel(given)
            return
        outcome = turn.result()
        view = TurnView(
            turn_number=outcome.turn_number,
            status=outcome.status,
            events=outcome.events,
            error=outcome.error,
            hint=outcome.hint,
        )
        await self._record(view, [given.input_id], outcome.pair)
        self._inbox.answer(given.input_id, _told(view))

    async def _outcome(self, given: TurnGiven) -> TurnOutcome:
        """Run the interpreter; what it did not foresee fails the run, not the workflow task."""
        state = self._state
        try:
            return await run_turn(
                self._start.graph, state, self._start.fixed, given.run_input, self._driver
            )
        except (asyncio.CancelledError, workflow.NondeterminismError):
            raise
        except Exception as error:
            workflow.logger.exception("a turn was stopped by an unexpected error")
            state.status = RunStatus.FAILED
            state.error = f"{type(error).__name__}: the turn could not be run"
            state.termination_source = EXECUTION_ERROR
            return TurnOutcome(
                status=state.status,
                turn_number=state.turn_number,
                events=self._driver.told.of_turn,
                error=state.error,
                pair=_pair(given, self._driver.told.of_turn),
            )

    async def _cancel(self, interrupted: TurnGiven | None = None) -> None:
        """Record the run as cancelled, and answer whoever waits for that.

        An answer has what the interrupted turn told, as its record does.
        """
        self._state.status = RunStatus.CANCELLED
        given = interrupted or self._inbox.current
        view = TurnView(
            turn_number=self._state.turn_number,
            status=RunStatus.CANCELLED,
            events=[] if given is None else self._driver.told.of_turn,
        )
        ids = [each.input_id for each in (given, self._stop) if each is not None]
        pair = None if given is None else _pair(given, self._driver.told.of_turn)
        await self._record(view, ids, pair)
        for input_id in ids:
            self._inbox.answer(input_id, _told(view))

    async def _record(self, view: TurnView, ids: list[str], pair: JsonObject | None) -> None:
        """Have the turn written; nobody is answered before it is."""
        state = self._state
        await insist(
            RECORD_TURN,
            RecordTurnCall(
                organization_id=self._start.organization_id,
                run_id=self._start.run_id,
                turn=view.model_copy(update={"events": None}),
                input_ids=ids,
                pair=pair,
                termination_source=state.termination_source,
                usage=state.usage.model_dump(mode="json"),
                latency=state.latency.model_dump(mode="json"),
                at=workflow.now(),
                first_event=self._driver.told.first_event,
            ),
            RecordTurnReply,
            title=f"record turn {view.turn_number}",
        )

    def _stops(self, input_id: str) -> bool:
        return self._stop is not None and self._stop.input_id == input_id

    def _is_full(self) -> bool:
        """Return whether the run should go on in a fresh history."""
        info = workflow.info()
        return (
            self._turns >= self._start.turns_a_history
            or info.get_current_history_length() >= MAX_EVENTS_A_HISTORY
            or info.is_continue_as_new_suggested()
        )

    async def _move(self) -> None:
        """Continue in a fresh history; whoever waits is sent there."""
        self._is_moving = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(
            self._start.model_copy(
                update={
                    "state": self._state,
                    "queued": self._inbox.queued,
                    "answered": self._inbox.answered,
                    "last": self._inbox.last,
                    "events_told": self._driver.told.count,
                }
            )
        )


async def _broken_off(turn: asyncio.Task[TurnOutcome]) -> None:
    """Cancel a turn if it is under way, and wait until it has stopped."""
    if not turn.done():
        turn.cancel()
        await workflow.wait([turn])


def _told(view: TurnView) -> TurnView:
    """Return a turn as an answer holds it: without its events where they are many."""
    size = len(canonical_bytes([*(view.events or [])]))
    return view if size <= MAX_ANSWER_BYTES else view.model_copy(update={"events": None})


def _pair(given: TurnGiven, events: list[JsonObject]) -> JsonObject:
    """Return what the record keeps of a turn that its interpreter did not bring to an end."""
    return {
        "run_input": given.run_input.model_dump(mode="json"),
        "run_output": {"events": [*events], "thread_to_node_outputs": {}},
        "evaluation": None,
        "iteration_end_state_miscellaneous": {},
        "comments": [],
        "ratings": [],
    }
