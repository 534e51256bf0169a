"""Rules that a graph must keep, and that everything else is kept as it is."""

import pytest

from dialogs.events import JsonObject
from dialogs.model import Graph, OtherNode
from dialogs.validate import first_fault
from tests.support.dialogs import asks, direct, graph, node, says, when

COMPANION = {"companion_thread_config": {"is_companion_thread": True, "thread_id": "side"}}
LOOP = {"self_loop_config": {"enabled": True}}
LOOKS: JsonObject = {
    "enabled": True,
    "trigger_mode": "on_node_completion",
    "trigger_node_logical_ids": ["s"],
}
TICKS: JsonObject = {"enabled": True, "trigger_mode": "on_every_background_tick"}


def fork(*parts: JsonObject, thread: JsonObject | None = None) -> JsonObject:
    config = {"companion_thread_config": {"is_companion_thread": True, **(thread or {})}}
    return graph(
        says("a"), says("b"), says("c"), direct("a", "b"), direct("a", "c", **config), *parts
    )


def looking(config: JsonObject, *parts: JsonObject, **condition: object) -> JsonObject:
    way = {**when("w", "1 == 1", "s", **condition), "evaluate_while_waiting_config": config}
    return graph(asks("w"), says("s"), *parts, way)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (graph(says("a"), says("a")), "the logical_id 'a' is used more than once"),
        (
            graph(says("a"), direct("a", "z")),
            "edge 'a to z' has the destination node 'z', which is not there",
        ),
        (
            graph(says("a"), direct("z", "a")),
            "edge 'z to a' has the source node 'z', which is not there",
        ),
        (graph(says("a", **LOOP)), "node 'A' loops without max_retries or expiry_time"),
        (
            graph(says("a"), says("b"), says("c"), direct("a", "b"), direct("a", "c")),
            "node 'A' has 2 main direct edges",
        ),
        (
            graph(says("a"), says("b"), direct("a", "b", **COMPANION)),
            "node 'A' has no main direct edge",
        ),
        (fork(thread={"thread_id": "0"}), "edge 'a to c' has the invalid thread_id '0'"),
        (fork(thread={"thread_id": "a b"}), "edge 'a to c' has the invalid thread_id 'a b'"),
        (
            fork(asks("w"), direct("c", "w")),
            "the companion thread of edge 'a to c' reaches the waiting node 'W'",
        ),
        (
            fork(direct("c", "b")),
            "the companion thread of edge 'a to c' rejoins the main thread at node 'B'",
        ),
        (
            looking({**LOOKS, "trigger_node_logical_ids": []}),
            "edge 'w to s' names no trigger nodes",
        ),
        (
            looking({**LOOKS, "trigger_node_logical_ids": ["w"]}),
            "edge 'w to s' names the trigger node 'w', which is not there or waits itself",
        ),
        (looking(TICKS), "edge 'w to s' needs min_seconds_between_evaluations above 0"),
        (
            looking(LOOKS, condition_freeform="x"),
            "edge 'w to s' needs an expression, and no freeform condition",
        ),
        (
            looking(LOOKS, says("x"), direct("w", "x")),
            "edge 'w to s' leaves node 'W', which has a direct edge",
        ),
    ],
    ids=range(15),
)
def test_a_broken_rule_is_named_with_where_it_is_broken(document: JsonObject, error: str) -> None:
    fault = first_fault(Graph.model_validate(document))

    assert fault is not None
    assert fault.error == error


@pytest.mark.parametrize(
    "document",
    [
        graph(),
        graph(says("a"), says("b"), direct("a", "b"), when("a", "no(syntax", "b")),
        fork(thread={"thread_id": "side-1"}),
        looking(LOOKS),
        graph(says("a", self_loop_config={"enabled": True, "max_retries": 0})),
        graph(
            says("a"),
            says("b"),
            direct("a", "b"),
            {**direct("a", "b"), "logical_id": "x", "disabled": True},
        ),
    ],
    ids=range(6),
)
def test_a_graph_that_keeps_the_rules_is_taken(document: JsonObject) -> None:
    assert first_fault(Graph.model_validate(document)) is None


def test_what_nobody_knows_is_carried_along() -> None:
    strange = node("athena_lookup", "a", warp={"factor": 9})

    read = Graph.model_validate(graph(strange, new_field=[1]))

    assert isinstance(read.node_configs[0], OtherNode)
    assert read.node_configs[0].model_dump()["warp"] == {"factor": 9}
    assert read.model_dump()["new_field"] == [1]
