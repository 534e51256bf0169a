"""Runs that begin in the middle of another, on a worker and over real sockets."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from store.clock import now
from store.collections import RERUN_TOKENS
from tests.api.test_workflow_runs import a_word, a_workflow, contents, turn
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.interactive import a_desk
from tests.support.platform import Platform
from tests.support.served import served
from tests.support.talking import key_of, says, talking

UNKNOWN = "0" * 24
CALLS: list[tuple[str, str, Any]] = [
    ("GET", "rerunnable-turns", None),
    ("POST", "turns/1/rerun-preflight", {}),
    ("POST", "turns/1/rerun-token", {}),
    ("GET", "turns/1/rerun-token/{token}", None),
    ("PATCH", "turns/1/rerun-token/{token}", {}),
    ("POST", "turns/1/rerun", {}),
]


class Talk:
    """A conversation of three turns, the last of which ended it."""

    def __init__(self, platform: Platform, workflow_id: str, run_id: str) -> None:
        self.platform = platform
        self.workflow_id = workflow_id
        self.run_id = run_id

    async def call(self, method: str, path: str, body: Any = None, **more: str) -> httpx.Response:
        path = f"/v1/workflow-runs/{self.run_id}/{path}"
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        return await self.platform.client.request(method, path, json=body, headers=headers)

    async def told(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.call(method, path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def run(self, run_id: str) -> Any:
        answer = await self.platform.client.get(f"/v1/workflow-runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()["workflow_run"]["workflow_run"]

    async def settled(self, run_id: str) -> Any:
        """Return a run's state once a turn of it has been told."""

        async def has_turn() -> bool:
            return bool((await self.run(run_id))["input_output_pairs"])

        await eventually(has_turn, saying="the first turn is over")
        return await self.run(run_id)

    async def version(self, graph: Any) -> int:
        """Give the workflow another version, which is not active; return its number."""
        path = f"/v1/workflows/{self.workflow_id}/versions"
        made = (await self.platform.client.post(path, json={})).json()["version"]
        number = int(made["version_number"])
        put = {"config": graph}
        answer = await self.platform.client.patch(f"{path}/{number}/config", json=put)
        assert answer.status_code == 200, answer.text
        return number


@pytest.fixture
async def talk(working: Platform) -> Talk:
    workflow_id = await a_workflow(working, a_desk())
    first = await turn(working, workflow_id, {"dynamic_variables": {"customer": "Ada"}})
    run_id = str(first["run_id"])
    await turn(working, workflow_id, a_word("hello", note="kept"), run_id=run_id)
    await turn(working, workflow_id, a_word("bye", choice="finish"), run_id=run_id)
    return Talk(working, workflow_id, run_id)


@pytest.fixture(scope="module")
async def url(working_api: Api) -> AsyncIterator[str]:
    async with served(working_api.app) as url:
        yield url


def pairs_said(state: Any) -> list[Any]:
    events: list[Any] = []
    for pair in state["input_output_pairs"]:
        events += pair["run_output"]["events"]
    return contents({"events": events})


async def test_a_turn_is_repeated_as_the_run_stood_before_it(talk: Talk) -> None:
    started = await talk.told("POST", "turns/2/rerun", status=202)
    run_id = started["workflow_run_id"]
    state = await talk.settled(run_id)
    turns = await talk.told("GET", "rerunnable-turns")
    query = {"source_workflow_run_id": talk.run_id, "source_turn_index": "2"}
    listed = await talk.platform.client.get("/v1/workflow-runs", params=query)

    assert {**started, "workflow_run_id": ""} == {
        "workflow_run_id": "",
        "status": "started",
        "resolved_mode": "EXACT",
    }
    assert run_id != talk.run_id
    assert (state["status"], pairs_said(state)) == ("completed", ["(noted)", "Bye Ada"])
    assert state["source_workflow_run_id"] == talk.run_id
    assert state["checkpoint_source_turn_index"] == 2
    events = state["input_output_pairs"][0]["run_output"]["events"]
    shown = next(each for each in events if each["type"] == "workflow_show_state")
    assert shown["runtime_variables"]["note"] == "kept"
    assert [each["rerun_count"] for each in turns["turns"]] == [0, 0, 1]
    assert all(each["rerunnable"] and each["reason"] is None for each in turns["turns"])
    assert [each["_id"] for each in listed.json()["workflow_runs"]] == [run_id]


async def test_a_repeated_run_goes_on_and_can_be_repeated_itself(talk: Talk) -> None:
    body = {"runtime_variables": {"choice": "stay"}}
    run_id = (await talk.told("POST", "turns/2/rerun", body, 202))["workflow_run_id"]
    state = await talk.settled(run_id)
    again = await turn(
        talk.platform, talk.workflow_id, a_word("well", choice="finish"), run_id=run_id
    )
    repeated = Talk(talk.platform, talk.workflow_id, run_id)
    third = (await repeated.told("POST", "turns/1/rerun", status=202))["workflow_run_id"]

    assert (state["status"], again["status"]) == ("waiting_for_user_input", "completed")
    assert again["turn_number"] == 4
    assert contents(again) == ["(noted)", "Bye Ada"]
    assert pairs_said(await repeated.settled(third)) == ["(noted)", "Bye Ada"]


async def test_a_key_leads_to_the_same_run(talk: Talk) -> None:
    first = await talk.call("POST", "turns/2/rerun", {}, idempotency_key="once")
    second = await talk.call("POST", "turns/2/rerun", {}, idempotency_key="once")
    other = await talk.call("POST", "turns/1/rerun", {}, idempotency_key="once")
    changed = {"runtime_variables": {"a": 1}}
    differs = await talk.call("POST", "turns/2/rerun", changed, idempotency_key="once")

    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert (other.status_code, differs.status_code) == (409, 409)
    turns = await talk.told("GET", "rerunnable-turns")
    assert [each["rerun_count"] for each in turns["turns"]] == [0, 0, 1]


async def test_a_preflight_says_what_fits_another_version_and_changes_nothing(talk: Talk) -> None:
    exact = await talk.told("POST", "turns/2/rerun-preflight")
    renamed: Any = a_desk(logical_id="node_front")
    renamed["edge_configs"][0]["source_node_logical_id"] = "node_front"
    moved = {"version_number": await talk.version(renamed)}
    remapped = await talk.told("POST", "turns/2/rerun-preflight", moved)
    elsewhere: Any = a_desk(logical_id="node_front", name="Front")
    elsewhere["edge_configs"] = []
    gone = {"version_number": await talk.version(elsewhere)}
    portable = await talk.told("POST", "turns/2/rerun-preflight", gone)

    assert exact["resolved_mode"] == "EXACT"
    assert exact["rerunnable"]
    assert "messages" in exact["carries_over"]
    assert remapped["resolved_mode"] == "REMAPPED"
    assert remapped["node_matches"] == [
        {
            "source_node_logical_id": "node_desk",
            "source_node_name": "Desk",
            "target_node_logical_id": "node_front",
            "matched_by": "name",
        }
    ]
    assert portable["resolved_mode"] == "PORTABLE"
    assert portable["unmapped_node_ids"] == ["node_desk"]
    assert portable["suggested_entry_nodes"][0]["logical_id"] == "node_front"
    assert portable["warnings"]
    assert (await talk.told("GET", "rerunnable-turns"))["turns"][2]["rerun_count"] == 0


async def test_a_turn_is_repeated_in_another_version_from_a_chosen_node(talk: Talk) -> None:
    changed: Any = a_desk()
    texts = {"static_messages": ["So long, {{customer}}: [[note]]"]}
    changed["node_configs"][1]["static_messages_config"] = texts
    body = {"version_number": await talk.version(changed), "entry_node_logical_id": "node_bye"}

    started = await talk.told("POST", "turns/2/rerun", body, 202)

    state = await talk.settled(started["workflow_run_id"])
    assert started["resolved_mode"] == "PORTABLE"
    assert (state["version_number"], pairs_said(state)) == (1, ["So long, Ada: kept"])


async def test_a_token_begins_one_run_over_a_socket(talk: Talk, url: str) -> None:
    token = (await talk.told("POST", "turns/1/rerun-token"))["rerun_token"]

    async with talking(url, key_of(talk.platform)) as talker:
        await talker.say({**says("I am back"), "command": "start", "rerun_token": token})
        acknowledged = await talker.frame()
        await talker.turn()
        await talker.say(says("bye", runtime_variables={"choice": "finish"}))
        ended = await talker.end()
    async with talking(url, key_of(talk.platform)) as late:
        await late.say({"workflow_id": talk.workflow_id, "rerun_token": token})
        refused = await late.end()

    assert acknowledged["workflow_id"] == talk.workflow_id
    assert (ended.code, ended.reason) == (1000, "completed")
    state = await talk.run(acknowledged["workflow_run_id"])
    assert state["source_workflow_run_id"] == talk.run_id
    assert pairs_said(state) == ["(noted)", "(noted)", "Bye Ada"]
    assert refused.code == 4007


async def test_a_token_can_be_looked_at_and_changed(talk: Talk) -> None:
    issued = await talk.told("POST", "turns/2/rerun-token")
    path = f"turns/2/rerun-token/{issued['rerun_token']}"
    entry = {"entry_node_logical_id": "node_bye"}

    amended = await talk.told("PATCH", path, entry)
    looked = await talk.told("GET", path)
    refused = await talk.call("PATCH", path, {"entry_node_logical_id": "nowhere"})
    back = await talk.told("PATCH", path, {"entry_node_logical_id": None})

    assert (issued["resolved_mode"], issued["restored_message_count"]) == ("EXACT", 2)
    assert 0 < issued["expires_in_seconds"] <= 900
    assert (amended["resolved_mode"], amended["entry_node_logical_id"]) == ("PORTABLE", "node_bye")
    assert looked["resolved_mode"] == "PORTABLE"
    assert looked["expires_in_seconds"] <= issued["expires_in_seconds"]
    assert refused.status_code == 400
    assert back["resolved_mode"] == "EXACT"


async def test_a_token_of_something_else_is_refused_and_not_used_up(
    talk: Talk, working_api: Api, url: str
) -> None:
    token = (await talk.told("POST", "turns/2/rerun-token"))["rerun_token"]
    stranger = await working_api.organization()
    frames: list[tuple[Platform, Any]] = [
        (talk.platform, {"workflow_id": UNKNOWN}),
        (talk.platform, {"workflow_id": talk.workflow_id, "version_number": 7}),
        (talk.platform, {"workflow_run_id": talk.run_id}),
        (stranger, {"workflow_id": talk.workflow_id}),
    ]

    codes = []
    for platform, frame in frames:
        async with talking(url, key_of(platform)) as talker:
            await talker.say({**frame, "rerun_token": token})
            codes.append((await talker.end()).code)
    elsewhere = await talk.call("GET", f"turns/1/rerun-token/{token}")

    assert codes == [4007] * 4
    assert elsewhere.status_code == 404
    assert (await talk.call("GET", f"turns/2/rerun-token/{token}")).status_code == 200


async def test_a_token_expires(talk: Talk, working_api: Api, url: str) -> None:
    token = (await talk.told("POST", "turns/2/rerun-token"))["rerun_token"]
    past = {"$set": {"expires_at": now() - timedelta(seconds=1)}}
    await working_api.database[RERUN_TOKENS].update_many({"run_id": talk.run_id}, past)

    looked = await talk.call("GET", f"turns/2/rerun-token/{token}")
    async with talking(url, key_of(talk.platform)) as talker:
        await talker.say({"workflow_id": talk.workflow_id, "rerun_token": token})
        ended = await talker.end()

    assert (looked.status_code, looked.json()) == (404, {"detail": "the rerun_token is not known"})
    assert ended.code == 4007


async def test_what_cannot_be_repeated_is_refused(talk: Talk) -> None:
    tries: list[tuple[str, Any, int]] = [
        ("turns/3/rerun", {}, 404),
        ("turns/99999999999999999999/rerun", {}, 404),
        ("turns/2/rerun", {"version_number": 7}, 404),
        ("turns/2/rerun", {"entry_node_logical_id": "nowhere"}, 400),
        ("turns/2/rerun", {"version_number": -1}, 422),
        ("turns/-1/rerun", {}, 422),
    ]

    for path, body, status in tries:
        assert (await talk.call("POST", path, body)).status_code == status, (path, body)
    counts = (await talk.told("GET", "rerunnable-turns"))["turns"]
    assert [each["rerun_count"] for each in counts] == [0, 0, 0]


async def test_a_rerun_counts_among_the_runs_that_may_be_open(talk: Talk) -> None:
    path = f"/v1/workflows/{talk.workflow_id}/concurrency"
    await talk.platform.client.patch(path, json={"max_concurrent_runs": 1})
    first = await talk.call("POST", "turns/1/rerun")
    second = await talk.call("POST", "turns/1/rerun")

    assert (first.status_code, second.status_code) == (202, 429)
    assert "Retry-After" in second.headers


async def test_foreign_runs_are_unknown_and_workers_may_not(talk: Talk, working_api: Api) -> None:
    token = (await talk.told("POST", "turns/1/rerun-token"))["rerun_token"]
    stranger = await working_api.organization()
    worker = await working_api.person(talk.platform.organization_id, "worker")

    for method, path, body in CALLS:
        path = path.format(token=token)
        foreign = await Talk(stranger, "", talk.run_id).call(method, path, body)
        unknown = await Talk(stranger, "", UNKNOWN).call(method, path, body)
        refused = await Talk(worker, "", talk.run_id).call(method, path, body)
        assert (foreign.status_code, foreign.json()) == (404, {"detail": "no such run"}), path
        assert (unknown.status_code, unknown.json()) == (404, {"detail": "no such run"}), path
        assert refused.status_code == 403, path
    assert (await talk.told("GET", "rerunnable-turns"))["turns"][1]["rerun_count"] == 0
