"""Human reviews as callers meet them: who may do what, when, and what lists show."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pydantic import JsonValue

from store.clock import now
from store.review_acts import ReviewActs
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.flow_builders import a_flow, an_input, task
from tests.support.platform import Execution, Json, Platform
from tests.support.reviewers import (
    REVIEWS,
    Person,
    a_group,
    a_person,
    assignments_of,
    decision,
    reviews_of,
)

INPUT: Json = {"text": "hello", "metadata": {"Customer": "ACME"}}


async def an_execution(platform: Platform) -> Execution:
    """Return an execution whose input task has a row; nobody runs the rest."""
    fields = an_input("form", {"id": "text"}, {"id": "metadata", "data_type": "object"})
    flow = await platform.flow(a_flow(fields, task("review", reads="form")))
    execution = await platform.started(flow["id"], INPUT)

    async def has_row() -> bool:
        return bool(await execution.task_executions(task_name="form"))

    await eventually(has_row, saying="the input task is shown")
    return execution


def a_body(execution: Execution, *people: Person, **changes: JsonValue) -> Json:
    """Return the body that asks for a review of the execution's input."""
    users: list[JsonValue] = [person.id for person in people]
    return {
        "flow_execution_id": execution.id,
        "target_task_executions": [
            {"task_name": "form", "task_execution_idx": 0, "is_editable": True}
        ],
        "source_task_name": "review",
        "source_task_execution_idx": 0,
        "assigned_users": users,
        **changes,
    }


async def posted(platform: Platform, body: Json, status: int = 201) -> Json:
    """Ask for a review, and return the answer."""
    response = await platform.client.post(REVIEWS, json=body)
    assert response.status_code == status, response.text
    answer: Json = response.json()
    return answer


async def test_the_table_of_acts(api: Api, platform: Platform) -> None:
    """Completing what is pending, starting what is completed, and so on: each has its status."""
    ada = await a_person(api, platform.organization_id)
    review = await posted(platform, a_body(await an_execution(platform), ada))

    async def status_of(what: str, body: Json | None = None) -> int:
        return (await ada.does(what, review["id"], body)).status_code

    assert await status_of("complete", decision(INPUT)) == 400
    assert await status_of("unstart") == 409
    assert await status_of("start") == 200
    (begun,) = await assignments_of(platform, review["id"])
    assert await status_of("start") == 200
    (again,) = await assignments_of(platform, review["id"])
    assert again == begun
    assert await status_of("complete", decision()) == 400
    assert await status_of("complete", decision(INPUT, INPUT)) == 400
    assert await status_of("unstart") == 200
    (back,) = await assignments_of(platform, review["id"])
    assert (back["status"], back["started_at"]) == ("pending", None)
    assert (await ada.mine())["items"][0]["status"] == "in_progress"  # type: ignore[index,call-overload]  # JSON
    assert await status_of("start") == 200
    assert await status_of("complete", decision({"text": 5})) == 400
    assert await status_of("complete", decision(INPUT)) == 200
    assert await status_of("complete", decision(INPUT)) == 400
    assert await status_of("start") == 409
    assert await status_of("unstart") == 409


async def test_only_who_is_asked_acts_and_foreigners_see_nothing(
    api: Api, platform: Platform, stranger: Platform
) -> None:
    ada, eve = [await a_person(api, platform.organization_id) for _ in range(2)]
    review = await posted(platform, a_body(await an_execution(platform), ada))

    assert (await eve.does("start", review["id"])).status_code == 404
    assert (await eve.does("complete", review["id"], decision(INPUT))).status_code == 404
    assert (await platform.client.post(f"{REVIEWS}/{review['id']}/start")).status_code == 404
    member = await a_person(api, platform.organization_id, role="app_user")
    by_execution = {"flow_execution_id": str(review["flow_execution_id"])}
    for person, expected in ((ada, 200), (member, 200), (eve, 404)):
        for path in (f"{REVIEWS}/{review['id']}", f"{REVIEWS}/{review['id']}/assignments"):
            assert (await person.client.get(path)).status_code == expected
        listed = await person.client.get(f"{REVIEWS}/by-execution", params=by_execution)
        assert (listed.status_code, len(listed.json())) == (200, int(expected == 200))
    assert (await stranger.client.get(f"{REVIEWS}/{review['id']}")).status_code == 404
    assert (await stranger.client.get(f"{REVIEWS}/{review['id']}/assignments")).status_code == 404
    assert (await ada.does("start", "no-uuid")).status_code == 404
    assert (await platform.client.get(REVIEWS)).json()["items"] == []
    assert (await eve.mine())["total_count"] == 0
    assert (await ada.mine())["total_count"] == 1


async def test_one_task_execution_has_one_review(api: Api, platform: Platform) -> None:
    ada = await a_person(api, platform.organization_id)
    execution = await an_execution(platform)

    answers = await asyncio.gather(
        *(platform.client.post(REVIEWS, json=a_body(execution, ada)) for _ in range(4))
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    (kept,) = await reviews_of(platform, execution)
    assert len(await assignments_of(platform, kept["id"])) == 1


async def test_what_cannot_be_reviewed_is_refused(api: Api, platform: Platform) -> None:
    execution = await an_execution(platform)
    form: Json = {"task_name": "form", "task_execution_idx": 0}
    wrong: list[Json] = [
        {"flow_execution_id": str(uuid4())},
        {"source_task_name": "nobody"},
        {"target_task_executions": [{**form, "task_name": "review"}]},
        {"target_task_executions": [{**form, "task_execution_idx": 1}]},
        {"target_task_executions": [{**form, "output_name": "rows"}]},
        {"target_task_executions": [{**form, "output_collection_idx": 0}]},
        {"target_task_executions": [{**form, "output_name": "text", "output_collection_idx": 0}]},
        {"assigned_worker_groups": [str(uuid4())]},
    ]

    for changes in wrong:
        await posted(platform, a_body(execution, **changes), 400)
    await posted(platform, a_body(execution, target_task_executions=[]), 422)

    assert await reviews_of(platform, execution) == []


async def test_members_of_a_group_claim_and_others_may_begin_too(
    api: Api, platform: Platform
) -> None:
    ada = await a_person(api, platform.organization_id, given_name="Ada")
    bob = await a_person(api, platform.organization_id)
    await ada.client.get("/api/profile/me")
    group = await a_group(platform, ada, bob)
    groups: list[JsonValue] = [group]
    execution = await an_execution(platform)
    review = await posted(platform, a_body(execution, assigned_worker_groups=groups))
    assert (await bob.mine())["total_count"] == 1

    await ada.did("start", review["id"])
    await bob.did("start", review["id"])
    shown = await assignments_of(platform, review["id"], include_user_info=True)
    assert [(each["user_id"], each["status"]) for each in shown] == [
        (None, "pending"),
        (ada.id, "in_progress"),
        (bob.id, "in_progress"),
    ]
    assert {each["worker_group_id"] for each in shown} == {group}
    users: list[Any] = [each["user"] for each in shown]
    assert users[1]["first_name"] == "Ada"
    assert (users[0], users[2]) == (None, None)

    await bob.did("complete", review["id"], decision(INPUT))
    after = await assignments_of(platform, review["id"])
    assert [each["status"] for each in after] == ["cancelled", "cancelled", "completed"]


async def test_the_list_filters_sorts_and_pages(api: Api, platform: Platform) -> None:
    ada = await a_person(api, platform.organization_id)
    first, second = [await an_execution(platform) for _ in range(2)]
    one = (await posted(platform, a_body(first, ada)))["id"]
    two = (await posted(platform, a_body(second, ada)))["id"]
    await ada.did("start", one)
    tag: Json = {
        "operation": "add",
        "flow_execution_id": second.id,
        "task_name": "form",
        "tag": "urgent",
        "tag_type": "priority",
    }
    await platform.client.patch("/api/task-tags", json={"tags": [tag]})
    flow_id = str((await first.shown())["flow_id"])

    async def found(**filters: str | int | list[str]) -> list[JsonValue]:
        page: Any = await ada.mine(**filters)
        return [each["id"] for each in page["items"]]

    assert await found() == [two, one]
    assert await found(sort_direction="asc") == [one, two]
    assert await found(sort_field="updated_at") == [one, two]
    assert await found(status="pending") == [two]
    assert await found(status="pending, in_progress") == [two, one]
    assert await found(status="completed") == []
    assert await found(flow_execution_id=first.id) == [one]
    assert await found(flow_id=flow_id) == [one]
    assert await found(source_task_name="other") == []
    assert await found(tags=["priority:urgent", "priority:none"]) == [two]
    acme = [{"key": "customer", "values": ["ACME", "Initech"]}]
    assert await found(metadata=json.dumps(acme)) == [two, one]
    nobody = [*acme, {"key": "customer", "values": ["Initech"]}]
    assert await found(metadata=json.dumps(nobody)) == []
    assert await found(limit=1, offset=1) == [one]
    page = await ada.mine(limit=1)
    assert (page["total_count"], page["offset"], page["limit"]) == (2, 0, 1)
    for unfit in ("started", "pending,nothing"):
        assert (await ada.client.get(REVIEWS, params={"status": unfit})).status_code == 400
    for unfit in ("{", "{}", '[{"key": 1}]', '[{"key": "a", "values": [1]}]'):
        assert (await ada.client.get(REVIEWS, params={"metadata": unfit})).status_code == 400


async def test_who_takes_too_long_is_unstarted(api: Api, platform: Platform) -> None:
    ada = await a_person(api, platform.organization_id)
    review = await posted(platform, a_body(await an_execution(platform), ada))
    await ada.did("start", review["id"])
    acts = ReviewActs(api.database)

    early = await acts.take_back_expired(now(), 100)
    await acts.take_back_expired(now() + api.settings.review_timeout + timedelta(seconds=1), 100)

    assert early == 0
    (assignment,) = await assignments_of(platform, review["id"])
    assert (assignment["status"], assignment["started_at"]) == ("pending", None)
    assert assignment["modified_by"] == "system"
    (shown,) = await reviews_of(
        platform, Execution(platform.client, str(review["flow_execution_id"]))
    )
    assert shown["status"] == "in_progress"
    await ada.did("complete", review["id"], decision(INPUT))
