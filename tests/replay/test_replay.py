"""Histories of runs that were started with older code still replay with today's.

A history is added by ``make record-history``; none is ever edited or removed to turn this green.
"""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from runtime.temporal import data_converter, workflow_runner
from tests.replay.scenarios import SCENARIOS
from worker import WORKFLOWS

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


@pytest.fixture(params=HISTORIES, ids=lambda path: path.stem)
def history(request: pytest.FixtureRequest) -> WorkflowHistory:
    """One stored history after the other, under the id of its workflow: children carry it too."""
    path: Path = request.param
    text = path.read_text(encoding="utf-8")
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], text)


async def test_a_stored_history_replays(history: WorkflowHistory) -> None:
    replayer = Replayer(
        workflows=list(WORKFLOWS),
        workflow_runner=workflow_runner(),
        data_converter=data_converter(None),
    )

    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)

    assert result.replay_failure is None, result.replay_failure


def test_every_scenario_has_its_history() -> None:
    assert {path.stem.removesuffix(".child") for path in HISTORIES} >= set(SCENARIOS)
