"""Files: announced, uploaded once by link, listed, and downloaded by link."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import JsonValue

from api.intake import MAX_FILE_BYTES
from operations.file_links import FileLinks, Link
from store.collections import FILE_CONTENTS
from tests.fixtures.api import JWT_SECRET, Api
from tests.support.platform import Platform
from tests.support.uploads import Folder, a_folder

CONTENT = bytes(range(256)) * 8_192 + b"the end"


@pytest.fixture
async def folder(platform: Platform) -> Folder:
    return await a_folder(platform)


@pytest.fixture
async def anybody(api: Api) -> httpx.AsyncClient:
    """A client without a credential."""
    return await api.client()


def token_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


def a_link(platform: Platform, key: str, direction: str, until: datetime) -> str:
    token = FileLinks.of((), JWT_SECRET).sign(
        "upload" if direction == "upload" else "download",
        Link(platform.organization_id, key),
        until,
    )
    return f"/api/files/content?token={token}"


async def leftovers(api: Api, folder: Folder) -> int:
    """Return how many pieces of content are stored for uploads that are no file yet."""
    noted = await api.database["files"].find({"flow_id": folder.flow_id}).to_list(length=None)
    ids = [content_id for document in noted for content_id in document["uploads"]]
    chunks = api.database[f"{FILE_CONTENTS}.chunks"]
    return len(ids) + int(await chunks.count_documents({"files_id": {"$in": ids}}))


async def test_what_is_uploaded_is_what_is_downloaded(
    folder: Folder, anybody: httpx.AsyncClient
) -> None:
    url, key = await folder.announced(content_type="application/pdf", filename="Größe 1.pdf")

    answer = await anybody.put(url, content=CONTENT)

    digest = hashlib.sha256(CONTENT).hexdigest()
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{digest}"'
    (shown,) = await folder.files()
    assert shown == answer.json()
    assert {**shown, "created_at": ""} == {
        "file_key": key,
        "filename": "Größe 1.pdf",
        "content_type": "application/pdf",
        "size": len(CONTENT),
        "created_at": "",
        "metadata": {"sha256": digest},
    }
    got = await anybody.get(await folder.link(key))
    assert got.status_code == 200
    assert got.content == CONTENT
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-length"] == str(len(CONTENT))
    assert got.headers["etag"] == f'"{digest}"'
    assert got.headers["content-disposition"] == (
        "attachment; filename=\"Gr__e 1.pdf\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.pdf"
    )
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("content", [b"", b"x", bytes(1024 * 1024), bytes(1024 * 1024 + 1)])
async def test_every_length_comes_back(folder: Folder, content: bytes) -> None:
    key = await folder.stored(content)

    assert (await folder.client.get(await folder.link(key))).content == content


async def test_an_upload_in_pieces_of_unknown_length_is_stored(folder: Folder) -> None:
    url, key = await folder.announced()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), 100_003):
            yield CONTENT[start : start + 100_003]

    answer = await folder.client.put(url, content=pieces())

    assert answer.status_code == 200
    assert (await folder.client.get(await folder.link(key))).content == CONTENT


async def test_an_upload_url_serves_once(folder: Folder, anybody: httpx.AsyncClient) -> None:
    url, key = await folder.announced()
    await anybody.put(url, content=b"first")

    again = await anybody.put(url, content=b"second")

    assert again.status_code == 409
    assert (await anybody.get(await folder.link(key))).content == b"first"


async def test_of_uploads_at_the_same_moment_one_becomes_the_file(
    api: Api, folder: Folder, anybody: httpx.AsyncClient
) -> None:
    url, key = await folder.announced()
    began, gone = asyncio.Barrier(5), asyncio.Barrier(5)

    async def slowly(number: int) -> AsyncIterator[bytes]:
        await began.wait()
        yield bytes([number]) * 2_000_000
        await gone.wait()

    answers = await asyncio.gather(
        *(anybody.put(url, content=slowly(number)) for number in range(5))
    )

    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200, 409, 409, 409, 409]
    winner = statuses.index(200)
    assert (await anybody.get(await folder.link(key))).content == bytes([winner]) * 2_000_000
    assert len(await folder.files()) == 1
    assert await leftovers(api, folder) == 0


async def test_an_upload_that_breaks_off_leaves_nothing_and_may_be_repeated(
    api: Api, folder: Folder
) -> None:
    url, key = await folder.announced()
    messages = [{"type": "http.request", "body": CONTENT, "more_body": True}]
    said: list[int] = []

    async def receive() -> dict[str, object]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        said.append(int(str(message.get("status", 0))))

    scope = {
        "type": "http",
        "method": "PUT",
        "path": "/api/files/content",
        "raw_path": b"/api/files/content",
        "query_string": f"token={token_of(url)}".encode(),
        "headers": [],
        "state": {},
    }
    await api.app(scope, receive, send)  # type: ignore[arg-type]  # a client that goes away

    assert said == []
    assert await leftovers(api, folder) == 0
    assert await folder.files() == []
    refused = await folder.client.post("/api/flows/download-url", json={"file_key": key})
    assert refused.status_code == 404
    assert (await folder.client.put(url, content=b"again")).status_code == 200


async def test_a_file_that_is_too_long_is_refused_while_it_is_sent(
    api: Api, folder: Folder
) -> None:
    url, _ = await folder.announced()
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent <= 2 * MAX_FILE_BYTES:
            sent += 1024 * 1024
            yield bytes(1024 * 1024)

    answer = await folder.client.put(url, content=endless())

    assert answer.status_code == 413
    assert MAX_FILE_BYTES < sent <= MAX_FILE_BYTES + 2 * 1024 * 1024
    assert await leftovers(api, folder) == 0
    assert await folder.files() == []


async def test_a_length_beyond_the_limit_is_refused_unread(folder: Folder) -> None:
    url, _ = await folder.announced()

    asked: list[bool] = []

    async def noticing() -> AsyncIterator[bytes]:
        asked.append(True)
        yield b""

    answer = await folder.client.put(
        url, content=noticing(), headers={"Content-Length": str(MAX_FILE_BYTES + 1)}
    )

    assert answer.status_code == 413
    assert not asked


@pytest.mark.parametrize("spoil", ["signature", "claims", "nothing of it", "other key", "empty"])
async def test_a_url_that_was_changed_is_refused(
    folder: Folder, anybody: httpx.AsyncClient, spoil: str
) -> None:
    url, key = await folder.announced()
    token = token_of(url)
    head, claims, signature = token.split(".")
    other = token_of(await folder.link(await folder.stored(b"x")))
    tokens = {
        "signature": f"{head}.{claims}.{signature[::-1]}",
        "claims": f"{head}.{other.split('.')[1]}.{signature}",
        "nothing of it": "x",
        "other key": token_of(
            "?token="
            + FileLinks.of((), "another").sign(
                "upload",
                Link(folder.platform.organization_id, key),
                datetime.now(UTC) + timedelta(hours=1),
            )
        ),
        "empty": "",
    }

    for method in ("PUT", "GET"):
        answer = await anybody.request(
            method, "/api/files/content", params={"token": tokens[spoil]}
        )
        assert answer.status_code == (422 if spoil == "empty" else 403)
    assert [shown["size"] for shown in await folder.files()] == [1]


async def test_a_token_without_a_signature_is_refused(
    folder: Folder, anybody: httpx.AsyncClient
) -> None:
    """``{"alg":"none"}``, and the claims of a genuine token."""
    claims = token_of((await folder.announced())[0]).split(".")[1]

    answer = await anybody.put(
        "/api/files/content", params={"token": f"eyJhbGciOiJub25lIn0.{claims}."}, content=b"x"
    )

    assert answer.status_code == 403


async def test_a_url_works_in_its_own_direction_only(
    folder: Folder, anybody: httpx.AsyncClient
) -> None:
    upload, _ = await folder.announced()
    download = await folder.link(await folder.stored(b"x"))

    assert (await anybody.get(upload)).status_code == 403
    assert (await anybody.put(download, content=b"y")).status_code == 403


async def test_the_token_of_a_url_is_no_credential(folder: Folder, api: Api) -> None:
    token = token_of((await folder.announced())[0])

    client = await api.client(Authorization=f"Bearer {token}")

    assert (await client.get("/api/flows")).status_code == 401


async def test_an_expired_url_is_refused(folder: Folder, anybody: httpx.AsyncClient) -> None:
    _, pending = await folder.announced()
    key = await folder.stored(b"x")
    past = datetime.now(UTC) - timedelta(seconds=2)

    put = await anybody.put(a_link(folder.platform, pending, "upload", past), content=b"y")
    got = await anybody.get(a_link(folder.platform, key, "download", past))

    assert [answer.status_code for answer in (put, got)] == [403, 403]
    assert "expired" in put.json()["error"]["message"]


async def test_a_url_holds_for_an_hour(folder: Folder) -> None:
    path = f"/api/flows/{folder.flow_id}/upload-url"
    answer = (await folder.client.post(path)).json()

    left = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)

    assert timedelta(minutes=59) < left <= timedelta(hours=1)


async def test_another_organization_sees_nothing(folder: Folder, stranger: Platform) -> None:
    key = await folder.stored(b"secret")
    flow = f"/api/flows/{folder.flow_id}"
    client = stranger.client

    answers = [
        await client.post(f"{flow}/upload-url"),
        await client.get(f"{flow}/files"),
        await client.post("/api/flows/download-url", json={"file_key": key}),
        await client.post("/api/files/resolve", json={"uri": f"file:{key}"}),
        await client.get("/api/files/download", params={"uri": key}),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5


async def test_a_key_is_compared_and_never_interpreted(folder: Folder) -> None:
    await folder.stored(b"x")

    for key in ('{"$gt": ""}', ".*", "x" * 255):
        answer = await folder.client.post("/api/flows/download-url", json={"file_key": key})
        assert answer.status_code == 404
    values: list[JsonValue] = [{"$gt": ""}, [], 1, None, ""]
    for value in values:
        answer = await folder.client.post("/api/flows/download-url", json={"file_key": value})
        assert answer.status_code == 422


async def test_of_a_deleted_flow_files_remain_and_no_more_come(folder: Folder, api: Api) -> None:
    key = await folder.stored(b"kept")
    url, _ = await folder.announced()
    await folder.client.delete(f"/api/flows/{folder.flow_id}")

    late = await folder.client.put(url, content=b"late")

    assert late.status_code == 404
    assert await leftovers(api, folder) == 0
    flow = f"/api/flows/{folder.flow_id}"
    assert (await folder.client.post(f"{flow}/upload-url")).status_code == 404
    assert (await folder.client.get(f"{flow}/files")).status_code == 404
    assert (await folder.client.get(await folder.link(key))).content == b"kept"


async def test_a_uri_resolves_to_a_url(folder: Folder, anybody: httpx.AsyncClient) -> None:
    key = await folder.stored(b"x")

    resolved = await folder.client.post("/api/files/resolve", json={"uri": f"file:{key}"})
    shown = await folder.client.get(
        "/api/files/download", params={"uri": f"file:{key}", "redirect": "false"}
    )
    sent_on = await folder.client.get("/api/files/download", params={"uri": key})

    assert resolved.json()["expires_in_seconds"] == 3_600
    assert sent_on.status_code == 302
    urls = resolved.json()["download_url"], shown.json()["download_url"]
    for url in (*urls, sent_on.headers["location"]):
        assert (await anybody.get(url)).content == b"x"


@pytest.mark.parametrize(
    "uri", ["", "https://example.org/x", "file:", "file:///etc/passwd", "s3:x"]
)
async def test_a_uri_of_something_else_is_refused(folder: Folder, uri: str) -> None:
    answer = await folder.client.post("/api/files/resolve", json={"uri": uri})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "name",
    [
        '"; filename=evil.exe',
        "a\\b/c.pdf",
        "../../etc/passwd",
        "日本語.pdf",
        "x" * 255,
        "%0d%0aX: y",
    ],
)
async def test_a_filename_is_kept_and_breaks_no_header(folder: Folder, name: str) -> None:
    key = await folder.stored(b"x", filename=name)

    got = await folder.client.get(await folder.link(key))

    assert (await folder.files())[0]["filename"] == name
    disposition = got.headers["content-disposition"]
    assert disposition.startswith("attachment; filename=")
    quoted = disposition.split('"')
    assert len(quoted) == 3
    assert not set(quoted[1]) & set('\\/"')


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"filename": "a\r\nX-Evil: 1"}, "control"),
        ({"filename": ""}, "empty"),
        ({"filename": "x" * 256}, "longer"),
        ({"content_type": "text/html\r\nX-Evil: 1"}, "media type"),
        ({"content_type": "pdf"}, "media type"),
        ({"content_type": ""}, "media type"),
        ({"content_type": "a/" + "b" * 300}, "media type"),
        ({"content_type": "text/plain; charset=ü"}, "media type"),
    ],
)
async def test_what_cannot_be_a_name_or_a_type_is_refused(
    folder: Folder, parameters: dict[str, str], reason: str
) -> None:
    path = f"/api/flows/{folder.flow_id}/upload-url"

    answer = await folder.client.post(path, params=parameters)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("announced", "sent", "shown"),
    [
        ("text/csv", "application/pdf", "text/csv"),
        ('text/plain; charset="utf-8"', None, 'text/plain; charset="utf-8"'),
        (None, "application/pdf", "application/pdf"),
        (None, "application/x-www-form-urlencoded", "application/octet-stream"),
        (None, "nonsense", "application/octet-stream"),
        (None, None, "application/octet-stream"),
    ],
)
async def test_the_content_type_is_the_announced_one_else_the_upload_s(
    folder: Folder, announced: str | None, sent: str | None, shown: str
) -> None:
    url, key = await folder.announced(**({"content_type": announced} if announced else {}))
    await folder.client.put(url, content=b"x", headers={"Content-Type": sent} if sent else {})

    got = await folder.client.get(await folder.link(key))

    assert (await folder.files())[0]["content_type"] == shown
    assert got.headers["content-type"] == shown


@pytest.mark.parametrize(
    ("wanted", "status", "content", "place"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-900", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-900", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
    ],
)
async def test_a_part_can_be_asked_for(
    folder: Folder, wanted: str, status: int, content: bytes | None, place: str | None
) -> None:
    url = await folder.link(await folder.stored(b"0123456789"))

    got = await folder.client.get(url, headers={"Range": wanted})

    assert got.status_code == status
    assert got.headers.get("content-range") == place
    assert content is None or got.content == content


async def test_a_part_may_span_chunks(folder: Folder) -> None:
    url = await folder.link(await folder.stored(CONTENT))

    got = await folder.client.get(url, headers={"Range": "bytes=1048570-1048580"})

    assert got.content == CONTENT[1048570:1048581]


async def test_a_copy_that_is_current_is_not_sent_again(folder: Folder) -> None:
    url = await folder.link(await folder.stored(b"x"))
    etag = (await folder.client.get(url)).headers["etag"]

    known = await folder.client.get(url, headers={"If-None-Match": f'"other", {etag}'})
    other = await folder.client.get(url, headers={"If-None-Match": '"other"'})
    stale = await folder.client.get(url, headers={"Range": "bytes=0-0", "If-Range": '"other"'})

    assert (known.status_code, known.content) == (304, b"")
    assert (other.status_code, stale.status_code) == (200, 200)


async def test_a_compressed_upload_is_refused(folder: Folder) -> None:
    url, _ = await folder.announced()

    answer = await folder.client.put(url, content=b"x", headers={"Content-Encoding": "gzip"})

    assert answer.status_code == 400


async def test_files_are_listed_newest_first(folder: Folder) -> None:
    keys = [await folder.stored(b"x") for _ in range(3)]

    shown = await folder.files()

    assert {file["file_key"] for file in shown} == set(keys)
    created = [str(file["created_at"]) for file in shown]
    assert created == sorted(created, reverse=True)
