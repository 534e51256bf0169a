"""The example against real counterparts, each of which says no at first."""

import asyncio
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import cast
from uuid import uuid4

import psycopg
import pytest
from pydantic import JsonValue
from temporalio.client import Client

import worker
from examples.order_sync import FLOW, ORDERS, TABLE
from flows.errors import Fault
from flows.parse import check, read_document
from tests.fixtures.api import ready_api, settings_for
from tests.support.eventually import eventually
from tests.support.mail import mail_server
from tests.support.platform import CLOSED, Execution, Json, Platform
from tests.support.web import Request, response, serving

EXPECTED = [
    (4711, "Ada", "bolt-m6", 200, "R-4711"),
    (4712, "Grace", "nut-m6", 200, "R-4712"),
    (4713, "Edsger", "washer-6", 50, "R-4713"),
]
COLUMNS = "number, customer, sku, pieces, reservation"


class Shop:
    """A web server with the sheet and the warehouse, each of which is busy at first."""

    def __init__(self) -> None:
        self.sheets = 0
        self.keys_by_order: dict[int, list[str]] = {}

    def answer(self, request: Request) -> bytes:
        if request.method == "GET":
            self.sheets += 1
            if self.sheets == 1:
                return response(status=503)
            return response(ORDERS.read_bytes(), content_type="text/csv")
        order = json.loads(request.body)
        keys = self.keys_by_order.setdefault(order["number"], [])
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            return response(status=503)
        return response(json.dumps({**order, "reservation": f"R-{order['number']}"}))


def the_flow(url: str) -> Json:
    """Return the example's flow, with a clock that is fast and counterparts that exist."""
    definition = cast(Json, read_document(FLOW.read_text(encoding="utf-8"), media="yaml"))
    clock = cast("list[Json]", definition["tasks"])[0]
    clock["parameters"] = {
        "every_seconds": 1,
        "input": {
            "sheet_url": f"{url}/orders.csv",
            "warehouse_url": f"{url}/reservations",
            "report_to": "orders@example.org",
        },
    }
    return definition


def test_the_flow_as_it_stands_has_no_faults() -> None:
    faults: list[Fault] = check(read_document(FLOW.read_text(encoding="utf-8"), media="yaml"))[1]

    assert [str(fault) for fault in faults] == []


async def first_run(platform: Platform, flow: Json) -> Execution:
    """Wait for the clock's first execution, and stop the clock."""

    async def started() -> list[Json]:
        found = await platform.client.get(
            "/api/flow-executions",
            params={"flow_id": str(flow["id"]), "sort_direction": "asc", "page_size": 1},
        )
        return cast("list[Json]", found.json())

    (first,) = await eventually(started, saying="the clock starts the flow")
    paused = await platform.client.patch(
        f"/api/flows/{flow['id']}", json={"settings": {"triggers_paused": True}}
    )
    assert paused.status_code == 200, paused.text
    return Execution(platform.client, str(first["id"]))


@pytest.fixture(params=["postgresql", "sqlite"])
async def orders_database(
    request: pytest.FixtureRequest, postgresql_url: str, tmp_path: Path
) -> str:
    """Return the connection string of a database with the table."""
    table = TABLE.read_text(encoding="utf-8")
    if request.param == "sqlite":
        connection = sqlite3.connect(tmp_path / "orders.db")
        connection.execute(table)
        connection.close()
        return "sqlite:///orders.db"
    name = f"orders_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(postgresql_url, autocommit=True) as server:
        await server.execute(f"CREATE DATABASE {name}".encode())
    url = postgresql_url.removesuffix("/postgres") + f"/{name}"
    async with await psycopg.AsyncConnection.connect(url) as database:
        await database.execute(table.encode())
    return url


async def stored(url: str, folder: Path) -> list[tuple[object, ...]]:
    statement = f"SELECT {COLUMNS} FROM orders ORDER BY number"  # noqa: S608 - our own words
    if url.startswith("sqlite"):
        connection = sqlite3.connect(folder / "orders.db")
        try:
            return [*connection.execute(statement)]
        finally:
            connection.close()
    async with await psycopg.AsyncConnection.connect(url) as database:
        return [*await (await database.execute(statement.encode())).fetchall()]


async def test_the_clock_brings_orders_from_the_sheet_into_the_database(
    temporal_address: str,
    temporal_client: Client,
    mongo_uri: str,
    orders_database: str,
    tmp_path: Path,
) -> None:
    shop, stop = Shop(), asyncio.Event()
    async with mail_server() as mailbox, serving(shop.answer) as web:
        mailbox.refusals.append("452 4.3.1 disk full")
        settings = settings_for(
            temporal_address,
            mongo_uri,
            sqlite_folder=tmp_path,
            smtp_host="127.0.0.1",
            smtp_port=mailbox.port,
            smtp_security="none",
            smtp_sender="flows@perdure.example",
        )
        async with ready_api(settings, temporal_client) as running:
            serving_worker = asyncio.create_task(worker.serve(settings, stop))
            platform = await running.organization()
            kept = await platform.client.post(
                "/api/integrations/credentials",
                json={"name": "orders_database", "value": orders_database},
            )
            assert kept.status_code == 201, kept.text
            flow = await platform.flow(the_flow(web.url))
            execution = await first_run(platform, flow)
            shown = await execution.until(*CLOSED)
            rows = await execution.task_executions(page_size=100)
            await platform.client.delete(f"/api/flows/{flow['id']}")
            stop.set()
            await serving_worker

    assert shown["status"] == "completed", shown
    assert await stored(orders_database, tmp_path) == EXPECTED
    failed: Counter[JsonValue] = Counter(
        row["task_name"] for row in rows if row["processing_status"] == "failed"
    )
    assert failed == {"read_orders": 1, "reserve": 3, "report": 1}
    for keys in shop.keys_by_order.values():
        assert keys[0] == keys[1]
        assert keys[0].startswith(f"{execution.id}/")
    assert mailbox.message()["Subject"] == "3 orders are in sync"
    assert mailbox.message()["To"] == "orders@example.org"
    assert orders_database not in json.dumps(rows)
