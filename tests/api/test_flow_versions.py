"""Versions of a flow over HTTP."""

import asyncio

import pytest
from pydantic import JsonValue

from tests.support.documents import a_flow, task
from tests.support.platform import Platform

Json = dict[str, JsonValue]


async def with_versions(platform: Platform, count: int) -> str:
    """Return the path of a flow whose version n has one task ``tn``."""
    flow = await platform.flow(a_flow(task("t1")))
    path = f"/api/flows/{flow['id']}"
    for number in range(2, count + 1):
        response = await platform.client.put(
            f"{path}/definition", json={"definition": a_flow(task(f"t{number}"))}
        )
        assert response.status_code == 200, response.text
    return path


async def test_versions_are_numbered_without_gaps_and_listed_newest_first(
    platform: Platform,
) -> None:
    path = await with_versions(platform, 3)

    versions = (await platform.client.get(f"{path}/versions")).json()

    assert [version["version"] for version in versions] == [3, 2, 1]
    assert [version["is_latest"] for version in versions] == [True, False, False]
    assert [version["definition"]["tasks"][1]["name"] for version in versions] == ["t3", "t2", "t1"]


async def test_a_version_never_changes(platform: Platform) -> None:
    path = await with_versions(platform, 1)
    first = (await platform.client.get(f"{path}/versions/1")).json()

    await platform.client.put(f"{path}/definition", json={"definition": a_flow(task("other"))})

    again = (await platform.client.get(f"{path}/versions/1")).json()
    assert again["definition"] == first["definition"]
    assert (first["is_latest"], again["is_latest"]) == (True, False)


@pytest.mark.parametrize("version", [0, -1, 4, 10**9, 10**30])
@pytest.mark.parametrize(
    ("method", "suffix"), [("GET", ""), ("PATCH", ""), ("POST", "/restore"), ("GET", "/summary")]
)
async def test_a_version_that_does_not_exist_is_404(
    platform: Platform, version: int, method: str, suffix: str
) -> None:
    path = await with_versions(platform, 1)
    body = {"is_favourite": True} if method == "PATCH" else None

    response = await platform.client.request(
        method, f"{path}/versions/{version}{suffix}", json=body
    )

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_a_version_that_is_no_number_is_422(platform: Platform) -> None:
    path = await with_versions(platform, 1)

    response = await platform.client.get(f"{path}/versions/first")

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["path", "version"]


async def test_a_version_can_be_named_and_marked(platform: Platform) -> None:
    path = await with_versions(platform, 2)

    named = await platform.client.patch(f"{path}/versions/1", json={"name": "before the move"})
    marked = await platform.client.patch(f"{path}/versions/1", json={"is_favourite": True})
    cleared = await platform.client.patch(f"{path}/versions/1", json={"name": None})

    assert (named.json()["name"], named.json()["is_favourite"]) == ("before the move", False)
    assert (marked.json()["name"], marked.json()["is_favourite"]) == ("before the move", True)
    assert (cleared.json()["name"], cleared.json()["is_favourite"]) == (None, True)


async def test_summaries_are_paged_searched_and_narrowed_to_favourites(platform: Platform) -> None:
    path = await with_versions(platform, 5)
    for number, name in ((1, "Alpha"), (3, "beta"), (4, "alphabet")):
        await platform.client.patch(f"{path}/versions/{number}", json={"name": name})
    await platform.client.patch(f"{path}/versions/3", json={"is_favourite": True})

    async def numbers(**parameters: str | int | bool) -> tuple[list[int], int]:
        response = await platform.client.get(f"{path}/versions/summary", params=parameters)
        page = response.json()
        return [version["version"] for version in page["versions"]], page["total"]

    assert await numbers() == ([5, 4, 3, 2, 1], 5)
    assert await numbers(page=2, page_size=2) == ([3, 2], 5)
    assert await numbers(page=9, page_size=2) == ([], 5)
    assert await numbers(search="ALPHA") == ([4, 1], 2)
    assert await numbers(favourites_only=True) == ([3], 1)
    assert await numbers(favourites_only=True, search="alpha") == ([], 0)


async def test_restoring_copies_an_earlier_version_into_the_next(platform: Platform) -> None:
    path = await with_versions(platform, 2)

    restored = await platform.client.post(f"{path}/versions/1/restore")
    latest = await platform.client.post(f"{path}/versions/3/restore")

    assert restored.status_code == 200
    assert restored.json()["version"] == 3
    assert restored.json()["definition"] == a_flow(task("t1"))
    assert (latest.status_code, latest.json()["error"]["code"]) == (400, "bad_request")


async def test_nothing_is_restored_into_a_published_flow(platform: Platform) -> None:
    path = await with_versions(platform, 2)
    await platform.client.patch(path, json={"status": "published"})

    response = await platform.client.post(f"{path}/versions/1/restore")

    assert response.status_code == 400
    assert (await platform.client.get(path)).json()["version"] == 2


async def test_versions_stored_at_once_get_numbers_of_their_own(platform: Platform) -> None:
    path = await with_versions(platform, 1)

    answers = await asyncio.gather(
        *(
            platform.client.put(f"{path}/definition", json={"definition": a_flow(task(f"r{n}"))})
            for n in range(6)
        )
    )

    stored = [answer.json()["version"] for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert sorted(stored) == list(range(2, 2 + len(stored)))
    assert len((await platform.client.get(f"{path}/versions")).json()) == 1 + len(stored)


async def test_a_version_tells_what_its_executions_yielded(
    working: Platform,
) -> None:
    execution = await working.completed(a_flow(task("a")), {"text": "hello"})
    shown = await execution.shown()
    path = f"/api/flows/{shown['flow_id']}"
    await working.client.put(f"{path}/definition", json={"definition": a_flow(task("b"))})

    first = (await working.client.get(f"{path}/versions/1/summary")).json()
    second = (await working.client.get(f"{path}/versions/2/summary")).json()

    row = next(row for row in first if row["task_name"] == "a")
    assert row["summary"] == {"value": {"text": "hello"}}
    assert (row["status"], row["flow_version"]) == ("completed", 1)
    assert "output" not in row
    assert second == []
