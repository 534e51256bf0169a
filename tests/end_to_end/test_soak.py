"""The memory of worker and API stays flat, however many flows they have run."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.platform_process import running_platform
from tests.support.receiver import receiving
from tests.support.soak import BATCH, PATH, WATCHED, growth, soaked

FLOWS = int(os.environ.get("PERDURE_SOAK_FLOWS", "240"))
ALLOWED_BYTES = 12 * 2**20
"""What allocators and caches may still take after warming up, whatever the number of flows: over
the 120 flows between the middles of the quarters of a short run that is 100 KiB for each, over the
2,500 of a long one 5 KiB."""

pytestmark = pytest.mark.timeout(max(300, FLOWS))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
async def test_memory_is_flat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with receiving() as receiver, running_platform(tmp_path) as platform:
        soak = await soaked(platform, receiver, FLOWS)

    with capsys.disabled():
        if "PERDURE_SOAK_FLOWS" in os.environ:
            print(f"\n{FLOWS} flows; {soak.told()}")  # noqa: T201 - what make soak is run for
    assert len(set(receiver.keys[PATH])) == len(receiver.keys[PATH]) == FLOWS // BATCH * BATCH
    assert {part: soak.growth(part) for part in WATCHED if soak.growth(part) > ALLOWED_BYTES} == {}


def test_a_leak_is_seen_through_noise_and_a_collection_is_not_a_leak() -> None:
    noise = [0, 3, 1, 4, 2] * 8
    warming = [50 + at for at in range(10)]

    flat = [*warming, *(100 + each for each in noise[:30])]
    leaking = [*warming, *(100 + each + 2 * at for at, each in enumerate(noise[:30]))]

    assert abs(growth(flat)) <= 4
    assert growth(leaking) >= 30
