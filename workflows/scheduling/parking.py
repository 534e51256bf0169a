"""Notices when all of a workflow waits, says so, and asks before anything goes on.

The flow's own workflow and those that run items of an iteration each speak for themselves; the read
model adds up what they say. So no workflow has to tell another about each item.

Source: docs/decisions/0033-waiting-for-the-outside.md.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.messages import (
    AllWaitCall,
    AllWaitReply,
    DeliveryNotice,
    RunContext,
    WokenCall,
    WokenReply,
)
from contracts.names import NOTE_ALL_WAIT, NOTE_WOKEN
from workflows.scheduling.crew import Crew
from workflows.scheduling.settling import insist


@dataclass(slots=True)
class Away:
    """An iteration whose items wait in child workflows, as its parent sees it.

    Attributes:
        lanes: How many lanes have not ended.
        children: Child workflows under way, by their ids.
    """

    lanes: int
    children: dict[str, None] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Return whether its parent has nothing to do for it but to wait for its children."""
        return 0 < self.lanes == len(self.children)


class Parking:
    """Whether all of one workflow waits.

    What waits is a timer or a delivery that a task waits for, and an iteration as long as only its
    children can go on. At least one must wait for the outside: time alone parks nothing.
    """

    def __init__(self, context: RunContext, ring: Callable[[DeliveryNotice], None]) -> None:
        """Begin with nothing that waits.

        Args:
            ring: Wakes the task for which something came after all.
        """
        self._context = context
        self._ring = ring
        self._waiting = 0
        self._waiting_outside = 0
        self._away: list[Away] = []
        self._lock = asyncio.Lock()
        self._is_parked = False
        self._is_admitted = False
        self._speaking: asyncio.Task[None] | None = None
        self._crew: Crew | None = None

    def admit(self) -> None:
        """A workflow that was woken may ask again whether it may go on."""
        self._is_admitted = True

    @contextmanager
    def waiting(self, *, for_outside: bool) -> Iterator[None]:
        """Count a task, or an item, as waiting."""
        self._waiting += 1
        self._waiting_outside += for_outside
        if self._crew is not None:
            self._crew.poke()
        try:
            yield
        finally:
            self._waiting -= 1
            self._waiting_outside -= for_outside

    @contextmanager
    def away(self, lanes: int) -> Iterator[Away]:
        """Count an iteration as waiting whenever all that is left of it runs in children."""
        iteration = Away(lanes)
        self._away.append(iteration)
        try:
            yield iteration
        finally:
            self._away.remove(iteration)

    def gone_to(self, iteration: Away, child: str) -> None:
        """Note that one of its lanes waits for a child workflow."""
        iteration.children[child] = None
        if self._crew is not None:
            self._crew.poke()

    async def rest(self, crew: Crew) -> None:
        """Wait until something of the crew has changed; say so first if all of it waits."""
        self._crew = crew
        if self._all_wait(crew) and not self._is_parked and self._speaking is None:
            self._speaking = asyncio.create_task(self._say_all_wait(crew))
        await crew.changed()

    async def woken(self) -> None:
        """Return once the workflow may go on: to be called before anything is scheduled.

        Raises:
            FailureError: A newer generation owns the execution.
            CancelledError: The flow stops.
        """
        async with self._lock:
            while self._is_parked:
                self._is_admitted = False
                call = WokenCall(context=self._context, workflow_id=workflow.info().workflow_id)
                reply = await insist(NOTE_WOKEN, call, WokenReply, title="go on")
                self._is_parked = not reply.is_admitted
                if self._is_parked:
                    await workflow.wait_condition(lambda: self._is_admitted)

    async def stop(self) -> None:
        """Say nothing more."""
        if self._speaking is not None:
            self._speaking.cancel()
            await workflow.wait([self._speaking])

    def _all_wait(self, crew: Crew) -> bool:
        """Return whether everything under way waits, and something of it for the outside."""
        is_outside = bool(self._waiting_outside or self._away)
        is_away = all(iteration.is_whole for iteration in self._away)
        return is_outside and is_away and self._waiting + len(self._away) == len(crew)

    async def _say_all_wait(self, crew: Crew) -> None:
        """Tell the read model, once; what goes wrong here costs nothing but a slot."""
        try:
            async with self._lock:
                if self._all_wait(crew):
                    await self._park()
        except FailureError as error:
            workflow.logger.warning("not known to wait as a whole", extra={"error": str(error)})
        finally:
            self._speaking = None

    async def _park(self) -> None:
        """Say that all of it waits, unless something has come that nobody was told of."""
        call = AllWaitCall(
            context=self._context,
            workflow_id=workflow.info().workflow_id,
            children=[child for iteration in self._away for child in iteration.children],
        )
        # From now on whoever is woken must ask: the store may hear of it without our knowing.
        self._is_parked = True
        reply = await insist(NOTE_ALL_WAIT, call, AllWaitReply, title="all of it waits")
        self._is_parked = not reply.come
        for notice in reply.come:
            self._ring(notice)
