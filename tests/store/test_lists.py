"""Lists: filters, order, paging, and that none of them scans."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from flows.errors import FlowExecutionNotFoundError
from store.documents import execution_document
from store.execution_lists import criteria, hint
from store.flow_lists import flow_criteria, flow_hint
from store.indexes import (
    EXECUTIONS_OPEN,
    OUTPUTS_BY_CREATED,
    OUTPUTS_BY_VERSION,
    TAGS_BY_EXECUTION,
    TALLIES_BY_WORD,
)
from store.models import ExecutionQuery, ExecutionRecord, ExecutionStatus, FlowQuery
from store.tallies import Kind, Tallies, tally_criteria
from store.task_executions import row_criteria
from store.task_tags import TagChange, TaskTagRepository, tag_criteria
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, an_execution

DAWN = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = [
    ExecutionStatus.COMPLETED,
    ExecutionStatus.FAILED,
    ExecutionStatus.RUNNING,
    ExecutionStatus.DELETED,
]


@pytest.fixture
async def shelf(stores: Stores) -> list[ExecutionRecord]:
    """Twelve executions of one flow, two a minute, updated in the opposite order."""
    records = [
        an_execution(
            id=f"{number:02}",
            status=STATUSES[number % 4],
            created_at=DAWN + timedelta(minutes=number // 2),
            updated_at=DAWN + timedelta(hours=1) - timedelta(minutes=number),
        )
        for number in range(12)
    ]
    others = [an_execution("other"), an_execution(organization_id="organization-b")]
    await stores.database["flow_executions"].insert_many(
        [execution_document(record) for record in (*records, *others)]
    )
    return records


def expected(records: list[ExecutionRecord], query: ExecutionQuery) -> list[str]:
    """Return the ids that a list must give, by the plainest of means."""

    def is_wanted(record: ExecutionRecord) -> bool:
        if record.status is ExecutionStatus.DELETED:
            return False
        if query.statuses and record.status not in query.statuses:
            return False
        if record.status in query.excluded_statuses:
            return False
        for name in ("created", "updated"):
            at = getattr(record, f"{name}_at")
            after, before = getattr(query, f"{name}_after"), getattr(query, f"{name}_before")
            if (after is not None and at < after) or (before is not None and at > before):
                return False
        return True

    def place(record: ExecutionRecord) -> tuple[datetime, str]:
        return getattr(record, query.sort_field), record.id

    ordered = sorted(records, key=place, reverse=query.descending)
    if query.start_from_execution_id is not None:
        ids = [record.id for record in ordered]
        ordered = ordered[ids.index(query.start_from_execution_id) + 1 :]
    first = (query.page - 1) * query.page_size
    found = [record.id for record in ordered if is_wanted(record)]
    return found[first : first + query.page_size]


def queries() -> Iterator[ExecutionQuery]:
    minute = timedelta(minutes=1)
    for shape in (
        {},
        {"statuses": (ExecutionStatus.FAILED, ExecutionStatus.RUNNING)},
        {"statuses": (ExecutionStatus.DELETED,)},
        {"excluded_statuses": (ExecutionStatus.COMPLETED,)},
        {
            "statuses": (ExecutionStatus.FAILED,),
            "excluded_statuses": (ExecutionStatus.FAILED,),
        },
        {"created_after": DAWN + minute, "created_before": DAWN + 3 * minute},
        {"updated_after": DAWN + 52 * minute, "updated_before": DAWN + 55 * minute},
        {"start_from_execution_id": "05"},
        {"start_from_execution_id": "07", "page": 2, "page_size": 2},
        {"page": 2, "page_size": 4},
        {"page": 9, "page_size": 4},
    ):
        for sort_field in ("created_at", "updated_at"):
            for descending in (True, False):
                yield ExecutionQuery(
                    flow_id="flow",
                    sort_field=sort_field,
                    descending=descending,
                    **shape,
                )


async def test_executions_are_listed_as_asked(stores: Stores, shelf: list[ExecutionRecord]) -> None:
    for query in queries():
        found = await stores.executions.list(ORGANIZATION, query)

        assert [record.id for record in found] == expected(shelf, query), query


async def test_executions_are_found_by_the_tags_of_their_tasks(
    stores: Stores, shelf: list[ExecutionRecord]
) -> None:
    executions = stores.database["flow_executions"]
    await executions.update_one({"_id": "01"}, {"$set": {"tags": ["kind:a", "kind:b"]}})
    await executions.update_one({"_id": "02"}, {"$set": {"tags": ["kind:b"]}})

    query = ExecutionQuery(flow_id="flow", tags=("kind:b", "kind:a"))
    assert [r.id for r in await stores.executions.list(ORGANIZATION, query)] == ["02", "01"]


async def test_a_list_cannot_start_from_another_flows_execution(stores: Stores) -> None:
    other = await stores.created("other")

    with pytest.raises(FlowExecutionNotFoundError):
        await stores.executions.list(
            ORGANIZATION, ExecutionQuery(flow_id="flow", start_from_execution_id=other.id)
        )


async def stages(
    database: AsyncIOMotorDatabase, name: str, wanted: Any, sort: Any, index: str
) -> dict[str, Any]:
    """Return how MongoDB would answer, limited to three."""
    plan = await database.command(
        "explain",
        {"find": name, "filter": wanted, "sort": dict(sort), "hint": index, "limit": 3},
        verbosity="executionStats",
    )
    found: dict[str, int] = defaultdict(int)

    def walk(stage: dict[str, Any]) -> None:
        found[stage["stage"]] += 1
        for key in ("inputStage", "outerStage", "innerStage"):
            if key in stage:
                walk(stage[key])
        for each in stage.get("inputStages", []):
            walk(each)

    walk(plan["executionStats"]["executionStages"])
    statistics = plan["executionStats"]
    return {
        "stages": dict(found),
        "read": statistics["totalDocsExamined"],
        "returned": statistics["nReturned"],
    }


async def test_no_list_of_executions_sorts_or_scans(
    stores: Stores, shelf: list[ExecutionRecord]
) -> None:
    many = [execution_document(an_execution(created_at=DAWN)) for _ in range(200)]
    await stores.database["flow_executions"].insert_many(many)
    for query in queries():
        anchor = None
        if query.start_from_execution_id is not None:
            anchor = {"_id": "05", "created_at": DAWN, "updated_at": DAWN}
        wanted = criteria(ORGANIZATION, query, anchor)
        if wanted is None:
            continue
        direction = -1 if query.descending else 1
        sort = [(query.sort_field, direction), ("_id", direction)]

        plan = await stages(stores.database, "flow_executions", wanted, sort, hint(query))

        assert not {"SORT", "COLLSCAN"} & set(plan["stages"]), query
        look_ahead = len(wanted["status"]["$in"])  # one ordered walk for each status
        assert plan["read"] <= plan["returned"] + look_ahead, query


@pytest.mark.parametrize("has_execution", [True, False])
@pytest.mark.parametrize("has_task", [True, False])
@pytest.mark.parametrize("has_idx", [True, False])
async def test_no_list_of_task_executions_sorts_or_scans(
    stores: Stores, run: Running, has_execution: bool, has_task: bool, has_idx: bool
) -> None:
    for number in range(6):
        await run.close(f"t{number % 2}", attempt=number // 2 + 1, output=number)
    wanted, index = row_criteria(
        ORGANIZATION,
        run.id if has_execution else None,
        "t0" if has_task else None,
        0 if has_idx else None,
    )

    sort = [("created_at", -1), ("_id", -1)]
    plan = await stages(stores.database, "task_executions", wanted, sort, index)

    one_at_most = has_execution and has_task and has_idx
    assert "COLLSCAN" not in plan["stages"]
    assert one_at_most or "SORT" not in plan["stages"]
    assert plan["read"] == plan["returned"] > 0


async def test_task_executions_come_newest_first_and_page_by_page(run: Running) -> None:
    for number in range(5):
        await run.close(f"t{number}", output=number)
    listed = run.stores.task_executions.list

    everything = await listed(ORGANIZATION, flow_execution_id=run.id)
    first = await listed(ORGANIZATION, limit=4)
    rest = await listed(ORGANIZATION, after=first[-1].id)

    assert [row.task_name for row in everything] == ["t4", "t3", "t2", "t1", "t0", "in"]
    assert [*first, *rest] == list(everything)
    assert [row.task_name for row in await listed(ORGANIZATION, task_name="t3")] == ["t3"]
    assert len(await listed(ORGANIZATION, idx=0)) == 6
    assert not await listed(ORGANIZATION, idx=1)


async def test_task_outputs_come_newest_first_and_page_by_page(
    stores: Stores, run: Running
) -> None:
    for number in range(3):
        await run.close(f"t{number}", output=number)
    everything = await stores.task_outputs.list(ORGANIZATION)
    first = await stores.task_outputs.list(ORGANIZATION, limit=2)
    rest = await stores.task_outputs.list(ORGANIZATION, after=first[-1].id)

    assert [output.task_name for output in everything] == ["t2", "t1", "t0", "in"]
    assert [output.output for output in everything] == [2, 1, 0, {"a": 1}]
    assert [*first, *rest] == list(everything)
    assert await stores.task_outputs.get(ORGANIZATION, everything[0].id) == everything[0]
    assert list(await stores.task_outputs.by_version(ORGANIZATION, "flow", 1)) == list(everything)
    assert not await stores.task_outputs.by_version(ORGANIZATION, "flow", 2)


async def test_no_other_list_sorts_or_scans(stores: Stores, run: Running) -> None:
    await run.close("t", output=1)
    newest = [("created_at", -1), ("_id", -1)]
    outputs = {"organization_id": ORGANIZATION, "live": True}
    of_version = {**outputs, "flow_id": "flow", "flow_version": 1}
    flows = FlowQuery(sort_field="display_name")
    for name, wanted, sort, index in (
        ("task_outputs", outputs, newest, OUTPUTS_BY_CREATED),
        ("task_outputs", of_version, newest, OUTPUTS_BY_VERSION),
        ("flow_executions", {"is_open": True}, [("checked_at", 1)], EXECUTIONS_OPEN),
        (
            "flows",
            flow_criteria(ORGANIZATION, flows),
            [("display_name", -1), ("_id", -1)],
            flow_hint(flows),
        ),
    ):
        plan = await stages(stores.database, name, wanted, sort, index)

        assert not {"SORT", "COLLSCAN"} & set(plan["stages"]), index


async def test_no_list_of_tags_and_words_sorts_or_scans(stores: Stores, run: Running) -> None:
    tags, tallies = TaskTagRepository(stores.database), Tallies(stores.database)
    changes = [TagChange("add", run.id, task, "new", "state") for task in ("t", "u")]
    await tags.change(ORGANIZATION, changes, AUTHOR)
    wanted_tags, by_task = tag_criteria(ORGANIZATION, [run.id])
    wanted_words = tally_criteria(ORGANIZATION, "flow", Kind.TAG, "t")
    by_age = [("created_at", -1), ("_id", -1)]
    for name, wanted, sort, index in (
        ("task_tags", wanted_tags, by_task, TAGS_BY_EXECUTION),
        ("flow_tallies", wanted_words, by_age, TALLIES_BY_WORD),
    ):
        plan = await stages(stores.database, name, wanted, sort, index)

        assert not {"SORT", "COLLSCAN"} & set(plan["stages"]), index
        assert plan["read"] == plan["returned"] > 0
    assert await tallies.distinct(ORGANIZATION, "flow", Kind.TAG) == ["state:new"]


async def test_seeds_are_the_last_completed_attempts_with_a_fingerprint(run: Running) -> None:
    await run.close("t", error="no")
    await run.close("t", attempt=2, output="t")
    await run.close("u", error="no")
    await run.close("i", item=1, item_count=2, output="i1")
    await run.close("i", item=0, item_count=2, output="i0")

    seeds = await run.stores.task_executions.seeds(ORGANIZATION, run.id)

    assert [(seed.task_name, seed.item, seed.output, seed.attempt) for seed in seeds] == [
        ("i", 0, "i0", 1),
        ("i", 1, "i1", 1),
        ("t", None, "t", 2),
    ]
    assert seeds[2].fingerprint == "fingerprint of t None"


async def test_a_row_is_read_by_its_id(run: Running) -> None:
    await run.close("t", output=1)
    row = await run.row("t")

    assert await run.stores.task_executions.get(ORGANIZATION, row.id) == row


async def test_touching_an_execution_says_who_and_when(run: Running) -> None:
    before = await run.record()

    await run.stores.executions.touch(ORGANIZATION, run.id, AUTHOR)

    after = await run.record()
    assert after.modified_by == AUTHOR
    assert after.updated_at >= before.updated_at
