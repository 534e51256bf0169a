"""How soon a platform is itself again: after a kill, on a cancel, and while its store hangs."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import JsonValue

from benchmarks.figures import Bound, Figure, absolute
from benchmarks.platform import ROOT, Platform
from runtime.process import ManagedProcess
from runtime.readiness import LOOPBACK

SAMPLES = 5
TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.02

RUNS_AGAIN = Bound(at_most=15)
CANCELLED = Bound(at_most=2)
REFUSED = Bound(at_most=5)

Json = dict[str, JsonValue]
Condition = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A server that takes calls and never answers."""

    url: str
    calls: list[float]

    def has_more_than(self, count: int) -> Condition:
        """Return a condition: more calls arrived than so many."""

        async def has() -> bool:
            return len(self.calls) > count

        return has


@dataclass(frozen=True, slots=True)
class Supervised:
    """A platform of ``perdure up``, which starts again what dies."""

    api: httpx.AsyncClient
    ready_file: Path

    def pid(self, part: str) -> int:
        """Return the newest process id of a part."""
        return int(json.loads(self.ready_file.read_text())["pids"][part])


async def measure(_: Platform) -> list[Figure]:
    """Take the figures on a platform of their own, because its parts are killed and frozen."""
    async with _receiver() as receiver, _supervised() as platform:
        flow_id = await _flow(platform, receiver)
        again = [await _runs_again(platform, receiver, flow_id) for _ in range(SAMPLES)]
        cancels = [await _cancelled(platform, receiver, flow_id) for _ in range(SAMPLES)]
        refusals = [await _refused(platform) for _ in range(SAMPLES)]
    return [
        _longest("worker killed: its task runs again", again, RUNS_AGAIN),
        _longest("cancel until it is shown", cancels, CANCELLED),
        _longest("503 while the store hangs", refusals, REFUSED),
    ]


def _longest(name: str, seconds: Sequence[float], bound: Bound) -> Figure:
    return absolute(f"longest: {name}", "s", seconds, bound, of=max)


async def _runs_again(platform: Supervised, receiver: Receiver, flow_id: str) -> float:
    """Return how long after the worker's death its task's next attempt arrived."""
    execution_id = await _under_way(platform, receiver, flow_id)
    seen = len(receiver.calls)
    killed = platform.pid("worker")
    began = time.perf_counter()
    os.kill(killed, signal.SIGKILL)
    await _until(receiver.has_more_than(seen))
    took = receiver.calls[seen] - began
    await _cancel(platform, execution_id)
    return took


async def _cancelled(platform: Supervised, receiver: Receiver, flow_id: str) -> float:
    """Return how long a cancel takes until the execution is shown as cancelled."""
    execution_id = await _under_way(platform, receiver, flow_id)
    began = time.perf_counter()
    await _cancel(platform, execution_id)
    return time.perf_counter() - began


async def _refused(platform: Supervised) -> float:
    """Return how long a caller waits for the 503 of a store that takes calls and says nothing."""
    mongod = platform.pid("mongod")
    os.kill(mongod, signal.SIGSTOP)
    try:
        began = time.perf_counter()
        answer = await platform.api.get("/api/flows")
        took = time.perf_counter() - began
    finally:
        os.kill(mongod, signal.SIGCONT)
    if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
        raise RuntimeError(f"{answer.status_code} from a store that hangs")

    async def is_ready() -> bool:
        return (await platform.api.get("/health/ready")).is_success

    await _until(is_ready)
    return took


async def _under_way(platform: Supervised, receiver: Receiver, flow_id: str) -> str:
    """Start an execution and return its id once its call has arrived."""
    seen = len(receiver.calls)
    body: Json = {"flow_id": flow_id, "input": {"text": "hello"}}
    answer = await platform.api.post("/api/flow-executions", json=body)
    answer.raise_for_status()
    await _until(receiver.has_more_than(seen))
    return str(answer.json()["id"])


async def _cancel(platform: Supervised, execution_id: str) -> None:
    path = f"/api/flow-executions/{execution_id}"
    (await platform.api.post(f"{path}/cancel")).raise_for_status()

    async def is_cancelled() -> bool:
        return bool((await platform.api.get(path)).json()["status"] == "cancelled")

    await _until(is_cancelled)


async def _flow(platform: Supervised, receiver: Receiver) -> str:
    field: Json = {"id": "text", "title": "Text", "data_type": "str"}
    call: Json = {"url": receiver.url, "method": "POST", "body": "{{form.text}}"}
    tasks: list[JsonValue] = [
        _task("form", "custom_form_input", {"fields": [field]}),
        _task("call", "http_request", call),
    ]
    body: Json = {"display_name": "call", "definition": {"name": "call", "tasks": tasks}}
    answer = await platform.api.post("/api/flows", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _task(name: str, executor: str, parameters: Json) -> Json:
    return {"name": name, "task_executor_name": executor, "parameters": parameters}


async def _until(condition: Condition) -> None:
    """Poll until the condition holds.

    Raises:
        TimeoutError: It did not within a minute: then there is no figure.
    """
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _receiver() -> AsyncIterator[Receiver]:
    calls: list[float] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        calls.append(time.perf_counter())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(take, LOOPBACK, 0)
    try:
        yield Receiver(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/call", calls)
    finally:
        server.close()


@asynccontextmanager
async def _supervised() -> AsyncIterator[Supervised]:
    """Run ``perdure up`` with all of its state in a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as scratch:
        folder = Path(scratch)
        ready_file = folder / "ready.json"
        command = [sys.executable, "-c", "from cli.main import main; main()", "up"]
        for name in ("port", "temporal-port", "ui-port", "mongodb-port", "metrics-port"):
            command += [f"--{name}", "0"]
        command += ["--data-dir", str(folder / "data"), "--ready-file", str(ready_file)]
        variables = {**os.environ, "PERDURE_ALLOWED_PRIVATE_HOSTS": LOOPBACK}

        async def is_written() -> bool:
            return ready_file.exists()

        process = ManagedProcess("up", command, folder / "up.log", variables, ROOT)
        await process.start()
        try:
            await _until(is_written)
            facts = json.loads(ready_file.read_text())
            async with httpx.AsyncClient(
                base_url=facts["api_url"],
                headers={"X-API-Key": facts["api_key"]},
                timeout=TIMEOUT_SECONDS,
                trust_env=False,
            ) as api:
                yield Supervised(api, ready_file)
        finally:
            await process.stop()
