"""The first flow of the README does what the README says."""

import json
import re
from pathlib import Path

from flows.parse import read_document
from tests.support.platform import Platform

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


async def test_the_first_flow_gives_the_result_that_is_shown(working: Platform) -> None:
    [definition] = (read_document(text, media="yaml") for text in blocks("yaml"))
    flow_input, result = (json.loads(text) for text in blocks("json"))
    assert isinstance(definition, dict)

    execution = await working.completed(definition, flow_input)

    assert result == {"card": (await execution.outputs())["card"]}


async def test_the_requests_that_are_shown_are_served(working: Platform) -> None:
    commands = "\n".join(block for block in blocks("sh") if "curl" in block)
    paths = set(re.findall(r"\$api(/[a-z-]+)", commands))

    described = (await working.client.get("/openapi.json")).json()["paths"]

    assert paths == {"/flows", "/flow-executions", "/task-executions"}
    assert {f"/api{path}" for path in paths} <= set(described)
