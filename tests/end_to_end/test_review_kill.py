"""A person's work is not lost when a worker is killed meanwhile."""

from uuid import uuid4

import httpx
import jwt
import pytest

from store.clock import now
from tests.support.effect_flows import INPUT, Json, a_flow, a_note
from tests.support.eventually import eventually
from tests.support.platform_process import running_platform
from tests.support.reviewers import REVIEWS, decision

pytestmark = pytest.mark.xdist_group("kill")


def a_review(user_id: str) -> Json:
    return {
        "name": "review",
        "task_executor_name": "human_review",
        "parameters": {
            "targets": [{"task_name": "form", "is_editable": True}],
            "assigned_users": [user_id],
        },
    }


async def test_a_worker_killed_while_a_person_works_hears_of_the_decision(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    user_id = str(uuid4())
    async with running_platform(tmp_path_factory.mktemp("platform")) as processes:
        await processes.await_healthy()
        flow = a_flow(a_review(user_id), a_note("note", "review"))
        flow_id = await processes.create_flow(f"flow {uuid4()}", flow)
        execution_id = await processes.start(flow_id, INPUT)

        async def reviews() -> list[Json]:
            answer = await processes.http.get(
                f"{REVIEWS}/by-execution", params={"flow_execution_id": execution_id}
            )
            found: list[Json] = answer.json()
            return found

        (review,) = await eventually(reviews, saying="the review is there")
        claims = {
            "sub": user_id,
            "role": "worker",
            "organization_id": review["organization_id"],
            "exp": int(now().timestamp()) + 3_600,
        }
        token = jwt.encode(claims, str(processes.facts["jwt_secret"]))
        async with httpx.AsyncClient(
            base_url=processes.http.base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ) as person:
            path = f"{REVIEWS}/{review['id']}"
            assert (await person.post(f"{path}/start")).status_code == httpx.codes.OK
            killed = processes.kill("worker")
            done = await person.post(f"{path}/complete", json=decision(INPUT, result=False))

        assert done.status_code == httpx.codes.OK, done.text
        execution = await processes.finished(execution_id)
        assert execution["status"] == "completed"
        (row,) = await processes.rows(execution_id, "review")
        assert row["output"] == {**INPUT, "review_result": False}
        await processes.await_back("worker", killed)
        assert (await processes.truth())["differences"] == []
