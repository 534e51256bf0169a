"""URLs and headers that nobody could read as they were meant."""

import pytest

from tests.fixtures.api import Api
from tests.support.platform import Platform

ID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("/api/flows?search=%ff", "query of the URL is not UTF-8"),
        ("/api/flows?search=%ed%a0%80", "query of the URL is not UTF-8"),
        ("/api/flows?search=a%00b", "query of the URL contains NUL"),
        ("/api/flows?%00=a", "query of the URL contains NUL"),
        (f"/api/flows/{ID}%ff", "path of the URL is not UTF-8"),
        (f"/api/flows/{ID}%00", "path of the URL contains NUL"),
        (f"/api/webhooks/{ID}/a%ff", "path of the URL is not UTF-8"),
        ("/api/files/content?token=%ff", "query of the URL is not UTF-8"),
    ],
)
async def test_a_url_is_text_or_refused(platform: Platform, url: str, reason: str) -> None:
    method = "POST" if "webhooks" in url else "GET"

    answer = await platform.client.request(method, url)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/api/flows/available-tags", "GET"),
        ("DELETE", "/api/flows/download-url", "POST"),
        ("PATCH", f"/api/flows/{ID}/versions/summary", "GET"),
        ("PUT", f"/api/flows/{ID}", "DELETE, GET, PATCH"),
    ],
)
async def test_a_path_has_its_own_methods_and_no_other_s(
    platform: Platform, method: str, path: str, allowed: str
) -> None:
    answer = await platform.client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "nonsense"])
async def test_a_compressed_body_is_refused(platform: Platform, encoding: str) -> None:
    answer = await platform.client.post(
        "/api/flows", content=b"{}", headers={"Content-Encoding": encoding}
    )

    assert answer.status_code == 400
    assert "Content-Encoding" in answer.json()["error"]["message"]


@pytest.mark.parametrize("host", ["evil.example/..", "a b", "[::1", "x" * 5_000, "", "ü"])
async def test_a_strange_host_breaks_nothing(platform: Platform, host: str) -> None:
    flow = await platform.flow({"tasks": []})

    answer = await platform.client.post(
        f"/api/flows/{flow['id']}/upload-url", headers=[(b"Host", host.encode("latin-1"))]
    )

    assert answer.status_code < 500


@pytest.mark.parametrize("length", [10_000, 60_000])
async def test_a_url_of_any_length_is_answered(platform: Platform, length: int) -> None:
    for url in (f"/api/flows/{'x' * length}", f"/api/flows?search={'x' * length}"):
        assert (await platform.client.get(url)).status_code in (400, 422)


@pytest.mark.parametrize("key", ["saf_" + "x" * 60_000, "saf_$gt", '{"$gt": ""}', "", "saf_\xff"])
async def test_a_strange_key_is_no_key(api: Api, key: str) -> None:
    client = await api.client()

    answer = await client.get("/api/flows", headers=[(b"X-API-Key", key.encode("latin-1"))])

    assert answer.status_code == 401
