"""Correcting results, and running again what follows from it. The server counts who runs."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.corrected import (
    BROKEN,
    CONSTANT,
    LIST_START,
    Corrected,
    a_chain,
    a_flow,
    answered,
    calls,
    echo,
    echoed,
)
from tests.support.documents import task
from tests.support.eventually import eventually
from tests.support.platform import CLOSED, Platform
from tests.support.truth import differences
from tests.support.web import Request, Web, serving

Json = dict[str, JsonValue]


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving(echoed) as running:
        yield running


@pytest.fixture
async def chain(working: Platform, web: Web) -> Corrected:
    """Tasks a, b and c in a row, and d beside them, all completed."""
    corrected = Corrected(await working.completed(a_chain(web)))
    assert calls(web) == {"a": 1, "b": 1, "c": 1, "d": 1}
    return corrected


async def status_of(corrected: Corrected) -> JsonValue:
    return (await corrected.execution.shown())["status"]


async def test_an_edit_outdates_whatever_depends_on_it(chain: Corrected, web: Web) -> None:
    before = (await chain.rows())["a"]

    row = await chain.edit("a", {"got": "by hand"})

    changed = {key for key in row if row[key] != before[key]}
    assert changed == {"output", "edited_status", "updated_at", "modified_by"}
    assert (row["edited_status"], row["stale_status"]) == ("edited_not_reexecuted", "consistent")
    assert row["modified_by"] == "service-account"
    assert await chain.stale() == {"b", "c"}
    rows = await chain.rows()
    assert {rows[name]["status"] for name in ("b", "c")} == {"stale"}
    assert {rows[name]["processing_status"] for name in ("b", "c")} == {"completed"}
    assert await status_of(chain) == "stale"
    assert calls(web) == {}


async def test_only_what_is_stale_runs_again_and_reads_what_was_edited(
    chain: Corrected, web: Web, working_api: Api
) -> None:
    await chain.edit("a", {"got": "by hand"})
    planned = await chain.plan()
    before = await chain.rows()

    ended = await chain.again(only_stale=True)

    assert ended["status"] == "completed"
    assert calls(web) == {"b": 1, "c": 1}
    assert planned == {
        "start": ("reuse", "input"),
        "a": ("reuse", "edited"),
        "b": ("run", "inputs_changed"),
        "c": ("unknown", "upstream_runs"),
        "d": ("reuse", "unchanged"),
    }
    rows = await chain.rows()
    replaced = {name for name in rows if rows[name]["id"] != before[name]["id"]}
    assert replaced == {"b", "b#0", "c", "c#0"}
    assert rows["start"] == before["start"]
    assert rows["b"]["output"] == answered(rows["b"], {"got": {"of": {"got": "by hand"}}})
    assert rows["a"]["edited_status"] == "edited_reexecuted"
    assert rows["b"]["edited_status"] == "not_edited"
    assert await chain.stale() == set()
    assert await differences(working_api, [chain.execution]) == []


async def test_an_edit_may_run_what_it_outdates_at_once_and_keeps_the_version(
    working: Platform, chain: Corrected, web: Web
) -> None:
    shown = await chain.execution.shown()
    newer = await working.client.put(
        f"/api/flows/{shown['flow_id']}/definition", json={"definition": a_flow(task("other"))}
    )
    assert newer.status_code == 200

    row = await chain.edit("b", {"got": 1}, execute_flow=True)

    assert row["edited_status"] == "edited_not_reexecuted"
    ended = await chain.execution.until(*CLOSED)
    assert (ended["status"], ended["flow_version"]) == ("completed", 1)
    assert calls(web) == {"c": 1}
    assert (await chain.rows())["b"]["edited_status"] == "edited_reexecuted"


async def test_an_edit_of_a_last_task_leaves_nothing_stale(
    chain: Corrected, web: Web, working_api: Api
) -> None:
    await chain.edit("c", {"got": 1})
    assert await chain.stale() == set()
    assert await status_of(chain) == "edited"
    assert await differences(working_api, [chain.execution]) == []

    ended = await chain.again(only_stale=True)

    assert ended["status"] == "completed"
    assert calls(web) == {}


async def test_the_same_output_once_more_changes_nothing(chain: Corrected) -> None:
    row = (await chain.rows())["a"]

    answer = await chain.put(row)

    assert answer.status_code == 200
    assert answer.json()["updated_at"] == row["updated_at"]
    assert await chain.stale() == set()
    assert await status_of(chain) == "completed"


async def test_an_equal_result_spares_what_stands_behind_it(
    working: Platform, web: Web, working_api: Api
) -> None:
    definition = a_flow(
        echo("a", web, "start.text"), echo("b", web, "a.body", CONSTANT), echo("c", web, "b.body")
    )
    corrected = Corrected(await working.completed(definition))
    calls(web)
    await corrected.edit("a", {"got": "by hand"})
    assert await corrected.stale() == {"b", "c"}

    ended = await corrected.again(only_stale=True)

    assert ended["status"] == "completed"
    assert calls(web) == {"b": 1}
    assert await corrected.stale() == set()
    assert await differences(working_api, [corrected.execution]) == []


async def test_an_edit_that_follows_another_upstream_is_reused(chain: Corrected, web: Web) -> None:
    await chain.edit("a", {"got": "first"})
    row = await chain.edit("b", {"got": "second"})
    assert row["stale_status"] == "consistent"
    assert await chain.stale() == {"c"}

    await chain.again(only_stale=True)

    assert calls(web) == {"c": 1}
    assert await chain.stale() == set()


async def test_a_result_may_be_edited_and_stale_at_once(chain: Corrected, web: Web) -> None:
    await chain.edit("b", {"got": "second"})
    await chain.edit("a", {"got": "first"})
    row = (await chain.rows())["b"]
    assert (row["edited_status"], row["stale_status"]) == ("edited_not_reexecuted", "stale")

    await chain.again(only_stale=True)

    assert calls(web) == {"b": 1, "c": 1}
    assert (await chain.rows())["b"]["edited_status"] == "not_edited"


async def test_an_edit_taken_back_runs_nothing(chain: Corrected, web: Web) -> None:
    before = (await chain.rows())["a"]["output"]
    await chain.edit("a", {"got": "first"})
    row = (await chain.rows())["a"]
    await chain.put(row, {"output": before})
    assert await chain.stale() == {"b", "c"}

    ended = await chain.again(only_stale=True)

    assert calls(web) == {}
    assert ended["status"] == "completed"
    assert await chain.stale() == set()


async def test_running_everything_again_discards_edits(
    chain: Corrected, web: Web, working_api: Api
) -> None:
    before = (await chain.rows())["a"]["output"]
    await chain.edit("a", {"got": "by hand"})
    planned = await chain.plan(only_stale=False)

    ended = await chain.again(only_stale=False)

    assert ended["status"] == "completed"
    assert calls(web) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert {planned[name] for name in "abcd"} == {("run", "full")}
    row = (await chain.rows())["a"]
    assert (row["output"], row["edited_status"]) == (before, "not_edited")
    assert await differences(working_api, [chain.execution]) == []


async def test_a_failed_task_is_mended_by_hand_and_the_flow_goes_on(
    working: Platform, web: Web, working_api: Api
) -> None:
    definition = a_flow(echo("a", web, "start.text", BROKEN), echo("b", web, "a.body"))
    corrected = Corrected(await working.ended(definition))
    assert await status_of(corrected) == "failed"
    calls(web)

    row = await corrected.edit("a", {"got": "by hand"})

    assert (row["processing_status"], row["error"]) == ("completed", None)
    assert await status_of(corrected) == "failed"
    assert await differences(working_api, [corrected.execution]) == []
    ended = await corrected.again(only_stale=True)
    assert ended["status"] == "completed"
    assert calls(web) == {"b": 1}
    assert await differences(working_api, [corrected.execution]) == []


async def test_a_failed_task_behind_an_edit_is_stale_and_runs(working: Platform, web: Web) -> None:
    definition = a_flow(echo("a", web, "start.text"), echo("b", web, "a.body", BROKEN))
    corrected = Corrected(await working.ended(definition))
    calls(web)

    await corrected.edit("a", {"got": 1})

    assert await corrected.stale() == {"b"}
    assert (await corrected.rows())["b"]["status"] == "stale"
    assert await status_of(corrected) == "stale"
    assert (await corrected.again(only_stale=True))["status"] == "failed"
    assert calls(web) == {"b": 1}


async def test_an_edited_item_counts_in_the_whole_and_alone_runs_on(
    working: Platform, web: Web, working_api: Api
) -> None:
    definition = a_flow(
        echo("each", web, "start.n", reference_modes={"body": "single"}),
        echo("next", web, "each.body", reference_modes={"body": "single"}),
        echo("all", web, "each.body", reference_modes={"body": "collection"}),
        start=LIST_START,
    )
    corrected = Corrected(await working.completed(definition, {"n": [1, 2, 3]}))
    assert calls(web) == {"each": 3, "next": 3, "all": 1}

    await corrected.edit("each#1", {"got": "by hand"})

    outputs = await corrected.execution.outputs()
    each = outputs["each"]
    assert isinstance(each, list)
    bodies: JsonValue = [one["body"] for one in each if isinstance(one, dict)]
    assert bodies == [{"got": {"of": 1}}, {"got": "by hand"}, {"got": {"of": 3}}]
    assert await corrected.stale() == {"next", "all"}
    assert (await corrected.rows())["each#0"]["edited_status"] == "not_edited"
    answer = await working.client.get(f"{corrected.execution.path}/plan?only_stale=true")
    items = {one["task_name"]: one["items"] for one in answer.json()["tasks"]}
    assert items["each"] == {"run": 0, "reuse": 3}
    assert items["next"] == {"run": 1, "reuse": 2}

    await corrected.again(only_stale=True)

    assert calls(web) == {"next": 1, "all": 1}
    assert await corrected.stale() == set()
    assert await differences(working_api, [corrected.execution]) == []


async def test_a_failed_item_is_mended_by_hand(
    working: Platform, web: Web, working_api: Api
) -> None:
    paths: list[JsonValue] = ["/x/each", f"{BROKEN}/each"]
    each: Json = {
        **echo("each", web, "start.text"),
        "parameters": {"url": f"{web.url}{{{{start.n}}}}", "method": "POST", "body": {"of": 1}},
        "reference_modes": {"url": "single"},
        "concurrency": 1,
    }
    definition = a_flow(each, echo("all", web, "each.body"), start=LIST_START)
    corrected = Corrected(await working.ended(definition, {"n": paths}))
    assert await status_of(corrected) == "failed"
    calls(web)

    await corrected.edit("each#1", {"got": "by hand"})

    whole = (await corrected.execution.outputs())["each"]
    assert isinstance(whole, list)
    assert len(whole) == 2
    ended = await corrected.again(only_stale=True)
    assert ended["status"] == "completed"
    assert calls(web)["each"] == 0
    assert await differences(working_api, [corrected.execution]) == []


async def test_an_iteration_over_nothing_can_be_stale(working: Platform, web: Web) -> None:
    definition = a_flow(
        task("list", template={"items": "{{start.n}}"}),
        echo("each", web, "list.items", reference_modes={"body": "single"}),
        start=LIST_START,
    )
    corrected = Corrected(await working.completed(definition, {"n": []}))

    row = (await corrected.rows())["list"]
    answer = await corrected.put(row, {"output": {"items": [1, 2]}})

    assert answer.status_code == 200
    assert await status_of(corrected) == "stale"
    assert (await corrected.again(only_stale=True))["status"] == "completed"
    assert calls(web) == {"each": 2}
    assert await status_of(corrected) == "completed"


async def test_another_case_by_hand_takes_the_other_way(
    working: Platform, web: Web, working_api: Api
) -> None:
    is_hello: Json = {"left": "{{start.text}}", "operator": "eq", "right": "hello"}
    branch: Json = {
        "name": "way",
        "task_executor_name": "branch",
        "parameters": {"cases": [{"name": "yes", "condition": is_hello}], "default": "no"},
    }
    edges: list[JsonValue] = [
        {"source": "way", "target": "left", "branch": "yes"},
        {"source": "way", "target": "right", "branch": "no"},
    ]
    definition = a_flow(
        branch, echo("left", web, "start.text"), echo("right", web, "start.text"), edges=edges
    )
    corrected = Corrected(await working.completed(definition))
    assert calls(web) == {"left": 1}

    answer = await corrected.put(
        (await corrected.rows())["way"], {"output": {"case": "no", "value": None}}
    )

    assert answer.status_code == 200
    assert await corrected.stale() == {"left"}
    planned = await corrected.plan()
    assert (planned["left"], planned["right"]) == (("skip", "not_chosen"), ("run", "no_result"))
    await corrected.again(only_stale=True)
    assert calls(web) == {"right": 1}
    assert {name for name in await corrected.rows() if "#" not in name} == {"start", "way", "right"}
    assert await differences(working_api, [corrected.execution]) == []


async def test_what_came_in_can_be_corrected(chain: Corrected, web: Web, working_api: Api) -> None:
    for text in ("first", "second"):
        answer = await chain.put((await chain.rows())["start"], {"output": {"text": text}})
        assert answer.status_code == 200, answer.text
        assert await chain.stale() == {"a", "b", "c", "d"}
        assert (await chain.again(only_stale=True))["status"] == "completed"

    assert calls(web) == {"a": 2, "b": 2, "c": 2, "d": 2}
    rows = await chain.rows()
    assert rows["start"]["output"] == {"text": "second"}
    assert rows["start"]["edited_status"] == "edited_reexecuted"
    assert "second" in str(rows["a"]["input"])
    assert (await chain.execution.shown())["input"] == {"text": "hello"}
    assert await differences(working_api, [chain.execution]) == []


async def test_what_another_version_changes_counts_as_stale(
    working: Platform, chain: Corrected, web: Web, working_api: Api
) -> None:
    shown = await chain.execution.shown()
    definition = a_flow(
        echo("a", web, "start.text"),
        echo("b", web, "a.body", "/changed"),
        echo("c", web, "b.body"),
        echo("e", web, "start.text"),
    )
    await working.client.put(
        f"/api/flows/{shown['flow_id']}/definition", json={"definition": definition}
    )
    assert await chain.plan() == {
        "start": ("reuse", "input"),
        "a": ("reuse", "unchanged"),
        "b": ("run", "task_changed"),
        "c": ("unknown", "upstream_runs"),
        "e": ("run", "new_task"),
    }

    ended = await chain.again(only_stale=True)

    assert (ended["status"], ended["flow_version"]) == ("completed", 2)
    assert calls(web) == {"b": 1, "e": 1}
    assert {name for name in await chain.rows() if "#" not in name} == set("abce") | {"start"}
    assert await differences(working_api, [chain.execution]) == []


async def test_an_edit_while_the_flow_runs_stands_and_shows_once_it_has_ended(
    working: Platform, working_api: Api
) -> None:
    held: list[Request] = []

    def answer(request: Request) -> bytes | None:
        is_first = request.target.endswith("/b") and not held
        if is_first:
            held.append(request)
        return None if is_first else echoed(request)

    async with serving(answer) as web:
        retried: Json = {"max_attempts": 2, "initial_interval_seconds": 0.01}
        definition = a_flow(
            echo("a", web, "start.text"),
            echo("b", web, "a.body", retry_policy=retried, timeout_seconds=3),
            echo("c", web, "b.body"),
        )
        flow = await working.flow(definition)
        corrected = Corrected(await working.started(flow["id"]))
        await eventually(lambda: bool(held), saying="b was asked")

        row = await corrected.edit("a", {"got": "by hand"})

        assert row["edited_status"] == "edited_not_reexecuted"
        assert await status_of(corrected) == "in_progress"
        refused = await corrected.put(
            (await corrected.rows())["b"], {"processing_status": "completed", "output": {}}
        )
        assert refused.status_code == 400
        ended = await corrected.execution.until(*CLOSED, "stale", "edited")
        assert ended["status"] == "stale"
        assert await corrected.stale() == {"b", "c"}
        assert (await corrected.rows())["a"]["output"] == row["output"]
        assert await differences(working_api, [corrected.execution]) == []
        calls(web)
        assert (await corrected.again(only_stale=True))["status"] == "completed"
        assert calls(web) == {"b": 1, "c": 1}
        assert await differences(working_api, [corrected.execution]) == []


REFUSED: dict[str, tuple[Json, int]] = {
    "another execution": ({"flow_execution_id": str(uuid4())}, 400),
    "another task": ({"task_name": "b"}, 400),
    "another position": ({"task_execution_idx": 1}, 400),
    "another organization": ({"organization_id": str(uuid4())}, 400),
    "an unknown row": ({"id": str(uuid4())}, 404),
    "no output": ({"output": None}, 400),
    "a field of the wrong type": (
        {"output": {"status_code": "200", "headers": {}, "body": {}}},
        400,
    ),
    "a status that nobody sets": ({"processing_status": "running"}, 400),
    "deleted": ({"processing_status": "deleted"}, 400),
    "a status that is none": ({"processing_status": "finished"}, 422),
    "no status": ({"processing_status": None, "status": None}, 422),
    "no UUID": ({"id": "x"}, 422),
}


async def test_what_cannot_be_is_refused_and_changes_nothing(chain: Corrected) -> None:
    row = (await chain.rows())["a"]

    for name, (changes, status) in REFUSED.items():
        answer = await chain.put(row, changes)
        assert answer.status_code == status, (name, answer.text)

    assert (await chain.rows())["a"] == row
    assert await status_of(chain) == "completed"


async def test_a_client_of_one_status_word_is_understood(chain: Corrected) -> None:
    await chain.edit("a", {"got": 1})
    row = (await chain.rows())["b"]
    assert row.pop("processing_status") == "completed"
    assert row["status"] == "stale"

    assert (await chain.put(row)).status_code == 200
    answer = await chain.put({**row, "output": answered(row, {"x": 1})})

    assert answer.json()["edited_status"] == "edited_not_reexecuted"
    assert await chain.stale() == {"c"}


async def test_the_fields_that_do_not_fit_are_named(chain: Corrected) -> None:
    row = (await chain.rows())["a"]

    answer = await chain.put(row, {"output": {"status_code": "x", "more": 1}})

    details = answer.json()["error"]["details"]
    assert {".".join(map(str, fault["loc"])) for fault in details} >= {"status_code", "body"}


async def test_nobody_else_may_correct(working_api: Api, chain: Corrected) -> None:
    row = (await chain.rows())["a"]
    stranger = await working_api.organization()
    worker = await working_api.person(str(row["organization_id"]), "worker")

    for caller in (stranger, worker):
        answer = await caller.client.put("/api/task-executions", json={**row, "output": {}})
        assert answer.status_code == 404


async def test_an_earlier_attempt_cannot_be_corrected(working: Platform, web: Web) -> None:
    failing: Json = {"max_attempts": 2, "initial_interval_seconds": 0.01}
    definition = a_flow(echo("a", web, "start.text", BROKEN, retry_policy=failing))
    corrected = Corrected(await working.ended(definition))
    rows = await corrected.rows()
    output: Json = {"status_code": 200, "headers": {}, "body": {}}
    changes: Json = {"processing_status": "completed", "output": output}

    earlier = await corrected.put(rows["a#0"], changes)
    last = await corrected.put(rows["a#1"], changes)

    assert (earlier.status_code, last.status_code) == (400, 200)


async def test_results_of_a_deleted_execution_cannot_be_corrected(chain: Corrected) -> None:
    row = (await chain.rows())["a"]
    await chain.client.delete(chain.execution.path)

    answer = await chain.put(row, {"output": answered(row, {})})

    assert answer.status_code == 404
    assert (await chain.client.get(f"{chain.execution.path}/plan")).status_code == 404
