"""Calls to outside services, kept out of private networks.

A host is resolved here, every address is checked, and the connection goes to the checked address: a
name that answers differently the second time gains nothing. Redirects pass the same way.

Source: docs/task-executors.md, "Where requests may go".
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

import httpcore
import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_MAX_CONNECTIONS = 200


class HostRefusedError(Exception):
    """The host is in a private network that requests may not reach."""


class HostNotFoundError(Exception):
    """The host's name has no address."""


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Which hosts inside private networks may be called.

    Attributes:
        names: Host names in lower case, whatever they resolve to.
        networks: Addresses and ranges.
        everything: Whether nothing is refused.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    everything: bool = False

    @classmethod
    def of(cls, entries: Iterable[str]) -> "AllowedHosts":
        """Read entries as operators write them: names, addresses, CIDR ranges, or ``*``."""
        names: set[str] = set()
        networks: list[Network] = []
        everything = False
        for entry in (raw.strip().strip("[]").lower().rstrip(".") for raw in entries):
            if entry == "*":
                everything = True
                continue
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if entry:
                    names.add(entry)
        return cls(frozenset(names), tuple(networks), everything)

    def permits(self, host: str, address: Address) -> bool:
        """Return whether a connection to this address, looked up under this name, is allowed."""
        if self.everything or host.lower().rstrip(".") in self.names:
            return True
        target = _unwrapped(address)
        if any(target in network for network in self.networks):
            return True
        return target.is_global and not target.is_multicast


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to allowed addresses only."""

    def __init__(self, allowed: AllowedHosts) -> None:
        """Keep the rule; sockets are opened by httpcore's own backend."""
        self._allowed = allowed
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface that httpcore calls
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, and connect to the first allowed address that answers.

        Raises:
            HostRefusedError: None of the host's addresses is allowed.
            HostNotFoundError: The name has no address.
        """
        addresses = await _resolve(host, port)
        permitted = [each for each in addresses if self._allowed.permits(host, each)]
        if not permitted:
            raise HostRefusedError(f"{host} is in a private network, which is not allowed")
        options = list(socket_options or ())
        for address in permitted[:-1]:
            try:
                return await self._backend.connect_tcp(
                    str(address), port, timeout, local_address, options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(
            str(permitted[-1]), port, timeout, local_address, options
        )

    async def sleep(self, seconds: float) -> None:
        """Wait; httpcore asks for it between its own retries, which are off."""
        await asyncio.sleep(seconds)


async def _resolve(host: str, port: int) -> list[Address]:
    """Return the host's addresses, in the resolver's order, each once."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise HostNotFoundError(f"{host} has no address") from error
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return [ipaddress.ip_address(text) for text in texts]


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx over connections that ``GuardedBackend`` opens."""

    def __init__(self, allowed: AllowedHosts) -> None:
        """Build the pool; connections are kept per host name, so certificates always match."""
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=5.0,
            network_backend=GuardedBackend(allowed),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; failures keep httpcore's types."""
        assert isinstance(request.stream, httpx.AsyncByteStream)  # noqa: S101 - narrows for mypy
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_AnswerStream(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _AnswerStream(httpx.AsyncByteStream):
    """The body of an answer, as httpx reads it."""

    def __init__(self, answer: httpcore.Response) -> None:
        """Keep the answer until it is read or closed."""
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._answer.aiter_stream():
            yield part

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._answer.aclose()


def guarded_client(allowed_private_hosts: Sequence[str]) -> httpx.AsyncClient:
    """Return a client for task activities; whoever asks for it closes it.

    Args:
        allowed_private_hosts: Names, addresses or CIDR ranges that may be called although they are
            private; ``*`` allows everything.
    """
    transport = GuardedTransport(AllowedHosts.of(allowed_private_hosts))
    # Proxies from the environment would open connections past the guard; deadlines are per call.
    return httpx.AsyncClient(transport=transport, trust_env=False, timeout=None)  # noqa: S113
