"""Workflows as their callers see them."""

from typing import Any

from tests.support.platform import Platform

Json = dict[str, Any]


async def created(platform: Platform, document: Json, name: str = "Desk") -> Json:
    """Create a workflow with a graph, and return it."""
    answer = await platform.client.post("/v1/workflows", json={"name": name, **document})
    assert answer.status_code == 201, answer.text
    workflow: Json = answer.json()["workflow"]
    return workflow


async def hydrated(platform: Platform, workflow_id: str) -> Json:
    """Return the graph of a workflow's active version."""
    path = f"/v1/workflows/{workflow_id}"
    answer = await platform.client.get(path, params={"fully_hydrate": "true"})
    assert answer.status_code == 200, answer.text
    graph: Json = answer.json()["workflow"]["workflow_config"]
    return graph
