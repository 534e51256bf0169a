"""The language models that tasks may name."""

from temporalio.client import Client

from tests.fixtures.api import ready_api, settings_for
from tests.support.platform import Platform


async def test_the_configured_models_are_listed_with_the_default_first(
    temporal_address: str, temporal_client: Client, mongo_uri: str
) -> None:
    settings = settings_for(
        temporal_address,
        mongo_uri,
        llm_base_url="https://models.example/v1",
        llm_models=("small", "large"),
    )
    async with ready_api(settings, temporal_client) as running:
        platform = await running.organization()
        response = await platform.client.get("/api/models")

    assert response.status_code == 200
    assert response.json() == [
        {"name": "small", "is_default": True},
        {"name": "large", "is_default": False},
    ]


async def test_without_an_endpoint_there_are_no_models(platform: Platform) -> None:
    response = await platform.client.get("/api/models")

    assert (response.status_code, response.json()) == (200, [])
