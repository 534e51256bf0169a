"""Graphs inside graphs."""

from collections.abc import Callable

import pytest

from dialogs.events import JsonObject
from dialogs.state import RunStatus
from dialogs.super_nodes import Document, InvalidEmbeddingError, embedded_in, expanded
from tests.support.dialogs import (
    Conversation,
    asks,
    direct,
    events,
    graph,
    node,
    says,
    spoken,
    when,
)

Load = Callable[[str, int | None], Document | None]


def nothing(workflow_id: str, version: int | None) -> Document | None:
    return None


def stands_for(logical_id: str, inner: JsonObject, **fields: object) -> JsonObject:
    return node("super_node", logical_id, encapsulated_workflow_config=inner, **fields)


async def test_an_inner_graph_is_entered_at_its_start_and_left_at_its_ends() -> None:
    inner = graph(
        says("x", "in {{who}}"), says("y"), direct("x", "y"), dynamic_variables={"who": "A"}
    )
    outer = graph(says("a"), stands_for("s", inner), says("z"), direct("a", "s"), direct("s", "z"))

    outcome = await Conversation(expanded(outer, nothing)).turn()

    assert spoken(outcome) == ["I am a", "in A", "I am y", "I am z"]
    entered = [event["origin_node_logical_id"] for event in events(outcome, "start_node_run")]
    assert entered == ["a", "s__x", "s__y", "z"]


async def test_a_conditional_way_out_leaves_from_inner_models_and_says_where_from() -> None:
    outer = graph(
        stands_for("s", graph(asks("desk"))), says("z"), when("s", "[[done]] == true", "z")
    )
    chat = Conversation(expanded(outer, nothing))
    await chat.turn("hi")

    outcome = await chat.turn("bye", runtime_variables={"done": True})

    assert outcome.status is RunStatus.COMPLETED
    assert events(outcome, "conditional_edge")[0]["super_node_exit_origin"] == "s"


async def test_values_reach_what_the_interface_maps_them_to() -> None:
    interface = {
        "input_fields": [
            {
                "name": "greeting",
                "default_value": "Hi",
                "mappings": [
                    {
                        "target_type": "node_config_field",
                        "target_node_or_edge_logical_id": "x",
                        "target_field_path": "static_messages_config.static_messages[0]",
                    }
                ],
            },
            {
                "name": "who",
                "mappings": [{"target_type": "dynamic_variable", "target_variable_name": "person"}],
            },
        ]
    }
    inner = graph(says("x", "?"), says("y", "{{person}}"), direct("x", "y"))
    outer = graph(
        stands_for("s", inner, super_node_interface=interface, field_values={"who": "Ada"})
    )

    assert spoken(await Conversation(expanded(outer, nothing)).turn()) == ["Hi", "Ada"]


def test_workflows_are_named_and_nest() -> None:
    inner = graph(node("super_node", "deep", super_workflow_id="w2"))
    outer = graph(node("super_node", "s", super_workflow_id="w1", super_workflow_version_number=3))
    library = {("w1", 3): inner, ("w2", None): graph(says("x"))}

    grown = expanded(outer, lambda workflow_id, version: library.get((workflow_id, version)))

    assert embedded_in(outer) == [("w1", 3)]
    assert [each["logical_id"] for each in grown["node_configs"]] == ["s__deep__x"]  # type: ignore[index, union-attr, call-overload]  # JSON
    assert outer["node_configs"][0]["type"] == "super_node"  # type: ignore[index, call-overload]  # JSON


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (nothing, "has no such version"),
        (lambda workflow_id, version: graph(), "without a start node"),
        (
            lambda workflow_id, version: graph(node("super_node", "n", super_workflow_id="w")),
            "embeds a workflow that it is part of",
        ),
        (
            lambda workflow_id, version: graph(
                node("super_node", "n", super_workflow_id=f"{workflow_id}w")
            ),
            "more than 5 levels deep",
        ),
    ],
    ids=["missing", "no start", "itself", "too deep"],
)
def test_what_cannot_be_embedded_is_refused(load: Load, reason: str) -> None:
    with pytest.raises(InvalidEmbeddingError, match=reason):
        expanded(graph(node("super_node", "s", super_workflow_id="w")), load)


async def test_a_disabled_super_node_is_passed_by() -> None:
    outer = graph(stands_for("s", graph(says("x")), disabled=True), says("z"), direct("s", "z"))

    assert spoken(await Conversation(expanded(outer, nothing)).turn()) == ["I am z"]
