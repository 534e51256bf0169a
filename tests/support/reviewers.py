"""People who review, and flows that wait for them."""

from dataclasses import dataclass
from typing import cast
from uuid import uuid4

import httpx
from pydantic import JsonValue

from tests.fixtures.api import Api, bearer
from tests.support.flow_builders import a_flow, task
from tests.support.platform import Execution, Json, Platform

REVIEWS = "/api/human-review-tasks"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in."""

    id: str
    client: httpx.AsyncClient

    async def does(
        self, what: str, review_id: JsonValue, body: Json | None = None
    ) -> httpx.Response:
        """Start, unstart or complete a review."""
        return await self.client.post(f"{REVIEWS}/{review_id}/{what}", json=body)

    async def did(self, what: str, review_id: JsonValue, body: Json | None = None) -> Json:
        """Do it, and return the review."""
        response = await self.does(what, review_id, body)
        assert response.status_code == 200, response.text
        return cast(Json, response.json())

    async def completes(
        self, review_id: JsonValue, *output: JsonValue, result: bool = True
    ) -> Json:
        """Begin with a review and complete it."""
        await self.did("start", review_id)
        return await self.did("complete", review_id, decision(*output, result=result))

    async def mine(self, **filters: str | int | list[str]) -> Json:
        """Return the page of reviews that the person is asked for."""
        response = await self.client.get(REVIEWS, params=filters)
        assert response.status_code == 200, response.text
        return cast(Json, response.json())


def decision(*output: JsonValue, result: bool = True) -> Json:
    """Return the body of a completion."""
    return {"review_result": result, "reviewed_output": list(output)}


async def a_person(api: Api, organization_id: str, role: str = "worker", **claims: str) -> Person:
    """Return somebody who signed in with a role."""
    user_id = str(uuid4())
    token = bearer(sub=user_id, organization_id=organization_id, role=role, **claims)
    return Person(user_id, await api.client(Authorization=f"Bearer {token}"))


async def a_group(platform: Platform, *people: Person) -> str:
    """Return the id of a new worker group with these members."""
    response = await platform.client.post(
        "/api/organizations/worker-groups",
        json={"name": f"group {uuid4()}", "member_user_ids": [person.id for person in people]},
    )
    assert response.status_code == 201, response.text
    return cast(str, response.json()["id"])


def a_review(
    targets: JsonValue, *people: Person, name: str = "review", **parameters: JsonValue
) -> Json:
    """Return a review task; targets are task names, references or whole targets."""
    found = targets if isinstance(targets, list) else [targets]
    users: list[JsonValue] = [person.id for person in people]
    return task(
        name,
        "human_review",
        {
            "targets": [
                {"task_name": each, "is_editable": True} if isinstance(each, str) else each
                for each in found
            ],
            "assigned_users": users,
            **parameters,
        },
    )


def a_source(name: str = "extract", **fields: JsonValue) -> Json:
    """Return a task whose output is this object."""
    return task(name, "format_data", {"template": fields or {"total": 10, "currency": "EUR"}})


def reviewing(*people: Person, instructions: str | None = None) -> Json:
    """Return a flow that has people look at one editable object, and reads the verdict."""
    return a_flow(
        a_source(),
        a_review("extract", *people, instructions=instructions),
        task(
            "after",
            "format_data",
            {"template": {"ok": "{{review.review_result}}", "total": "{{review.total}}"}},
        ),
    )


async def reviews_of(platform: Platform, execution: Execution) -> list[Json]:
    """Return an execution's reviews."""
    response = await platform.client.get(
        f"{REVIEWS}/by-execution", params={"flow_execution_id": execution.id}
    )
    assert response.status_code == 200, response.text
    return cast(list[Json], response.json())


async def assignments_of(platform: Platform, review_id: JsonValue, **asked: bool) -> list[Json]:
    """Return who is asked."""
    response = await platform.client.get(f"{REVIEWS}/{review_id}/assignments", params=asked)
    assert response.status_code == 200, response.text
    return cast(list[Json], response.json())
