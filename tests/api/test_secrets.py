"""Secrets do their work, and are nowhere to be read: through the API, with a worker beside it."""

import asyncio
import base64
import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue
from temporalio.client import Client

import worker
from contracts.names import flow_workflow_id
from flows.secrets import MASK
from runtime.logs import JsonFormatter
from store.flows import FlowRepository
from tests.fixtures.api import Api, ready_api, settings_for
from tests.support.documents import START, Json
from tests.support.leaks import dump_of, history_of, shows
from tests.support.platform import Execution, Platform
from tests.support.secret_executor import vault_call, vault_call_known
from tests.support.web import Request, Web, response, serving

CREDENTIALS = "/api/integrations/credentials"


@dataclass(slots=True)
class Vaulted:
    """An application with a worker, all that it logged, and all that it answered."""

    api: Api
    temporal: Client
    log: io.StringIO
    web: Web
    answers: list[bytes] = field(default_factory=list)

    async def organization(self) -> Platform:
        """Return an administrator whose answers are remembered."""
        platform = await self.api.organization()

        async def remember(answer: httpx.Response) -> None:
            self.answers.append(await answer.aread() + str(answer.headers).encode())

        platform.client.event_hooks["response"].append(remember)
        return platform

    async def everything(self, *executions: Execution) -> bytes:
        """Return all that is stored, logged and answered, and the histories of executions."""
        histories = [
            await history_of(self.temporal, flow_workflow_id(execution.id, 1))
            for execution in executions
        ]
        stored = await dump_of(self.api.database)
        return b"\n".join([*histories, stored, self.log.getvalue().encode(), *self.answers])


def echo(request: Request) -> bytes:
    """Answer with all that came, as it is and in Base64."""
    said = {
        "headers": request.headers,
        "body": request.body.decode(),
        "encoded": base64.b64encode(request.body).decode(),
        "target": request.target,
    }
    status = 400 if request.target.startswith("/refuse") else 200
    return response(json.dumps(said), status=status)


@pytest.fixture(scope="module")
async def vaulted(
    temporal_address: str, temporal_client: Client, mongo_uri: str
) -> AsyncIterator[Vaulted]:
    """A whole platform that knows the executor with secret parameters."""
    settings = settings_for(temporal_address, mongo_uri, reconcile_interval=timedelta(seconds=2))
    log, stop = io.StringIO(), asyncio.Event()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    with vault_call_known():
        async with serving(echo) as web, ready_api(settings, temporal_client) as running:
            serving_flows = asyncio.create_task(worker.serve(settings, stop, [vault_call]))
            yield Vaulted(running, temporal_client, log, web)
            stop.set()
            await serving_flows
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def hush() -> str:
    """A secret of this test's own, with characters that need escaping."""
    return f'hush "{uuid4().hex}" ü/+&'


def call(name: str = "call", executor: str = "vault_call", **parameters: JsonValue) -> Json:
    return {"name": name, "task_executor_name": executor, "parameters": parameters}


def flow_of(*tasks: Json) -> Json:
    edges: list[JsonValue] = [{"source": "start", "target": each["name"]} for each in tasks]
    return {"tasks": [START, *tasks], "edges": edges}


async def credential(owner: Platform, value: str, name: str = "api_key") -> Json:
    answer = await owner.client.post(CREDENTIALS, json={"name": name, "value": value})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def parameters_shown(flow: Json, name: str = "call") -> Any:
    definition: Any = flow["definition"]
    return next(task["parameters"] for task in definition["tasks"] if task["name"] == name)


async def stored_parameters(vaulted: Vaulted, flow: Json, version: int) -> Any:
    """Return the parameters of the task ``call`` as they are stored."""
    record = await FlowRepository(vaulted.api.database).version(
        str(flow["organization_id"]), str(flow["id"]), version
    )
    tasks: Any = record.definition["tasks"]
    return next(task["parameters"] for task in tasks if task["name"] == "call")


async def test_secrets_reach_the_outside_and_nothing_else(vaulted: Vaulted, hush: str) -> None:
    owner = await vaulted.organization()
    await credential(owner, f"{hush} of the organization")
    web = vaulted.web
    flow = flow_of(
        call(
            url=f"{web.url}/a",
            token=f"{hush} token",
            login={"user": "u", "password": f"{hush} {{{{start.text}}}} {{{{secrets.api_key}}}}"},
            headers={"one": f"{hush} one"},
            note={"deep": ["Bearer {{secrets.api_key}}!"]},
        ),
        call(
            "send",
            "http_request",
            url=f"{web.url}/b",
            method="POST",
            body={"key": "{{secrets.api_key}}", "text": "{{start.text}}"},
        ),
        call("tell", "format_data", template={"key": "{{secrets.api_key}}", "all": "ok"}),
        call("each", "vault_call", url=f"{web.url}/c", note="{{secrets.api_key}} {{start.text}}"),
    )

    execution = await owner.completed(flow, {"text": "{{secrets.api_key}}"})

    arrived = {request.target: json.loads(request.body) for request in web.requests[-3:]}
    key = f"{hush} of the organization"
    assert arrived["/a"]["token"] == f"{hush} token"
    assert arrived["/a"]["login"]["password"] == f"{hush} {{{{secrets.api_key}}}} {key}"
    assert arrived["/a"]["note"] == {"deep": [f"Bearer {key}!"]}
    assert arrived["/b"] == {"key": key, "text": "{{secrets.api_key}}"}
    assert arrived["/c"]["note"] == f"{key} {{{{secrets.api_key}}}}"
    rows = {str(row["task_name"]): row for row in await execution.task_executions()}
    assert rows["tell"]["output"] == {"key": MASK, "all": "ok"}
    assert rows["send"]["input"]["body"] == {"key": MASK, "text": "{{secrets.api_key}}"}  # type: ignore[index,call-overload]  # JSON
    assert rows["call"]["input"] == {
        "url": f"{web.url}/a",
        "token": MASK,
        "login": {"user": "u", "password": MASK},
        "headers": {"one": MASK},
        "note": {"deep": [f"Bearer {MASK}!"]},
    }
    assert "calling with" in vaulted.log.getvalue()
    assert not shows(await vaulted.everything(execution), hush)
    # The search itself must find what is there.
    assert shows(await vaulted.everything(execution), "calling with")
    history = await history_of(vaulted.temporal, flow_workflow_id(execution.id, 1))
    assert shows(history, "secrets.api_key")
    assert shows(await dump_of(vaulted.api.database), f"{web.url}/a")
    assert shows(json.dumps(arrived), hush)


async def test_a_failure_repeats_no_secret(vaulted: Vaulted, hush: str) -> None:
    owner = await vaulted.organization()
    await credential(owner, hush)
    url = vaulted.web.url
    retry: Json = {"max_attempts": 1}
    code = "def check(key):\n    raise ValueError(key)\ncheck(input_data['key'])"
    tasks = (
        call(url=f"{url}/f", token=f"{hush} too", note="{{secrets.api_key}}", fails=True),
        call(
            "call", "http_request", url=f"{url}/refuse", method="POST", body="{{secrets.api_key}}"
        ),
        call("call", "python_code", code=code, input_data={"key": "{{secrets.api_key}}"}),
        call("call", "http_request", url="http://{{secrets.api_key}}/"),
        call("call", "http_request", url=url, timeout_seconds="{{secrets.api_key}}"),
        call(
            "call",
            "validation",
            target="{{secrets.api_key}}",
            strict=True,
            rules=[{"condition": {"operator": "eq", "right": "x"}, "message": "not x"}],
        ),
    )
    executions = []
    for task in tasks:
        execution = await owner.ended(flow_of({**task, "retry_policy": retry}))
        shown = await execution.shown()
        assert shown["status"] == "failed", shown
        executions.append(execution)

    assert not shows(await vaulted.everything(*executions), hush)
    error: Any = (await executions[0].shown())["error"]
    assert error["type"] == "Refused"
    assert error["message"].count(MASK) == 2


async def test_each_item_of_an_iteration_keeps_its_secrets(vaulted: Vaulted, hush: str) -> None:
    owner = await vaulted.organization()
    await credential(owner, hush)
    items: list[JsonValue] = ["u0", "u1", "u2"]
    flow = flow_of(
        call("list", "format_data", template={"items": items}),
        call(
            url=f"{vaulted.web.url}/{{{{list.items}}}}",
            token=f"{hush} token",
            note="{{secrets.api_key}}",
        ),
    )
    flow["edges"] = [{"source": "start", "target": "list"}]
    flow["tasks"][2]["reference_modes"] = {"url": "single"}  # type: ignore[index,call-overload]  # a task

    execution = await owner.completed(flow)

    targets = sorted(request.target for request in vaulted.web.requests[-3:])
    assert targets == ["/u0", "/u1", "/u2"]
    assert all(json.loads(request.body)["note"] == hush for request in vaulted.web.requests[-3:])
    rows = await execution.task_executions(task_name="call")
    assert [row["input"]["token"] for row in rows] == [MASK] * 3  # type: ignore[index,call-overload]  # JSON
    assert not shows(await vaulted.everything(execution), hush)


async def test_every_answer_about_a_flow_masks_its_secrets(vaulted: Vaulted, hush: str) -> None:
    owner = await vaulted.organization()
    made = await owner.flow(flow_of(call(token=hush)))
    path = f"/api/flows/{made['id']}"
    client = owner.client

    patched = await client.patch(path, json={"description": "x"})
    edited = await client.put(f"{path}/definition", json={"definition": made["definition"]})
    answers = [
        patched,
        edited,
        await client.get(path),
        await client.get(f"{path}/versions"),
        await client.get(f"{path}/versions/1", params={"include_output_schemas": True}),
        await client.post(f"{path}/versions/1/restore"),
        await client.get("/api/flows", params={"include_dynamic_data": True}),
    ]

    assert parameters_shown(made) == {"token": MASK}
    assert parameters_shown(patched.json()) == {"token": MASK}
    for answer in answers:
        assert answer.is_success, answer.text
        assert MASK in answer.text
    assert not shows(await vaulted.everything(), hush)


async def test_a_mask_that_comes_back_means_unchanged(vaulted: Vaulted, hush: str) -> None:
    owner = await vaulted.organization()
    first = await owner.flow(
        flow_of(call(token=f"{hush} token", headers={"a": f"{hush} a"}, url="http://x"))
    )
    path = f"/api/flows/{first['id']}"
    before = await stored_parameters(vaulted, first, 1)

    changed = flow_of(call(token=MASK, headers={"a": f"{hush} a"}, url="http://y"))
    by_definition = await owner.client.put(f"{path}/definition", json={"definition": changed})
    by_task = await owner.client.put(f"{path}/task", json=call(token=MASK, url="http://z"))
    other = await owner.client.put(f"{path}/task", json=call(token=f"{hush} other", url="http://z"))

    assert [each.status_code for each in (by_definition, by_task, other)] == [200, 200, 200]
    assert await stored_parameters(vaulted, first, 2) == {**before, "url": "http://y"}
    assert await stored_parameters(vaulted, first, 3) == {
        "token": before["token"],
        "url": "http://z",
    }
    replaced = await stored_parameters(vaulted, first, 4)
    assert replaced["token"] != before["token"]
    assert replaced["token"].startswith("{{secret:")


async def test_a_mask_is_matched_after_renaming_and_reordering(vaulted: Vaulted, hush: str) -> None:
    owner = await vaulted.organization()
    url = vaulted.web.url
    first = await owner.flow(
        flow_of(
            call("a", url=f"{url}/a", token=f"{hush} of a"),
            call("b", url=f"{url}/b", token=f"{hush} of b"),
        )
    )

    moved = await owner.client.put(
        f"/api/flows/{first['id']}/definition",
        json={
            "definition": flow_of(
                call("renamed", url=f"{url}/b", token=MASK), call("a", url=f"{url}/a", token=MASK)
            )
        },
    )
    execution = await owner.started(first["id"])
    shown = await execution.until("completed", "failed")

    assert moved.status_code == 200, moved.text
    assert shown["status"] == "completed"
    arrived = {each.target: json.loads(each.body)["token"] for each in vaulted.web.requests[-2:]}
    assert arrived == {"/a": f"{hush} of a", "/b": f"{hush} of b"}


@pytest.mark.parametrize(
    "tasks",
    [
        [call(token=MASK, url="http://new")],
        [call("x", token=MASK), call("y", token=MASK)],
        [call("a", headers={"k": MASK})],
    ],
    ids=["new flow", "two renamed alike", "another parameter"],
)
async def test_a_mask_that_stands_for_nothing_is_refused(
    vaulted: Vaulted, hush: str, tasks: list[Json]
) -> None:
    owner = await vaulted.organization()
    if tasks[0]["name"] == "call":
        answer = await owner.client.post(
            "/api/flows", json={"display_name": f"f {uuid4()}", "definition": flow_of(*tasks)}
        )
    else:
        made = await owner.flow(flow_of(call("a", token=hush + "1"), call("b", token=hush + "2")))
        path = f"/api/flows/{made['id']}"
        answer = await owner.client.put(f"{path}/definition", json={"definition": flow_of(*tasks)})
        report = await owner.client.post(f"{path}/validate", json={"definition": flow_of(*tasks)})
        assert "no_stored_secret" in report.text

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid_dsl_input"
    assert all("stands for a stored secret" in detail for detail in error["details"])


async def test_nobody_writes_a_reference_to_a_stored_secret_by_hand(
    vaulted: Vaulted, hush: str
) -> None:
    owner = await vaulted.organization()
    made = await owner.flow(flow_of(call(token=hush)))
    reference = (await stored_parameters(vaulted, made, 1))["token"]

    for parameters in ({"token": reference}, {"note": f"x {reference}"}):
        answer = await owner.client.put(
            f"/api/flows/{made['id']}/definition",
            json={"definition": flow_of(call(**parameters))},
        )
        assert answer.status_code == 400
        assert "written by hand" in answer.text


async def test_unchanged_secrets_let_results_be_reused_and_another_one_does_not(
    vaulted: Vaulted, hush: str
) -> None:
    owner = await vaulted.organization()
    made = await credential(owner, hush)
    flow = await owner.flow(
        flow_of(call(url=f"{vaulted.web.url}/r", token=f"{hush} 1", note="{{secrets.api_key}}"))
    )
    execution = await owner.started(flow["id"])
    await execution.until("completed")
    path = f"/api/flows/{flow['id']}/definition"

    async def calls_when_run_again() -> int:
        before = len(vaulted.web.requests)
        again = await owner.client.post(f"{execution.path}/execute", params={"only_stale": True})
        assert again.status_code == 204, again.text
        await execution.until("completed", "failed")
        return len(vaulted.web.requests) - before

    assert await calls_when_run_again() == 0
    for unchanged in (MASK, f"{hush} 1"):
        definition = flow_of(
            call(url=f"{vaulted.web.url}/r", token=unchanged, note="{{secrets.api_key}}")
        )
        await owner.client.put(path, json={"definition": definition})
        assert await calls_when_run_again() == 0
    await owner.client.patch(f"{CREDENTIALS}/{made['id']}", json={"value": f"{hush} rotated"})
    assert await calls_when_run_again() == 0
    definition = flow_of(
        call(url=f"{vaulted.web.url}/r", token=f"{hush} 2", note="{{secrets.api_key}}")
    )
    await owner.client.put(path, json={"definition": definition})
    assert await calls_when_run_again() == 1
    assert json.loads(vaulted.web.requests[-1].body)["note"] == f"{hush} rotated"


async def test_without_a_key_definitions_with_secrets_are_refused(
    temporal_address: str, temporal_client: Client, mongo_uri: str, hush: str
) -> None:
    settings = settings_for(temporal_address, mongo_uri, encryption_keys=())
    with vault_call_known():
        async with ready_api(settings, temporal_client) as keyless:
            owner = await keyless.organization()
            refused = await owner.client.post(
                "/api/flows",
                json={"display_name": "f", "definition": flow_of(call(token=hush))},
            )
            plain = await owner.flow(flow_of(call(url="http://x", token="{{start.text}}")))
            no_credential = await owner.client.post(
                CREDENTIALS, json={"name": "key", "value": hush}
            )

    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_dsl_input"
    assert refused.json()["error"]["details"] == [
        "tasks.1.parameters.token: no encryption key is configured (PERDURE_ENCRYPTION_KEYS), "
        "so no secret is kept"
    ]
    assert plain["id"]
    assert (no_credential.status_code, no_credential.json()["error"]["code"]) == (
        400,
        "bad_request",
    )
    assert not shows(refused.text + no_credential.text, hush)
