"""A caller of the API whose own work is small: what it computes counts in every figure.

A client with models of its own for requests, headers and cookies computes a millisecond and a half
for a turn; the other side of those comparisons is called by a client in Rust.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import JsonValue

# Less than the server's own 5 s, or a connection may close under a request.
KEEP_ALIVE_SECONDS = 2
TIMEOUT = aiohttp.ClientTimeout(total=60)
"""Longer than the API lets anybody wait."""

UnreachableError = aiohttp.ClientConnectionError


class RefusedError(RuntimeError):
    """A call was not answered with success: then there is no figure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered."""

    status_code: int
    text: str

    @property
    def is_success(self) -> bool:
        """Return whether the call did what it should."""
        return self.status_code < 300

    def raise_for_status(self) -> None:
        """Do nothing for a success.

        Raises:
            RefusedError: The call was refused.
        """
        if not self.is_success:
            raise RefusedError(f"{self.status_code}: {self.text}")

    def json(self) -> Any:
        """Return the body.

        Raises:
            RefusedError: The call was refused.
        """
        self.raise_for_status()
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Api:
    """The API as one caller sees it."""

    session: aiohttp.ClientSession

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Send a GET.

        Raises:
            UnreachableError: Nobody is there.
        """
        async with self.session.get(path, params=params) as answer:
            return Answer(answer.status, await answer.text())

    async def post(
        self, path: str, body: JsonValue, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send JSON by POST.

        Raises:
            UnreachableError: Nobody is there.
        """
        async with self.session.post(path, json=body, headers=headers) as answer:
            return Answer(answer.status, await answer.text())


@asynccontextmanager
async def calling(url: str, key: str) -> AsyncIterator[Api]:
    """Yield a caller with an API key."""
    connector = aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_SECONDS)
    async with aiohttp.ClientSession(
        url, headers={"X-API-Key": key}, timeout=TIMEOUT, connector=connector
    ) as session:
        yield Api(session)
