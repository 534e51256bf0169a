"""Where a redirect leads, and what of the request goes there.

Source: docs/security.md, "Outgoing connections".
"""

import httpx

from flows.errors import TaskFailedError

MAX_REDIRECTS = 5

_BECOMES_GET = {301: {"POST"}, 302: {"POST"}, 303: {"POST", "PUT", "PATCH", "DELETE", "OPTIONS"}}
# All else an author may have meant for one host alone: Authorization, Cookie, X-Api-Key, any name.
_FOR_EVERY_HOST = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "user-agent"}
)
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_OF_THE_BODY = frozenset({"content-type", "content-encoding", "content-language"})


def redirected(request: httpx.Request, response: httpx.Response) -> httpx.Request:
    """Return the request that follows.

    The method and the body are kept by 307 and 308, and dropped by 303, and by 301 and 302 after a
    POST. Headers and credentials of an author stay with the host that they were written for.

    Raises:
        TaskFailedError: ``InvalidRequest``; it leads to no http or https URL.
    """
    target = _target(request.url, response.headers["location"])
    method, content = request.method, request.content
    if method in _BECOMES_GET.get(response.status_code, ()):
        method, content = "GET", b""
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in _OF_THE_CONNECTION
        and (content or name not in _OF_THE_BODY)
        and (name in _FOR_EVERY_HOST or _origin(target) == _origin(request.url))
    }
    return httpx.Request(
        method, target, headers=headers, content=content or None, extensions=request.extensions
    )


def is_web_url(url: httpx.URL) -> bool:
    """Return whether the URL names an http or https service, with a port that exists."""
    has_port = url.port is None or 0 < url.port < 65_536
    return url.scheme in {"http", "https"} and bool(url.host) and has_port


def _target(url: httpx.URL, location: str) -> httpx.URL:
    """Return where the location leads; credentials that it brings along are not used."""
    try:
        target = url.join(location).copy_with(userinfo=b"", fragment=None)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        target = httpx.URL("")
    if not is_web_url(target):
        raise TaskFailedError(
            f"{url.host} redirects to what is no http or https URL", type="InvalidRequest"
        )
    return target


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    """Return what two URLs share if credentials for one may go to the other."""
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
