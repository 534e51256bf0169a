"""Whatever is generated for other suites is accepted, and resolves without an error."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.errors import TaskFailedError
from flows.graph import Graph
from flows.inputs import choose_input_task, input_task_names, validate_input
from flows.iteration import item_parameters, plan
from flows.parse import accepted
from flows.references import resolve, value_at
from flows.validate import executable
from tests.support.generated_flows import GeneratedFlow, generated_flows

_SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@_SLOW
@given(generated_flows(with_code=True))
def test_generated_flows_are_accepted_with_their_input(generated: GeneratedFlow) -> None:
    flow = accepted(generated.definition)

    assert executable(flow) == []
    assert choose_input_task(flow, generated.input_task_name) == generated.input_task_name
    assert validate_input(flow, generated.input_task_name, generated.input) == []
    assert len(Graph(flow).order()) == len(flow.tasks)


@_SLOW
@given(generated_flows(with_code=True), st.data())
def test_whatever_upstream_gives_parameters_resolve(
    generated: GeneratedFlow, data: st.DataObject
) -> None:
    flow = accepted(generated.definition)
    graph = Graph(flow)
    outputs: dict[str, JsonValue] = {name: data.draw(_VALUES) for name in input_task_names(flow)}
    for name in graph.order():
        task = next(task for task in flow.tasks if task.name == name)
        values = {
            reference.text: value_at(outputs.get(reference.task_name), reference.path)
            for reference in graph.references[name]
        }
        try:
            iteration = plan(task, values)
        except TaskFailedError as error:
            if error.type != "LengthMismatch":
                raise
            return
        if iteration is None:
            outputs[name] = resolve(task.parameters, values)
        else:
            outputs[name] = [
                item_parameters(task, iteration.iterated, iteration.shared, iteration.at(index))
                for index in range(iteration.length)
            ]
