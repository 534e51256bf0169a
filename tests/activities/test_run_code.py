"""Python of tools, in the sandbox."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.run_code import RunCodeActivities
from activities.sandbox import Sandbox
from contracts.runs import RunCodeCall
from dialogs.effects import ToolCall, ToolReply
from flows.secrets import MASK

SECRET = "the value of a secret"


async def opened(organization_id: str, names: Any) -> dict[str, str]:
    return dict.fromkeys(names, SECRET)


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(max_processes=2) as sandbox:
        yield sandbox


async def used(
    sandbox: Sandbox, code: str, *, is_allowed: bool = True, seconds: float = 20, **arguments: Any
) -> ToolReply:
    call = ToolCall(
        key="1/a/1",
        node_logical_id="a",
        code=code,
        arguments=arguments,
        secrets={"<mark>": "secrets.desk"},
        timeout_seconds=seconds,
    )
    body = RunCodeActivities(sandbox, opened, is_allowed=is_allowed).run_code
    run = RunCodeCall(organization_id="o", run_id="r", effect_key="r/1/a/1", call=call)
    reply: ToolReply = await ActivityEnvironment().run(body, run)
    return reply


@pytest.mark.parametrize(
    ("code", "arguments", "result"),
    [
        ("result = n * 2", {"n": 2}, 4),
        ("result = arguments['a b']", {"a b": 1}, 1),
        ("def double(n, m=1):\n    return n * 2 + m", {"n": 2, "x": 1}, 5),
        ("def run(arguments):\n    return arguments['n']", {"n": 3}, 3),
        ("def one():\n    return 1\n\ndef two():\n    return one() + 1", {}, 2),
        ("if n:\n    result = 'some'\nelse:\n    result = 'none'", {"n": 0}, "none"),
        ("result = [{'a': None}]", {}, [{"a": None}]),
    ],
    ids=["variables", "arguments", "function", "whole", "last", "branches", "json"],
)
async def test_code_assigns_its_result_or_defines_what_gives_it(
    sandbox: Sandbox, code: str, arguments: dict[str, Any], result: Any
) -> None:
    assert await used(sandbox, code, **arguments) == ToolReply(success=True, result=result)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", "result"),
        ("raise ValueError('no such city')", "no such city"),
        ("def f(:", ""),
        ("import os\nresult = os.listdir('/')", ""),
        ("open('/etc/passwd')\nresult = 1", ""),
    ],
    ids=["nothing", "raised", "syntax", "system", "files"],
)
async def test_code_that_fails_is_a_reply(sandbox: Sandbox, code: str, said: str) -> None:
    reply = await used(sandbox, code)

    assert (reply.success, reply.result) == (False, None)
    assert reply.error
    assert said in reply.error


async def test_code_that_does_not_end_is_ended(sandbox: Sandbox) -> None:
    reply = await used(sandbox, "while True:\n    pass", seconds=0.5)

    assert not reply.success


async def test_secrets_reach_the_code_and_do_not_come_back(sandbox: Sandbox) -> None:
    reply = await used(sandbox, "result = [len(key), key]", key="<mark>")

    assert reply.result == [len(SECRET), MASK]


async def test_an_operator_may_refuse_python(sandbox: Sandbox) -> None:
    reply = await used(sandbox, "result = 1", is_allowed=False)

    assert (reply.success, "operator" in (reply.error or "")) == (False, True)
