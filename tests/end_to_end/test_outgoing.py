"""A flow that reads a document with a model, writes to a person and tells another system.

Each of the three says no at first.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client

import worker
from tests.fixtures.api import ready_api, settings_for
from tests.support.flow_builders import a_flow, task
from tests.support.mail import Mailbox, mail_server
from tests.support.models import ModelServer, completion, model_server
from tests.support.platform import Execution, Json, Platform
from tests.support.web import Request, Web, response, serving

SECRET = "only-the-receiver-knows"
NOTE = "data:text/plain,Delivery%20note%204711"
SOON: Json = {"max_attempts": 3, "initial_interval_seconds": 0.05}


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that the flow reaches."""

    models: ModelServer
    mailbox: Mailbox
    web: Web


@asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    """Serve a model, mail and a web hook, each of which fails the first time."""
    answers = iter([completion({"number": "unreadable"}), completion({"number": 4711})])
    statuses = iter([500, 200])

    def notified(request: Request) -> bytes:
        return response('{"seen": true}', status=next(statuses))

    async with (
        model_server(lambda _: next(answers)) as models,
        mail_server() as mailbox,
        serving(notified) as web,
    ):
        mailbox.refusals.append("452 4.3.1 disk full")
        yield Outside(models, mailbox, web)


@asynccontextmanager
async def platform_with(
    services: Outside, temporal_address: str, temporal_client: Client, mongo_uri: str
) -> AsyncIterator[Platform]:
    """Run an application and a worker that know the outside."""
    endpoint = services.models.endpoint()
    settings = settings_for(
        temporal_address,
        mongo_uri,
        llm_base_url=endpoint.base_url,
        llm_models=endpoint.models,
        smtp_host="127.0.0.1",
        smtp_port=services.mailbox.port,
        smtp_security="none",
        smtp_sender="flows@perdure.example",
    )
    stop = asyncio.Event()
    async with ready_api(settings, temporal_client) as running:
        serving_worker = asyncio.create_task(worker.serve(settings, stop))
        yield await running.organization()
        stop.set()
        await serving_worker


def a_note_flow(url: str) -> Json:
    """Return the flow."""
    return a_flow(
        task(
            "read",
            "doc_to_structured",
            {"document_url": NOTE, "fields": [{"id": "number", "data_type": "int"}]},
            retry_policy=SOON,
        ),
        task(
            "write",
            "send_email",
            {"recipient": "ada@example.org", "subject": "Note {{read.output.number}}"},
            retry_policy=SOON,
        ),
        task(
            "tell",
            "notify_webhook",
            {"url": url, "payload": {"mail": "{{write.output.email_id}}"}, "secret": SECRET},
            retry_policy=SOON,
        ),
    )


async def attempts(execution: Execution, name: str) -> list[Json]:
    """Return the attempts of a task, the first one first."""
    rows = await execution.task_executions(task_name=name)
    return sorted(rows, key=lambda row: int(str(row["task_execution_idx"])))


async def test_what_is_refused_at_first_is_sent_again_as_the_same(
    temporal_address: str, temporal_client: Client, mongo_uri: str
) -> None:
    async with (
        outside() as services,
        platform_with(services, temporal_address, temporal_client, mongo_uri) as platform,
    ):
        execution = await platform.completed(a_note_flow(services.web.url))
        rows = {name: await attempts(execution, name) for name in ("read", "write", "tell")}
        outputs = await execution.outputs()

    errors = {name: row["error"] for name, (row, _) in rows.items()}
    assert {name: error["type"] for name, error in errors.items() if isinstance(error, dict)} == {
        "read": "InvalidAnswer",
        "write": "MailDeferred",
        "tell": "WebhookFailed",
    }
    assert outputs["read"] == {"number": 4711}
    assert outputs["tell"] == {"status_code": 200, "response_body": {"seen": True}}

    message = services.mailbox.message()
    assert message["Subject"] == "Note 4711"
    assert services.mailbox.offered[0] == services.mailbox.offered[1] == message["Message-ID"]

    first, second = services.web.requests
    assert json.loads(second.body) == {"mail": message["Message-ID"]}
    assert first.headers["x-delivery-id"] == second.headers["x-delivery-id"]
    assert first.headers["x-delivery-id"].startswith(f"{execution.id}/1/tell/")
    signature = hmac.new(SECRET.encode(), second.body, hashlib.sha256).hexdigest()
    assert second.headers["x-superai-signature"] == f"sha256={signature}"
    assert SECRET not in json.dumps(rows)
