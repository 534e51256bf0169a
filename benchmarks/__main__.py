"""``python -m benchmarks``: take every figure, print a table, write ``build/bench.json``."""

import asyncio
import sys
from pathlib import Path

from benchmarks import flows, large_flows, reads, recovery, turns
from benchmarks.figures import report
from benchmarks.no_op import install
from benchmarks.platform import running
from runtime.shutdown import settle_interpreter

OUTPUT = Path("build") / "bench.json"
PARTS = {
    "flows": flows.measure,
    "large_flows": large_flows.measure,
    "turns": turns.measure,
    "recovery": recovery.measure,
    "reads": reads.measure,
}


async def main(wanted: list[str]) -> None:
    """Measure the parts that were named, or all of them."""
    install()
    async with running() as platform:
        figures = []
        for name, measure in PARTS.items():
            if not wanted or name in wanted:
                figures += await measure(platform)
    report(figures, OUTPUT)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
    settle_interpreter()
