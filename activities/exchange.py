"""One HTTP exchange on behalf of a task: bounded in time and size, failures named."""

import asyncio
from dataclasses import dataclass

import httpcore
import httpx

from activities.egress import MAX_BYTES
from activities.redirects import MAX_REDIRECTS, redirected
from flows.errors import TaskFailedError

NETWORK_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
)
"""What a connection can fail with: the guarded client's errors are httpcore's."""

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
    request.extensions[MAX_BYTES] = max_bytes
    try:
        async with asyncio.timeout(seconds):
            return await _send(client, request, follow_redirects)
    except TimeoutError:
        raise TaskFailedError(
            f"{request.method} {shown} did not answer within {seconds:g} s",
            type="Timeout",
            retryable=True,
        ) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise TaskFailedError(f"{shown}: {error}", type="InvalidRequest") from None
    except (httpx.LocalProtocolError, httpcore.LocalProtocolError):
        # Its message quotes the header that it refuses, which may hold a credential.
        raise TaskFailedError(
            f"{request.method} {shown} cannot be sent: not allowed in HTTP", type="InvalidRequest"
        ) from None
    except (httpx.HTTPError, *NETWORK_ERRORS) as error:
        raise TaskFailedError(
            f"{request.method} {shown} failed: {str(error) or type(error).__name__}",
            type="ConnectionFailed",
            retryable=True,
        ) from error


async def _send(
    client: httpx.AsyncClient, request: httpx.Request, follow_redirects: bool
) -> Answer:
    """Send, and follow redirects; each of them passes the guard like the first request."""
    response = await client.send(request, follow_redirects=False)
    for _ in range(MAX_REDIRECTS):
        if not (follow_redirects and response.has_redirect_location):
            break
        request = redirected(request, response)
        response = await client.send(request, follow_redirects=False)
    if follow_redirects and response.has_redirect_location:
        raise TaskFailedError(f"more than {MAX_REDIRECTS} redirects", type="InvalidRequest")
    return Answer(
        response.status_code,
        dict(response.headers.items()),
        response.content,
        response.charset_encoding,
    )


def url_fault(error: Exception) -> str:
    """Return what is wrong with a URL without quoting it: what it quotes may be a password."""
    return str(error).partition(":")[0].partition("'")[0].strip()


def shown_url(url: httpx.URL) -> str:
    """Return the URL for messages: without credentials, query and fragment, which may be secret."""
    bare = str(url.copy_with(userinfo=b"", query=None, fragment=None))
    return bare if len(bare) <= _MAX_URL_CHARS else bare[:_MAX_URL_CHARS] + "…"
