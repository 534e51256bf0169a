"""Connections to outside services, kept out of private networks.

A host is looked up here, every address is checked, and the connection goes to a checked address: a
name that answers differently the second time gains nothing. HTTP passes through ``guarded_client``;
other protocols ask an ``EgressGuard`` for addresses, or for a connected socket.

Source: docs/security.md, "Outgoing connections".
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from activities.addresses import Address, AllowedHosts
from activities.answers import ACCEPTED_ENCODINGS, decoded, encodings_of, read_bounded, too_large
from activities.resolver import Resolver
from flows.errors import TaskFailedError

MAX_ADDRESSES = 8
CONNECT_SECONDS = 10.0
DEFAULT_MAX_BYTES = 8 * 1024 * 1024
MAX_BYTES = "perdure_max_bytes"
"""Extension of a request: how large its answer may be, as sent and as decoded."""

_MAX_CONNECTIONS = 200


class EgressGuard:
    """Decides where connections of tasks may go, and looks names up for them."""

    def __init__(self, allowed: AllowedHosts) -> None:
        """Keep the rule."""
        self._allowed = allowed
        self._resolver = Resolver()

    @classmethod
    def of(cls, allowed_private_hosts: Iterable[str]) -> "EgressGuard":
        """Return a guard that opens these names, addresses and CIDR ranges besides public ones."""
        return cls(AllowedHosts.of(allowed_private_hosts))

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Look the host up and return its allowed addresses, in the resolver's order.

        Connect to these and never to the name, which may have other addresses by then. For TLS,
        verify the certificate against the name.

        Raises:
            TaskFailedError: ``HostRefused``, which is final: none of the host's addresses is
                allowed; so is ``InvalidRequest``: no such port. ``HostNotFound``, worth a retry:
                the host has no address.
        """
        if not 0 < port < 65_536:
            raise TaskFailedError(f"{port} is no port", type="InvalidRequest")
        found = await self._resolver.look_up(host, port)
        permitted = [each for each in found if self._allowed.permits(host, each)]
        if not permitted:
            raise TaskFailedError(
                f"{host} is in a private network, which is not allowed", type="HostRefused"
            )
        return permitted[:MAX_ADDRESSES]

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket that is connected to the first allowed address that answers.

        The socket does not block; whoever asks for it closes it.

        Raises:
            TaskFailedError: As ``addresses`` says, and ``ConnectionFailed``, worth a retry.
        """
        reason = "nobody answers"
        for address in await self.addresses(host, port):
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            opened = socket.socket(family, socket.SOCK_STREAM)
            try:
                opened.setblocking(False)
                async with asyncio.timeout(CONNECT_SECONDS):
                    await asyncio.get_running_loop().sock_connect(opened, (str(address), port))
            except TimeoutError:
                opened.close()
                reason = f"no answer within {CONNECT_SECONDS:g} s"
            except OSError as error:
                opened.close()
                reason = os.strerror(error.errno) if error.errno else type(error).__name__
            except BaseException:
                opened.close()
                raise
            else:
                return opened
        raise TaskFailedError(
            f"cannot connect to {host}:{port}: {reason}", type="ConnectionFailed", retryable=True
        )


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens httpcore's connections, to allowed addresses only."""

    def __init__(self, guard: EgressGuard) -> None:
        """Borrow the guard; sockets are opened by httpcore's own backend."""
        self._guard = guard
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface that httpcore calls
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first allowed address that answers.

        Raises:
            TaskFailedError: As ``EgressGuard.addresses`` says.
        """
        *others, last = await self._guard.addresses(host, port)
        options = list(socket_options or ())
        patience = CONNECT_SECONDS if timeout is None else min(timeout, CONNECT_SECONDS)
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._backend.connect_tcp(
                    str(address), port, patience, local_address, options
                )
        return await self._backend.connect_tcp(str(last), port, timeout, local_address, options)

    async def sleep(self, seconds: float) -> None:
        """Wait; httpcore asks for it between its own retries, which are off."""
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx over connections that ``GuardedBackend`` opens; an answer is whole, and bounded."""

    def __init__(self, guard: EgressGuard, *, streams: bool = False) -> None:
        """Build the pool; connections are kept per host name, so certificates always match.

        Args:
            streams: Whether a stream of events is passed on as it comes, within the same limit.
        """
        self._streams = streams
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=5.0,
            network_backend=GuardedBackend(guard),
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
        if self._streams and _is_event_stream(answer):
            stream = _EventStream(answer, request)
            return httpx.Response(answer.status, headers=answer.headers, stream=stream)
        try:
            return await _whole(answer, request)
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _EventStream(httpx.AsyncByteStream):
    """A body that is read while it comes; whoever reads it closes it."""

    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer = answer
        self._host = request.url.host
        self._max_bytes = request.extensions.get(MAX_BYTES, DEFAULT_MAX_BYTES)
        self._parts = answer.aiter_stream()
        self._size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # Whoever reads may stop and begin again: what was read by then is gone.
        async for part in self._parts:
            self._size += len(part)
            if self._size > self._max_bytes:
                raise too_large(self._host, self._max_bytes)
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


def _is_event_stream(answer: httpcore.Response) -> bool:
    """Return whether a body can be passed on in pieces: events, and not compressed."""
    headers = httpx.Headers(answer.headers)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "text/event-stream" and encodings_of(headers.get("content-encoding", "")) == []


async def _whole(answer: httpcore.Response, request: httpx.Request) -> httpx.Response:
    """Return the answer with its body, which is read and decoded within the request's limit."""
    host = request.url.host
    max_bytes = request.extensions.get(MAX_BYTES, DEFAULT_MAX_BYTES)
    headers = httpx.Headers(answer.headers)
    content = await read_bounded(answer.aiter_stream(), host, max_bytes)
    # Of an encoding that nobody asked for the receiver gets the bytes as they are. Its name goes in
    # any case: httpx would decode once more, and without limit.
    if layers := encodings_of(headers.pop("content-encoding", "")):
        content = await decoded(content, layers, host, max_bytes)
        headers.pop("content-length", None)
    return httpx.Response(answer.status, headers=headers, content=content)


def guarded_client(
    allowed_private_hosts: Sequence[str], *, streams: bool = False
) -> httpx.AsyncClient:
    """Return a client for task activities; whoever asks for it closes it.

    Args:
        allowed_private_hosts: Names, addresses or CIDR ranges that may be called although they are
            private; ``*`` allows everything.
        streams: Whether streams of events are passed on as they come.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(EgressGuard.of(allowed_private_hosts), streams=streams),
        # Proxies from the environment would open connections past the guard.
        trust_env=False,
        headers={"accept-encoding": ACCEPTED_ENCODINGS, "user-agent": "perdure"},
        # Every organization's tasks share the client: what a service sets for one is no one's.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        timeout=None,  # noqa: S113 - deadlines are per call
    )
