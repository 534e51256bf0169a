"""Records the histories that the replay test needs and does not have yet: ``make record-history``.

A history that is there is never recorded anew: it stands for runs that were started with the code
of its time. Names given on the command line limit what is recorded.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client, WorkflowHistory

from runtime.embedded import NAMESPACE, EmbeddedTemporal
from runtime.readiness import free_port
from runtime.shutdown import settle_interpreter
from runtime.temporal import data_converter
from tests.replay.scenarios import SCENARIOS
from tests.support.engine import running_engine

ROOT = Path(__file__).resolve().parent.parent
HISTORIES = ROOT / "tests" / "replay" / "histories"
IDENTITY = "recorder"


async def record(names: Sequence[str]) -> None:
    """Record the named scenarios that have no history, on a server of our own."""
    with tempfile.TemporaryDirectory(prefix="perdure-record-") as folder:
        server = EmbeddedTemporal(Path(folder), free_port(), ui_port=None)
        await server.start()
        try:
            client = await Client.connect(
                server.address,
                namespace=NAMESPACE,
                data_converter=data_converter(None),
                identity=IDENTITY,
            )
            for name in names:
                await _record_one(client, name)
        finally:
            await server.stop()


async def _record_one(client: Client, name: str) -> None:
    """Run one scenario and write its histories: the flow's, and that of its first child."""
    if _path(name, 0).exists():
        sys.stdout.write(f"{name}: kept\n")
        return
    async with running_engine(client, f"record-{uuid4().hex}") as engine:
        for position, handle in enumerate(await SCENARIOS[name].play(engine)):
            history = await handle.fetch_history()
            _path(name, position).write_text(_text(history), encoding="utf-8")
    sys.stdout.write(f"{name}: recorded\n")


def _path(name: str, position: int) -> Path:
    """Return where a history lives; a child's stands beside its parent's."""
    return HISTORIES / f"{name}{'.child' if position else ''}.json"


def _text(history: WorkflowHistory) -> str:
    """Return a history as JSON that does not tell where it was recorded."""
    return history.to_json().replace(f"{ROOT}/", "") + "\n"


def main() -> None:
    """Record what is named, or whatever is missing."""
    names = sys.argv[1:] or list(SCENARIOS)
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        sys.exit(f"unknown scenario {unknown[0]}; known are: {', '.join(SCENARIOS)}")
    HISTORIES.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(record(names))
    finally:
        settle_interpreter()


if __name__ == "__main__":
    main()
