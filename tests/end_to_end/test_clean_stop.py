"""What is under way when the platform is stopped in order."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.process import STOP_GRACE
from tests.support.effect_flows import INPUT, a_flow, an_effect
from tests.support.eventually import eventually
from tests.support.platform_process import PlatformProcess, running_platform
from tests.support.receiver import Receiver, receiving

PATH = "/slow"

"""Each starts and stops a whole platform twice."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


async def test_an_effect_that_ends_within_the_grace_is_not_repeated(
    tmp_path: Path, receiver: Receiver
) -> None:
    gate = receiver.gate(PATH)
    async with running_platform(tmp_path) as platform:
        execution_id = await with_an_effect_under_way(platform, receiver)
        stopping = asyncio.create_task(platform.stop())
        await eventually(lambda: '"stopping"' in platform.log("worker"), saying="stopping")
        gate.set()
        assert await stopping == 0

    async with running_platform(tmp_path) as platform:
        assert (await platform.finished(execution_id))["status"] == "completed"

    assert len(receiver.keys[PATH]) == 1


async def test_an_effect_that_outlasts_the_grace_is_handed_back(
    tmp_path: Path, receiver: Receiver
) -> None:
    gate = receiver.gate(PATH)
    async with running_platform(tmp_path, {"PERDURE_SHUTDOWN_GRACE": "0.5"}) as platform:
        execution_id = await with_an_effect_under_way(platform, receiver)
        assert await platform.stop() == 0
    gate.set()

    async with running_platform(tmp_path) as platform:
        assert (await platform.finished(execution_id))["status"] == "completed"

    assert len(receiver.keys[PATH]) == 2
    assert len(set(receiver.keys[PATH])) == 1


async def test_a_worker_leaves_although_temporal_does_not_answer(tmp_path: Path) -> None:
    async with running_platform(tmp_path, {"PERDURE_SHUTDOWN_GRACE": "0.5"}) as platform:
        temporal, worker = platform.pid("temporal"), Path(f"/proc/{platform.pid('worker')}")
        platform.freeze("temporal")
        try:
            stopping = asyncio.create_task(platform.stop())
            # Before it would be killed.
            await eventually(lambda: not worker.exists(), STOP_GRACE.seconds - 2)
        finally:
            os.kill(temporal, signal.SIGCONT)
        assert await stopping == 0
        assert "leaving without the last answers" in platform.log("worker")


async def with_an_effect_under_way(platform: PlatformProcess, receiver: Receiver) -> str:
    """Start an execution whose only effect waits at the receiver's gate; return its id."""
    definition = a_flow(an_effect("call", receiver, PATH, reads="form"))
    flow_id = await platform.create_flow("slow", definition)
    execution_id = await platform.start(flow_id, INPUT)
    await eventually(lambda: receiver.arrived(PATH), saying="the effect begins")
    return execution_id
