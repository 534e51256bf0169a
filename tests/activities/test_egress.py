import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from activities import resolver
from activities.egress import MAX_ADDRESSES, EgressGuard, guarded_client
from activities.http import HttpActivities
from activities.redirects import MAX_REDIRECTS
from flows.errors import TaskFailedError
from runtime.readiness import free_port
from tests.support.calls import a_call, performed
from tests.support.eventually import eventually
from tests.support.names import resolving
from tests.support.web import response, serving


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1%25lo]",
        "[::1%25lo]",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "0",
        "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "\u2460\u2461\u2466.0.0.1",
        "127\u30020\u30020\u30021",
        "user:password@127.0.0.1",
        "public.example@127.0.0.1",
    ],
)
async def test_no_request_reaches_a_private_host(host: str) -> None:
    async with serving(lambda _: response("{}")) as web, guarded_client([]) as client:
        with pytest.raises(TaskFailedError) as caught:
            await performed(
                HttpActivities(client).http_request,
                a_call("http_request", url=f"http://{host}:{web.port}/"),
            )

    assert caught.value.type in {"HostRefused", "HostNotFound", "InvalidRequest"}
    assert web.requests == []


async def test_the_metadata_service_is_refused_for_good() -> None:
    async with guarded_client([]) as client:
        with pytest.raises(TaskFailedError) as caught:
            await performed(
                HttpActivities(client).http_request,
                a_call("http_request", url="http://169.254.169.254/latest/meta-data"),
            )

    assert (caught.value.type, caught.value.retryable) == ("HostRefused", False)


async def test_the_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name changes its address after the first look-up; it is not looked up again."""
    asked: list[str] = []

    def changing(host: str, *rest: object, **named: object) -> list[tuple[object, ...]]:
        asked.append(host)
        address = "127.0.0.1" if asked.count(host) == 1 else "10.9.9.9"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    async with serving(lambda _: response("{}")) as web, guarded_client(["127.0.0.1"]) as client:
        monkeypatch.setattr(socket, "getaddrinfo", changing)
        await performed(
            HttpActivities(client).http_request,
            a_call("http_request", url=f"http://rebinding.example:{web.port}/"),
        )

    assert asked.count("rebinding.example") == 1
    assert web.requests[0].headers["host"] == f"rebinding.example:{web.port}"


async def test_a_proxy_of_the_environment_is_not_a_way_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(lambda _: response("{}")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with guarded_client([]) as client:
            with pytest.raises(TaskFailedError):
                await performed(
                    HttpActivities(client).http_request,
                    a_call("http_request", url="http://10.0.0.1/"),
                )

    assert proxy.requests == []


async def test_what_a_service_sets_for_one_task_is_not_sent_for_another() -> None:
    """Tasks of all organizations share the client."""
    async with (
        serving(lambda _: response("{}", Set_Cookie="session=of-one-organization")) as web,
        guarded_client(["127.0.0.1"]) as client,
    ):
        for _ in range(2):
            await performed(
                HttpActivities(client).http_request, a_call("http_request", url=web.url)
            )

    assert ["cookie" in request.headers for request in web.requests] == [False, False]


async def test_other_protocols_get_a_socket_to_a_checked_address() -> None:
    async with serving(lambda _: response("{}")) as web:
        opened = await EgressGuard.of(["localhost"]).connect("localhost", web.port)
        with opened:
            assert opened.getpeername()[:2] == ("127.0.0.1", web.port)
            assert not opened.getblocking()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "metadata.private"])
async def test_other_protocols_reach_no_private_host(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, {"metadata.private": ["169.254.169.254"]})

    with pytest.raises(TaskFailedError) as caught:
        await EgressGuard.of(["10.0.0.0/8"]).connect(host, 25)

    assert (caught.value.type, caught.value.retryable) == ("HostRefused", False)


async def test_only_allowed_addresses_of_a_name_are_given_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, {"mixed.example": ["10.0.0.1", "93.184.216.34", "127.0.0.1"]})

    addresses = await EgressGuard.of([]).addresses("mixed.example", 443)

    assert list(map(str, addresses)) == ["93.184.216.34"]


async def test_a_name_with_a_thousand_addresses_is_not_a_thousand_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, {"many.example": [f"93.184.{n // 250}.{n % 250}" for n in range(1_000)]})

    assert len(await EgressGuard.of([]).addresses("many.example", 443)) == MAX_ADDRESSES


async def test_the_next_address_is_tried_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(lambda _: response("{}")) as web, guarded_client(["127.0.0.0/8"]) as client:
        resolving(monkeypatch, {"two.example": ["127.0.0.2", "127.0.0.1"]})
        await performed(
            HttpActivities(client).http_request,
            a_call("http_request", url=f"http://two.example:{web.port}/"),
        )
        opened = await EgressGuard.of(["127.0.0.0/8"]).connect("two.example", web.port)
        with opened:
            assert opened.getpeername()[0] == "127.0.0.1"

    assert len(web.requests) == 1


async def test_nobody_listening_is_a_failed_connection() -> None:
    with pytest.raises(TaskFailedError) as caught:
        await EgressGuard.of(["127.0.0.1"]).connect("127.0.0.1", free_port())

    assert (caught.value.type, caught.value.retryable) == ("ConnectionFailed", True)
    assert "refused" in caught.value.message.lower()


async def test_names_that_are_never_answered_hold_nobody_else_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More look-ups hang than any thread pool has threads; the next one is answered."""
    release = threading.Event()
    real = socket.getaddrinfo

    def stuck(host: str, *rest: Any, **named: Any) -> Any:
        if host.endswith(".stuck.example"):
            release.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    guard = EgressGuard.of(["localhost"])
    hanging = [asyncio.create_task(guard.addresses(f"{n}.stuck.example", 80)) for n in range(100)]
    await eventually(
        lambda: sum(thread.name == "look-up" for thread in threading.enumerate()) >= 100,
        saying="every look-up hangs",
    )

    assert await guard.addresses("localhost", 80)

    release.set()
    ends = await asyncio.gather(*hanging, return_exceptions=True)
    assert {end.type for end in ends if isinstance(end, TaskFailedError)} == {"HostNotFound"}
    assert len(ends) == 100


async def test_a_look_up_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def stuck(host: str, *rest: Any, **named: Any) -> Any:
        release.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    monkeypatch.setattr(resolver, "LOOK_UP_SECONDS", 0.1)

    with pytest.raises(TaskFailedError) as caught:
        await EgressGuard.of([]).addresses("slow.example", 443)

    release.set()
    assert (caught.value.type, caught.value.retryable) == ("HostNotFound", True)


@pytest.mark.parametrize("port", [-1, 0, 65_536, 10**9])
async def test_a_port_is_one(port: int) -> None:
    with pytest.raises(TaskFailedError) as caught:
        await EgressGuard.of(["*"]).connect("127.0.0.1", port)

    assert (caught.value.type, caught.value.retryable) == ("InvalidRequest", False)


def test_the_documented_limits_are_the_real_ones() -> None:
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")

    assert f"{resolver.LOOK_UP_SECONDS:g} s at most" in page
    assert f"At most {MAX_ADDRESSES} addresses" in page
    assert MAX_REDIRECTS == 5
    assert "five at most" in page


async def test_credentials_of_the_operator_are_not_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login operator password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(lambda _: response("{}")) as web, guarded_client(["127.0.0.1"]) as client:
        await performed(HttpActivities(client).http_request, a_call("http_request", url=web.url))

    assert "authorization" not in web.requests[0].headers
