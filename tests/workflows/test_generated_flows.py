"""Whatever validates, runs to an end: no definition can wedge a workflow task."""

import asyncio

from hypothesis import HealthCheck, Phase, given, settings
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from flows.parse import accepted
from tests.support.engine import Engine
from tests.support.generated_flows import GeneratedFlow, generated_flows
from tests.support.histories import failed_workflow_tasks

COUNT = 300
AT_ONCE = 16
PATIENCE_SECONDS = 120
"""Each takes about a second; one that is wedged is named, before the whole test is given up."""

EXPECTED_FAILURES = {"LengthMismatch", "ValidationFailed", "InvalidParameters"}


def drawn(count: int) -> list[GeneratedFlow]:
    """Return flows that hypothesis draws, the same ones every time."""
    found: list[GeneratedFlow] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(generated_flows())
    def collect(generated: GeneratedFlow) -> None:
        found.append(generated)

    collect()
    return found


async def end_of(engine: Engine, generated: GeneratedFlow) -> str:
    """Run a generated flow; return ``completed`` or the type of its failure.

    Raises:
        AssertionError: A workflow task failed on the way.
    """
    handle = await engine.start(
        accepted(generated.definition),
        generated.input,
        input_task_name=generated.input_task_name,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            ending = (await handle.result()).status
    except WorkflowFailureError as error:
        ending = str(error.cause.type if isinstance(error.cause, ApplicationError) else error.cause)
    except TimeoutError:
        events = [event async for event in handle.fetch_history_events()]
        raise AssertionError(f"never ends: {generated}\n{events[-5:]}") from None
    assert not await failed_workflow_tasks(handle), generated
    return ending


async def test_300_generated_definitions_run_to_an_end(engine: Engine) -> None:
    flows = drawn(COUNT)
    gate = asyncio.Semaphore(AT_ONCE)

    async def gated(generated: GeneratedFlow) -> str:
        async with gate:
            return await end_of(engine, generated)

    endings = await asyncio.gather(*map(gated, flows))

    assert len(endings) >= COUNT
    assert set(endings) <= {"completed"} | EXPECTED_FAILURES
    assert endings.count("completed") > COUNT / 2
    ended = {call.context.flow_execution_id for call in engine.recorder.closed}
    assert len(ended) == len(endings)
