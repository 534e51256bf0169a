"""The package in docs/adding-an-executor.md, installed and run as it stands there."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.platform_process import PlatformProcess, running_platform

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-an-executor.md"
_BLOCK = re.compile(r"^```(python|toml|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in _BLOCK.findall(PAGE.read_text()) if name == language]


@pytest.fixture
async def installed(tmp_path: Path) -> Path:
    """Install the package into a folder of its own, and return that folder."""
    source, site = tmp_path / "source", tmp_path / "site"
    package = source / "word_counter"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    spec, work = blocks("python")
    (package / "spec.py").write_text(spec)
    (package / "activity.py").write_text(work)
    (source / "pyproject.toml").write_text(blocks("toml")[0])
    install = [*_PIP, "--no-deps", "--target", str(site), str(source)]
    process = await asyncio.create_subprocess_exec(*install)
    assert await process.wait() == 0
    return site


_PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def with_path(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


async def test_its_flow_runs(installed: Path, tmp_path: Path) -> None:
    async with running_platform(tmp_path, with_path(installed)) as platform:
        listed = await platform.http.get("/api/task-executors")
        assert "count_words" in listed.text
        flow_id = await platform.create_flow("count", json.loads(blocks("json")[0]))

        counted = await _ended(platform, flow_id, "one of three long words")
        empty = await _ended(platform, flow_id, "a b")

    assert counted["status"] == "completed"
    assert counted["count"] == {"words": 4}
    assert empty["status"] == "failed"
    assert empty["type"] == "NoWords"


async def _ended(platform: PlatformProcess, flow_id: str, text: str) -> dict[str, object]:
    """Run the flow on a text, and return what became of it."""
    execution_id = await platform.start(flow_id, {"text": text})
    execution = await platform.finished(execution_id)
    (row,) = await platform.rows(execution_id, "count")
    error = row["error"]
    kind = error["type"] if isinstance(error, dict) else None
    return {"status": execution["status"], "count": row["output"], "type": kind}
