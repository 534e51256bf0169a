"""Random walks over a running application, which hypothesis takes in a thread of its own.

``PERDURE_STATE_EXAMPLES`` sets how many walks are taken instead of the few that every run takes.
"""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.fixtures.api import Api
from tests.support.platform import Platform

T = TypeVar("T")

STEP_SECONDS = 150
"""Longer than what a step itself waits for, which says more when it gives up."""


def walks_to_take(few: int) -> int:
    """Return how many walks to take: few, unless the environment says otherwise."""
    return int(os.environ.get("PERDURE_STATE_EXAMPLES", few))


def patience(walks: int) -> int:
    """Return how many seconds a test of so many walks may take."""
    return 300 + 20 * walks


@dataclass(frozen=True, slots=True)
class Ground:
    """What a walk acts on: the application, and the loop that it runs in."""

    loop: asyncio.AbstractEventLoop
    platform: Platform
    api: Api

    def wait(self, work: Coroutine[object, object, T]) -> T:
        """Do something where the application runs, and return what came of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(STEP_SECONDS)


async def walk(machine: type[RuleBasedStateMachine], *, walks: int, steps: int) -> None:
    """Take walks; the first in which server and model disagree is told step by step."""
    chosen = settings(
        max_examples=walks,
        stateful_step_count=steps,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=chosen)
