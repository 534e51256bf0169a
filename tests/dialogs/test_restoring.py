"""States told again from events: ``Conversation`` compares them after each turn that waits."""

import json
from typing import Any

from dialogs.carrying_over import Mode, carried_over
from dialogs.effects import HttpReply, ModelCall, ModelReply
from dialogs.events import JsonObject
from dialogs.model import Graph
from dialogs.restoring import restored
from dialogs.state import RunState
from tests.dialogs.test_models import CITY, called, thinks
from tests.support.dialogs import (
    Conversation,
    asks,
    direct,
    graph,
    node,
    remembered,
    says,
    spoken,
    when,
)

BEHIND: JsonObject = {"wait_for_user_message": False, "self_loop": False}


async def test_what_models_chose_and_filled_in_is_restored() -> None:
    go = when("desk", None, "next", condition_freeform="go", args_schema=CITY)
    on = when("next", None, "last", condition_freeform="on")
    chat = Conversation(graph(thinks(), thinks("next", **BEHIND), thinks("last"), go, on))

    def first_exit(call: ModelCall) -> ModelReply:
        return ModelReply(calls=tuple(called(each.name, city="Ulm") for each in call.functions))

    chat.driver.on_question = first_exit

    await chat.turn("go")

    assert chat.state.main.node == "last"
    assert chat.state.main.conditional_hops == 2
    assert chat.state.main.written_by_node["desk"] == {"city": "Ulm"}
    chat.driver.on_question = lambda call: ModelReply(content="hm")
    await chat.turn("and now?")
    assert chat.state.main.conditional_hops == 0


async def test_variables_are_restored_under_the_node_that_wrote_them() -> None:
    mappings = [{"target_variable_name": "all", "result_path": "", "scope": "workflow"}]
    tool = {"type": "external_api", "api_endpoint": "u", "result_variable_mappings": mappings}
    same: JsonObject = {"output_runtime_variable_name": "x"}
    chat = Conversation(
        graph(
            node("no_op", "a", **same),
            node("no_op", "b", **same),
            node("tool_node", "t", tool_config={**tool, "result_runtime_variable_name": "own"}),
            asks("desk"),
            direct("a", "b"),
            direct("b", "t"),
            direct("t", "desk"),
            runtime_variables={"x": 1, "kept": 2},
        )
    )
    chat.driver.on_request = lambda call: HttpReply(status_code=200, body='{"n": 4}')

    await chat.turn(runtime_variables={"mine": 3, "_engine": 4}, dynamic_variables={"d": 5})
    await chat.turn("hello", runtime_variables={"mine": 6})

    assert {*chat.state.main.written_by_node} >= {"a", "b", "t"}
    assert chat.state.workflow_variables == {"all": {"n": 4}}
    assert chat.state.main.runtime_variables["mine"] == 6


async def test_the_outcome_of_a_bounded_loop_is_restored() -> None:
    poll = node("http_request", "poll", url="u", self_loop_config=_bounded(1))
    again = when("desk", "[[again]] == true", "poll")
    done = when("poll", "[[http_request_result.done]] == true", "desk")
    document = graph(poll, asks("desk"), done, direct("poll", "desk"), again)
    # A direct edge beats conditional ones only outside of loops.
    chat = Conversation(document)

    def answer(*, done: bool) -> None:
        reply = HttpReply(status_code=200, body=json.dumps({"done": done}))
        chat.driver.on_request = lambda call: reply

    answer(done=False)
    await chat.turn()
    assert chat.state.main.runtime_variables["self_loop_outcome"] == "max_retries"
    answer(done=True)
    await chat.turn("once more", runtime_variables={"again": True})

    assert "self_loop_outcome" not in chat.state.main.runtime_variables
    assert chat.state.node_runs["poll"] == 3


def _bounded(retries: int) -> JsonObject:
    return {"enabled": True, "max_retries": retries}


async def test_a_state_goes_on_as_the_run_did() -> None:
    chat = Conversation(
        graph(asks("desk"), says("bye", "Bye {{who}}"), when("desk", "[[out]] == true", "bye"))
    )
    await chat.turn(dynamic_variables={"who": "Ada"})
    await chat.turn("one")

    again = Conversation(chat.graph.model_dump(mode="json"))
    again.state = restored(chat.graph, RunState(run_id="other"), chat.pairs)
    last = await again.turn("two", runtime_variables={"out": True})

    assert spoken(last) == ["(noted)", "Bye Ada"]
    assert last.turn_number == 3


DESKS = graph(
    asks("desk"),
    says("hop"),
    asks("other"),
    direct("hop", "other"),
    when("desk", "[[out]] == true", "hop"),
)


async def at_the_other_desk() -> Conversation:
    chat = Conversation(DESKS)
    await chat.turn()
    await chat.turn("on", runtime_variables={"out": True}, dynamic_variables={"who": "Ada"})
    assert chat.state.main.node == "other"
    return chat


def changed(**ids: str) -> Graph:
    """Return the desks with other logical ids; an empty one removes the node."""
    document: Any = json.loads(json.dumps(DESKS))
    for each in document["node_configs"]:
        each["logical_id"] = ids.get(each["logical_id"], each["logical_id"])
    for each in document["edge_configs"]:
        for end in ("source_node_logical_id", "destination_node_logical_id"):
            each[end] = ids.get(each[end], each[end])
    document["node_configs"] = [each for each in document["node_configs"] if each["logical_id"]]
    document["edge_configs"] = [
        each
        for each in document["edge_configs"]
        if each["source_node_logical_id"] and each["destination_node_logical_id"]
    ]
    return Graph.model_validate(document)


async def test_the_same_graph_takes_a_state_as_it_is() -> None:
    chat = await at_the_other_desk()

    carried = carried_over(chat.graph, chat.state, Graph.model_validate(DESKS))

    assert carried.mode is Mode.EXACT
    assert carried.state == chat.state
    assert (carried.dropped, carried.unmapped, carried.warnings) == ([], [], [])


async def test_nodes_are_found_again_by_id_or_by_name_and_type() -> None:
    chat = await at_the_other_desk()

    carried = carried_over(chat.graph, chat.state, changed(other="new", hop=""))

    assert carried.mode is Mode.REMAPPED
    assert carried.state.main.node == "new"
    assert carried.state.node_runs == {"desk": 1}
    assert carried.unmapped == ["hop"]
    assert [
        (each.source.logical_id, each.target and each.target.logical_id, each.by)
        for each in carried.matches
    ] == [
        ("desk", "desk", "logical_id"),
        ("hop", None, None),
        ("other", "new", "name"),
    ]
    assert carried.dropped == [
        "counts of 'hop'",
        "counts of 'desk?hop'",
        "counts of 'hop-other'",
    ]


async def test_without_its_node_only_what_was_said_and_variables_are_carried_over() -> None:
    chat = await at_the_other_desk()

    carried = carried_over(chat.graph, chat.state, changed(other=""))

    assert carried.mode is Mode.PORTABLE
    state = carried.state
    assert (state.main.node, state.node_runs, state.edge_runs) == (None, {}, {})
    assert state.main.messages == chat.state.main.messages
    assert state.main.runtime_variables == chat.state.main.runtime_variables
    assert state.dynamic_variables == {"who": "Ada"}
    assert state.turn_number == 2
    assert [each.logical_id for each in carried.suggested_entries] == ["desk"]
    assert "'Other'" in carried.warnings[0]


async def test_an_entry_node_that_is_chosen_makes_it_portable() -> None:
    chat = await at_the_other_desk()

    carried = carried_over(chat.graph, chat.state, chat.graph, entry="desk")

    assert carried.mode is Mode.PORTABLE
    assert carried.state.main.node == "desk"
    assert remembered(carried.state) != remembered(chat.state)


async def test_a_first_turn_has_nothing_to_carry_over() -> None:
    fresh = RunState(run_id="x")

    carried = carried_over(Graph.model_validate(DESKS), fresh, changed(desk="new"))

    assert carried.mode is Mode.REMAPPED
    assert (carried.state, carried.matches, carried.warnings) == (fresh, [], [])
