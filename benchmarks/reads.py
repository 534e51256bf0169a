"""Reads and creations of flow executions where a million of them are stored."""

import dataclasses
import random
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from uuid import UUID, uuid4

from pydantic import JsonValue

from benchmarks.caller import Api
from benchmarks.figures import Bound, Figure, absolute
from benchmarks.flows import INPUT, ended
from benchmarks.platform import Platform
from store import collections
from store.documents import execution_document
from store.models import ExecutionRecord, ExecutionStatus

STORED = 1_000_000
CHUNK = 20_000
FLOWS = 20
SAMPLES = 300
PAGES = 100
A_PAGE = Bound(at_most=50)
CREATIONS = 100
SEED = 7


async def measure(platform: Platform) -> list[Figure]:
    """Fill the store, then read single executions and pages, and create some, through the API."""
    flow_ids = [await _flow(platform, number) for number in range(FLOWS)]
    chosen = await _fill(platform, flow_ids)
    plain, numbered = [], []
    for execution_id in chosen:
        path = f"/api/flow-executions/{execution_id}"
        plain.append(await _timed_ms(platform.api, path, {}))
        numbered.append(await _timed_ms(platform.api, path, {"include_run_number": "true"}))
    extra = [with_number - without for without, with_number in zip(plain, numbered, strict=True)]
    pages: list[list[float]] = [[], []]
    for turn in range(PAGES):
        parameters = {"flow_id": flow_ids[turn // 2 % FLOWS], "page_size": "100"}
        if turn % 2:
            parameters["include_run_number"] = "true"
        path = "/api/flow-executions"
        pages[turn % 2].append(await _timed_ms(platform.api, path, parameters))
    created = [await _created_ms(platform, flow_ids[turn % FLOWS]) for turn in range(CREATIONS)]
    return [
        absolute("read: one of 1,000,000 executions", "ms", plain, Bound(at_most=10)),
        absolute("read: what its run number adds", "ms", extra, Bound(at_most=1)),
        *(
            absolute(
                f"read: a page of 100 of 1,000,000{what}, p50", "ms", samples, A_PAGE, of=median
            )
            for what, samples in zip(("", " with run numbers"), pages, strict=True)
        ),
        absolute("create: beside 1,000,000, p50", "ms", created, Bound(at_most=30), of=median),
    ]


async def _timed_ms(api: Api, path: str, parameters: dict[str, str]) -> float:
    started = time.perf_counter()
    answer = await api.get(path, parameters)
    took = (time.perf_counter() - started) * 1_000
    answer.raise_for_status()
    return took


async def _created_ms(platform: Platform, flow_id: str) -> float:
    """Create one execution, and let it end before anything else is timed."""
    started = time.perf_counter()
    answer = await platform.api.post("/api/flow-executions", {"flow_id": flow_id, "input": INPUT})
    took = (time.perf_counter() - started) * 1_000
    await ended(platform, answer.json()["id"])
    return took


async def _flow(platform: Platform, number: int) -> str:
    task: JsonValue = {"name": "start", "task_executor_name": "custom_form_input", "parameters": {}}
    answer = await platform.api.post(
        "/api/flows",
        {"display_name": f"stored {number}", "definition": {"name": "s", "tasks": [task]}},
    )
    flow_id: str = answer.json()["id"]
    return flow_id


async def _fill(platform: Platform, flow_ids: list[str]) -> list[str]:
    """Store a million finished executions, and return the ids of some of them."""
    chance = random.Random(SEED)  # noqa: S311 - repeatable data, no secret
    start = datetime.now(UTC) - timedelta(days=30)
    chosen = []
    for first in range(0, STORED, CHUNK):
        documents = []
        for number in range(first, first + CHUNK):
            record = _record(platform.organization_id, flow_ids, number, start, chance)
            documents.append(execution_document(record))
        ids = [document["_id"] for document in documents]
        chosen += chance.sample(ids, SAMPLES * CHUNK // STORED)
        await platform.mongo.database[collections.EXECUTIONS].insert_many(documents, ordered=False)
    return chosen


def _record(
    organization_id: str, flow_ids: list[str], number: int, start: datetime, chance: random.Random
) -> ExecutionRecord:
    created = start + timedelta(seconds=2 * number)
    record = ExecutionRecord(
        id=str(UUID(int=chance.getrandbits(128), version=4)),
        organization_id=organization_id,
        flow_id=flow_ids[number % FLOWS],
        flow_version=1,
        status=ExecutionStatus.COMPLETED,
        input={**INPUT, "metadata": {"batch": str(number // 1_000)}},
        input_task_name="start",
        run_number=number // FLOWS + 1,
        created_at=created,
        updated_at=created + timedelta(seconds=1),
        modified_by="system",
    )
    return dataclasses.replace(
        record,
        is_open=False,
        started_generation=1,
        started_at=created,
        closed_at=record.updated_at,
        run_id=str(uuid4()),
    )
