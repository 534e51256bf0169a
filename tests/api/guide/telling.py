"""The guide while it is told: each call is made, and written down with what was answered."""

import re
import textwrap
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import httpx
from pydantic import JsonValue

from tests.api.guide.stand_ins import StandIns
from tests.api.guide.writing import command, in_one_line, pretty, shortened
from tests.support.eventually import eventually
from tests.support.platform import Json

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls the API.

    Attributes:
        credential: The header as a shell writes it; empty for calls that need none.
    """

    client: httpx.AsyncClient
    credential: Mapping[str, str]


@dataclass
class Telling:
    """Markdown that grows with each call.

    Attributes:
        caller: Who calls unless another one is named.
        nobody: Calls without a credential.
        clients: Makes clients that send the given headers.
    """

    caller: Caller
    nobody: Caller
    clients: Callable[..., Awaitable[httpx.AsyncClient]]
    stand_ins: StandIns = field(default_factory=StandIns)
    parts: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add prose, written in the indentation of the code around it."""
        self.parts.append(textwrap.dedent(text).strip())

    def show(self, text: str, language: str = "") -> None:
        """Add a block of code; ids and the like in it are replaced."""
        self._show(self.stand_ins.in_text(text), language)

    def show_json(self, value: JsonValue) -> None:
        """Add a value."""
        self._show(pretty(self.stand_ins.of(value)), "json")

    def show_events(self, *messages: dict[str, Any]) -> None:
        """Add server-sent events."""
        shown = [self.stand_ins.of(message) for message in messages]
        blocks = [
            f"id: {message['id']}\ndata: {in_one_line(message)}"
            for message in shown
            if isinstance(message, dict)
        ]
        self._show("\n\n".join(blocks), "")

    async def call(
        self,
        method: str,
        path: str,
        body: JsonValue = None,
        *,
        expect: int = 200,
        keep: Iterable[str] = (),
        by: Caller | None = None,
        raw: str | None = None,
        headers: Mapping[str, str] | None = None,
        tell: Iterable[str] = (),
    ) -> Json:
        """Call the API, write down the request and the answer, and return the answer.

        Args:
            path: With its query, as it is sent; or a whole URL that the API handed out.
            body: Sent as JSON.
            expect: The status that the prose speaks of.
            keep: Dotted paths of what the guide shows of the answer; everything without them.
            by: Who calls.
            raw: Sent as it is, instead of a body.
            headers: Sent besides.
            tell: Headers of the answer to show.
        """
        caller = by or self.caller
        extra = dict(headers or {})
        request = caller.client.build_request(
            method,
            path,
            headers=extra,
            json=body,
            content=raw.encode() if raw is not None else None,
        )
        answer = await caller.client.send(request)
        assert answer.status_code == expect, answer.text
        url = re.sub(r"^http://[^/]+", "$PERDURE", str(request.url))
        shown = command(method, url, {**caller.credential, **extra}, body, raw)
        self.show(shown, "sh")
        return self._answered(answer, keep, tell)

    def _answered(self, answer: httpx.Response, keep: Iterable[str], tell: Iterable[str]) -> Json:
        status = HTTPStatus(answer.status_code)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        lines.extend(f"{name}: {answer.headers[name]}" for name in tell)
        if not answer.content:
            self.show("\n".join(lines), "http")
            return {}
        if "json" not in answer.headers["content-type"]:
            self.show("\n".join([*lines, "", answer.text.rstrip()]), "http")
            return {}
        value: JsonValue = answer.json()
        seen = shortened(value, keep) if keep else value
        self._show("\n".join(lines) + "\n\n" + pretty(self.stand_ins.of(seen)), "http")
        # Where a list is answered, the prose speaks of its first item.
        first = value[0] if isinstance(value, list) and value else value
        return cast(Json, first if isinstance(first, dict) else {})

    def _show(self, text: str, language: str) -> None:
        self.parts.append(f"```{language}\n{text}\n```")

    async def until(
        self, path: str, is_there: Callable[[Json], bool], what: str, by: Caller | None = None
    ) -> None:
        """Ask again, silently, until an answer is what the prose says."""
        caller = by or self.caller

        async def reached() -> bool:
            answer = await caller.client.get(path)
            return answer.status_code == 200 and is_there(answer.json())

        await eventually(reached, PATIENCE_SECONDS, saying=what)

    async def until_status(self, execution_id: JsonValue, status: str) -> None:
        """Wait, silently, until an execution has a status."""
        path = f"/api/flow-executions/{execution_id}"
        await self.until(path, lambda shown: shown["status"] == status, f"it is {status}")

    def text(self) -> str:
        """Return what was told as one Markdown document."""
        return "\n\n".join(self.parts) + "\n"
