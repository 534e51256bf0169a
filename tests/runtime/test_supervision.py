import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from flows.errors import StartUpError
from runtime.process import ManagedProcess
from runtime.readiness import await_answer, describe_exit, explain_exit
from runtime.supervision import Supervisor
from tests.support.eventually import eventually

FOREVER = "import signal; print('up', flush=True); signal.pause()"


class Script:
    """A part of a platform: a Python program that answers by printing ``up``."""

    def __init__(self, folder: Path, name: str, program: str) -> None:
        self.process = ManagedProcess(name, [sys.executable, "-c", program], folder / f"{name}.log")

    async def start(self) -> None:
        await self.process.start()
        pid = self.process.pid

        async def is_up() -> bool:
            return self.process.pid == pid and "up" in self.process.log_tail()

        await await_answer(self.process, is_up)


@pytest.fixture
def said() -> list[str]:
    return []


async def test_a_part_that_is_killed_starts_again_and_its_end_is_said(
    tmp_path: Path, said: list[str]
) -> None:
    part = Script(tmp_path, "server", FOREVER)
    supervisor = Supervisor([[part]], said.append)
    await supervisor.start()
    first = supervisor.process_ids["server"]

    os.kill(first, signal.SIGKILL)

    await eventually(lambda: said[-1:] == [f"server is back, process {part.process.pid}"])
    assert said[0] == "server ended by SIGKILL, starting it again"
    assert supervisor.process_ids["server"] != first
    await supervisor.stop()


async def test_stopping_ends_every_part_for_good(tmp_path: Path, said: list[str]) -> None:
    parts = [Script(tmp_path, name, FOREVER) for name in ("one", "other")]
    supervisor = Supervisor([parts[:1], parts[1:]], said.append)
    await supervisor.start()

    await supervisor.stop()

    assert [part.process.exit_status for part in parts] == [-signal.SIGTERM] * 2
    assert said == []


async def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + FOREVER
    part = Script(tmp_path, "stubborn", stubborn)
    await part.start()

    await part.process.stop(grace=timedelta(milliseconds=200))

    assert part.process.exit_status == -signal.SIGKILL


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            "mongod: error while loading shared libraries: libcrypto.so.3: cannot open",
            "part needs the shared library libcrypto.so.3: install libssl 3 and libcurl 4",
        ),
        ("fatal: write failed: No space left on device", "the disk is full"),
        ("listen tcp 127.0.0.1:1: bind: address already in use", "its port is taken"),
        ("something else", "part ended with exit status 3, see "),
    ],
)
async def test_why_a_part_did_not_start_is_one_line(
    tmp_path: Path, output: str, expected: str
) -> None:
    program = f"import sys; print({output!r}); sys.exit(3)"

    with pytest.raises(StartUpError) as refused:
        await Script(tmp_path, "part", program).start()

    assert expected in refused.value.message
    assert "\n" not in refused.value.message


async def test_a_silent_part_is_given_up_at_its_deadline(tmp_path: Path) -> None:
    part = Script(tmp_path, "silent", "import signal; signal.pause()")
    await part.process.start()

    async def never() -> bool:
        return False

    with pytest.raises(StartUpError, match=r"silent did not answer within 0\.1 s"):
        await await_answer(part.process, never, deadline=timedelta(milliseconds=100))
    await part.process.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent_program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from runtime.process import ManagedProcess\n"
        f"child = ManagedProcess('c', [sys.executable, '-c', {FOREVER!r}], Path(sys.argv[1]))\n"
        "async def main():\n"
        "    await child.start(); print(child.pid, flush=True); await child.wait()\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", parent_program, str(tmp_path / "child.log")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    parent = ManagedProcess("parent", command, tmp_path / "parent.log", environment)
    await parent.start()
    await eventually(lambda: parent.log_tail().strip() and (tmp_path / "child.log").exists())
    child = int(parent.log_tail())
    await eventually(lambda: "up" in (tmp_path / "child.log").read_text())
    assert parent.pid is not None

    os.kill(parent.pid, signal.SIGKILL)

    await eventually(gone(child), saying="the child to end")
    await parent.wait()


def gone(pid: int) -> Callable[[], bool]:
    def is_gone() -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        return state == "Z"

    return is_gone


def test_exits_read_well(tmp_path: Path) -> None:
    assert describe_exit(-9) == "by SIGKILL"
    assert describe_exit(3) == "with exit status 3"
    assert describe_exit(-200) == "by signal 200"
    idle = ManagedProcess("idle", ["/bin/true"], tmp_path / "idle.log")
    assert explain_exit(idle).startswith("idle ended with exit status None")
