"""What every task executor of the catalogue promises."""

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.executors.catalogue import EXECUTORS, executor_named, executor_names
from flows.executors.spec import Kind, TaskExecutor
from flows.iteration import default_reference_modes, parameters_schema
from flows.parameters import parameter_faults

_ALL = pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("{{a.output}}"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["fields", "id", "data_type", "columns", "cases", "name", "template"]),
            inner,
        )
    ),
    max_leaves=15,
)


@_ALL
def test_it_says_what_it_is(executor: TaskExecutor) -> None:
    assert len(executor.description) >= 10
    assert executor.agent_prompt
    assert executor.name.replace("_", "").isalnum()
    assert executor.name == executor.name.lower()
    assert (executor.kind is Kind.INPUT) == (executor.flow_input_schema is not None)


@_ALL
def test_its_schemas_are_schemas(executor: TaskExecutor) -> None:
    jsonschema_rs.meta.validate(parameters_schema(executor.parameters))
    jsonschema_rs.meta.validate(executor.output_schema({}))
    if executor.flow_input_schema is not None:
        jsonschema_rs.meta.validate(executor.flow_input_schema({}))


@_ALL
def test_it_is_closed_to_unknown_parameters(executor: TaskExecutor) -> None:
    faults = parameter_faults(executor, {"no such parameter": 1})

    assert "unknown_parameter" in [fault.type for fault in faults]
    fields = executor.parameters.model_fields.items()
    assert default_reference_modes(executor).keys() == {each.alias or name for name, each in fields}


@_ALL
@given(
    parameters=st.dictionaries(st.sampled_from(["fields", "template", "cases", "target"]), _JSON)
)
def test_no_authored_parameters_break_its_schemas(
    executor: TaskExecutor, parameters: dict[str, JsonValue]
) -> None:
    parameter_faults(executor, parameters)
    jsonschema_rs.meta.validate(executor.output_schema(parameters))
    if executor.flow_input_schema is not None:
        jsonschema_rs.meta.validate(executor.flow_input_schema(parameters))


def test_names_and_aliases_lead_to_one_executor() -> None:
    for name in executor_names():
        assert executor_named(name) is not None
    assert executor_named("nothing") is None
    assert len(set(executor_names())) == len(executor_names())
