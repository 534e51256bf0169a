"""Results of an earlier generation are used again exactly where nothing they depend on changed."""

from pydantic import JsonValue

from contracts.messages import Seed, TaskState
from flows.model import Edge, Flow, Task
from tests.support.engine import INPUT, Engine, a_flow, branch, effect, instant

CHAIN = a_flow(
    effect("a", {"n": "{{start.n}}"}),
    effect("b", {"got": "{{a.body.n}}"}),
    effect("c", {"got": "{{b.body}}"}),
)


async def seeds_of(engine: Engine, flow: Flow, input: dict[str, JsonValue]) -> list[Seed]:
    """Run a flow and return seeds of all that it did, as a later generation gets them."""
    engine.recorder.settled.clear()
    lacking = {task.name for task in flow.tasks if task.executor != "receive_file"}
    engine.recorder.lacks = lacking
    await engine.run(flow, input)
    engine.recorder.lacks = set()
    words = [word for word in engine.recorder.settled if word.has_output and word.fingerprint]
    engine.recorder.calls.clear()
    engine.recorder.settled.clear()
    return [
        Seed(
            task_name=word.task_name,
            item=word.item,
            output=word.output,
            fingerprint=word.fingerprint,
        )
        for word in words
    ]


def ran(engine: Engine) -> set[str]:
    """Return the tasks that ran."""
    return {call.task_name for call in engine.recorder.calls}


async def test_nothing_runs_when_nothing_changed(engine: Engine) -> None:
    seeds = await seeds_of(engine, CHAIN, {"n": 1})

    result = await engine.run(CHAIN, {"n": 1}, seeds)

    assert ran(engine) == set()
    assert result.outputs["c"] == {"url": "http://x", "method": "POST", "body": {"got": {"got": 1}}}
    assert engine.recorder.states() == {
        "start": "completed",
        **dict.fromkeys(["a", "b", "c"], "reused"),
    }


async def test_everything_runs_without_seeds(engine: Engine) -> None:
    await seeds_of(engine, CHAIN, {"n": 1})

    await engine.run(CHAIN, {"n": 1})

    assert ran(engine) == {"a", "b", "c"}


async def test_what_changed_upstream_runs_again_with_all_that_reads_it(engine: Engine) -> None:
    seeds = await seeds_of(engine, CHAIN, {"n": 1})

    await engine.run(CHAIN, {"n": 2}, seeds)

    assert ran(engine) == {"a", "b", "c"}


async def test_an_edited_output_runs_only_what_reads_it(engine: Engine) -> None:
    seeds = await seeds_of(engine, CHAIN, {"n": 1})
    edited = [
        seed.model_copy(update={"output": {"body": {"n": 5}}}) if seed.task_name == "a" else seed
        for seed in seeds
    ]

    await engine.run(CHAIN, {"n": 1}, edited)

    assert ran(engine) == {"b", "c"}
    assert engine.recorder.called("b")[0].parameters["body"] == {"got": 5}


async def test_an_equal_output_leaves_what_reads_it_alone(engine: Engine) -> None:
    async def parity(call: object) -> JsonValue:
        return {"parity": 1}

    engine.recorder.behaviours = {"a": parity}
    flow = a_flow(effect("a", "{{start.n}}"), effect("b", "{{a.parity}}"))
    seeds = await seeds_of(engine, flow, {"n": 1})

    await engine.run(flow, {"n": 3}, seeds)

    assert ran(engine) == {"a"}
    assert engine.recorder.states()["b"] == "reused"


async def test_a_changed_task_of_a_new_version_runs_again(engine: Engine) -> None:
    seeds = await seeds_of(engine, CHAIN, {"n": 1})
    changed = a_flow(CHAIN.tasks[1], effect("b", {"new": "{{a.body.n}}"}), CHAIN.tasks[3])

    await engine.run(changed, {"n": 1}, seeds)

    assert ran(engine) == {"b", "c"}


async def test_what_comes_by_an_edge_alone_counts_too(engine: Engine) -> None:
    flow = Flow(
        tasks=(INPUT, effect("a", "{{start.n}}"), effect("b", "fixed")),
        edges=(Edge(source="a", target="b"),),
    )
    seeds = await seeds_of(engine, flow, {"n": 1})

    await engine.run(flow, {"n": 1}, seeds)
    assert ran(engine) == set()

    await engine.run(flow, {"n": 2}, seeds)
    assert ran(engine) == {"a", "b"}


async def test_a_seeded_task_on_a_way_no_longer_chosen_is_skipped(engine: Engine) -> None:
    def flow(case: str) -> Flow:
        return a_flow(
            branch("way", case),
            instant("l", 1),
            instant("r", 2),
            edges=[("start", "way"), ("way", "l", "left"), ("way", "r", "right")],
        )

    seeds = await seeds_of(engine, flow("left"), {})
    engine.recorder.closed.clear()

    await engine.run(flow("right"), {}, seeds)

    assert ran(engine) == {"way", "r"}
    assert engine.recorder.closed[0].skipped == ["l"]


EACH = Task(
    name="each",
    executor="http_request",
    parameters={"url": "{{start.urls}}", "method": "GET"},
)


async def test_only_the_items_that_changed_run_again(engine: Engine) -> None:
    seeds = await seeds_of(engine, a_flow(EACH), {"urls": ["a", "b", "c"]})
    assert len(seeds) == 3

    result = await engine.run(a_flow(EACH), {"urls": ["a", "B", "c", "d"]}, seeds)

    assert {call.parameters["url"] for call in engine.recorder.calls} == {"B", "d"}
    outputs = result.outputs["each"]
    assert isinstance(outputs, list)
    assert [output["url"] for output in outputs if isinstance(output, dict)] == ["a", "B", "c", "d"]
    states = [engine.recorder.word_on("each", item).state for item in range(4)]
    assert states == [
        TaskState.REUSED,
        TaskState.COMPLETED,
        TaskState.REUSED,
        TaskState.COMPLETED,
    ]
    assert engine.recorder.word_on("each").state is TaskState.COMPLETED


async def test_an_iteration_whose_items_all_hold_is_reused_as_a_whole(engine: Engine) -> None:
    seeds = await seeds_of(engine, a_flow(EACH), {"urls": ["a", "b"]})

    await engine.run(a_flow(EACH), {"urls": ["a", "b"]}, seeds)

    assert engine.recorder.calls == []
    assert engine.recorder.word_on("each").state is TaskState.REUSED
