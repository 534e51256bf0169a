"""Random starts, failures, cancels, re-executions, deletions and kills; then the truth check.

``PERDURE_MIX_SECONDS`` says for how long; ``PERDURE_MIX_SEED`` repeats an earlier run's choices.
"""

import json
import os
import secrets
from pathlib import Path

import pytest

from tests.support.mix import Mix
from tests.support.platform_process import running_platform
from tests.support.receiver import receiving

SECONDS = float(os.environ.get("PERDURE_MIX_SECONDS", "40"))
SEED = int(os.environ.get("PERDURE_MIX_SEED", secrets.randbelow(1_000_000)))


@pytest.mark.timeout(SECONDS + 300)
async def test_what_is_shown_is_true_after_a_random_mix(tmp_path: Path) -> None:
    print(f"\nmix of {SECONDS:g} s, PERDURE_MIX_SEED={SEED}")  # noqa: T201 - to repeat it
    async with running_platform(tmp_path) as processes, receiving() as receiver:
        mix = Mix(processes, receiver, SEED)
        await mix.prepare()
        await mix.run(SECONDS)
        await mix.await_quiet()
        verdict = await processes.truth()
        print(dict(sorted(mix.done.items())), len(mix.executions), "executions")  # noqa: T201

        assert mix.surprises == []
        assert verdict["differences"] == [], json.dumps(verdict["differences"], indent=1)
        assert verdict["running"] == 0
        assert verdict["checked"] == len(mix.executions)
        assert await mix.faults() == []
        assert any(action.startswith("kill") for action in mix.done)
