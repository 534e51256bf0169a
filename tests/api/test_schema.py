"""The API is what its document says, whatever is sent: schemathesis, with every check it has.

``make fuzz`` does the same for as long as it is told, with another seed each time.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.fixtures.api import Api
from tests.support.served import served

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SEED = "20251122"


async def told(url: str, key: str, *arguments: str) -> tuple[int | None, str]:
    """Run schemathesis against a server, and return its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS,
        *("--config-file", str(CONFIGURATION)),
        *("run", f"{url}/openapi.json", "--checks", "all"),
        *("--warnings", "off", "--no-color", *arguments),
        env={**os.environ, "PERDURE_API_KEY": key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode()


def budget() -> tuple[str, ...]:
    """Return how much is tried: the same each time, or for as long as the caller says."""
    seconds = os.environ.get("PERDURE_FUZZ_SECONDS")
    if seconds is not None:
        return ("--max-time", seconds, "--max-examples", "100000")
    return ("--seed", SEED, "--max-examples", "4")


@pytest.mark.timeout(func_only=True, timeout=600)
async def test_the_api_is_what_its_document_says(working_api: Api) -> None:
    key = (await working_api.organization()).client.headers["X-API-Key"]

    async with served(working_api.app) as url:
        status, said = await told(url, key, *budget(), "--continue-on-failure")

    assert status == 0, said
    assert "Fuzzing" in said
