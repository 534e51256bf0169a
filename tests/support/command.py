"""The ``perdure`` command as a process of its own, free of this machine's settings."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 120.0

COMMAND = (sys.executable, "-c", "from cli.main import main; main()")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    status: int
    out: str
    err: str


async def perdure_process(
    *arguments: str, variables: Mapping[str, str] | None = None, stdin: bool = False
) -> asyncio.subprocess.Process:
    """Start the command; its output is piped, and its input, if wanted.

    Args:
        variables: PERDURE_* variables that it sees; none of this process's own.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=REPOSITORY,
        env={**clean, **(variables or {})},
        stdin=asyncio.subprocess.PIPE if stdin else None,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def perdure(*arguments: str, variables: Mapping[str, str] | None = None) -> Ended:
    """Run the command to its end."""
    process = await perdure_process(*arguments, variables=variables)
    async with asyncio.timeout(LONGEST_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def perdure_here(
    *arguments: str, variables: Mapping[str, str] | None = None, said: str = ""
) -> Ended:
    """Run the command to its end in a thread of this process, which starts at once.

    Args:
        said: What it reads from its standard input.
    """
    runner = CliRunner()
    invoke = partial(runner.invoke, app, list(arguments), input=said, env=dict(variables or {}))
    async with asyncio.timeout(LONGEST_SECONDS):
        result = await asyncio.to_thread(invoke)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)
