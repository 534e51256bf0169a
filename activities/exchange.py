"""One HTTP exchange on behalf of a task: bounded in time and size, failures named."""

import asyncio
from dataclasses import dataclass

import httpcore
import httpx

from flows.errors import TaskFailedError

_MAX_URL_CHARS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        headers: Names in lower case; values of a repeated header are joined by a comma.
        encoding: Character set that the answer names, if it does.
    """

    status_code: int
    headers: dict[str, str]
    content: bytes
    encoding: str | None


async def exchange(
    client: httpx.AsyncClient,
    request: httpx.Request,
    *,
    seconds: float,
    max_bytes: int,
    follow_redirects: bool = False,
) -> Answer:
    """Send the request and read the whole answer.

    Raises:
        TaskFailedError: ``HostRefused``, ``InvalidRequest`` and ``ResponseTooLarge`` are final;
            ``Timeout``, ``HostNotFound`` and ``ConnectionFailed`` are worth a retry.
    """
    shown = shown_url(request.url)
    try:
        async with asyncio.timeout(seconds):
            return await _read(client, request, max_bytes, follow_redirects)
    except TimeoutError:
        raise TaskFailedError(
            f"{request.method} {shown} did not answer within {seconds:g} s",
            type="Timeout",
            retryable=True,
        ) from None
    except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
        raise TaskFailedError(f"{shown}: {error}", type="InvalidRequest") from None
    except (httpx.LocalProtocolError, httpcore.LocalProtocolError) as error:
        raise TaskFailedError(
            f"{request.method} {shown} cannot be sent: {error}", type="InvalidRequest"
        ) from None
    except (httpx.HTTPError, *_NETWORK_ERRORS) as error:
        raise TaskFailedError(
            f"{request.method} {shown} failed: {str(error) or type(error).__name__}",
            type="ConnectionFailed",
            retryable=True,
        ) from error


_NETWORK_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
)


async def _read(
    client: httpx.AsyncClient, request: httpx.Request, max_bytes: int, follow_redirects: bool
) -> Answer:
    """Send, and read no more than ``max_bytes``, counted after decompression."""
    response = await client.send(request, stream=True, follow_redirects=follow_redirects)
    try:
        content = bytearray()
        async for part in response.aiter_bytes(64 * 1024):
            content += part
            if len(content) > max_bytes:
                raise TaskFailedError(
                    f"{shown_url(request.url)} answered with more than {max_bytes} bytes",
                    type="ResponseTooLarge",
                )
    finally:
        await response.aclose()
    return Answer(
        response.status_code,
        dict(response.headers.items()),
        bytes(content),
        response.charset_encoding,
    )


def is_web_url(url: httpx.URL) -> bool:
    """Return whether the URL names an http or https service, with a port that exists."""
    has_port = url.port is None or 0 < url.port < 65_536
    return url.scheme in {"http", "https"} and bool(url.host) and has_port


def shown_url(url: httpx.URL) -> str:
    """Return the URL for messages: without credentials, query and fragment, which may be secret."""
    bare = str(url.copy_with(userinfo=b"", query=None, fragment=None))
    return bare if len(bare) <= _MAX_URL_CHARS else bare[:_MAX_URL_CHARS] + "…"
