"""The baseline H: what a careful engineer writes by hand, three ordinary no-op activities in a row.

And of turns: an update whose handler waits for one local activity.

Run as a module it is a worker process of its own, sandboxed, with default options.
"""

import asyncio
import os
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE = "bench-baseline"
WORKFLOW = "HandWritten"
BARE_TURNS = "BareTurns"
TAKE_TURN = "take_turn"


@activity.defn
async def no_op(value: dict[str, str]) -> dict[str, str]:
    """Give back what came in."""
    return value


@workflow.defn(name=WORKFLOW)
class HandWrittenWorkflow:
    """Three activities, one after the other."""

    @workflow.run
    async def run(self, value: dict[str, str]) -> dict[str, str]:
        """Pass a value through all three."""
        for _ in range(3):
            value = await workflow.execute_activity(
                no_op, value, start_to_close_timeout=timedelta(minutes=5)
            )
        return value


@workflow.defn(name=BARE_TURNS)
class BareTurnsWorkflow:
    """Answers updates for as long as it lives."""

    @workflow.run
    async def run(self) -> None:
        """Wait for the end of the benchmark."""
        await workflow.wait_condition(lambda: False)

    @workflow.update(name=TAKE_TURN)
    async def take_turn(self, value: dict[str, str]) -> dict[str, str]:
        """Pass a value through one local activity."""
        return await workflow.execute_local_activity(
            no_op, value, start_to_close_timeout=timedelta(minutes=5)
        )


async def main() -> None:
    """Serve the baseline until killed."""
    client = await Client.connect(os.environ["PERDURE_TEMPORAL_ADDRESS"])
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[HandWrittenWorkflow, BareTurnsWorkflow],
        activities=[no_op],
    )
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
