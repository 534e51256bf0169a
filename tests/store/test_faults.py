"""A store that is down is told apart from everything else, and quickly."""

import asyncio
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from flows.errors import StoreUnavailableError
from runtime.mongo import Mongo
from runtime.readiness import free_port
from store.faults import is_unavailable
from store.models import ExecutionQuery
from tests.support.stores import ORGANIZATION, Stores, a_flow, an_execution


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ServerSelectionTimeoutError("x"), True),
        (AutoReconnect("x"), True),
        (ExecutionTimeout("x"), True),
        (OperationFailure("x", code=10107), True),
        (OperationFailure("x", code=14031), True),
        (OperationFailure("x", code=13), False),
        (DuplicateKeyError("x", code=11000), False),
        (BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}), True),
        (BulkWriteError({"writeErrors": [{"code": 91}], "writeConcernErrors": []}), True),
        (BulkWriteError({"writeErrors": [{"code": 11000}], "writeConcernErrors": []}), False),
    ],
    ids=lambda value: getattr(value, "code", None) if isinstance(value, Exception) else None,
)
def test_only_what_another_try_could_mend_is_unavailable(
    error: PyMongoError, expected: bool
) -> None:
    assert is_unavailable(error) is expected


async def test_every_call_on_a_store_that_is_down_says_so_in_time() -> None:
    mongo = Mongo(f"mongodb://127.0.0.1:{free_port()}/", "gone")
    stores = Stores(mongo.database)
    run = stores.run_of(an_execution())
    calls: list[Any] = [
        stores.executions.get(ORGANIZATION, "x"),
        stores.executions.create(an_execution()),
        stores.executions.create(an_execution(), ("key", "body")),
        stores.executions.list(ORGANIZATION, ExecutionQuery(flow_id="x")),
        stores.flows.create(a_flow()),
        stores.flows.latest(ORGANIZATION, "x"),
        stores.task_executions.list(ORGANIZATION),
        stores.task_outputs.list(ORGANIZATION),
        stores.accounts.find_key("saf_x"),
        run.open("t"),
        run.close("t"),
        run.settle(),
    ]
    try:
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailableError] * len(calls)
    finally:
        mongo.close()
