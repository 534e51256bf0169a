"""What people say of runs: comments and ratings, on a worker."""

import asyncio
from typing import Any

import httpx
import pytest

from dialogs.events import ANY_EVENT
from store.collections import RUN_FEEDBACK
from store.run_feedback import MAX_FEEDBACK
from tests.api.test_workflow_runs import a_speaker, a_workflow, turn, two_speakers
from tests.fixtures.api import Api
from tests.support.interactive import a_desk
from tests.support.platform import Platform

UNKNOWN = "0" * 24
GOOD = {"content": "  well said\n"}
CALLS: list[tuple[str, str, Any]] = [
    ("POST", "comments", GOOD),
    ("DELETE", "comments/{comment}", None),
    ("POST", "events/{event}/comments", GOOD),
    ("DELETE", "events/{event}/comments/{comment}", None),
    ("PUT", "events/{event}/rating", {"value": "up"}),
    ("DELETE", "events/{event}/rating", None),
    ("POST", "turns/0/comments", GOOD),
    ("DELETE", "turns/0/comments/{comment}", None),
    ("PUT", "turns/0/rating", {"value": "up"}),
    ("DELETE", "turns/0/rating", None),
]


class Reviewer:
    """Somebody who looks at one run."""

    def __init__(self, platform: Platform, run_id: str) -> None:
        self.platform = platform
        self.run_id = run_id

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        path = f"/v1/workflow-runs/{self.run_id}/{path}"
        return await self.platform.client.request(method, path, json=body)

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.call(method, path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def run(self) -> Any:
        answer = await self.platform.client.get(f"/v1/workflow-runs/{self.run_id}")
        return answer.json()["workflow_run"]["workflow_run"]

    async def event(self, index: int = 0) -> Any:
        """Return an event of the first turn."""
        return (await self.run())["input_output_pairs"][0]["run_output"]["events"][index]


@pytest.fixture
async def reviewer(working: Platform) -> Reviewer:
    workflow_id = await a_workflow(working, two_speakers())
    return Reviewer(working, str((await turn(working, workflow_id))["run_id"]))


def texts(comments: Any) -> list[str]:
    return [each["content"] for each in comments]


async def test_comments_on_a_run_come_and_go(reviewer: Reviewer) -> None:
    echoed = await reviewer.done("POST", "comments", GOOD)
    await reviewer.done("POST", "comments", {"content": "on second thoughts"})

    comments = (await reviewer.run())["comments"]
    first = comments[0]["logical_id"]
    left = await reviewer.done("DELETE", f"comments/{first}")
    again = await reviewer.call("DELETE", f"comments/{first}")

    assert texts(echoed["workflow_run"]["workflow_run"]["comments"]) == ["well said"]
    assert texts(comments) == ["well said", "on second thoughts"]
    assert {*comments[0]} == {"logical_id", "created_by", "created_at", "content"}
    assert texts(left["workflow_run"]["workflow_run"]["comments"]) == ["on second thoughts"]
    assert (again.status_code, again.json()) == (404, {"detail": "no such comment"})


async def test_an_event_has_its_own_comments_and_ratings(reviewer: Reviewer) -> None:
    event_id = (await reviewer.event(2))["logical_id"]

    await reviewer.done("POST", f"events/{event_id}/comments", GOOD)
    rated = await reviewer.done("PUT", f"events/{event_id}/rating", {"value": "strong_up"})

    shown, other = await reviewer.event(2), await reviewer.event(1)
    ratings = (await reviewer.run())["event_ratings"]
    assert texts(shown["comments"]) == ["well said"]
    assert [each["value"] for each in ratings[event_id]] == ["strong_up"]
    assert rated["ratings"] == ratings[event_id]
    assert texts(rated["comments"]) == ["well said"]
    assert other["comments"] == []
    ANY_EVENT.validate_python(shown)
    comment = shown["comments"][0]["logical_id"]
    elsewhere = await reviewer.call("DELETE", f"comments/{comment}")
    await reviewer.done("DELETE", f"events/{event_id}/comments/{comment}")
    await reviewer.done("DELETE", f"events/{event_id}/rating")
    assert elsewhere.status_code == 404
    assert await reviewer.event(2) == {**shown, "comments": []}
    assert (await reviewer.run())["event_ratings"] == {}


async def test_a_turn_is_rated_once_by_each_who_rates_it(
    working_api: Api, reviewer: Reviewer
) -> None:
    colleague = await working_api.person(reviewer.platform.organization_id)
    other = Reviewer(colleague, reviewer.run_id)

    for value in ("up", "down"):
        await reviewer.done("PUT", "turns/0/rating", {"value": value})
    both = await other.done("PUT", "turns/0/rating", {"value": "up"})
    commented = await other.done("POST", "turns/0/comments", GOOD)
    pair = (await reviewer.run())["input_output_pairs"][0]
    left = await other.done("DELETE", "turns/0/rating")
    none = await other.done("DELETE", "turns/0/rating")

    assert [each["value"] for each in both["ratings"]] == ["down", "up"]
    assert {*both["feedback_users"]} == {each["created_by"] for each in both["ratings"]}
    for user_id, user in both["feedback_users"].items():
        assert {*user} == {"id", "firstName", "lastName", "email"}
        assert user["id"] == user_id
    assert pair["ratings"] == both["ratings"]
    assert pair["comments"] == commented["comments"]
    assert [each["value"] for each in left["ratings"]] == ["down"]
    assert none == left
    comment = commented["comments"][0]["logical_id"]
    emptied = await other.done("DELETE", f"turns/0/comments/{comment}")
    assert emptied["comments"] == []


async def test_a_key_rates_for_whom_it_acts(reviewer: Reviewer) -> None:
    path = f"/v1/workflow-runs/{reviewer.run_id}/turns/0/rating"
    for somebody in ("ada", "grace"):
        answer = await reviewer.platform.client.put(
            path, json={"value": "up"}, headers={"uuid": somebody}
        )

    assert {*answer.json()["feedback_users"]} == {"ada", "grace"}
    assert answer.json()["feedback_users"]["ada"]["firstName"] is None


async def test_a_comment_of_somebody_else_is_removed_by_administrators_only(
    working_api: Api, reviewer: Reviewer
) -> None:
    organization_id = reviewer.platform.organization_id
    author = Reviewer(await working_api.person(organization_id, "publisher"), reviewer.run_id)
    reader = Reviewer(await working_api.person(organization_id, "app_user"), reviewer.run_id)
    said = await author.done("POST", "turns/0/comments", GOOD)
    path = f"turns/0/comments/{said['comments'][0]['logical_id']}"

    refused = await reader.call("DELETE", path)
    removed = await reviewer.done("DELETE", path)

    assert refused.status_code == 403
    assert removed["comments"] == []


async def test_feedback_comes_after_the_end(working: Platform) -> None:
    workflow_id = await a_workflow(working, a_desk())
    waiting = Reviewer(working, str((await turn(working, workflow_id))["run_id"]))
    event_id = (await waiting.event())["logical_id"]

    for method, path, body in CALLS:
        answer = await waiting.call(method, path.format(event=event_id, comment="x"), body)
        assert answer.status_code == 409, path
    assert (await waiting.run())["comments"] == []


async def test_what_does_not_exist_cannot_be_spoken_of(reviewer: Reviewer) -> None:
    for path in ("turns/1/rating", "turns/99999999999999999999/rating", "events/event_x/rating"):
        answer = await reviewer.call("PUT", path, {"value": "up"})
        assert answer.status_code == 404, path


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("comments", {}),
        ("comments", {"content": " \n"}),
        ("comments", {"content": "x" * 5_001}),
        ("turns/0/comments", {"content": 7}),
        ("turns/-1/comments", GOOD),
        ("turns/one/comments", GOOD),
    ],
    ids=range(6),
)
async def test_what_is_no_comment_is_refused(reviewer: Reviewer, path: str, body: Any) -> None:
    assert (await reviewer.call("POST", path, body)).status_code == 422
    assert (await reviewer.run())["comments"] == []


async def test_a_rating_is_one_of_three(reviewer: Reviewer) -> None:
    assert (await reviewer.call("PUT", "turns/0/rating", {"value": "so so"})).status_code == 422
    await reviewer.done("POST", "comments", {"content": f" {'x' * 5_000} "})


async def test_foreign_runs_are_unknown_and_workers_may_not(
    working_api: Api, reviewer: Reviewer
) -> None:
    said = await reviewer.done("POST", "turns/0/comments", GOOD)
    ids = {
        "event": (await reviewer.event())["logical_id"],
        "comment": said["comments"][0]["logical_id"],
    }
    before = await reviewer.run()
    stranger = Reviewer(await working_api.organization(), reviewer.run_id)
    worker = await working_api.person(reviewer.platform.organization_id, "worker")

    for method, path, body in CALLS:
        foreign = await stranger.call(method, path.format(**ids), body)
        unknown = await Reviewer(stranger.platform, UNKNOWN).call(method, path.format(**ids), body)
        refused = await Reviewer(worker, reviewer.run_id).call(method, path.format(**ids), body)
        assert (foreign.status_code, foreign.json()) == (404, {"detail": "no such run"}), path
        assert (unknown.status_code, unknown.json()) == (404, {"detail": "no such run"}), path
        assert refused.status_code == 403, path
    assert await reviewer.run() == before


async def test_no_more_is_said_than_is_read(working_api: Api, reviewer: Reviewer) -> None:
    runs = working_api.database["workflow_runs"]
    await reviewer.done("PUT", "turns/0/rating", {"value": "up"})
    nearly = {"$set": {"feedback_count": MAX_FEEDBACK}}
    await runs.update_one({"organization_id": reviewer.platform.organization_id}, nearly)

    refused = await reviewer.call("POST", "comments", GOOD)
    changed = await reviewer.done("PUT", "turns/0/rating", {"value": "down"})
    await reviewer.done("DELETE", "turns/0/rating")
    taken = await reviewer.call("POST", "comments", GOOD)

    assert refused.status_code == 409
    assert [each["value"] for each in changed["ratings"]] == ["down"]
    assert taken.status_code == 200


async def test_nothing_is_left_of_a_run_that_is_deleted_meanwhile(
    working: Platform, working_api: Api
) -> None:
    workflow_id = await a_workflow(working, {"node_configs": [a_speaker("a", is_start=True)]})
    told = [await turn(working, workflow_id) for _ in range(3)]
    reviewers = [Reviewer(working, str(each["run_id"])) for each in told]
    await reviewers[0].done("POST", "comments", GOOD)

    said = [each.call("POST", "comments", GOOD) for each in reviewers for _ in range(3)]
    runs = [working.client.delete(f"/v1/workflow-runs/{each.run_id}") for each in reviewers[:2]]
    answers = await asyncio.gather(*said, *runs)
    removed = await working.client.delete(f"/v1/workflows/{workflow_id}")

    assert {each.status_code for each in answers} <= {200, 204, 404, 409}
    assert removed.status_code == 204
    assert (
        await working_api.database[RUN_FEEDBACK].count_documents(
            {"organization_id": working.organization_id}
        )
        == 0
    )
