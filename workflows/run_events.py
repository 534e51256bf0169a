"""What a run has told, counted over all its turns, and shown while a turn goes on.

A turn that nothing holds up is over within one workflow task, and is written then. Only what makes
a turn take its time, an effect, is preceded by showing what was told so far.

Source: docs/decisions/0051-events-as-they-happen.md.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

from contracts.names import SHOW_EVENTS
from contracts.runs import (
    InteractiveRunStart,
    JsonObject,
    ShowEventsCall,
    ShowEventsReply,
    SpokenAt,
)
from dialogs.effects import ModelCall
from flows.canonical import canonical_bytes

SHOWS_EVENTS = "shows-events-before-effects"
MAX_SHOWN_BYTES = 1024 * 1024
"""What is more waits for the end of its turn."""

_PATIENCE = timedelta(seconds=3)


class RunEvents:
    """The events of one run.

    Attributes:
        of_turn: Those of the turn under way, or of the last one.
        first_event: How many were told in the turns before that one.
    """

    def __init__(self, start: InteractiveRunStart) -> None:
        """Count on from the histories before."""
        self._start = start
        self._turn_number = 0
        self._shown = 0
        self.first_event = start.events_told
        self.of_turn: list[JsonObject] = []

    @property
    def count(self) -> int:
        """Return how many events were told over all turns."""
        return self.first_event + len(self.of_turn)

    def begin_turn(self, turn_number: int) -> None:
        """Begin with the events of another turn."""
        self.first_event = self.count
        self.of_turn = []
        self._turn_number = turn_number
        self._shown = 0

    def add(self, event: JsonObject) -> None:
        """Keep an event for whoever asks."""
        self.of_turn.append(event)

    async def show(self) -> None:
        """Write what was told since the last time where listeners find it.

        Nothing depends on it: where it does not succeed they find everything at the turn's end.

        Raises:
            CancelledError: The run is stopped.
        """
        fresh = _first_bytes(self.of_turn[self._shown :])
        if not fresh or not workflow.patched(SHOWS_EVENTS):
            return
        try:
            await workflow.execute_local_activity(
                SHOW_EVENTS,
                ShowEventsCall(
                    organization_id=self._start.organization_id,
                    run_id=self._start.run_id,
                    turn_number=self._turn_number,
                    first_event=self.first_event + self._shown,
                    events=fresh,
                ),
                result_type=ShowEventsReply,
                schedule_to_close_timeout=_PATIENCE,
                retry_policy=RetryPolicy(maximum_attempts=1),
                summary="show events",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            workflow.logger.info("events are shown later", extra={"error": str(error)})
        else:
            self._shown += len(fresh)

    def place_of(self, call: ModelCall) -> SpokenAt:
        """Return where a model that is now asked speaks; show what was told before it."""
        return SpokenAt(
            organization_id=self._start.organization_id,
            run_id=self._start.run_id,
            turn_number=self._turn_number,
            events_told=self.count,
            node_logical_id=call.node_logical_id,
            node_name=call.origin_node_name,
            node_run_id=call.origin_node_run_id,
            message_id=call.message_id,
        )


def _first_bytes(events: list[JsonObject]) -> list[JsonObject]:
    """Return as many of some events as may be shown at once; none if the first one is too large."""
    size, end = 0, 0
    for event in events:
        size += len(canonical_bytes(event))
        if size > MAX_SHOWN_BYTES:
            break
        end += 1
    return events[:end]
