"""One turn of a run: waiting, ways on, loops, ends, and what is told of them."""

from dialogs.model import Graph
from dialogs.state import RunStatus
from dialogs.turns import start_node
from tests.support.dialogs import (
    Conversation,
    asks,
    direct,
    events,
    graph,
    kinds,
    node,
    says,
    spoken,
    when,
)

DESK = graph(
    asks("desk"),
    says("bye", "Bye {{customer}}"),
    when("desk", "[[choice]] == 'finish'", "bye"),
)


async def test_two_static_nodes_tell_their_events_in_the_documented_order() -> None:
    outcome = await Conversation(graph(says("one"), says("two"), direct("one", "two"))).turn()

    spoke = ["start_node_run", "say_static", "assistant_response", "end_node_run"]
    assert kinds(outcome) == [
        *spoke,
        "workflow_show_state",
        "direct_edge",
        "workflow_navigation_message",
        *spoke,
        "workflow_show_state",
        "end_thread",
        "end_workflow_iteration",
        "end_workflow",
    ]
    assert outcome.status is RunStatus.COMPLETED
    assert outcome.pair["run_output"]["events"] == outcome.events  # type: ignore[index, call-overload]  # JSON


async def test_a_node_that_must_wait_parks_before_it_does_anything() -> None:
    outcome = await Conversation(DESK).turn(dynamic_variables={"customer": "Ada"})

    assert kinds(outcome) == [
        "busy_wait_for_user_message",
        "end_workflow_iteration",
        "workflow_ready_for_input",
    ]
    assert outcome.hint == outcome.events[0]
    assert outcome.hint["origin_node_run_id"] == "1"
    assert outcome.status is RunStatus.WAITING


async def test_a_later_turn_speaks_and_leaves_through_the_edge_that_holds() -> None:
    desk = Conversation(DESK)
    await desk.turn(dynamic_variables={"customer": "Ada"})

    outcome = await desk.turn("that is all", runtime_variables={"choice": "finish"})

    assert kinds(outcome)[:6] == [
        "user_messages",
        "start_node_run",
        "say_llm",
        "assistant_response",
        "end_node_run",
        "workflow_show_state",
    ]
    edge = events(outcome, "conditional_edge")[0]
    assert (edge["edge_logical_id"], edge["edge_run_id"]) == ("desk?bye", "1")
    assert edge["reason"] == "finish == 'finish'"
    assert spoken(outcome) == ["(noted)", "Bye Ada"]
    assert (outcome.status, outcome.turn_number) == (RunStatus.COMPLETED, 2)


async def test_one_message_is_consumed_once_however_often_a_node_loops_to_itself() -> None:
    desk = Conversation(DESK)

    first, second = await desk.turn("hello"), await desk.turn("again")

    assert [spoken(first), spoken(second)] == [["(noted)"], ["(noted)"]]
    assert kinds(first)[-4:] == [
        "self_loop_edge",
        "busy_wait_for_user_message",
        "end_workflow_iteration",
        "workflow_ready_for_input",
    ]
    assert events(second, "start_node_run")[0]["origin_node_run_id"] == "2"


async def test_the_first_waiting_node_takes_a_message_and_the_next_one_waits() -> None:
    chat = Conversation(graph(asks("one"), asks("two", "(two)"), direct("one", "two")))

    assert spoken(await chat.turn("hello")) == ["(noted)"]
    assert spoken(await chat.turn("more")) == ["(two)"]


async def test_a_node_that_does_not_wait_leaves_the_message_to_the_next() -> None:
    greeting = asks("greet", "Welcome", wait_for_user_message=False, self_loop=False)
    chat = Conversation(graph(greeting, asks("desk"), direct("greet", "desk")))

    assert spoken(await chat.turn("hello")) == ["Welcome", "(noted)"]


async def test_a_node_that_does_not_wait_waits_once_it_has_looped_to_itself() -> None:
    chat = Conversation(graph(asks("greet", "Welcome", wait_for_user_message=False)))

    first, second = await chat.turn(), await chat.turn("hello")

    assert [spoken(first), spoken(second)] == [["Welcome"], ["Welcome"]]
    assert second.status is RunStatus.WAITING


async def test_a_turn_without_a_message_counts_and_leaves_the_node_waiting() -> None:
    desk = Conversation(DESK)

    turns = [await desk.turn(), await desk.turn()]

    assert [turn.turn_number for turn in turns] == [1, 2]
    assert turns[1].status is RunStatus.WAITING


async def test_a_direct_edge_beats_every_conditional_edge() -> None:
    chosen = graph(says("a"), says("b"), says("c"), when("a", "1 == 1", "b"), direct("a", "c"))

    assert spoken(await Conversation(chosen).turn()) == ["I am a", "I am c"]


async def test_of_conditional_edges_the_first_that_holds_is_taken() -> None:
    parts = [says("a"), says("b"), says("c"), says("d")]
    ways = [when("a", "1 == 2", "b"), when("a", "2 == 2", "c"), when("a", "3 == 3", "d")]

    assert spoken(await Conversation(graph(*parts, *ways)).turn()) == ["I am a", "I am c"]


async def test_nothing_left_to_do_ends_the_run() -> None:
    outcome = await Conversation(graph(says("a"), says("b"), when("a", "1 == 2", "b"))).turn()

    assert outcome.status is RunStatus.COMPLETED
    assert events(outcome, "end_thread")[0]["last_node_logical_id"] == "a"


async def test_what_is_disabled_is_not_there() -> None:
    chat = Conversation(
        graph(
            says("a"),
            says("b", disabled=True),
            says("c"),
            direct("a", "c", disabled=True),
            {**direct("a", "b"), "logical_id": "on"},
            direct("b", "c"),
        )
    )

    outcome = await chat.turn()

    assert spoken(outcome) == ["I am a", "I am c"]
    assert "b" not in [event.get("origin_node_logical_id") for event in outcome.events]


async def test_a_disabled_end_ends_the_thread() -> None:
    outcome = await Conversation(graph(says("a", disabled=True))).turn()

    assert kinds(outcome) == ["end_thread", "end_workflow_iteration", "end_workflow"]


async def test_a_circle_without_a_wait_is_stopped() -> None:
    circle = Conversation(graph(says("a"), says("b"), direct("a", "b"), direct("b", "a")))

    outcome = await circle.turn()

    assert outcome.status is RunStatus.ABORTED
    assert len(spoken(outcome)) == 100
    assert kinds(outcome)[-2:] == ["end_workflow_iteration", "workflow_error"]
    assert "100 nodes" in (outcome.error or "")


async def test_a_circle_of_disabled_nodes_is_stopped_too() -> None:
    off = [says("a", disabled=True), says("b", disabled=True)]

    outcome = await Conversation(graph(*off, direct("a", "b"), direct("b", "a"))).turn()

    assert outcome.status is RunStatus.ABORTED


async def test_a_condition_that_cannot_be_read_fails_the_run() -> None:
    outcome = await Conversation(
        graph(says("a"), says("b"), when("a", "contains([[x]], 'y')", "b"))
    ).turn()

    assert (outcome.status, kinds(outcome)[-1]) == (RunStatus.FAILED, "workflow_error")
    assert "contains" in (outcome.error or "")


async def test_a_node_that_nobody_knows_fails_the_run_and_not_the_graph() -> None:
    outcome = await Conversation(graph(node("athena_lookup", "a"))).turn()

    assert outcome.error == "node 'A' is of the type 'athena_lookup', which cannot be run here"
    assert events(outcome, "workflow_error")[0]["stack_trace"] is None


async def test_a_run_begins_where_it_is_told_to() -> None:
    chat = Conversation(graph(says("a"), says("b"), direct("a", "b")))

    assert spoken(await chat.turn(start_node_logical_id="b")) == ["I am b"]


async def test_a_graph_without_a_start_has_none() -> None:
    document = graph(says("a"))
    document["node_configs"] = [says("a")]

    assert start_node(Graph.model_validate(document)) is None
    assert (await Conversation(document).turn()).error == "the graph has no start node"


async def test_a_condition_speaks_when_its_edge_is_taken() -> None:
    texts = {"static_messages": ["This way"]}
    way = when("a", "1 == 1", "b", static_messages_config=texts)

    outcome = await Conversation(graph(says("a"), says("b"), way)).turn()

    assert spoken(outcome) == ["I am a", "This way", "I am b"]


async def test_texts_in_sequence_are_spoken_by_execution_and_the_last_one_stays() -> None:
    texts = {"static_messages": ["one", "two"], "static_messages_selection_mode": "sequence"}
    speaker = node("say_static", "a", static_messages_config=texts)
    chat = Conversation(graph(speaker, asks("wait"), direct("a", "wait"), direct("wait", "a")))

    said = [
        *spoken(await chat.turn()),
        *spoken(await chat.turn("x")),
        *spoken(await chat.turn("y")),
    ]

    assert said == ["one", "(noted)", "two", "(noted)", "two"]


async def test_variables_of_a_turn_are_merged_over_those_that_are_held() -> None:
    speaker = says("a", "{{x}} {{y}} [[z]]")
    chat = Conversation(graph(speaker, asks("wait"), direct("a", "wait"), direct("wait", "a")))

    await chat.turn(dynamic_variables={"x": 1, "y": 2}, runtime_variables={"z": 3})
    later = await chat.turn("on", dynamic_variables={"y": 5}, runtime_variables={"_engine": 1})

    assert spoken(later)[-1] == "1 5 3"
    assert "_engine" not in events(later, "workflow_show_state")[0]["runtime_variables"]  # type: ignore[operator]  # JSON


async def test_what_the_person_said_last_can_be_tested_and_put_into_texts() -> None:
    desk = asks("desk", apology="", self_loop=False)
    ok, bad = says("ok", "fine, [[_user_message | upcase]]"), says("bad", "no: [[_user_message]]")
    valid = "[[_user_message]] >= 100 AND [[_user_message]] <= 999"
    chat = Conversation(
        graph(
            *(desk, ok, bad, when("desk", valid, "ok"), when("desk", f"NOT ({valid})", "bad")),
            *(direct("bad", "desk"), asks("later"), direct("ok", "later")),
        )
    )

    first = await chat.turn(runtime_variables={"_user_message": "500"})
    told = [await chat.turn(text) for text in ("x' OR 'a' == 'a", "250")]

    assert (kinds(first)[0], spoken(first)) == ("busy_wait_for_user_message", [])
    assert [spoken(each) for each in told] == [["no: x' OR 'a' == 'a"], ["fine, 250"]]
    assert "_user_message" not in chat.state.main.runtime_variables


async def test_the_state_does_not_grow_with_the_number_of_turns() -> None:
    desk = Conversation(DESK)
    for number in range(120):
        await desk.turn(f"message {number:03}")
    size = len(desk.state.model_dump_json())

    for number in range(120, 150):
        await desk.turn(f"message {number:03}")

    assert len(desk.state.model_dump_json()) < size * 1.05


async def test_every_key_of_a_typed_client_may_be_null() -> None:
    keys = ("command", "dynamic_variables", "runtime_variables", "miscellaneous", "run_by")
    more = ("start_node_logical_id", "thread_to_node_inputs", "version_number")

    outcome = await Conversation(DESK).turn(**dict.fromkeys((*keys, *more)))

    assert outcome.status is RunStatus.WAITING
