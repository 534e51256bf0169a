"""A whole platform of real processes, each part of which can be killed or frozen."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import httpx
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pydantic import JsonValue

from tests.support.children import freeze
from tests.support.eventually import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 40.0
MAX_STARTS = 3

Part = Literal["temporal", "mongod", "worker", "api", "up"]
PARTS: tuple[Part, ...] = ("temporal", "mongod", "worker", "api")
FINAL = frozenset({"completed", "failed", "cancelled", "deleted"})

Json = dict[str, JsonValue]


class EndedEarlyError(AssertionError):
    """``perdure up`` ended before everything answered; says what it had printed."""


class PlatformProcess:
    """``perdure up`` on free ports; it starts again whatever is killed."""

    def __init__(
        self, data_dir: Path, ready_file: Path, process: asyncio.subprocess.Process
    ) -> None:
        """Take over a platform that was just started."""
        self._data_dir = data_dir
        self._ready_file = ready_file
        self._process = process
        self.facts: Mapping[str, JsonValue] = {}
        self.http = httpx.AsyncClient(trust_env=False, timeout=20)

    @property
    def data_dir(self) -> Path:
        """Return the folder that holds the platform's state."""
        return self._data_dir

    async def await_ready(self) -> None:
        """Wait until everything answers."""
        await eventually(self._is_ready, START_SECONDS, saying="the platform answers")
        self.facts = json.loads(self._ready_file.read_text())
        self.http.base_url = httpx.URL(str(self.facts["api_url"]))
        self.http.headers["X-API-Key"] = str(self.facts["api_key"])

    def _is_ready(self) -> bool:
        if self._process.returncode is not None:
            raise EndedEarlyError(self._ready_file.with_name("up.log").read_text())
        return self._ready_file.exists()

    def log(self, part: str) -> str:
        """Return the end of what a part wrote."""
        of_itself = self._ready_file.with_name("up.log")
        path = of_itself if part == "up" else self._data_dir / "logs" / f"{part}.log"
        return path.read_text(errors="replace")[-4_000:] if path.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make a ``perdure`` command reach this platform's servers."""
        return {
            **os.environ,
            "PERDURE_TEMPORAL_ADDRESS": str(self.facts["temporal_address"]),
            "PERDURE_MONGODB_URI": str(self.facts["mongodb_uri"]),
            "PERDURE_MONGODB_DATABASE": str(self.facts["mongodb_database"]),
        }

    @asynccontextmanager
    async def database(self) -> AsyncIterator[AsyncIOMotorDatabase]:
        """Give direct access to the platform's database."""
        client: AsyncIOMotorClient = AsyncIOMotorClient(
            str(self.facts["mongodb_uri"]), tz_aware=True
        )
        try:
            yield client[str(self.facts["mongodb_database"])]
        finally:
            client.close()

    def pid(self, part: Part) -> int:
        """Return the newest process id of a part."""
        pids = json.loads(self._ready_file.read_text())["pids"]
        return int(pids[part])

    def freeze(self, part: Part) -> None:
        """Stop a part from running without ending it."""
        freeze(self.pid(part))

    def thaw(self, part: Part) -> None:
        """Let a frozen part go on."""
        os.kill(self.pid(part), signal.SIGCONT)

    def kill(self, part: Part) -> int:
        """End a part with SIGKILL, and return the process id that it had."""
        pid = self.pid(part)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    @asynccontextmanager
    async def nothing_restarted(self) -> AsyncIterator[None]:
        """Hold the supervisor, so that what is killed meanwhile stays away until the end."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    async def await_back(self, part: Part, killed: int, deadline: float = START_SECONDS) -> None:
        """Wait until the part runs again, as another process, and answers."""
        await eventually(lambda: self.pid(part) != killed, deadline, saying=f"{part} is back")

    async def await_healthy(self) -> None:
        """Wait until the API and everything behind it answers."""

        async def is_healthy() -> bool:
            try:
                return (await self.http.get("/health/ready")).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        await eventually(is_healthy, START_SECONDS, saying="the platform is ready")

    async def create_flow(self, name: str, definition: Json) -> str:
        """Store a flow and return its id."""
        answer = await self.http.post(
            "/api/flows", json={"display_name": name, "definition": definition}
        )
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["id"])

    async def start(self, flow_id: str, input: Json) -> str:
        """Start an execution and return its id."""
        answer = await self.http.post(
            "/api/flow-executions", json={"flow_id": flow_id, "input": input}
        )
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["id"])

    async def execution(self, flow_execution_id: str) -> Json:
        """Return an execution as the API shows it."""
        answer = await self.http.get(f"/api/flow-executions/{flow_execution_id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    async def rows(self, flow_execution_id: str, task_name: str | None = None) -> list[Json]:
        """Return an execution's task executions, oldest index first."""
        wanted = {"flow_execution_id": flow_execution_id}
        if task_name is not None:
            wanted["task_name"] = task_name
        answer = await self.http.get("/api/task-executions", params=wanted)
        assert answer.status_code == httpx.codes.OK, answer.text
        rows: list[Json] = answer.json()["task_executions"]
        return sorted(
            rows, key=lambda row: (str(row["task_name"]), int(str(row["task_execution_idx"])))
        )

    async def finished(self, flow_execution_id: str, deadline: float = 90.0) -> Json:
        """Wait until an execution has ended, whatever dies meanwhile, and return it."""

        async def ended() -> Json | None:
            try:
                execution = await self.execution(flow_execution_id)
            except (httpx.HTTPError, AssertionError):
                return None
            return execution if execution["status"] in FINAL else None

        return await eventually(ended, deadline, saying=f"{flow_execution_id} ends")

    async def truth(self) -> Json:
        """Run ``perdure admin check --json`` against this platform and return what it says."""
        process = await asyncio.create_subprocess_exec(
            *_PERDURE,
            *("admin", "check", "--json"),
            cwd=REPOSITORY,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert out, err.decode()
        verdict: Json = json.loads(out)
        assert (process.returncode == 0) == (not verdict["differences"])
        return verdict

    async def stop(self) -> int:
        """Stop everything in order and return the exit status."""
        await self.http.aclose()
        with suppress(ProcessLookupError):
            self._process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            return await self._process.wait()


_PERDURE = (sys.executable, "-c", "from cli.main import main; main()")


@asynccontextmanager
async def running_platform(
    folder: Path, variables: Mapping[str, str] | None = None
) -> AsyncIterator[PlatformProcess]:
    """Run a platform with its state in a folder, and stop it in the end.

    Args:
        variables: Added to the environment of every part.
    """
    platform = await _started(folder, variables or {})
    try:
        yield platform
    finally:
        await platform.stop()


async def _started(folder: Path, variables: Mapping[str, str]) -> PlatformProcess:
    """Start a platform; again if another process took a port between its choice and its use."""
    for tries_left in reversed(range(MAX_STARTS)):
        platform = await _launched(folder, variables)
        try:
            await platform.await_ready()
        except EndedEarlyError:
            await platform.stop()
            if not tries_left:
                raise
        except BaseException:
            await platform.stop()
            raise
        else:
            return platform
    raise AssertionError("unreachable")


async def _launched(folder: Path, variables: Mapping[str, str]) -> PlatformProcess:
    ready_file = folder / "ready.json"
    data_dir = folder / "data"
    with (folder / "up.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_PERDURE,
            "up",
            *("--data-dir", str(data_dir), "--ready-file", str(ready_file)),
            *("--port", "0", "--temporal-port", "0", "--ui-port", "0"),
            *("--mongodb-port", "0", "--metrics-port", "0"),
            cwd=REPOSITORY,
            env={
                **os.environ,
                "PERDURE_RECONCILE_INTERVAL": "2",
                "PERDURE_LOG_FORMAT": "json",
                "PERDURE_API_METRICS_PORT": "0",
                **variables,
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return PlatformProcess(data_dir, ready_file, process)
