"""What nodes with a model ask, and what they make of the answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import JsonValue

from dialogs.effects import FunctionCall, ModelCall, ModelReply, ToolCall, ToolReply
from dialogs.events import JsonObject, LlmUsageInfo
from dialogs.state import Fixed, RunStatus
from dialogs.super_nodes import expanded
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

OWN_MODEL: JsonObject = {"type": "custom_llm", "model": "small", "base_url": "http://x.test/v1"}
USAGE = LlmUsageInfo(
    response_model="small-2026",
    prompt_tokens=5,
    completion_tokens=2,
    total_tokens=7,
    response_latency_milliseconds=40,
)
CITY: JsonObject = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER: JsonObject = {
    "type": "inline_python",
    "name": "weather of",
    "description": "Says how the weather is",
    "signature": "weather(city)",
    "code": "result = 'rain'",
    "args_schema": CITY,
}


def called(name: str, **arguments: JsonValue) -> FunctionCall:
    return FunctionCall(id=f"id of {name}", name=name, written="{}", arguments={**arguments})


def talk(*parts: JsonObject, **config: object) -> Conversation:
    return Conversation(graph(*parts, workflow_config={"name": "Desk", **config}))


def answering(chat: Conversation, *replies: ModelReply) -> None:
    """Let the model give these answers, one after the other."""
    left: Iterator[ModelReply] = iter(replies)
    chat.driver.on_question = lambda call: next(left)


def thinks(logical_id: str = "desk", **fields: Any) -> JsonObject:
    return asks(logical_id, "Sorry", **{"llms_config": OWN_MODEL, **fields})


def offered(call: ModelCall) -> list[str]:
    return [function.name for function in call.functions]


async def test_a_model_is_asked_with_prompt_and_history() -> None:
    chat = talk(
        thinks(main_response_config={"prompt": "You serve {{who}}."}),
        default_prompt_prefix="Be kind.",
        default_prompt_suffix="Be short.",
    )
    answering(chat, ModelReply(content="Hi"), ModelReply(content="Yes"))

    await chat.turn("hello", dynamic_variables={"who": "Ada"})
    await chat.turn("well?")

    first, second = chat.driver.questions
    assert [(m.role, m.content) for m in first.messages] == [
        ("system", "Be kind.\n\nYou serve Ada.\n\nBe short."),
        ("user", "hello"),
    ]
    assert [m.content for m in second.messages[1:]] == ["hello", "Hi", "well?"]
    assert (first.key, second.key) == ("1/desk/1", "2/desk/2")
    assert (first.config.model, first.config.max_retries) == ("small", 3)


async def test_prefix_and_suffix_may_be_left_out_and_the_workflow_has_a_prompt_of_its_own() -> None:
    chat = talk(
        thinks(ignore_default_prompt_prefix=True, ignore_default_prompt_suffix=True),
        default_prompt_prefix="no",
        default_prompt_suffix="no",
        main_response_config={"prompt": "Of all"},
    )

    await chat.turn("hello")

    assert chat.driver.questions[0].messages[0].content == "Of all"


async def test_a_model_is_told_no_more_than_the_latest_messages() -> None:
    chat = talk(thinks(llms_config={**OWN_MODEL, "truncated_max_recent_messages": 2}))

    await chat.turn("one")
    await chat.turn("two")

    assert [m.content for m in chat.driver.questions[1].messages] == ["hm", "two"]


async def test_an_answer_is_told_in_the_documented_order_and_accounted_for() -> None:
    chat = talk(thinks())
    answering(chat, ModelReply(content="So long", usage=USAGE))

    outcome = await chat.turn("bye now")

    assert kinds(outcome) == [
        *("user_messages", "start_node_run", "say_llm", "assistant_response", "end_node_run"),
        *("workflow_show_state", "self_loop_edge", "busy_wait_for_user_message"),
        *("end_workflow_iteration", "workflow_ready_for_input"),
    ]
    said, heard = events(outcome, "say_llm")[0], events(outcome, "assistant_response")[0]
    message: Any = said["message"]
    assert (message["content"], message["id"]) == ("So long", heard["logical_id"])
    assert message["usage_metadata"] == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    assert heard["llm_usage_info"] == said["llm_usage_info"] == USAGE.model_dump(mode="json")
    metrics: Any = events(outcome, "end_workflow_iteration")[0]["iteration_metrics"]
    assert metrics["llm_call_count"] == 1
    assert metrics["llm_call_latency_stats"]["total_latency_milliseconds"] == 40
    total = chat.state.usage
    assert (total.total_tokens, total.call_count, total.call_count_with_user_keys) == (7, 1, 1)
    assert total.breakdown_by_models["small-2026"] == {
        "total_input_tokens": 5,
        "total_output_tokens": 2,
        "total_tokens": 7,
        "call_count": 1,
    }


@pytest.mark.parametrize(
    ("own", "shared", "has_default", "asked"),
    [
        (OWN_MODEL, {"type": "no_llm"}, False, "small"),
        ({"type": "global_default_llm"}, {**OWN_MODEL, "model": "shared"}, False, "shared"),
        ({"type": "global_default_llm"}, {"type": "no_llm"}, True, None),
        ({"type": "no_llm"}, OWN_MODEL, True, None),
        ({"type": "global_default_llm"}, {"type": "global_default_llm"}, False, None),
        ({"type": "global_default_llm"}, {"type": "global_default_llm"}, True, ""),
    ],
    ids=["own", "workflow", "workflow none", "none", "nothing", "operator"],
)
async def test_the_model_is_the_nodes_or_the_workflows_or_the_operators(
    own: JsonObject, shared: JsonObject, has_default: bool, asked: str | None
) -> None:
    chat = talk(thinks(llms_config=own), llms_config=shared)
    chat.fixed = Fixed(has_default_model=has_default)

    outcome = await chat.turn("hello")

    models = [call.config.model for call in chat.driver.questions]
    assert models == ([] if asked is None else [asked])
    assert spoken(outcome) == (["Sorry"] if asked is None else ["hm"])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"type": "anthropic_llm"}, "models of type 'anthropic_llm' cannot be called"),
        ({**OWN_MODEL, "use_responses_api": True}, "use_responses_api"),
        ({**OWN_MODEL, "verify_ssl": False}, "verify_ssl"),
        ({**OWN_MODEL, "temperature": "hot"}, "temperature"),
        ({"type": "llm_group", "llms": []}, "names none"),
    ],
    ids=["provider", "responses", "unverified", "malformed", "empty group"],
)
async def test_a_configuration_that_cannot_be_used_fails_the_run_and_says_why(
    config: JsonObject, said: str
) -> None:
    outcome = await talk(thinks(llms_config=config)).turn("hello")

    assert outcome.status is RunStatus.FAILED
    assert said in (outcome.error or "")


async def test_a_saved_configuration_that_nobody_has_fails_the_run() -> None:
    outcome = await talk(thinks(attachable_llm_config_id="x")).turn("hello")

    assert "saved configuration 'x'" in (outcome.error or "")


async def test_secrets_in_a_configuration_are_marks() -> None:
    chat = talk(thinks(llms_config={**OWN_MODEL, "api_key": "{{secrets.openai}}"}))
    chat.fixed = Fixed(secret_names=("secrets.openai",))

    await chat.turn("hello")

    call = chat.driver.questions[0]
    assert call.secrets == {call.config.api_key: "secrets.openai"}


async def test_a_group_asks_its_models_until_one_answers() -> None:
    second = {**OWN_MODEL, "model": "large"}
    chat = talk(thinks(llms_config={"type": "llm_group", "llms": [OWN_MODEL, second]}))
    answering(chat, ModelReply(error="busy"), ModelReply(content="here"))

    outcome = await chat.turn("hello")

    assert [(call.config.model, call.key) for call in chat.driver.questions] == [
        ("small", "1/desk/1"),
        ("large", "1/desk/1/model-2"),
    ]
    assert spoken(outcome) == ["here"]


async def test_a_model_that_fails_speaks_its_apology_and_the_conversation_goes_on() -> None:
    chat = talk(thinks())
    answering(chat, ModelReply(error="no answer"))

    outcome = await chat.turn("hello")

    assert (spoken(outcome), outcome.status) == (["Sorry"], RunStatus.WAITING)
    total = chat.state.usage
    assert (total.call_count, total.call_count_with_user_keys, total.total_tokens) == (1, 1, 0)
    message: Any = events(outcome, "say_llm")[0]["message"]
    assert message["response_metadata"] == {"error": "no answer"}


async def test_an_edge_that_the_model_calls_is_taken_with_its_arguments() -> None:
    leave = when("desk", None, "bye", condition_freeform="{{who}} leaves", args_schema=CITY)
    chat = talk(thinks(), says("bye", "To [[city]]"), leave)
    answering(chat, ModelReply(content="So long", calls=(called("desk_to_bye", city="Ulm"),)))

    outcome = await chat.turn("bye now", dynamic_variables={"who": "Ada"})

    function = chat.driver.questions[0].functions[0]
    assert (function.name, function.parameters) == ("desk_to_bye", CITY)
    assert "Ada leaves" in function.description
    assert spoken(outcome) == ["So long", "To Ulm"]
    assert kinds(outcome)[1:8] == [
        *("start_node_run", "say_llm", "assistant_response", "end_node_run"),
        *("workflow_show_state", "conditional_edge", "start_node_run"),
    ]
    edge = events(outcome, "conditional_edge")[0]
    assert (edge["args_filled"], edge["reason"]) == ({"city": "Ulm"}, "{{who}} leaves")
    message: Any = events(outcome, "say_llm")[0]["message"]
    assert message["tool_calls"] == [
        {"name": "desk_to_bye", "args": {"city": "Ulm"}, "id": "id of desk_to_bye"}
        | {"type": "tool_call"}
    ]


@pytest.mark.parametrize("where", ["node", "workflow"])
async def test_what_is_said_beside_a_call_is_ignored_where_so_configured(where: str) -> None:
    flag: dict[str, Any] = {"ignore_content_received_during_llm_tool_call_specification": True}
    leave = when("desk", None, "bye", condition_freeform="leaves")
    chat = talk(
        thinks(**(flag if where == "node" else {})),
        says("bye"),
        leave,
        **(flag if where == "workflow" else {}),
    )
    answering(chat, ModelReply(content="So long", calls=(called("desk_to_bye"),)))

    assert spoken(await chat.turn("bye")) == ["I am bye"]


async def test_an_expression_that_has_its_variables_decides_and_not_the_model() -> None:
    both = when("desk", "[[ready]] == true", "bye", condition_freeform="ready")
    chat = talk(thinks(), says("bye"), both)

    await chat.turn("one")
    await chat.turn("two", runtime_variables={"ready": False})

    assert [len(asked.functions) for asked in chat.driver.questions] == [1, 0]


async def test_after_three_hops_of_models_the_next_one_gets_neither_edges_nor_tools() -> None:
    hop = {"wait_for_user_message": False, "self_loop": False}
    tools = {"tools_config": {"tools": [WEATHER]}}
    there = when("a", None, "b", condition_freeform="go")
    back = when("b", None, "a", condition_freeform="come back")
    chat = talk(thinks("a", **hop, **tools), thinks("b", **hop), there, back)

    def first_exit(call: ModelCall) -> ModelReply:
        return ModelReply(calls=tuple(called(each.name) for each in call.functions[:1]))

    chat.driver.on_question = first_exit

    outcome = await chat.turn()

    assert [len(asked.functions) for asked in chat.driver.questions] == [2, 1, 2, 0]
    assert outcome.status is RunStatus.COMPLETED


async def test_a_model_uses_a_tool_and_answers_with_what_it_gave() -> None:
    quiet = {**WEATHER, "name": "quiet", "disabled": True}
    chat = talk(thinks(tools_config={"tools": [quiet, WEATHER]}), says("x"))
    chat.driver.on_tool = lambda call: ToolReply(success=True, result={"sky": "grey"})
    answering(
        chat,
        ModelReply(content="One moment", calls=(called("weather_of", city="Ulm"),), usage=USAGE),
        ModelReply(content="Grey", usage=USAGE),
    )

    outcome = await chat.turn("weather?")

    first, second = chat.driver.questions
    assert (offered(first), offered(second)) == (["weather_of"], [])
    assert first.functions[0].description == "Says how the weather is\nweather(city)"
    assert [(m.role, m.content) for m in second.messages] == [
        ("user", "weather?"),
        ("assistant", "One moment"),
        ("tool", '{"sky": "grey"}'),
    ]
    assert second.messages[-1].call_id == second.messages[-2].calls[0].id == "id of weather_of"
    assert [(tool.key, tool.arguments) for tool in chat.driver.tools] == [
        ("1/desk/1/tool-1", {"city": "Ulm"})
    ]
    assert spoken(outcome) == ["One moment", "Grey"]
    assert len(events(outcome, "say_llm")) == 2
    held = chat.state.main.runtime_variables
    assert (held["tool_result"], held["tool_result_success"]) == ({"sky": "grey"}, True)
    assert chat.state.usage.call_count == 2
    metrics: Any = events(outcome, "end_workflow_iteration")[0]["iteration_metrics"]
    assert (metrics["llm_call_count"], metrics["tool_call_count"]) == (2, 0)


async def test_tools_of_the_workflow_are_offered_too_for_as_many_rounds_as_the_node_allows() -> (
    None
):
    chat = talk(thinks(max_consecutive_tool_calls=2), tools_config={"tools": [WEATHER]})
    again = ModelReply(calls=(called("weather_of"),))
    answering(chat, again, again, ModelReply(content="done"))

    outcome = await chat.turn("weather?")

    assert [len(call.functions) for call in chat.driver.questions] == [1, 1, 0]
    assert spoken(outcome) == ["done"]


async def test_a_call_that_does_not_fit_is_told_to_the_model_and_made_again() -> None:
    chat = talk(thinks(tools_config={"tools": [WEATHER]}))
    unfit = FunctionCall(id="1", name="weather_of", written="{", fault="no JSON")
    answering(
        chat,
        ModelReply(calls=(unfit,)),
        ModelReply(calls=(called("nothing_such"),)),
        ModelReply(calls=(called("weather_of", city="Ulm"),)),
        ModelReply(content="Rain"),
    )

    outcome = await chat.turn("weather?")

    assert "no JSON" in chat.driver.questions[1].messages[-1].content
    assert "no such function" in chat.driver.questions[2].messages[-1].content
    assert kinds(outcome)[2:6] == ["discarded_main_llm", "discarded_main_llm", "say_llm", "say_llm"]
    assert (spoken(outcome), len(chat.driver.tools)) == (["Rain"], 1)


async def test_a_model_that_never_fits_gives_way_to_the_apology() -> None:
    chat = talk(thinks(llms_config={**OWN_MODEL, "max_parse_retries": 1}))
    answering(
        chat,
        ModelReply(calls=(called("nothing"),)),
        ModelReply(calls=(called("nothing"),)),
    )

    outcome = await chat.turn("weather?")

    assert len(chat.driver.questions) == 2
    assert spoken(outcome) == ["Sorry"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"tools_config": {"tools": [{"type": "knowledge_base", "name": "kb"}]}}, "knowledge_base"),
        ({"tools_config": {"tools": [{"type": "external_api", "api_method": "GO"}]}}, "api_method"),
        ({"tools_config": {"tools": ["x"]}}, "no list of tools"),
    ],
    ids=["unknown", "malformed", "no list"],
)
async def test_a_tool_that_cannot_be_run_fails_the_run_before_the_model_is_asked(
    config: dict[str, Any], said: str
) -> None:
    chat = talk(thinks(**config))

    outcome = await chat.turn("hello")

    assert chat.driver.questions == []
    assert (outcome.status, said in (outcome.error or "")) == (RunStatus.FAILED, True)


async def test_servers_of_tools_that_cannot_be_asked_are_no_silent_loss() -> None:
    outcome = await talk(thinks(use_mcp_tools=True), mcp_servers=[{"name": "m"}]).turn("hello")

    assert "MCP" in (outcome.error or "")


async def test_a_worker_is_not_spoken_and_its_output_becomes_variables() -> None:
    worker = node(
        "worker_llm",
        "a",
        llms_config=OWN_MODEL,
        wait_for_user_message=False,
        structured_output_schema=CITY,
    )
    chat = talk(worker, says("b", "[[city]] [[A.city]]"), direct("a", "b"))
    answering(chat, ModelReply(content='{"city": "Ulm"}', value={"city": "Ulm"}))

    outcome = await chat.turn()

    call = chat.driver.questions[0]
    assert (call.answer_schema, call.is_spoken) == (CITY, False)
    assert spoken(outcome) == ["Ulm Ulm"]
    assert kinds(outcome)[:3] == ["start_node_run", "worker_llm", "end_node_run"]
    output: Any = events(outcome, "end_node_run")[0]["run_output"]
    assert output["structured_output"] == {"city": "Ulm"}


async def test_an_answer_that_does_not_fit_its_schema_is_asked_for_again() -> None:
    chat = talk(thinks(structured_output_schema=CITY))
    answering(
        chat,
        ModelReply(content="Ulm", fault="no JSON"),
        ModelReply(content="{}", value={"city": "Ulm", "response": "In Ulm."}),
    )

    outcome = await chat.turn("where?")

    assert "no JSON" in chat.driver.questions[1].messages[-1].content
    assert spoken(outcome) == ["In Ulm."]
    assert chat.state.main.runtime_variables["city"] == "Ulm"


async def test_conditions_are_judged_one_by_one_before_a_node_speaks() -> None:
    chat = talk(
        thinks(),
        says("a", "To [[city]]"),
        says("b"),
        when("desk", None, "a", condition_freeform="wants a", args_schema=CITY),
        when("desk", None, "b", condition_freeform="wants b"),
        global_condition_evaluation_method="independent_llm_evaluations",
    )
    answering(
        chat,
        ModelReply(value={"holds": False}, content="{}"),
        ModelReply(error="busy"),
        ModelReply(content="Which?"),
        ModelReply(value={"holds": True, "arguments": {"city": "Ulm"}}, content="{}"),
    )

    first = await chat.turn("hello")
    second = await chat.turn("a, please")

    judge, _, main, last = chat.driver.questions
    assert "wants a" in judge.messages[0].content
    assert judge.messages[1].content == "user: hello"
    assert judge.answer_schema is not None
    assert (judge.functions, main.functions) == ((), ())
    assert kinds(first)[1:5] == [
        *("start_node_run", "condition_evaluator_llm", "condition_evaluator_llm", "say_llm")
    ]
    assert "assistant: Which?" in last.messages[1].content
    assert spoken(second) == ["To Ulm"]
    assert events(second, "say_llm") == []


async def test_a_workers_conditions_are_judged_once_its_work_is_done() -> None:
    worker = node("worker_llm", "a", llms_config=OWN_MODEL, wait_for_user_message=False)
    chat = talk(
        worker,
        says("b"),
        when("a", None, "b", condition_freeform="done"),
        global_condition_evaluation_method="independent_llm_evaluations",
    )
    answering(chat, ModelReply(content="work"), ModelReply(value={"holds": True}))

    outcome = await chat.turn()

    assert kinds(outcome)[1:3] == ["worker_llm", "condition_evaluator_llm"]
    assert spoken(outcome) == ["I am b"]


async def test_a_model_makes_up_what_is_said_along_an_edge_and_at_the_end() -> None:
    leave = when(
        "desk",
        "[[go]] == true",
        "end",
        dynamic_messages_config={"dynamic_message_prompt": "Say goodbye to {{who}}"},
    )
    end = node("end_conversation", "end", process_transcript_prompt="Sum up")
    chat = talk(thinks(), end, leave, llms_config=OWN_MODEL)
    chat.fixed = Fixed(makes_up_texts=True)
    answering(
        chat,
        ModelReply(content="Well"),
        ModelReply(content="Farewell, Ada"),
        ModelReply(content="They spoke."),
    )

    outcome = await chat.turn(
        "bye", dynamic_variables={"who": "Ada"}, runtime_variables={"go": True}
    )

    assert spoken(outcome) == ["Well", "Farewell, Ada"]
    _, made, summed = chat.driver.questions
    assert (made.messages[0].content, made.key) == ("Say goodbye to Ada", "1/desk/1/message-1")
    assert "assistant: Farewell, Ada" in summed.messages[1].content
    assert events(outcome, "end_conversation")[0]["processed_transcript"] == "They spoke."


async def test_a_bounded_loop_asks_its_model_until_an_edge_fires() -> None:
    worker = node(
        "worker_llm",
        "w",
        llms_config=OWN_MODEL,
        wait_for_user_message=False,
        structured_output_schema=CITY,
        self_loop_config={"enabled": True, "max_retries": 3, "time_between_retries": 5},
    )
    chat = talk(worker, says("b", "[[city]]"), when("w", "isPresent([[city]])", "b"))
    answering(
        chat, ModelReply(error="busy"), ModelReply(value={}), ModelReply(value={"city": "Ulm"})
    )

    outcome = await chat.turn()

    assert [call.key for call in chat.driver.questions] == ["1/w/1", "1/w/2", "1/w/3"]
    assert (spoken(outcome), len(chat.driver.slept)) == (["Ulm"], 2)


def a_tool_node(tool: JsonObject, **fields: Any) -> JsonObject:
    return node("tool_node", "a", tool_config=tool, **fields)


async def test_a_tool_gets_its_arguments_and_its_result_is_written_under_its_name() -> None:
    tool: JsonObject = {
        "type": "inline_python",
        "name": "add",
        "code": "result = x + {{one}}",
        "result_runtime_variable_name": "sum",
        "static_messages_config": {"static_messages": ["Adding"]},
    }
    chat = talk(a_tool_node(tool, tool_arguments={"x": "[[n]]", "y": 2}))
    chat.driver.on_tool = lambda call: ToolReply(success=True, result=5)

    outcome = await chat.turn(runtime_variables={"n": 3}, dynamic_variables={"one": 1})

    assert chat.driver.tools == [
        ToolCall(
            key="1/a/1",
            node_logical_id="a",
            name="add",
            code="result = x + 1",
            arguments={"x": "3", "y": 2},
        )
    ]
    held = {**chat.state.main.runtime_variables}
    assert held == {"n": 3, "sum": 5, "sum_success": True, "sum_error": None}
    assert spoken(outcome) == ["Adding"]
    assert outcome.status is RunStatus.COMPLETED
    output: Any = events(outcome, "end_node_run")[0]["run_output"]
    assert (output["success"], output["tool_result"], output["error_message"]) == (True, 5, None)


async def test_a_disabled_tool_is_not_run_and_an_unknown_one_fails_the_run() -> None:
    disabled = talk(a_tool_node({**WEATHER, "disabled": True}))
    unknown = talk(a_tool_node({"type": "knowledge_base", "name": "kb"}))

    passed, failed = await disabled.turn(), await unknown.turn()

    assert (disabled.driver.tools, passed.status) == ([], RunStatus.COMPLETED)
    assert disabled.state.main.runtime_variables["tool_result_error"] == "the tool is disabled"
    assert (failed.status, "knowledge_base" in (failed.error or "")) == (RunStatus.FAILED, True)


async def test_code_stays_as_it_is_written_where_no_variables_are_wanted() -> None:
    code = "result = '{{one}}'"
    chat = talk(a_tool_node({**WEATHER, "code": code, "allow_code_variable_substitution": False}))

    await chat.turn(dynamic_variables={"one": 1})

    assert chat.driver.tools[0].code == code


async def test_an_embedded_node_keeps_what_its_own_workflow_gave_its_model() -> None:
    inner = graph(
        thinks(llms_config={"type": "global_default_llm"}),
        workflow_config={
            "llms_config": OWN_MODEL,
            "main_response_config": {"prompt": "Inside"},
            "default_prompt_prefix": "inner",
            "tools_config": {"tools": [WEATHER]},
        },
    )
    outer = graph(
        node("super_node", "s", encapsulated_workflow_config=inner),
        says("end"),
        when("s", None, "end", condition_freeform="done"),
        workflow_config={"default_prompt_prefix": "outer"},
    )
    chat = Conversation(expanded(outer, lambda *named: None))
    answering(chat, ModelReply(calls=(called("s_to_end"),)))

    outcome = await chat.turn("hello")

    [asked] = chat.driver.questions
    assert asked.messages[0].content == "outer\n\nInside"
    assert (asked.config.model, offered(asked)) == ("small", ["s_to_end", "weather_of"])
    assert events(outcome, "conditional_edge")[0]["super_node_exit_origin"] == "s"
