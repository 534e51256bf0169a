"""The processes of the sandbox: what they may do, how they are shared, and when they end."""

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

import pydantic_monty
import pytest
from pydantic import JsonValue

from activities import sandbox_host
from activities.code import CodeActivities
from activities.sandbox import CodeRun, Sandbox
from flows.errors import TaskFailedError
from tests.support.children import descendants_named, is_alive
from tests.support.eventually import eventually
from tests.support.running_code import code_failure, code_run

_ROOT = Path(__file__).parents[2]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(max_processes=4) as open_sandbox:
        yield open_sandbox


@pytest.fixture
def code(sandbox: Sandbox) -> CodeActivities:
    return CodeActivities(sandbox, max_memory_bytes=64 * 1024 * 1024)


def interpreters() -> list[int]:
    return descendants_named("monty subprocess")


def hosts() -> list[int]:
    return descendants_named("sandbox_host.py")


ANSWERS_OF_A_BROKEN_HOST = {
    "nothing": "",
    "half a length": "out.write(b'ab')",
    "an endless answer": "out.write(b'\\xff\\xff\\xff\\xff' + b'x' * 9999)",
    "half an answer": "out.write(b'\\x00\\x00\\x00\\x09{}')",
    "no JSON": "out.write(b'\\x00\\x00\\x00\\x04abc\\n')",
    "JSON of another kind": "out.write(b'\\x00\\x00\\x00\\x03[]\\n')",
    "a pickle": "out.write((26).to_bytes(4) + b\"cos\\nsystem\\n(S'true'\\ntR.\\n\\n\")",
}


@pytest.mark.parametrize("name", ANSWERS_OF_A_BROKEN_HOST)
async def test_a_process_that_answers_nonsense_is_given_up(tmp_path: Path, name: str) -> None:
    script = tmp_path / "broken.py"
    script.write_text(
        f"import sys\nout = sys.stdout.buffer\n{ANSWERS_OF_A_BROKEN_HOST[name]}\nout.flush()\n"
    )
    async with Sandbox(max_processes=1, script=script) as sandbox:
        error = await code_failure(CodeActivities(sandbox), "result = 1")

    assert (error.type, error.retryable) == ("SandboxCrashed", True)
    assert descendants_named("broken.py") == []


async def test_a_process_that_never_answers_is_killed_in_time(tmp_path: Path) -> None:
    script = tmp_path / "silent.py"
    script.write_text("while True: pass\n")
    async with Sandbox(max_processes=1, script=script) as sandbox:
        error = await code_failure(CodeActivities(sandbox), "result = 1", seconds=1)

    assert (error.type, error.retryable) == ("TimeoutError", True)
    assert descendants_named("silent.py") == []


async def endless(code: CodeActivities, organization: str = "hog") -> asyncio.Task[JsonValue]:
    """Start code that never ends, and return once it runs."""
    before = set(interpreters())
    task = asyncio.create_task(
        code_run(code, "while True: pass", seconds=50, organization=organization)
    )
    await eventually(lambda: set(interpreters()) - before, saying="the code runs")
    return task


def limit(pid: int, name: str) -> str:
    """Return a hard limit of a process, as the kernel shows it."""
    text = Path(f"/proc/{pid}/limits").read_text()
    found = re.search(rf"^{name} +\S+ +(\S+)", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


async def test_the_interpreter_can_open_nothing_and_knows_nothing(code: CodeActivities) -> None:
    task = await endless(code)
    (pid,) = interpreters()
    # The last limit that it does not inherit.
    await eventually(lambda: limit(pid, "Max processes") == "0", saying="it is confined")

    check_confinement(pid)
    task.cancel()
    await asyncio.wait([task])


def check_confinement(pid: int) -> None:
    assert limit(pid, "Max open files") == "0"
    assert limit(pid, "Max processes") == "0"
    assert limit(pid, "Max file size") == "0"
    assert limit(pid, "Max core file size") == "0"
    assert limit(pid, "Max cpu time") == "49"
    assert int(limit(pid, "Max address space")) < 600 * 1024 * 1024
    assert Path(f"/proc/{pid}/environ").read_bytes() == b""
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    files = {each.name: str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    assert files.keys() == {"0", "1", "2"}
    assert files["2"] == "/dev/null"
    assert "NoNewPrivs:\t1\n" in Path(f"/proc/{pid}/status").read_text()
    threads = [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]
    assert {os.getpriority(os.PRIO_PROCESS, each) for each in threads} == {
        min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    }
    (host,) = hosts()
    assert b"PERDURE" not in Path(f"/proc/{host}/environ").read_bytes()
    assert b"PATH" not in Path(f"/proc/{host}/environ").read_bytes()


async def test_a_hog_does_not_hold_up_a_neighbour(code: CodeActivities) -> None:
    hogs = [await endless(code) for _ in range(2)]
    hogs += [
        asyncio.create_task(code_run(code, "while True: pass", seconds=50, organization="hog"))
    ]

    assert await code_run(code, "result = 'quick'", organization="neighbour") == "quick"

    assert not any(task.done() for task in hogs)
    await eventually(lambda: len(interpreters()) == 2, saying="the hog has its share, no more")
    for task in hogs:
        task.cancel()
    await asyncio.wait(hogs)
    await eventually(lambda: not interpreters(), saying="nothing is left of it")


async def test_a_turn_that_does_not_come_says_so() -> None:
    async with Sandbox(max_processes=1) as sandbox:
        code = CodeActivities(sandbox)
        hog = await endless(code)

        error = await code_failure(code, "result = 1", seconds=0.5)

        assert (error.type, error.retryable) == ("SandboxBusy", True)
        hog.cancel()
        await asyncio.wait([hog])
        assert await code_run(code, "result = 1") == 1


async def test_a_process_serves_many_tasks_and_an_interpreter_one(code: CodeActivities) -> None:
    assert await code_run(code, "result = 1") == 1
    first = hosts()
    assert await code_run(code, "result = 2") == 2
    assert (await code_failure(code, "1 / 0")).type == "ZeroDivisionError"

    assert hosts() == first
    assert len(first) == 1
    await eventually(lambda: not interpreters(), saying="no interpreter is left")


async def test_a_dead_process_is_replaced(sandbox: Sandbox, code: CodeActivities) -> None:
    assert await code_run(code, "result = 1") == 1
    (idle,) = hosts()
    os.kill(idle, signal.SIGKILL)
    process = sandbox._idle[0]._process
    await eventually(lambda: process.returncode is not None, saying="its end has been noticed")

    assert await code_run(code, "result = 2") == 2


async def test_a_process_killed_at_work_takes_its_interpreter_along(code: CodeActivities) -> None:
    task = await endless(code)
    (interpreter,) = interpreters()
    (host,) = hosts()

    os.kill(host, signal.SIGKILL)

    with pytest.raises(TaskFailedError) as caught:
        await task
    assert caught.value.type == "SandboxCrashed"
    await eventually(lambda: not is_alive(interpreter), saying="the interpreter is gone")


_A_WORKER = """
import asyncio, signal
from activities.sandbox import CodeRun, Sandbox

async def work():
    async with Sandbox(max_processes=2) as sandbox:
        await asyncio.gather(*(sandbox.run(CodeRun(
            code=code, input_data=None, seconds=300, max_memory=2**26, max_output=99, max_printed=99
        )) for code in ("while True: pass", "import time\\nwhile True: time.sleep(9)")))

# Whoever runs the suite in the background has its children ignore this signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(work())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_nothing_outlives_a_worker_that_dies(how: signal.Signals) -> None:
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _A_WORKER), cwd=_ROOT, stderr=asyncio.subprocess.DEVNULL
    )

    def family() -> list[int]:
        found = descendants_named("monty subprocess", of=worker.pid)
        return found if len(found) == 2 else []

    interpreters_of_it = await eventually(family, saying="the code runs")
    family_of_it = [*interpreters_of_it, *descendants_named("sandbox_host.py", of=worker.pid)]
    assert len(family_of_it) == 4

    worker.send_signal(how)

    await worker.wait()
    await eventually(
        lambda: not any(map(is_alive, family_of_it)), 5, saying="all that it started is gone"
    )


def _reachable_python() -> tuple[str, dict[str, str]] | None:
    """Return a Python of our version that any user can start, and its environment."""
    ours = sys.version_info[:2]
    for python in (sys.executable, f"/usr/bin/python{ours[0]}.{ours[1]}"):
        packages = Path(pydantic_monty.__file__).parents[1]
        environment = {"PYTHONPATH": str(packages), "MONTY_BIN": _monty()}
        needed = (Path(python), packages / "x", Path(sandbox_host.__file__), Path(_monty()))
        if all(path.exists() or path.name == "x" for path in needed) and all(
            folder.stat().st_mode & stat.S_IXOTH
            for path in needed
            for folder in (*path.parents, *path.resolve().parents)
        ):
            return python, environment
    return None


def _monty() -> str:
    """Return the path of the interpreter's executable."""
    return str(Path(sys.executable).with_name("monty"))


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all the other tests")
def test_an_ordinary_user_can_run_it() -> None:
    found = _reachable_python()
    if found is None:
        pytest.skip("only root may enter the folders of this checkout or of its Python")
    python, environment = found
    request = json.dumps(
        asdict(
            CodeRun(
                code="result = input_data + 1",
                input_data=1,
                seconds=20,
                max_memory=2**26,
                max_output=99,
                max_printed=99,
            )
        )
    ).encode()

    process = subprocess.Popen(  # noqa: S603 - our own script
        [python, "-P", "-s", "-B", sandbox_host.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        user=65534,
        group=65534,
        extra_groups=[],
        start_new_session=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(request).to_bytes(4) + request)
        process.stdin.flush()
        assert process.stdout.read(8) == b"\x00\x00\x00\x04{}\n2"
        process.stdin.close()
        process.wait(10)
