"""The two parts of the embedded platform that are our own: worker and API, as child processes."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from runtime.process import ManagedProcess
from runtime.readiness import LOOPBACK, await_answer
from runtime.temporal import connect

SOURCE_ROOT = Path(__file__).resolve().parents[1]

_PROBE_TIMEOUT = timedelta(seconds=2)
_SHUTDOWN_SECONDS = 10


class WorkerPart:
    """``python worker.py``, ready once Temporal sees it polling."""

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str],
        *,
        address: str,
        namespace: str,
        task_queue: str,
    ) -> None:
        """Prepare it; the environment is all that it is configured by."""
        self.process = ManagedProcess(
            "worker",
            [sys.executable, str(SOURCE_ROOT / "worker.py")],
            data_dir / "logs" / "worker.log",
            environment,
        )
        self._address = address
        self._namespace = namespace
        self._task_queue = task_queue

    async def start(self) -> None:
        """Start it and wait until it polls.

        Raises:
            StartUpError: It ended or stayed silent.
        """
        await self.process.start()
        client = await connect(self._address, self._namespace, lazy=True)

        async def is_ready() -> bool:
            return await self._is_polling(client)

        await await_answer(self.process, is_ready)

    async def _is_polling(self, client: Client) -> bool:
        """Return whether this very process polls for workflow tasks; older ones linger there."""
        request = DescribeTaskQueueRequest(
            namespace=self._namespace,
            task_queue=TaskQueue(name=self._task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        try:
            described = await client.workflow_service.describe_task_queue(
                request, timeout=_PROBE_TIMEOUT
            )
        except (RPCError, RuntimeError):
            return False
        ours = f"{self.process.pid}@"
        return any(poller.identity.startswith(ours) for poller in described.pollers)


class ApiPart:
    """``uvicorn --factory api.app:create_app``, ready once it says so itself."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str], port: int) -> None:
        """Prepare it; the environment is all that it is configured by."""
        self.url = f"http://{LOOPBACK}:{port}"
        command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app"]
        command += ["--host", LOOPBACK, "--port", str(port), "--app-dir", str(SOURCE_ROOT)]
        command += ["--timeout-graceful-shutdown", str(_SHUTDOWN_SECONDS), "--no-access-log"]
        self.process = ManagedProcess("api", command, data_dir / "logs" / "api.log", environment)

    async def start(self) -> None:
        """Start it and wait until it is ready, Temporal and MongoDB included.

        Raises:
            StartUpError: It ended or stayed silent.
        """
        await self.process.start()
        async with httpx.AsyncClient(
            trust_env=False, timeout=_PROBE_TIMEOUT.total_seconds()
        ) as client:

            async def is_ready() -> bool:
                try:
                    answer = await client.get(f"{self.url}/health/ready")
                except httpx.HTTPError:
                    return False
                return answer.status_code == httpx.codes.OK

            await await_answer(self.process, is_ready)
