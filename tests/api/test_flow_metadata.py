"""Run metadata: what stands in ``input.metadata``, counted by key and by value."""

from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.documents import a_flow
from tests.support.platform import Execution, Platform

Json = dict[str, JsonValue]

START: Json = {"name": "start", "task_executor_name": "custom_form_input"}


class Counted:
    """A flow whose input has room for metadata."""

    def __init__(self, platform: Platform, flow: Json) -> None:
        """Keep both."""
        self.platform, self.flow_id = platform, str(flow["id"])

    async def run(self, **metadata: JsonValue) -> Execution:
        """Create an execution with these metadata."""
        input: Json = {"filename": "a", "mime_type": "text/plain", "document_url": "http://x/a"}
        return await self.platform.started(self.flow_id, {**input, "metadata": metadata})

    async def keys(self, **parameters: str | int) -> list[tuple[str, int]]:
        """Return keys and counts."""
        return await self._get("keys", "key", parameters)

    async def values(self, key: str, **parameters: str | int) -> list[tuple[str, int]]:
        """Return values of a key and counts."""
        return await self._get("values", "value", {"key": key, **parameters})

    async def _get(
        self, what: str, name: str, parameters: dict[str, str | int]
    ) -> list[tuple[str, int]]:
        response = await self.platform.client.get(
            f"/api/flows/{self.flow_id}/metadata/{what}", params=parameters
        )
        assert response.status_code == 200, response.text
        return [(each[name], each["count"]) for each in response.json()]


@pytest.fixture
async def counted(platform: Platform) -> Counted:
    return Counted(platform, await platform.flow({"tasks": [START]}))


async def test_keys_are_counted_by_execution_newest_first(counted: Counted) -> None:
    await counted.run(color="red", size=1)
    await counted.run(color="blue")
    await counted.run(Weight=None)

    assert (await counted.keys())[0] == ("Weight", 1)
    assert set(await counted.keys()) == {("color", 2), ("size", 1), ("Weight", 1)}
    assert (await counted.keys(order_direction="asc"))[-1] == ("Weight", 1)
    assert await counted.keys(key_like="EIGH") == [("Weight", 1)]
    assert await counted.keys(key_like=".*") == []
    assert len(await counted.keys(limit=2)) == 2


async def test_values_are_text_and_keys_are_found_in_any_case(counted: Counted) -> None:
    await counted.run(color="red", Color="red")
    await counted.run(COLOR="blue")
    await counted.run(color=["a", 1])
    await counted.run(color=True)

    assert dict(await counted.values("cOlOr")) == {"red": 1, "blue": 1, '["a",1]': 1, "true": 1}
    assert await counted.values("color", value_like="RE") == [("red", 1)]
    assert await counted.values("size") == []


async def test_deleted_executions_do_not_count(counted: Counted) -> None:
    first = await counted.run(color="red")
    await counted.run(color="red", size="s")

    await counted.platform.client.delete(first.path)
    await counted.platform.client.delete(first.path)

    assert dict(await counted.keys()) == {"color": 1, "size": 1}
    assert await counted.values("color") == [("red", 1)]


async def test_input_without_metadata_counts_nowhere(counted: Counted) -> None:
    await counted.run()
    await counted.run(**{"long": "x" * 501, "y" * 501: "z"})

    assert await counted.keys() == []


@pytest.mark.parametrize("path", ["tags", "metadata/keys", "metadata/values?key=k"])
async def test_words_belong_to_a_flow_of_the_organization(
    platform: Platform, stranger: Platform, path: str
) -> None:
    flow = await platform.flow(a_flow())

    for client, flow_id, status in (
        (platform.client, flow["id"], 200),
        (stranger.client, flow["id"], 403),
        (platform.client, uuid4(), 404),
        (platform.client, "x", 422),
    ):
        response = await client.get(f"/api/flows/{flow_id}/{path}")
        assert response.status_code == status


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "order_by=count", "order_direction=up", "key_like=" + "x" * 1001],
)
async def test_parameters_out_of_range_are_refused(platform: Platform, query: str) -> None:
    flow = await platform.flow(a_flow())

    response = await platform.client.get(f"/api/flows/{flow['id']}/metadata/keys?{query}")

    assert response.status_code == (400 if "like" in query else 422)
