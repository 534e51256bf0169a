import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import JsonValue

from activities.code import CodeActivities
from activities.sandbox import Sandbox
from flows.errors import TaskFailedError
from tests.support.calls import a_call, performed
from tests.support.children import descendants_named
from tests.support.eventually import eventually


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(max_processes=4) as open_sandbox:
        yield open_sandbox


@pytest.fixture
def code(sandbox: Sandbox) -> CodeActivities:
    return CodeActivities(sandbox, max_memory_bytes=64 * 1024 * 1024, max_output_bytes=100_000)


async def run(
    activities: CodeActivities,
    code: str,
    input_data: JsonValue = None,
    *,
    allowed: timedelta = timedelta(seconds=30),
) -> JsonValue:
    call = a_call("python_code", code=code, input_data=input_data)
    return await performed(activities.python_code, call, allowed=allowed)


async def failure(
    activities: CodeActivities, code: str, *, allowed: timedelta = timedelta(seconds=30)
) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await run(activities, code, allowed=allowed)
    return caught.value


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        1.5,
        2**70,
        "",
        "Zürich \U0001f600",
        [],
        [1, [2]],
        {},
        {"$a.b": {"c": None}},
    ],
)
async def test_json_goes_in_and_comes_out_unchanged(code: CodeActivities, value: JsonValue) -> None:
    result = await run(code, "result = input_data['x']", {"x": value})

    assert result == value
    assert type(result) is type(value)


async def test_ordinary_python_works(code: CodeActivities) -> None:
    source = """
import json, math, re
from datetime import date

def total(rows):
    return sum(row["price"] * row["count"] for row in rows)

words = re.findall(r"[a-z]+", input_data["text"])
result = {
    "total": total(input_data["rows"]),
    "words": sorted(set(words), key=len),
    "day": date(2024, 2, 29).isoformat(),
    "root": math.sqrt(16),
    "text": json.dumps({"a": 1}),
    "pair": (1, 2),
}
"""
    given: JsonValue = {"rows": [{"price": 2.5, "count": 4}], "text": "a bb a ccc"}

    assert await run(code, source, given) == {
        "total": 10.0,
        "words": ["a", "bb", "ccc"],
        "day": "2024-02-29",
        "root": 4.0,
        "text": '{"a": 1}',
        "pair": [1, 2],
    }


async def test_what_the_code_raises_is_shown_as_its_author_would_see_it(
    code: CodeActivities,
) -> None:
    error = await failure(code, "def check(n):\n    raise ValueError(f'bad {n}')\n\ncheck(3)\n")

    assert error.type == "ValueError"
    assert error.message == "ValueError: bad 3"
    assert error.traceback is not None
    assert 'File "<code>", line 4' in error.traceback
    assert "in check" in error.traceback
    assert "activities" not in error.traceback


async def test_a_syntax_error_is_final(code: CodeActivities) -> None:
    error = await failure(code, "x = 1\ndef f(:\n")

    assert (error.type, error.retryable) == ("SyntaxError", False)
    assert error.traceback is not None
    assert "line 2" in error.traceback


@pytest.mark.parametrize("source", ["while True: pass", "x = 0\nwhile x >= 0: x += 1"])
async def test_code_that_never_ends_is_stopped(code: CodeActivities, source: str) -> None:
    error = await failure(code, source, allowed=timedelta(seconds=1))

    assert error.type == "TimeoutError"


async def test_sleeping_is_limited_like_working(code: CodeActivities) -> None:
    error = await failure(
        code, "import time\ntime.sleep(600)\nresult = 1", allowed=timedelta(seconds=1)
    )

    assert error.type == "TimeoutError"


@pytest.mark.parametrize(
    "source",
    [
        "x = 'a' * 1000\nwhile True: x = x + x",
        "x = []\nwhile True: x.append('abc' * 100)",
        "x = 'a' * (1 << 40)",
        "x = [0] * (1 << 40)",
        "x = 10 ** (10 ** 9)",
    ],
)
async def test_memory_is_limited(code: CodeActivities, source: str) -> None:
    error = await failure(code, source + "\nresult = 1")

    assert error.type in {"MemoryError", "OverflowError"}


async def test_recursion_ends_in_an_error(code: CodeActivities) -> None:
    error = await failure(code, "def f(n):\n    return f(n + 1)\nf(0)")

    assert error.type == "RecursionError"
    assert error.traceback is not None
    assert len(error.traceback) < 10_000


async def test_a_result_beyond_the_limit_is_refused(code: CodeActivities) -> None:
    assert (await failure(code, "result = 'x' * 200_000")).type == "ResultTooLarge"


async def test_endless_printing_is_stopped(code: CodeActivities) -> None:
    error = await failure(code, "while True: print('x' * 10_000)", allowed=timedelta(seconds=3))

    assert (error.type, error.message) == (
        "PrintedTooMuch",
        "the code printed more than the 1048576 characters allowed",
    )


async def test_printing_is_no_output(
    code: CodeActivities, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await run(code, "print('to nobody')\nresult = 1") == 1
    assert "to nobody" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("x = 1", "NoResult"),
        ("result = {1, 2}", "InvalidResult"),
        ("result = float('nan')", "InvalidResult"),
        ("result = float('inf')", "InvalidResult"),
        ("result = b'bytes'", "InvalidResult"),
        ("from datetime import date\nresult = [date(2020, 1, 1)]", "InvalidResult"),
        ("class A: pass\nresult = A()", "InvalidResult"),
        ("result = lambda: 1", "InvalidResult"),
        ("result = 10 ** 5000", "InvalidResult"),
        ("result = []\nfor _ in range(200): result = [result]", "InvalidResult"),
    ],
)
async def test_a_result_that_is_no_json(code: CodeActivities, source: str, kind: str) -> None:
    error = await failure(code, source)

    assert error.type == kind
    assert error.message


@pytest.mark.parametrize(
    "source",
    [
        "import os\nresult = os.environ['PATH']",
        "import os\nresult = os.getenv('PATH') or 1 / 0",
        "import os\nresult = os.listdir('/')",
        "import os\nos.system('true')\nresult = 1",
        "result = open('/etc/passwd').read()",
        "open('escaped', 'w').write('x')\nresult = 1",
        "from pathlib import Path\nresult = Path('/etc/passwd').read_text()",
        "import subprocess\nresult = subprocess.run(['id'])",
        "import socket\nresult = 1",
        "import urllib.request\nresult = 1",
        "import ctypes\nresult = 1",
        "import sys\nresult = list(sys.modules)",
        "import importlib\nresult = importlib.import_module('os')",
        "result = __import__('os').getpid()",
        "result = ().__class__.__base__.__subclasses__()",
        "result = eval('__import__(\"os\")')",
        "import activities.code\nresult = 1",
    ],
)
async def test_the_code_reaches_nothing_outside(code: CodeActivities, source: str) -> None:
    error = await failure(code, source)

    assert error.type != "SandboxCrashed"


async def test_one_task_sees_nothing_of_another(code: CodeActivities) -> None:
    await run(code, "left = 'behind'\nresult = 1")

    assert (await failure(code, "result = left")).type == "NameError"


def sandboxes_alive() -> list[int]:
    return descendants_named("monty subprocess")


async def test_a_killed_sandbox_fails_its_task_only(code: CodeActivities) -> None:
    task = asyncio.create_task(run(code, "while True: pass"))
    for child in await eventually(sandboxes_alive, saying="the sandbox runs"):
        os.kill(child, 9)

    with pytest.raises(TaskFailedError) as caught:
        await task

    assert (caught.value.type, caught.value.retryable) == ("SandboxCrashed", True)
    assert await run(code, "result = 'still working'") == "still working"


async def test_a_cancelled_task_leaves_no_process_behind(code: CodeActivities) -> None:
    task = asyncio.create_task(run(code, "while True: pass"))
    await eventually(sandboxes_alive, saying="the sandbox runs")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(lambda: sandboxes_alive() == [], 3, saying="the sandbox is gone")


async def test_nothing_outlives_a_task_that_ended(code: CodeActivities) -> None:
    await run(code, "result = 1")

    await eventually(lambda: sandboxes_alive() == [], 3, saying="the sandbox is gone")


async def test_many_tasks_share_few_processes(code: CodeActivities) -> None:
    results = await asyncio.gather(*(run(code, "result = input_data * 2", n) for n in range(20)))

    assert results == [n * 2 for n in range(20)]
