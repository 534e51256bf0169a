"""Dependencies, order and circles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import InvalidDefinitionError
from flows.graph import Dependency, Graph
from flows.model import Edge, Flow, Task


def _flow(reads: dict[str, list[str]], *edges: tuple[str, str] | tuple[str, str, str]) -> Flow:
    """Return a flow whose tasks read others, with edges besides."""
    return Flow(
        tasks=tuple(
            Task(
                name=name, executor="format_data", parameters={"t": [f"{{{{{r}}}}}" for r in read]}
            )
            for name, read in reads.items()
        ),
        edges=tuple(
            Edge(source=edge[0], target=edge[1], branch=edge[2] if len(edge) == 3 else None)
            for edge in edges
        ),
    )


def test_references_and_edges_join_into_one_dependency() -> None:
    flow = _flow(
        {"a": [], "b": ["a"]}, ("a", "b"), ("a", "b", "x"), ("a", "b", "y"), ("a", "b", "x")
    )

    assert Graph(flow).dependencies["b"] == [
        Dependency("a", by_reference=True, by_edge=True, branches=("x", "y"))
    ]


def test_order_puts_tasks_behind_what_they_need_and_keeps_the_document_otherwise() -> None:
    flow = _flow({"d": ["b"], "c": [], "b": ["a"], "a": []}, ("c", "a"))

    assert Graph(flow).order() == ["c", "a", "b", "d"]


def test_dependants_are_everything_behind_a_task() -> None:
    graph = Graph(_flow({"a": [], "b": ["a"], "c": ["b"], "d": []}, ("c", "e")))

    assert graph.dependants("a") == {"b", "c"}
    assert graph.dependants("c") == set()
    assert graph.consumers("a") == ["b"]
    assert graph.sinks == ["c", "d"]


def test_ends_that_are_unknown_are_left_out() -> None:
    graph = Graph(_flow({"a": ["nobody"]}, ("nobody", "a"), ("a", "nobody")))

    assert graph.dependencies == {"a": []}


def test_a_circle_is_named_from_the_task_that_stands_first() -> None:
    graph = Graph(_flow({"z": ["y"], "a": ["c"], "b": ["a"], "c": ["b"], "y": ["b"]}))

    assert [(fault.location, fault.reason) for fault in graph.cycles()] == [
        (
            ("tasks", 1),
            "tasks depend on each other in a circle: 'a' -> 'b' -> 'c' -> 'a'",
        )
    ]
    with pytest.raises(InvalidDefinitionError) as raised:
        graph.order()
    assert raised.value.faults == tuple(graph.cycles())


def test_a_task_that_reads_itself_is_a_circle() -> None:
    assert len(Graph(_flow({"a": ["a"]})).cycles()) == 1


_NAMES = [str(number) for number in range(8)]


@given(
    st.dictionaries(
        st.sampled_from(_NAMES), st.lists(st.sampled_from(_NAMES), max_size=3), min_size=1
    )
)
def test_every_flow_has_either_an_order_or_a_circle(reads: dict[str, list[str]]) -> None:
    graph = Graph(_flow(reads))
    try:
        order = graph.order()
    except InvalidDefinitionError:
        assert graph.cycles()
        return
    assert graph.cycles() == []
    assert sorted(order) == sorted(reads)
    place = {name: index for index, name in enumerate(order)}
    for name, dependencies in graph.dependencies.items():
        assert all(place[needed.task_name] < place[name] for needed in dependencies)
