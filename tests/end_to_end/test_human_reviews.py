"""Flows that wait for people to look at something: each review from its task to its output."""

import asyncio

from pydantic import JsonValue

from store.review_acts import Completion, ReviewActs
from store.review_models import Reviewer
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.flow_builders import a_flow, task
from tests.support.platform import CLOSED, Execution, Json, Platform
from tests.support.reviewers import (
    a_group,
    a_person,
    a_review,
    a_source,
    assignments_of,
    decision,
    reviewing,
    reviews_of,
)
from tests.support.submissions import shown_waiting, waiting_execution
from tests.support.truth import differences

EXTRACTED: Json = {"total": 10, "currency": "EUR"}


async def asked(
    platform: Platform, definition: Json, count: int = 1
) -> tuple[Execution, list[Json]]:
    """Start a flow, wait until it waits for reviews, and return these."""
    execution = await waiting_execution(platform, definition, count)
    return execution, await there(platform, execution, count)


async def there(platform: Platform, execution: Execution, count: int = 1) -> list[Json]:
    """Wait until an execution has so many reviews: each comes just after its task shows."""

    async def are_there() -> list[Json] | None:
        found = await reviews_of(platform, execution)
        return found if len(found) == count else None

    found = await eventually(are_there, saying="the reviews are there")
    assert found is not None
    return found


async def agreeing(api: Api, execution: Execution) -> None:
    """Wait until engine and read model agree: a workflow closes after it has told its end."""

    async def agree() -> bool:
        return await differences(api, [execution]) == []

    await eventually(agree, saying="engine and read model agree")


async def test_a_review_is_created_done_and_passed_on(working: Platform, working_api: Api) -> None:
    ada = await a_person(working_api, working.organization_id)
    execution, (review,) = await asked(working, reviewing(ada, instructions="Look twice."))
    assert (review["status"], review["instructions"]) == ("pending", "Look twice.")
    assert review["target_task_executions"] == [
        {
            "task_name": "extract",
            "task_execution_idx": 0,
            "is_editable": True,
            "output_name": None,
            "output_collection_idx": None,
        }
    ]
    shown = await execution.shown()
    assert review["task_metadata"] == {"flow_id": shown["flow_id"]}

    done = await ada.completes(review["id"], {"total": 12, "currency": "EUR"}, result=False)
    closed = await execution.until(*CLOSED)

    assert closed["status"] == "completed"
    assert (done["status"], done["signal_sent"]) == ("completed", True)
    assert done["completed_by"] == ada.id
    outputs = await execution.outputs()
    assert outputs["review"] == {"total": 12, "currency": "EUR", "review_result": False}
    assert outputs["after"] == {"ok": False, "total": 12}
    (row,) = await execution.task_executions(task_name="review")
    source = {"task_name": "extract", "task_execution_idx": 0}
    assert row["source_task_executions"] == {"root": source, "fields": {}}
    await agreeing(working_api, execution)


async def test_what_may_not_be_edited_passes_as_it_was(working: Platform, working_api: Api) -> None:
    ada = await a_person(working_api, working.organization_id)
    targets: JsonValue = [
        {"task_name": "extract"},
        {"task_name": "{{extract.total}}", "is_editable": True},
    ]
    flow = a_flow(a_source(), a_review(targets, ada), task("after", reads="review"))
    execution, (review,) = await asked(working, flow)

    await ada.did("start", review["id"])
    short = await ada.does("complete", review["id"], decision({}))
    done = await ada.did("complete", review["id"], decision({"total": 0}, 11))

    assert short.status_code == 400
    assert done["reviewed_output"] == [EXTRACTED, 11]
    assert (await execution.until(*CLOSED))["status"] == "completed"
    output = (await execution.outputs())["review"]
    assert output == {"reviewed_output": [EXTRACTED, 11], "review_result": True}


async def test_an_edit_must_fit_what_the_target_may_be(working: Platform, working_api: Api) -> None:
    ada = await a_person(working_api, working.organization_id)
    flow = a_flow(
        task("check", "validation", {"target": {"a": 1}, "rules": []}),
        a_review("check", ada),
    )
    execution, (review,) = await asked(working, flow)

    await ada.did("start", review["id"])
    wrong = await ada.does("complete", review["id"], decision({"is_valid": "perhaps"}))
    assert (await execution.shown())["status"] == "awaiting_input"
    right: Json = {"a": 2, "is_valid": True, "errors": []}
    await ada.did("complete", review["id"], decision(right))

    assert wrong.status_code == 400
    assert "reviewed_output" in wrong.text
    assert (await execution.until(*CLOSED))["status"] == "completed"


async def test_each_item_of_an_iteration_is_its_own_review(
    working: Platform, working_api: Api
) -> None:
    ada = await a_person(working_api, working.organization_id)
    review = a_review("{{extract.rows}}", ada)
    review["reference_modes"] = {"targets": "single"}
    flow = a_flow(a_source(rows=["a", "b", "c"]), review, task("after", reads="review"))
    execution, reviews = await asked(working, flow, 3)
    places = [each["target_task_executions"] for each in reviews]
    assert sorted(each["source_task_execution_idx"] for each in reviews) == [0, 1, 2]  # type: ignore[type-var]  # they are numbers
    assert all(place[0]["output_name"] == "rows" for place in places)  # type: ignore[index,call-overload]  # JSON

    for each in reviews:
        await ada.completes(each["id"], f"seen {each['source_task_execution_idx']}")

    assert (await execution.until(*CLOSED))["status"] == "completed"
    assert (await execution.outputs())["review"] == [
        {"value": f"seen {n}", "review_result": True} for n in range(3)
    ]
    await agreeing(working_api, execution)


async def test_parallel_reviews_are_done_by_whoever_is_in_the_group(
    working: Platform, working_api: Api
) -> None:
    ada, eve = [await a_person(working_api, working.organization_id) for _ in range(2)]
    group: list[JsonValue] = [await a_group(working, ada)]
    flow = a_flow(
        a_source(),
        a_review("extract", name="left", assigned_worker_groups=group),
        a_review("extract", ada, name="right"),
        task("after", reads=["left", "right"]),
    )
    execution, reviews = await asked(working, flow, 2)
    by_task = {str(each["source_task_name"]): each["id"] for each in reviews}

    assert (await eve.does("start", by_task["left"])).status_code == 404
    await ada.completes(by_task["left"], EXTRACTED)
    await shown_waiting(execution)
    await ada.completes(by_task["right"], EXTRACTED)

    assert (await execution.until(*CLOSED))["status"] == "completed"
    await agreeing(working_api, execution)


async def test_the_first_completion_wins(working: Platform, working_api: Api) -> None:
    people = [await a_person(working_api, working.organization_id) for _ in range(5)]
    execution, (review,) = await asked(working, reviewing(*people))
    for person in people:
        await person.did("start", review["id"])

    answers = await asyncio.gather(
        *(
            person.does("complete", review["id"], decision({"total": n, "currency": "EUR"}))
            for n, person in enumerate(people)
        )
    )

    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200, 400, 400, 400, 400]
    winner = statuses.index(200)
    assert (await execution.until(*CLOSED))["status"] == "completed"
    outputs = await execution.outputs()
    assert outputs["review"] == {"total": winner, "currency": "EUR", "review_result": True}
    held = {each["user_id"]: each["status"] for each in await assignments_of(working, review["id"])}
    assert held.pop(people[winner].id) == "completed"
    assert set(held.values()) == {"cancelled"}


async def test_cancelling_the_execution_asks_nobody_any_more(
    working: Platform, working_api: Api
) -> None:
    ada, eve = [await a_person(working_api, working.organization_id) for _ in range(2)]
    execution, (review,) = await asked(working, reviewing(ada, eve))
    await ada.did("start", review["id"])

    assert (await eve.mine())["total_count"] == 1

    await working.client.post(f"{execution.path}/cancel")
    await execution.until("cancelled")

    async def is_withdrawn() -> bool:
        found = await assignments_of(working, review["id"])
        return {each["status"] for each in found} == {"cancelled"}

    await eventually(is_withdrawn, saying="nobody is asked")
    assert (await ada.does("complete", review["id"], decision({}))).status_code == 400
    assert (await eve.does("start", review["id"])).status_code == 409
    for person in (ada, eve):
        assert (await person.mine())["total_count"] == 0


async def test_running_again_discards_the_review_and_asks_anew(
    working: Platform, working_api: Api
) -> None:
    ada = await a_person(working_api, working.organization_id)
    execution, (first,) = await asked(working, reviewing(ada))
    await ada.completes(first["id"], EXTRACTED)
    await execution.until("completed")

    response = await working.client.post(f"{execution.path}/execute")
    assert response.status_code == 204, response.text
    await shown_waiting(execution)
    (second,) = await there(working, execution)

    assert second["id"] != first["id"]
    assert (await ada.does("start", first["id"])).status_code == 404
    await ada.completes(second["id"], EXTRACTED)
    assert (await execution.until(*CLOSED))["status"] == "completed"


async def test_running_only_what_is_stale_asks_nobody_twice(
    working: Platform, working_api: Api
) -> None:
    ada = await a_person(working_api, working.organization_id)
    execution, (review,) = await asked(working, reviewing(ada))
    await ada.completes(review["id"], {"total": 13, "currency": "EUR"})
    await execution.until("completed")

    response = await working.client.post(f"{execution.path}/execute", params={"only_stale": True})
    assert response.status_code == 204, response.text
    await execution.until("completed")

    assert [each["id"] for each in await reviews_of(working, execution)] == [review["id"]]
    outputs = await execution.outputs()
    assert outputs["review"] == {"total": 13, "currency": "EUR", "review_result": True}


async def test_a_group_that_is_gone_fails_the_task(working: Platform) -> None:
    group = await a_group(working)
    await working.client.delete(f"/api/organizations/worker-groups/{group}")
    groups: list[JsonValue] = [group]

    execution = await working.ended(
        a_flow(a_source(), a_review("extract", assigned_worker_groups=groups))
    )

    shown = await execution.shown()
    assert shown["status"] == "failed"
    assert shown["error"] is not None
    assert "UnknownWorkerGroup" in str(shown["error"])


async def test_a_completion_whose_signal_was_lost_is_told_later(
    working: Platform, working_api: Api
) -> None:
    ada = await a_person(working_api, working.organization_id)
    execution, (review,) = await asked(working, reviewing(ada))
    await ada.did("start", review["id"])

    # As a process leaves it that dies between the store's answer and the signal.
    stored = ReviewActs(working_api.database)
    done = await stored.complete(
        working.organization_id,
        str(review["id"]),
        Reviewer(user_id=ada.id),
        Completion(review_result=True, reviewed_output=[EXTRACTED]),
    )

    assert not done.signal_sent
    assert (await execution.until(*CLOSED))["status"] == "completed"
    (told,) = await reviews_of(working, execution)
    assert told["signal_sent"] is True


async def test_at_the_limit_the_flow_goes_on_later_without_another_call(
    working: Platform, working_api: Api
) -> None:
    ada = await a_person(working_api, working.organization_id)
    limit = await working.client.put(
        "/api/organizations/settings", json={"max_concurrent_executions": 1}
    )
    assert limit.status_code == 200
    execution, (review,) = await asked(working, reviewing(ada))
    pausing = await working.flow(a_flow(task("pause", "wait", {"seconds": 3_600})))
    other = await working.started(pausing["id"])
    await other.until("running", "in_progress")

    done = await ada.completes(review["id"], EXTRACTED)
    assert done["signal_sent"] is False
    assert (await execution.shown())["status"] != "completed"
    await working.client.post(f"{other.path}/cancel")

    assert (await execution.until(*CLOSED))["status"] == "completed"
    (told,) = await reviews_of(working, execution)
    assert told["signal_sent"] is True


async def test_an_edit_upstream_makes_the_review_stale_and_asks_again(
    working: Platform, working_api: Api
) -> None:
    ada = await a_person(working_api, working.organization_id)
    execution, (first,) = await asked(working, reviewing(ada))
    await ada.completes(first["id"], EXTRACTED)
    await execution.until("completed")
    (row,) = await execution.task_executions(task_name="extract")
    corrected: Json = {"total": 20, "currency": "EUR"}

    answer = await working.client.put("/api/task-executions", json={**row, "output": corrected})
    assert answer.status_code == 200, answer.text
    (reviewed,) = await execution.task_executions(task_name="review")
    assert reviewed["stale_status"] == "stale"
    again = await working.client.post(f"{execution.path}/execute", params={"only_stale": True})
    assert again.status_code == 204, again.text

    async def asked_anew() -> Json | None:
        found = await reviews_of(working, execution)
        return next((each for each in found if each["id"] != first["id"]), None)

    second = await eventually(asked_anew, saying="they are asked anew")
    assert second is not None
    await ada.completes(second["id"], corrected)

    assert (await execution.until(*CLOSED))["status"] == "completed"
    outputs = await execution.outputs()
    assert outputs["review"] == {**corrected, "review_result": True}
    assert outputs["extract"] == corrected
