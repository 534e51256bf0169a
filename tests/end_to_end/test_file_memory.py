"""A file of 100 MB passes through the API's process without staying in it."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

from tests.support.effect_flows import a_flow
from tests.support.platform_process import PlatformProcess, running_platform

MIB = 1024 * 1024
CHUNK = bytes(range(256)) * (MIB // 256)
LARGE_CHUNKS = 100
MOST_BYTES = 24 * MIB
"""What a process may hold at once of what passes through it."""


async def test_a_large_file_is_streamed_both_ways(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as platform:
        flow_id = await platform.create_flow("files", a_flow())
        await _there_and_back(platform, flow_id, chunks=2)
        _forget_peak(platform.pid("api"))
        before = _peak_bytes(platform.pid("api"))

        await _there_and_back(platform, flow_id, chunks=LARGE_CHUNKS)

        assert _peak_bytes(platform.pid("api")) - before < MOST_BYTES


async def _there_and_back(platform: PlatformProcess, flow_id: str, *, chunks: int) -> None:
    """Upload a file and download it again, one chunk at a time."""

    async def content() -> AsyncIterator[bytes]:
        for _ in range(chunks):
            yield CHUNK

    asked = await platform.http.post(f"/api/flows/{flow_id}/upload-url")
    announced = asked.raise_for_status().json()
    put = await platform.http.put(announced["upload_url"], content=content(), timeout=60)
    put.raise_for_status()
    key = {"file_key": announced["file_key"]}
    link = (await platform.http.post("/api/flows/download-url", json=key)).raise_for_status()
    digest = sha256()
    async with platform.http.stream("GET", link.json()["download_url"], timeout=60) as answer:
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            digest.update(part)
    assert digest.hexdigest() == sha256(CHUNK * chunks).hexdigest()


def _forget_peak(pid: int) -> None:
    """Let the kernel count the peak of a process's memory anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
