"""A whole platform of real processes, and every file that it leaves: none holds a secret."""

import asyncio
import base64
import hmac
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from contracts.names import flow_workflow_id
from runtime.embedded import NAMESPACE
from tests.support.effect_flows import Json
from tests.support.leaks import dump_of, history_of, shows
from tests.support.platform_process import REPOSITORY, PlatformProcess, running_platform
from tests.support.web import Request, Web, response, serving

pytestmark = pytest.mark.xdist_group("secrets")

MARKER = "something harmless 51c7 that is found where it is looked for"
CREDENTIALS = "/api/integrations/credentials"


@dataclass(slots=True)
class Played:
    """What a platform did with secrets, and all that it said of them."""

    processes: PlatformProcess
    web: Web
    answers: list[str]
    executions: list[str]


def echo(request: Request) -> bytes:
    """Answer with all that came, as it is and in Base64; refuse where the address says so."""
    said: Json = {
        "headers": dict(request.headers.items()),
        "body": request.body.decode(),
        "body64": base64.b64encode(request.body).decode(),
        "target": request.target,
    }
    return response(json.dumps(said), status=400 if "refuse" in request.target else 200)


def a_flow(url: str, hook_secret: str, path: str) -> Json:
    """Return a flow that a post starts, and that hands its secrets to a service in every way."""
    tasks: list[Any] = [
        {
            "name": "hook",
            "task_executor_name": "webhook_receive",
            "parameters": {
                "fields": [{"id": "text", "data_type": "str"}],
                "secret": hook_secret,
            },
        },
        {
            "name": "call",
            "task_executor_name": "http_request",
            "parameters": {
                "url": f"{url}/{path}/{{{{secrets.api}}}}",
                "method": "POST",
                "query": {"key": "{{secrets.api}}"},
                "headers": {"Authorization": "Basic {{secrets.api}}"},
                "body": {"text": f"{{{{hook.text}}}} {MARKER}", "key": "x{{secrets.api}}y"},
            },
            "retry_policy": {"max_attempts": 1},
        },
        {
            "name": "code",
            "task_executor_name": "python_code",
            "parameters": {
                "code": "result = {'key': input_data['key'], 'n': len(input_data['key'])}",
                "input_data": {"key": "{{secrets.api}}"},
            },
        },
        {
            "name": "notify",
            "task_executor_name": "webhook_notification",
            "parameters": {
                "url": f"{url}/notify",
                "payload": {"call": "{{call.status_code}}", "code": "{{code.output}}"},
                "secret": "{{secrets.api}}",
            },
        },
    ]
    return {"tasks": tasks, "edges": [{"source": "hook", "target": "code"}]}


@asynccontextmanager
async def played(folder: Path, hush: str, variables: Mapping[str, str]) -> AsyncIterator[Played]:
    """Run a platform that starts flows with secrets by posts, one that works and one that fails."""
    async with (
        serving(echo) as web,
        running_platform(folder, {"PERDURE_LOG_LEVEL": "DEBUG", **variables}) as processes,
    ):
        await processes.await_healthy()
        http, answers, executions = processes.http, [], []
        made = await http.post(CREDENTIALS, json={"name": "api", "value": f"{hush}-api"})
        answers.append(made.text)
        for path in ("work", "refuse"):
            body = {
                "display_name": f"flow {uuid4()}",
                "definition": a_flow(web.url, f"{hush}-hook", path),
            }
            stored = await http.post("/api/flows", json=body)
            answers.append(stored.text)
            posted = json.dumps({"text": "hello"}).encode()
            signature = hmac.new(f"{hush}-hook".encode(), posted, sha256).hexdigest()
            started = await http.post(
                f"/api/webhooks/{stored.json()['id']}/hook",
                content=posted,
                headers={"X-Signature": f"sha256={signature}", "Content-Type": "application/json"},
            )
            assert started.status_code == 202, started.text
            execution_id = started.json()["flow_execution_id"]
            executions.append(execution_id)
            answers.append(json.dumps(await processes.finished(execution_id)))
            answers.append(json.dumps(await processes.rows(execution_id)))
        lists = ("/api/flows", CREDENTIALS, f"{CREDENTIALS}/events", "/api/task-outputs")
        answers.extend([(await http.get(path)).text for path in lists])
        yield Played(processes, web, answers, executions)


def files_of(processes: PlatformProcess) -> bytes:
    """Return every file of a platform, its databases and logs included; not its keys."""
    folder = processes.data_dir
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert {path.name for path in files} >= {"temporal.db", "worker.log", "api.log"}
    return b"\n".join(path.read_bytes() for path in files)


async def test_no_file_answer_or_history_shows_a_secret(tmp_path: Path) -> None:
    hush = f"hush-{uuid4().hex}"
    async with played(tmp_path, hush, {}) as found:
        processes = found.processes
        client = await Client.connect(str(processes.facts["temporal_address"]), namespace=NAMESPACE)
        histories = b"".join(
            [await history_of(client, flow_workflow_id(each, 1)) for each in found.executions]
        )
        async with processes.database() as database:
            stored = await dump_of(database)
        verdict = await processes.truth()
    files = files_of(processes) + (tmp_path / "up.log").read_bytes()

    statuses = [json.loads(each)["status"] for each in (found.answers[2], found.answers[5])]
    assert statuses == ["completed", "failed"]
    first = found.web.requests[0]
    assert first.target == f"/work/{hush}-api?key={hush}-api"
    assert first.headers["authorization"] == f"Basic {hush}-api"
    assert json.loads(first.body)["key"] == f"x{hush}-apiy"
    notified = next(each for each in found.web.requests if each.target == "/notify")
    expected = hmac.new(f"{hush}-api".encode(), notified.body, sha256).hexdigest()
    assert expected in notified.headers["x-superai-signature"]
    for where in (histories, stored, files, "".join(found.answers)):
        assert not shows(where, hush)
        assert shows(where, MARKER)
    assert (verdict["differences"], verdict["running"]) == ([], 0)


async def test_with_payload_encryption_temporal_holds_nothing_readable(tmp_path: Path) -> None:
    hush = f"hush-{uuid4().hex}"
    key = base64.b64encode(os.urandom(32)).decode()
    variables = {"PERDURE_ENCRYPT_PAYLOADS": "1", "PERDURE_ENCRYPTION_KEYS": key}
    async with played(tmp_path, hush, variables) as found:
        processes = found.processes
        client = await Client.connect(str(processes.facts["temporal_address"]), namespace=NAMESPACE)
        histories = b"".join(
            [await history_of(client, flow_workflow_id(each, 1)) for each in found.executions]
        )
        verdict = await admin(processes, variables, "check")
        rotated = await admin(
            processes,
            {"PERDURE_ENCRYPTION_KEYS": f"{base64.b64encode(os.urandom(32)).decode()},{key}"},
            "rotate-keys",
        )
    database_file = b"".join(path.read_bytes() for path in processes.data_dir.glob("temporal.db*"))

    for where in (histories, database_file):
        assert not shows(where, MARKER)
        assert not shows(where, hush)
    assert (verdict["checked"], verdict["differences"]) == (2, [])
    # One credential, and the secret of each of two webhooks.
    assert rotated == {"current": 0, "renewed": 3, "unreadable": []}


async def admin(processes: PlatformProcess, variables: Mapping[str, str], command: str) -> Json:
    """Run ``perdure admin`` on a platform's servers and return what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from cli.main import main; main()"),
        *("admin", command, "--json"),
        cwd=REPOSITORY,
        env={**processes.environment, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    said: Json = json.loads(out)
    return said
