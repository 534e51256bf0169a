"""Shapes of a definition, limits, and that no content breaks the parser."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.errors import InvalidDefinitionError
from flows.graph import Graph
from flows.model import Edge
from flows.parse import accepted, check, parse_definition
from flows.validate import executable, validate
from tests.support.flow_builders import a_flow, an_input, edge, task
from tests.support.generated_flows import GeneratedFlow, generated_flows

TASKS: list[JsonValue] = [an_input(), task("a", reads="start"), task("b", reads="a")]
EDGES: list[JsonValue] = [edge("start", "b")]


@pytest.mark.parametrize(
    "document",
    [
        {"flow_configs": [{"meta": {"name": "n"}, "config": {"tasks": TASKS, "edges": EDGES}}]},
        {"flow": {}, "flow_configs": [{"config": {"tasks": TASKS, "connections": EDGES}}]},
        {"name": "n", "tasks": TASKS, "connections": EDGES, "config": {"x": 1}},
        {"tasks": TASKS, "connections": [{"from": "start", "to": "b"}]},
        {"tasks": TASKS, "edges": EDGES, "version": "1"},
        {"tasks": TASKS, "edges": EDGES, "connections": None, "description": 3},
    ],
)
def test_every_published_shape_gives_the_same_tasks_and_edges(document: JsonValue) -> None:
    flow = accepted(document)

    assert [one.name for one in flow.tasks] == ["start", "a", "b"]
    assert flow.edges == (Edge(source="start", target="b"),)


def test_name_and_description_come_from_where_the_shape_keeps_them() -> None:
    meta: JsonValue = {"name": "n", "description": "d"}
    nested = accepted({"flow_configs": [{"meta": meta, "config": {"tasks": []}}]})
    flat = accepted({"name": "n", "description": "d", "tasks": []})

    assert (nested.name, nested.description) == (flat.name, flat.description) == ("n", "d")


def test_null_means_absent_for_what_may_be_absent() -> None:
    keys = ("task_title", "parameters", "retry_policy", "timeout_seconds", "reference_modes")
    written: JsonValue = {"name": "s", "task_executor_name": "receive_file", **dict.fromkeys(keys)}

    flow = accepted({"tasks": [written], "edges": None})

    assert flow.tasks[0].parameters == {}
    assert flow.tasks[0].retry_policy is None


def test_all_settings_of_a_task_are_kept() -> None:
    policy: JsonValue = {
        "max_attempts": 3,
        "initial_interval_seconds": 0.5,
        "backoff_coefficient": 1,
        "max_interval_seconds": 5,
        "non_retryable_error_types": ["Timeout"],
    }
    one = task("a", reads="start", retry_policy=policy, timeout_seconds=1.5, concurrency=3)
    one["reference_modes"] = {"template": "single"}

    read = accepted(a_flow(one, an_input())).tasks[0]

    assert read.retry_policy is not None
    assert read.retry_policy.model_dump(mode="json") == policy
    assert (read.timeout_seconds, read.concurrency) == (1.5, 3)
    assert read.reference_modes == {"template": "single"}


def test_a_draft_fault_does_not_reject() -> None:
    document = a_flow(task("a", "http_request"))

    flow, faults = check(document)

    assert [fault.type for fault in faults] == ["missing_parameter"]
    assert accepted(document) == flow
    assert executable(flow) == faults


def test_unknown_keys_and_missing_output_fields_do_not_forbid_running() -> None:
    flow, faults = check(
        a_flow(an_input(), task("a", "format_data", {"template": "{{start.x}}"}, zzz=1))
    )

    assert {fault.type for fault in faults} == {"unknown_key", "unknown_output_field"}
    assert executable(flow) == []


def test_an_empty_flow_can_be_kept_and_not_run() -> None:
    flow = accepted({"tasks": []})

    assert [fault.type for fault in executable(flow)] == ["no_tasks"]


def test_a_refused_definition_carries_rejecting_faults_only_in_document_order() -> None:
    document = a_flow(
        task("a", "http_reqest"),
        task("b", "http_request"),
        task("c", "format_data", {"template": "{{nobody}}"}),
        edges=[edge("c", "gone")],
    )

    with pytest.raises(InvalidDefinitionError) as raised:
        accepted(document)

    assert [".".join(map(str, fault.location)) for fault in raised.value.faults] == [
        "tasks.1.task_executor_name",
        "tasks.3.parameters.template",
        "edges.0.target",
    ]


def test_locations_count_tasks_and_edges_as_they_were_written() -> None:
    document = a_flow(an_input(), task("a", "nothing"), task("b", "nowhere"))
    tasks, edges = document["tasks"], document["edges"]
    assert isinstance(tasks, list)
    assert isinstance(edges, list)
    tasks.insert(0, "not a task")
    edges.extend(["not an edge", edge("a", "gone")])

    locations = {fault.location for fault in check(document)[1]}

    assert {("tasks", 2, "task_executor_name"), ("edges", 1, "target")} <= locations


def test_a_slip_is_read_as_what_was_meant() -> None:
    one = task("a", "format_data")
    one["paramters"] = {"template": "{{start.text}}"}
    del one["parameters"]

    flow, faults = check(a_flow(an_input(), one))

    assert [fault.reason for fault in faults] == [
        "unknown key 'paramters', did you mean 'parameters'?"
    ]
    assert flow.tasks[1].parameters == {"template": "{{start.text}}"}


@pytest.mark.parametrize(
    ("document", "type", "location"),
    [
        ({"tasks": [task(str(number)) for number in range(1_001)]}, "too_many_tasks", ("tasks",)),
        ({"tasks": ["x" * 2**20]}, "too_large", ()),
        ({"flow_configs": [{"config": {"tasks": ["\ud800"]}}]}, "bad_text", ("tasks", 0)),
        ({"tasks": [{"name": "a\x00"}]}, "bad_text", ("tasks", 0, "name")),
        (
            {"tasks": [{"parameters": {"a": 10**400}}]},
            "bad_number",
            ("tasks", 0, "parameters", "a"),
        ),
        (
            {"tasks": [{"parameters": {"a": float("nan")}}]},
            "bad_number",
            ("tasks", 0, "parameters", "a"),
        ),
    ],
)
def test_limits(document: JsonValue, type: str, location: tuple[str | int, ...]) -> None:
    faults = parse_definition(document).faults

    assert (type, location) in [(fault.type, fault.location) for fault in faults]
    assert all(fault.rejects for fault in faults)


def test_a_thousand_tasks_are_not_too_many() -> None:
    chain = [task("0", reads="start"), *(task(str(n), reads=str(n - 1)) for n in range(1, 999))]

    assert len(accepted(a_flow(an_input(), *chain)).tasks) == 1_000


def test_levels_are_counted_from_the_documents_root() -> None:
    def nested(levels: int) -> JsonValue:
        value: JsonValue = []
        for _ in range(levels - 1):
            value = [value]
        return a_flow(an_input(), task("a", "format_data", {"template": value}))

    assert "too_deep" not in [fault.type for fault in check(nested(60))[1]]
    assert [fault.type for fault in check(nested(61))[1]] == ["too_deep"]
    assert [fault.type for fault in check(nested(50_000))[1]] == ["too_deep"]


def test_a_flood_of_faults_is_cut_short() -> None:
    document: JsonValue = {"tasks": [{f"unknown {number}": 1 for number in range(5_000)}]}

    faults = check(document)[1]

    assert len(faults) == 501
    assert "too_many_faults" in [fault.type for fault in faults]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=15,
)
_KEYS = st.sampled_from(
    [
        "flow_configs",
        "config",
        "meta",
        "tasks",
        "edges",
        "connections",
        "name",
        "parameters",
        "task_executor_name",
        "retry_policy",
        "reference_modes",
        "source",
        "target",
        "from",
        "to",
        "branch",
        "cases",
        "condition",
        "fields",
        "template",
        "url",
        "task_title",
        "concurrency",
        "timeout_seconds",
        "taks",
        "default",
        "all",
        "any",
        "left",
        "operator",
    ]
)
_WORDS = st.sampled_from(
    [
        "a",
        "b",
        "receive_file",
        "branch",
        "format_data",
        "custom_form_input",
        "{{a.output}}",
        "{{b.x[0]}}",
        "{{",
        "single",
        "eq",
        "http_request",
        "validation",
        "list",
    ]
)
_LIKELY = st.recursive(
    st.none() | st.integers(-1, 2) | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=40,
)
_SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _use(document: JsonValue) -> None:
    """Check a definition; one that is accepted has an order and stays accepted."""
    flow, faults = check(document)
    graph = Graph(flow)
    if not any(fault.rejects for fault in faults):
        assert len(graph.order()) == len(flow.tasks)
        assert not any(fault.rejects for fault in validate(flow))


@_SLOW
@given(_JSON | _LIKELY)
def test_no_document_breaks_the_parser(document: JsonValue) -> None:
    _use(document)


@_SLOW
@given(st.dictionaries(_KEYS, _LIKELY, max_size=6))
def test_no_task_breaks_the_parser(written: dict[str, JsonValue]) -> None:
    start: JsonValue = {"name": "a", "task_executor_name": "receive_file"}
    _use({"tasks": [start, {"name": "b", "task_executor_name": "branch", **written}]})


@_SLOW
@given(generated_flows(max_tasks=3), st.data())
def test_a_good_definition_with_one_thing_changed_breaks_nothing(
    generated: GeneratedFlow, data: st.DataObject
) -> None:
    holder: JsonValue = generated.definition
    for _ in range(data.draw(st.integers(1, 7), label="depth")):
        members: list[tuple[str | int, JsonValue]] = []
        if isinstance(holder, dict):
            members = [*holder.items()]
        elif isinstance(holder, list):
            members = [*enumerate(holder)]
        inner = [value for _, value in members if isinstance(value, dict | list) and value]
        if not inner:
            break
        holder = data.draw(st.sampled_from(inner))
    replacement = data.draw(_LIKELY | _JSON, label="replacement")
    if isinstance(holder, dict):
        holder[data.draw(st.sampled_from(sorted(holder)) | _KEYS)] = replacement
    elif isinstance(holder, list):
        holder[data.draw(st.integers(0, len(holder) - 1))] = replacement

    _use(generated.definition)


_TEN: JsonValue = {"left": "{{start.text}}", "operator": "zz"}
_HOSTILE: dict[str, JsonValue] = {
    "steps": "{{start" + ".a" * 400_000 + "}}",
    "steps of nobody": "{{star" + ".a" * 400_000 + "}}",
    "open braces": "{{" * 400_000,
    "open references": "{{start " * 100_000,
    "unknown tasks": [f"{{{{nobody{number}}}}}" for number in range(40_000)],
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("template", _HOSTILE.values(), ids=_HOSTILE)
def test_a_hostile_template_is_judged_in_reasonable_time(template: JsonValue) -> None:
    faults = check(a_flow(an_input(), task("a", "format_data", {"template": template})))[1]

    assert faults
    assert len(faults) <= 501


@pytest.mark.timeout(30)
def test_hostile_parameters_are_judged_in_reasonable_time() -> None:
    conditions: JsonValue = {"all": [{"any": [_TEN] * 40}] * 200}
    query: JsonValue = {str(number): [[1]] * 10 for number in range(3_000)}
    document = a_flow(
        task("a", "branch", {"cases": [{"name": "x", "condition": conditions}]}),
        task("b", "http_request", {"url": "u", "query": query}),
    )

    assert "too_many_faults" in [fault.type for fault in check(document)[1]]


@pytest.mark.timeout(30)
def test_a_tangle_of_circles_is_judged_in_reasonable_time() -> None:
    tasks = [task(str(number)) for number in range(900)]
    edges = [edge(str(n * 7 % 900), str(n * n % 900)) for n in range(15_000)]

    cycles = [fault for fault in check(a_flow(*tasks, edges=edges))[1] if fault.type == "cycle"]

    assert 1 <= len(cycles) <= 20
    assert all(len(fault.reason) < 500 for fault in cycles)


def test_of_several_ways_to_read_a_value_only_the_best_is_reported() -> None:
    query: JsonValue = {
        "a": [[1]],
        "b": {"c": 1},
        "d": ["{{start.text}}", None],
        "e": ["{{start.text}}"],
    }

    _, faults = check(a_flow(an_input(), task("a", "http_request", {"url": "u", "query": query})))

    assert [fault.location[4:] for fault in faults if fault.type != "unreachable_task"] == [
        ("a", 0),
        ("b",),
        ("d", 1),
    ]


def test_slips_deep_inside_parameters_get_a_hint() -> None:
    cases: JsonValue = [{"name": "x", "condition": {"left": 1, "operater": "eq"}}]

    reasons = [str(fault) for fault in check(a_flow(task("a", "branch", {"cases": cases})))[1]]

    assert (
        "tasks.1.parameters.cases.0.condition.operater: "
        "unknown parameter 'operater', did you mean 'operator'?"
    ) in reasons
