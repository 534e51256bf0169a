"""The worker as a process of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.embedded import EmbeddedMongo, EmbeddedTemporal
from runtime.parts import SOURCE_ROOT
from runtime.process import ManagedProcess
from runtime.readiness import free_port
from tests.support.eventually import eventually


@pytest.fixture
def ports() -> tuple[int, int]:
    """Ports of a Temporal server and a mongod that do not run yet."""
    return free_port(), free_port()


@pytest.fixture
async def worker(tmp_path: Path, ports: tuple[int, int]) -> AsyncIterator[ManagedProcess]:
    temporal, mongodb = ports
    process = ManagedProcess(
        "worker",
        [sys.executable, str(SOURCE_ROOT / "worker.py")],
        tmp_path / "worker.log",
        environment(
            PERDURE_TEMPORAL_ADDRESS=f"127.0.0.1:{temporal}",
            PERDURE_MONGODB_URI=f"mongodb://127.0.0.1:{mongodb}/?replicaSet=rs0",
            PERDURE_METRICS_PORT="0",
        ),
    )
    await process.start()
    yield process
    await process.stop()


async def test_it_waits_for_its_stores_says_so_and_stops_cleanly(
    tmp_path: Path, ports: tuple[int, int], worker: ManagedProcess
) -> None:
    await eventually(lambda: "MongoDB" in awaited(worker), 30, saying="waiting for MongoDB")

    mongo = EmbeddedMongo(tmp_path / "data", ports[1], cache_mb=256)
    await mongo.start()
    await eventually(lambda: "Temporal" in awaited(worker), 20, saying="waiting for Temporal")

    temporal = EmbeddedTemporal(tmp_path / "data", ports[0], ui_port=None)
    await temporal.start()
    await eventually(lambda: "working" in messages(worker), 20, saying="working")

    await worker.stop()
    assert worker.exit_status == 0
    await asyncio.gather(temporal.stop(), mongo.stop())


async def test_it_stops_cleanly_while_it_waits(worker: ManagedProcess) -> None:
    await eventually(lambda: "MongoDB" in awaited(worker), 30, saying="waiting for MongoDB")
    assert worker.pid is not None

    os.kill(worker.pid, signal.SIGINT)

    assert await worker.wait() == 0


async def test_a_malformed_setting_is_one_line(tmp_path: Path) -> None:
    process = ManagedProcess(
        "worker",
        [sys.executable, str(SOURCE_ROOT / "worker.py")],
        tmp_path / "worker.log",
        environment(PERDURE_METRICS_PORT="many"),
    )

    await process.start()

    assert await process.wait() == 1
    assert process.log_tail().startswith("perdure: PERDURE_METRICS_PORT: ")
    assert process.log_tail().count("\n") == 1


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with no PERDURE_* variables but these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    return clean | variables


def lines(process: ManagedProcess) -> list[dict[str, object]]:
    """Return what the process logged; every line must be a JSON object."""
    return [json.loads(line) for line in process.log_path.read_text().splitlines()]


def messages(process: ManagedProcess) -> set[object]:
    return {line["message"] for line in lines(process)}


def awaited(process: ManagedProcess) -> set[object]:
    """Return the services that the process said it waits for."""
    return {line["service"] for line in lines(process) if line["level"] == "WARNING"}
