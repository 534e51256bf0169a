import ipaddress
import socket

import pytest

from activities.egress import AllowedHosts, guarded_client
from activities.http import HttpActivities
from flows.errors import TaskFailedError
from tests.support.calls import a_call, performed
from tests.support.web import response, serving

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - an address to refuse, not to bind
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    assert not AllowedHosts.of([]).permits("name.example", ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert AllowedHosts.of([]).permits("name.example", ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("entry", "host", "address", "permitted"),
    [
        ("*", "any", "10.0.0.1", True),
        ("10.0.0.0/8", "any", "10.200.0.1", True),
        ("10.0.0.0/8", "any", "192.168.0.1", False),
        ("10.0.0.5", "any", "10.0.0.5", True),
        ("10.0.0.5", "any", "::ffff:10.0.0.5", True),
        ("fd00::/8", "any", "fd00::7", True),
        ("[::1]", "any", "::1", True),
        ("Internal.Example.", "internal.example", "10.0.0.1", True),
        ("internal.example", "other.example", "10.0.0.1", False),
        ("internal.example", "evil-internal.example", "10.0.0.1", False),
        ("", "any", "127.0.0.1", False),
    ],
)
def test_operators_open_private_hosts_one_by_one(
    entry: str, host: str, address: str, permitted: bool
) -> None:
    assert AllowedHosts.of([entry]).permits(host, ipaddress.ip_address(address)) is permitted


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "127.1"],
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
