"""What an exchange refuses to read, to trust and to pass on."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from activities.egress import guarded_client
from activities.exchange import Answer, exchange
from activities.http import HttpActivities
from activities.redirects import MAX_REDIRECTS
from flows.errors import TaskFailedError
from tests.support.calls import a_call, performed
from tests.support.names import resolving
from tests.support.tls import Authority
from tests.support.web import Request, response, serving

MIB = 1024 * 1024


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(["127.0.0.1"]) as client:
        yield client


async def sent(
    client: httpx.AsyncClient, request: httpx.Request, max_bytes: int = MIB, seconds: float = 20
) -> Answer:
    return await exchange(
        client, request, seconds=seconds, max_bytes=max_bytes, follow_redirects=True
    )


async def failure(
    client: httpx.AsyncClient, request: httpx.Request, max_bytes: int = MIB, seconds: float = 20
) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await sent(client, request, max_bytes, seconds)
    return caught.value


# ---------------------------------------------------------------------------------------- bodies


def _gzipped(content: bytes) -> bytes:
    """Pack without the time of day: what is packed here names tests, the same on every worker."""
    return gzip.compress(content, mtime=0)


def _bare_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", _gzipped(b"text")),
        ("x-gzip", _gzipped(b"text")),
        ("GZIP", _gzipped(b"te") + _gzipped(b"xt")),
        ("gzip", _gzipped(b"text") + b"\0\0"),
        ("deflate", zlib.compress(b"text")),
        ("deflate", _bare_deflate(b"text")),
        ("identity", b"text"),
        ("deflate, gzip", _gzipped(zlib.compress(b"text"))),
        ("", b"text"),
        ("br", b"text"),
    ],
)
async def test_encodings_are_taken_off(
    client: httpx.AsyncClient, encoding: str, body: bytes
) -> None:
    async with serving(lambda _: response(body, Content_Encoding=encoding)) as web:
        answer = await sent(client, client.build_request("GET", web.url))

    assert answer.content == b"text"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_bomb_is_not_unpacked(client: httpx.AsyncClient, layers: int) -> None:
    """Two layers would unpack to 4 GiB."""
    packed = _gzipped(b"0" * (64 * MIB))
    if layers == 2:
        packed = _gzipped(_gzipped(b"0" * (4 * MIB)) * 1024)
    encoding = ", ".join(["gzip"] * layers)
    async with serving(lambda _: response(packed, Content_Encoding=encoding)) as web:
        request = client.build_request("GET", web.url)
        tracemalloc.start()
        try:
            error = await failure(client, request)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert (error.type, error.retryable) == ("ResponseTooLarge", False)
    assert peak < 8 * MIB


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"no gzip"),
        ("gzip", _gzipped(b"text" * 100)[:-9]),
        ("deflate", b"\xff\xff\xff"),
        ("gzip, gzip, gzip", _gzipped(_gzipped(_gzipped(b"text")))),
    ],
)
async def test_a_broken_encoding_is_worth_a_retry(
    client: httpx.AsyncClient, encoding: str, body: bytes
) -> None:
    async with serving(lambda _: response(body, Content_Encoding=encoding)) as web:
        error = await failure(client, client.build_request("GET", web.url))

    assert (error.type, error.retryable) == ("ConnectionFailed", True)


async def test_a_body_without_end_is_read_up_to_the_limit(client: httpx.AsyncClient) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"0" * 65_536)
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(client, client.build_request("GET", f"http://127.0.0.1:{port}/"))

    assert error.type == "ResponseTooLarge"


async def test_a_body_that_drips_ends_in_time(client: httpx.AsyncClient) -> None:
    """A byte every 50 ms would satisfy any limit on the time between two reads."""

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while True:
                writer.write(b"0")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(dripping, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        request = client.build_request("GET", f"http://127.0.0.1:{port}/")
        error = await failure(client, request, seconds=0.5)

    assert (error.type, error.retryable) == ("Timeout", True)


async def test_headers_without_end_are_not_kept(client: httpx.AsyncClient) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"0" * MIB + b"\r\n\r\n"
    async with serving(lambda _: head) as web:
        error = await failure(client, client.build_request("GET", web.url))

    assert error.type == "ConnectionFailed"


# ------------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize(
    ("names", "is_trusted", "fault"),
    [
        (("service.example",), True, None),
        (("other.example",), True, "not valid for 'service.example'"),
        (("127.0.0.1",), True, "not valid for 'service.example'"),
        (("service.example",), False, "self-signed|unable to get local issuer"),
    ],
)
async def test_certificates_are_verified_against_the_name(
    names: tuple[str, ...],
    is_trusted: bool,
    fault: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = Authority(tmp_path)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate_file))
    async with (
        serving(lambda _: response("{}"), tls=authority.server_context(*names)) as web,
        guarded_client(["127.0.0.1"]) as client,
    ):
        resolving(monkeypatch, {"service.example": ["127.0.0.1"]})
        request = client.build_request("GET", f"https://service.example:{web.port}/")
        if fault is None:
            assert (await sent(client, request)).status_code == 200
            return
        with pytest.raises(TaskFailedError, match=fault) as caught:
            await sent(client, request)

    assert caught.value.type == "ConnectionFailed"
    assert web.requests == []


# ------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/", "http://169.254.169.254/", "//127.0.0.2/", "http://2130706434/"],
)
async def test_a_redirect_passes_the_guard_again(client: httpx.AsyncClient, target: str) -> None:
    async with serving(lambda _: response(status=302, Location=target)) as web:
        error = await failure(client, client.build_request("GET", web.url))

    assert (error.type, error.retryable) == ("HostRefused", False)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://", "data:,text"]
)
async def test_a_redirect_leads_to_http_only(client: httpx.AsyncClient, target: str) -> None:
    async with serving(lambda _: response(status=302, Location=target)) as web:
        error = await failure(client, client.build_request("GET", web.url))

    assert (error.type, error.retryable) == ("InvalidRequest", False)


async def test_redirects_come_to_an_end(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response(status=302, Location="/again")) as web:
        error = await failure(client, client.build_request("GET", web.url))

    assert error.type == "InvalidRequest"
    assert len(web.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (302, "PUT", "PUT", b"body"),
        (303, "PUT", "GET", b""),
        (307, "POST", "POST", b"body"),
        (308, "PUT", "PUT", b"body"),
    ],
)
async def test_method_and_body_follow_the_status(
    client: httpx.AsyncClient, status: int, method: str, then: str, body: bytes
) -> None:
    def answer(request: Request) -> bytes:
        if request.target == "/":
            return response(status=status, Location="/next")
        return response("{}")

    async with serving(answer) as web:
        request = client.build_request(
            method, web.url, content=b"body", headers={"content-type": "text/plain"}
        )
        await sent(client, request)

    assert web.requests[1].method == then
    assert web.requests[1].body == body
    assert ("content-type" in web.requests[1].headers) == bool(body)


CREDENTIALS = {
    "authorization": "Bearer secret",
    "cookie": "session=secret",
    "x-api-key": "secret",
    "proxy-authorization": "Basic secret",
}


async def test_credentials_stay_with_their_host(client: httpx.AsyncClient) -> None:
    async with serving(lambda _: response("{}")) as other:
        location = f"http://mallory:guess@127.0.0.1:{other.port}/?a=1"
        async with serving(lambda _: response(status=307, Location=location)) as web:
            url = f"http://user:password@127.0.0.1:{web.port}/"
            headers = {**CREDENTIALS, "accept": "text/plain"}
            del headers["authorization"]
            await sent(client, client.build_request("GET", url, headers=headers))

    assert web.requests[0].headers["authorization"].startswith("Basic ")
    headers = other.requests[0].headers
    assert not headers.keys() & CREDENTIALS.keys()
    assert headers["accept"] == "text/plain"
    assert headers["host"] == f"127.0.0.1:{other.port}"


async def test_credentials_go_on_within_their_host(client: httpx.AsyncClient) -> None:
    def answer(request: Request) -> bytes:
        if request.target == "/":
            return response(status=302, Location="/next")
        return response("{}")

    async with serving(answer) as web:
        await sent(client, client.build_request("GET", web.url, headers=CREDENTIALS))

    assert CREDENTIALS.items() <= web.requests[1].headers.items()


# -------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("url", ["http://user:pass/word@127.0.0.1/", "http://u:pass word@[::1/"])
async def test_no_message_quotes_a_password(client: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(TaskFailedError) as caught:
        await performed(HttpActivities(client).http_request, a_call("http_request", url=url))

    assert caught.value.type == "InvalidRequest"
    assert "pass" not in caught.value.message
    assert "word" not in caught.value.message
