"""The example of docs/outside-workers.md, run as it stands there."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import httpx

from tests.support.documents import a_flow, task
from tests.support.platform import Platform

PAGE = Path(__file__).parents[2] / "docs" / "outside-workers.md"

Work = Callable[[httpx.AsyncClient, str], Awaitable[None]]


def the_example() -> Work:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, object] = {"httpx": httpx}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    return cast(Work, names["work"])


async def test_the_example_reports_on_a_task(platform: Platform) -> None:
    flow = await platform.flow(a_flow(task("enrich")))
    execution = await platform.started(flow["id"])

    await the_example()(platform.client, execution.id)

    (row,) = await execution.task_executions(task_name="enrich")
    assert (row["status"], row["input"], row["output"]) == (
        "completed",
        {"id": 7},
        {"name": "seven"},
    )
    assert (await execution.outputs())["enrich"] == {"name": "seven"}
