"""Flows that start when a message comes, sent to a worker by a real client."""

import asyncio
import re
import smtplib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue
from temporalio.client import Client

import worker
from operations.mail_messages import MAX_MULTIPARTS
from runtime.readiness import free_port
from store.collections import EXECUTIONS
from tests.fixtures.api import Api, ready_api, settings_for
from tests.support.eventually import eventually
from tests.support.flow_builders import task
from tests.support.letters import SENDER, a_letter, post
from tests.support.platform import CLOSED, Execution, Json, Platform

MAX_BYTES = 256 * 1024
NOTE = ("note.txt", "text/plain", b"Delivery note 4711")
NOTHING = task("note", reads="clock")


@dataclass(frozen=True, slots=True)
class PostOffice:
    """An application, a worker that receives mail for it, and where.

    Attributes:
        metrics_url: Of the worker.
    """

    api: Api
    port: int
    metrics_url: str

    async def created(self) -> int:
        """Return how many executions the worker says that it recorded."""
        async with httpx.AsyncClient(trust_env=False) as client:
            page = (await client.get(self.metrics_url)).text
        found = re.search(r"^perdure_flow_executions_created_total (\S+)$", page, re.MULTILINE)
        assert found is not None, page
        return int(float(found[1]))


@pytest.fixture(scope="module")
async def office(
    temporal_address: str, temporal_client: Client, mongo_uri: str
) -> AsyncIterator[PostOffice]:
    settings = settings_for(
        temporal_address,
        mongo_uri,
        smtp_receive_host="127.0.0.1",
        smtp_receive_port=free_port(),
        smtp_receive_max_bytes=MAX_BYTES,
        metrics_port=free_port(),
    )
    stop = asyncio.Event()
    async with ready_api(settings, temporal_client) as running:
        serving = asyncio.create_task(worker.serve(settings, stop))
        port = settings.smtp_receive_port
        await eventually(lambda: asyncio.to_thread(listens, port), 20, saying="receiving mail")
        yield PostOffice(running, port, f"http://127.0.0.1:{settings.metrics_port}/metrics")
        stop.set()
        await serving


@pytest.fixture
async def platform(office: PostOffice) -> Platform:
    return await office.api.organization()


def listens(port: int) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            return client.noop()[0] == 250
    except OSError:
        return False


def an_address() -> str:
    return f"orders-{uuid4().hex}@flows.example.org"


def a_mail_flow(address: str, *more: Json, filters: Json | None = None) -> Json:
    parameters: Json = {"email_address": address}
    if filters is not None:
        parameters["filters"] = filters
    mail = task("mail", "receive_email", parameters)
    return {"name": "mail", "tasks": [mail, *(more or [task("note", reads="mail")])], "edges": []}


async def executions(platform: Platform, flow: Json) -> list[Execution]:
    response = await platform.client.get(
        "/api/flow-executions", params={"flow_id": str(flow["id"]), "page_size": 100}
    )
    return [Execution(platform.client, one["id"]) for one in response.json()]


async def the_input(platform: Platform, flow: Json) -> Json:
    (execution,) = await executions(platform, flow)
    return cast(Json, (await execution.shown())["input"])


async def files(platform: Platform, flow: Json) -> list[Json]:
    response = await platform.client.get(f"/api/flows/{flow['id']}/files")
    assert response.status_code == 200, response.text
    found: list[Json] = response.json()
    return found


async def test_a_message_starts_the_flow_which_reads_what_is_attached(
    office: PostOffice, platform: Platform
) -> None:
    address = an_address()
    read = task(
        "read", "doc_to_text", {"document_url": "{{mail.output.attachments[0].document_url}}"}
    )
    flow = await platform.flow(a_mail_flow(address, read))
    letter = a_letter("Grüße: note 4711", "Hällo\n", attachments=[NOTE])

    answer = await post(office.port, letter, address.upper())

    assert answer[0] == 250, answer
    (execution,) = await executions(platform, flow)
    shown = await execution.until(*CLOSED)
    assert shown["status"] == "completed", shown
    (file,) = await files(platform, flow)
    assert shown["input"] == {
        "from": SENDER,
        "to": address,
        "subject": "Grüße: note 4711",
        "body": "Hällo\n",
        "message_id": letter["Message-ID"],
        "attachments": [
            {
                "filename": "note.txt",
                "mime_type": "text/plain",
                "document_url": f"file:{file['file_key']}",
                "size": len(NOTE[2]),
            }
        ],
    }
    assert cast(Json, (await execution.outputs())["read"])["text"] == "Delivery note 4711"
    assert shown["modified_by"] in ("integration", "system")


async def test_a_message_that_is_sent_again_starts_nothing_more(
    office: PostOffice, platform: Platform
) -> None:
    address = an_address()
    flow = await platform.flow(a_mail_flow(address))
    letter = a_letter(attachments=[NOTE])
    nameless = b"From: ada@example.org\r\n\r\nno Message-ID\r\n"

    answers = await asyncio.gather(*(post(office.port, letter, address) for _ in range(4)))
    answers += [await post(office.port, nameless, address) for _ in range(2)]

    assert {code for code, _ in answers} == {250}
    assert len(await executions(platform, flow)) == 2
    assert len(await files(platform, flow)) == 1


async def test_what_messages_and_schedules_start_is_counted_once(
    office: PostOffice, platform: Platform
) -> None:
    address = an_address()
    clock: Json = {
        "name": "clock",
        "tasks": [task("clock", "scheduled_trigger", {"every_seconds": 1}), NOTHING],
    }
    before = await office.created()
    flows = [await platform.flow(definition) for definition in (a_mail_flow(address), clock)]
    letter = a_letter()

    await asyncio.gather(*(post(office.port, letter, address) for _ in range(3)))
    await eventually(lambda: executions(platform, flows[1]), 20, saying="the schedule fired")
    await platform.client.delete(f"/api/flows/{flows[1]['id']}")

    async def is_each_counted() -> bool:
        ours = {"flow_id": {"$in": [flow["id"] for flow in flows]}}
        recorded = await office.api.database[EXECUTIONS].count_documents(ours)
        return recorded >= 2 and await office.created() == before + recorded

    await eventually(is_each_counted, saying="the counter is right")


async def test_another_message_under_the_same_id_is_refused(
    office: PostOffice, platform: Platform
) -> None:
    address = an_address()
    flow = await platform.flow(a_mail_flow(address))
    first = a_letter("one", message_id="<same@example.org>")

    await post(office.port, first, address)
    code, _ = await post(office.port, a_letter("two", message_id="<same@example.org>"), address)

    assert code == 554
    assert (await the_input(platform, flow))["subject"] == "one"


async def test_a_message_to_two_flows_starts_both(office: PostOffice, platform: Platform) -> None:
    addresses = [an_address(), an_address()]
    flows = [await platform.flow(a_mail_flow(address)) for address in addresses]

    code, _ = await post(office.port, a_letter(), *addresses)

    assert code == 250
    assert [(await the_input(platform, flow))["to"] for flow in flows] == addresses


async def test_an_address_that_starts_nothing_is_refused_at_once(
    office: PostOffice, platform: Platform
) -> None:
    paused, deleted, moved, inactive = (an_address() for _ in range(4))
    for address in (paused, deleted, moved):
        flow = await platform.flow(a_mail_flow(address))
        path = f"/api/flows/{flow['id']}"
        if address == paused:
            await platform.client.patch(path, json={"settings": {"triggers_paused": True}})
        elif address == deleted:
            await platform.client.delete(path)
        else:
            body = {"definition": a_mail_flow(an_address())}
            response = await platform.client.put(f"{path}/definition", json=body)
            assert response.status_code == 200, response.text
    stranger = await office.api.organization()
    await stranger.flow(a_mail_flow(inactive))
    await office.api.database["organizations"].update_one(
        {"_id": stranger.organization_id}, {"$set": {"is_active": False}}
    )

    answers = [
        await post(office.port, a_letter(), address)
        for address in (an_address(), paused, deleted, moved, inactive)
    ]

    assert {answer[0] for answer in answers} == {550}
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("filters", "sender", "subject", "expected"),
    [
        ({"senders": ["Ada@Example.org"]}, "Ada <ADA@example.org>", "x", 250),
        ({"senders": ["@example.org"]}, "bob@example.org", "x", 250),
        ({"senders": ["@example.org"]}, "bob@notexample.org", "x", 554),
        ({"senders": ["ada@example.org"]}, '"ada@example.org" <eve@example.com>', "x", 554),
        ({"subject_contains": "Order"}, SENDER, "Re: ORDER 7", 250),
        ({"subject_contains": "Order"}, SENDER, "Re: invoice", 554),
    ],
)
async def test_filters_say_which_messages_count(
    office: PostOffice,
    platform: Platform,
    filters: Json,
    sender: str,
    subject: str,
    expected: int,
) -> None:
    address = an_address()
    flow = await platform.flow(a_mail_flow(address, filters=filters))

    code, _ = await post(office.port, a_letter(subject, sender=sender), address)

    assert code == expected
    assert len(await executions(platform, flow)) == (expected == 250)


async def test_of_two_tasks_with_one_address_the_first_that_lets_a_message_in_fires(
    office: PostOffice, platform: Platform
) -> None:
    address = an_address()
    definition = a_mail_flow(address, filters={"subject_contains": "order"})
    tasks = cast("list[JsonValue]", definition["tasks"])
    tasks.insert(1, task("rest", "receive_email", {"email_address": address}))
    flow = await platform.flow(definition)

    for subject in ("order 7", "anything"):
        assert (await post(office.port, a_letter(subject), address))[0] == 250

    fired: dict[JsonValue, JsonValue] = {}
    for execution in await executions(platform, flow):
        stored = await office.api.database[EXECUTIONS].find_one({"_id": execution.id})
        assert stored is not None
        title = cast(Json, (await execution.shown())["input"])["subject"]
        fired[title] = stored["input_task_name"]
    assert fired == {"order 7": "mail", "anything": "rest"}


async def test_what_is_too_large_is_refused(office: PostOffice, platform: Platform) -> None:
    address = an_address()
    flow = await platform.flow(a_mail_flow(address))
    heavy = a_letter(attachments=[("big.bin", "application/octet-stream", bytes(MAX_BYTES))])
    many = b'Content-Type: multipart/mixed; boundary="x"\r\n' * (MAX_MULTIPARTS + 1)

    answers = [await post(office.port, raw, address) for raw in (heavy, b"From: a@b.c\r\n" + many)]

    assert [code for code, _ in answers] == [552, 552]
    assert await executions(platform, flow) == []


async def test_a_message_from_nobody_is_refused(office: PostOffice, platform: Platform) -> None:
    address = an_address()
    await platform.flow(a_mail_flow(address))

    answers = [
        await post(office.port, raw, address)
        for raw in (b"Subject: x\r\n\r\nx\r\n", b"From: a@b.c\r\nFrom: d@e.f\r\n\r\nx\r\n")
    ]

    assert [code for code, _ in answers] == [554, 554]


async def test_a_message_waits_at_its_sender_until_the_flow_can_run(
    office: PostOffice, platform: Platform
) -> None:
    address = an_address()
    draft = a_mail_flow(address, task("call", "http_request", {"body": "{{mail.output}}"}))
    flow = await platform.flow(draft)
    letter = a_letter(attachments=[NOTE])

    before = await post(office.port, letter, address)
    repaired = await platform.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": a_mail_flow(address)}
    )
    after = await post(office.port, letter, address)

    assert repaired.status_code == 200, repaired.text
    assert (before[0], after[0]) == (451, 250)
    assert len(await executions(platform, flow)) == 1
    assert len(await files(platform, flow)) == 1


async def test_an_address_belongs_to_one_flow_at_a_time(
    office: PostOffice, platform: Platform
) -> None:
    address = an_address()
    first = await platform.flow(a_mail_flow(address))
    stranger = await office.api.organization()
    second = await stranger.flow(a_mail_flow(an_address()))
    body = {"definition": a_mail_flow(address.upper())}

    new = await stranger.client.post("/api/flows", json={"display_name": f"flow {uuid4()}", **body})
    changed = await stranger.client.put(f"/api/flows/{second['id']}/definition", json=body)
    own = await platform.client.put(f"/api/flows/{first['id']}/definition", json=body)
    await platform.client.delete(f"/api/flows/{first['id']}")
    freed = await stranger.client.put(f"/api/flows/{second['id']}/definition", json=body)

    assert (new.status_code, changed.status_code) == (409, 409)
    assert (own.status_code, freed.status_code) == (200, 200)
    assert (await post(office.port, a_letter(), address))[0] == 250
    assert len(await executions(stranger, second)) == 1
