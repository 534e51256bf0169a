"""Running many flows, and watching how much memory the processes that run them take."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.support.effect_flows import INPUT, a_flow, a_note, an_effect
from tests.support.platform_process import Part, PlatformProcess
from tests.support.receiver import Receiver

PATH = "/soak"
WATCHED: tuple[Part, ...] = ("worker", "api")
BATCH = 20

_KIB = 1024


@dataclass(slots=True)
class Soak:
    """Resident bytes of each process, after every batch of flows.

    Attributes:
        pids: Of the watched processes at the beginning: one that was replaced proves nothing.
    """

    pids: dict[Part, int]
    samples: dict[Part, list[int]] = field(default_factory=dict)

    def growth(self, part: Part) -> int:
        """Return by how many bytes a process grew, warming up left out."""
        return growth(self.samples[part])

    def told(self) -> str:
        """Return a line for people."""
        return ", ".join(
            f"{part}: {samples[0] // _KIB} KiB first, {samples[-1] // _KIB} KiB last, "
            f"{growth(samples) // _KIB:+} KiB after warming up"
            for part, samples in self.samples.items()
        )


def growth(samples: list[int]) -> int:
    """Return the rise from the second quarter of the samples to the last one, by their medians.

    The first quarter warms up: pools, caches and the interpreter's arenas fill. Medians, because a
    garbage collection that is due is no leak.
    """
    quarter = len(samples) // 4
    if not quarter:
        raise ValueError("at least four samples are needed")
    return int(median(samples[-quarter:]) - median(samples[quarter : 2 * quarter]))


async def soaked(platform: PlatformProcess, receiver: Receiver, flows: int) -> Soak:
    """Run flows in batches, each with an instant task and an effect; all of them must complete."""
    definition = a_flow(a_note("note", "form"), an_effect("call", receiver, PATH, reads="note"))
    flow_id = await platform.create_flow("soak", definition)
    soak = Soak({part: platform.pid(part) for part in WATCHED})
    soak.samples = {part: [] for part in WATCHED}
    for _ in range(flows // BATCH):
        ids = [await platform.start(flow_id, INPUT) for _ in range(BATCH)]
        ended = await asyncio.gather(*(platform.finished(each, 120) for each in ids))
        assert {str(each["status"]) for each in ended} == {"completed"}
        for part, pid in soak.pids.items():
            soak.samples[part].append(resident_bytes(pid))
    assert soak.pids == {part: platform.pid(part) for part in WATCHED}
    return soak


def resident_bytes(pid: int) -> int:
    """Return the resident set size of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * _KIB
