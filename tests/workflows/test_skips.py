"""Branches, several input tasks, and what they leave out."""

import pytest

from contracts.messages import TaskState
from flows.model import Flow, Task
from tests.support.engine import INPUT, Engine, a_flow, branch, chain, instant


async def skipped_by(engine: Engine, flow: Flow) -> set[str]:
    """Run a flow and return the tasks that it skipped, as the store was told."""
    await engine.run(flow, {"n": 1})
    (closed,) = engine.recorder.closed
    ran = {call.task_name for call in engine.recorder.calls}
    assert not ran & set(closed.skipped)
    assert closed.status == "completed"
    return set(closed.skipped)


async def test_only_what_lies_behind_the_chosen_case_runs(engine: Engine) -> None:
    flow = a_flow(
        branch("way", "left"),
        instant("l", 1),
        instant("r", 2),
        instant("behind_r", "{{r}}"),
        edges=[("start", "way"), ("way", "l", "left"), ("way", "r", "right")],
    )

    assert await skipped_by(engine, flow) == {"r", "behind_r"}
    assert engine.recorder.states().keys() == {"start", "way", "l"}


async def test_a_join_runs_with_null_for_the_way_not_taken(engine: Engine) -> None:
    flow = a_flow(
        branch("way", "left"),
        instant("l", 1),
        instant("r", 2),
        instant("join", {"l": "{{l.value}}", "r": "{{r.value}}"}),
        edges=[("start", "way"), ("way", "l", "left"), ("way", "r", "right")],
    )

    result = await engine.run(flow)

    assert result.outputs == {"join": {"l": 1, "r": None}}
    assert engine.recorder.states()["join"] == "completed"


async def test_no_case_chosen_skips_all_ways(engine: Engine) -> None:
    flow = a_flow(
        branch("way", None),
        instant("l", 1),
        instant("r", 2),
        instant("join", ["{{l}}", "{{r}}"]),
        edges=[("start", "way"), ("way", "l", "left"), ("way", "r", "right")],
    )

    assert await skipped_by(engine, flow) == {"l", "r", "join"}


async def test_a_conditional_edge_outweighs_a_reference_to_the_branch(engine: Engine) -> None:
    flow = a_flow(
        branch("way", "left"),
        instant("r", "{{way.value}}"),
        edges=[("start", "way"), ("way", "r", "right")],
    )

    assert await skipped_by(engine, flow) == {"r"}


async def test_a_skip_runs_down_a_long_chain(engine: Engine) -> None:
    flow = a_flow(
        branch("way", "left"),
        *chain(300, "{{way.value}}"),
        edges=[("start", "way"), ("way", "t0", "right")],
    )

    assert len(await skipped_by(engine, flow)) == 300


@pytest.mark.parametrize(("fired", "idle"), [("start", "other"), ("other", "start")])
async def test_what_depends_only_on_an_idle_trigger_is_skipped(
    engine: Engine, fired: str, idle: str
) -> None:
    flow = Flow(
        tasks=(
            INPUT,
            Task(name="other", executor="receive_file"),
            instant("of_start", "{{start.n}}"),
            instant("of_other", "{{other.n}}"),
            instant("of_both", ["{{start.n}}", "{{other.n}}"]),
        )
    )

    result = await engine.run(flow, {"n": 5}, input_task_name=fired)

    (closed,) = engine.recorder.closed
    assert set(closed.skipped) == {idle, f"of_{idle}"}
    assert result.outputs["of_both"] == {"value": [5, None] if fired == "start" else [None, 5]}
    assert engine.recorder.word_on(fired).state is TaskState.COMPLETED
