"""Commands are imported once they are called."""

import subprocess
import sys

import pytest

from cli.lazy import COMMANDS

CALL = """
import sys
from cli.main import app

app({arguments!r}, standalone_mode=False)
print(*sys.modules)
"""


def imported_by(*arguments: str) -> set[str]:
    """Return the modules that a command has imported once it showed its help."""
    script = CALL.format(arguments=[*arguments, "--help"])
    run = subprocess.run(  # noqa: S603  # the script above
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["run", "chat", "export", "files"])
def test_what_calls_the_api_brings_no_engine_and_no_store_along(command: str) -> None:
    modules = imported_by(command)

    assert COMMANDS[command].split(":")[0] in modules
    assert modules.isdisjoint({"temporalio", "pymongo", "store", "workflows", "cli.admin"})


def test_the_help_names_every_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    assert all(f"│ {name} " in shown for name in COMMANDS)
