"""References to secrets stay out of parameters, wherever they were written."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import JsonValue

from flows.iteration import item_parameters, item_values, plan
from flows.marks import is_marked
from flows.model import Flow, Task
from flows.parse import check
from flows.references import references_in, resolve, value_at
from flows.secrets import (
    MASK,
    Asides,
    SecretPart,
    SecretUse,
    credential_in,
    credentials_of,
    masked,
    sealed_in,
    sealed_reference,
)
from flows.validate import validate
from tests.support.secret_executor import vault_call_known

SEALED = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    with vault_call_known():
        yield


def call(**parameters: JsonValue) -> Task:
    return Task(name="call", executor="vault_call", parameters=parameters)


def taken(
    task: Task, outputs: Mapping[str, JsonValue] | None = None
) -> tuple[dict[str, Any], list[SecretUse]]:
    """Return a task's parameters as they are shown, and what was set aside."""
    given = outputs or {}
    values = {
        reference.text: value_at(given[reference.task_name], reference.path)
        for reference in references_in(task.parameters, given)
    }
    parameters = {name: resolve(value, values) for name, value in task.parameters.items()}
    uses = Asides(task).take(parameters, lambda _: values)
    return parameters, uses


def ref(text: str) -> SecretPart:
    return SecretPart(reference=text)


def test_a_credential_alone_is_shown_as_a_mask() -> None:
    shown, uses = taken(call(note="{{ secrets.api_key }}"))

    assert shown == {"note": MASK}
    assert uses == [SecretUse(path=["note"], parts=[ref("secrets.api_key")])]


def test_credentials_inside_longer_text_are_shown_as_masks_where_they_stand() -> None:
    task = call(note=["Bearer {{secrets.a}}, {{start.who}} {{secrets.b-2}}!"])

    shown, uses = taken(task, {"start": {"who": "Ü"}})

    assert shown == {"note": [f"Bearer {MASK}, Ü {MASK}!"]}
    assert uses == [
        SecretUse(path=["note", 0], start=7, parts=[ref("secrets.a")]),
        SecretUse(path=["note", 0], start=19, parts=[ref("secrets.b-2")]),
    ]


def test_data_that_spells_a_reference_to_a_secret_stays_data() -> None:
    evil = f"{{{{secrets.api_key}}}} {sealed_reference(SEALED)}"
    task = call(url="{{start.text}}", note={"deep": "{{secrets.b}} said {{start.text}}"})

    shown, uses = taken(task, {"start": {"text": evil}})

    assert shown == {"url": evil, "note": {"deep": f"{MASK} said {evil}"}}
    assert uses == [SecretUse(path=["note", "deep"], start=0, parts=[ref("secrets.b")])]


def test_a_marked_parameter_is_masked_as_a_whole_whatever_it_is_made_of() -> None:
    stored = f"postgres://{sealed_reference(SEALED)}@{{{{start.host}}}}/{{{{secrets.db}}}}"
    task = call(token=stored, headers={"X": "plain text"}, login={"password": "{{start.pw}}"})

    shown, uses = taken(task, {"start": {"host": "db", "pw": "from the input"}})

    assert shown == {"token": MASK, "headers": {"X": MASK}, "login": {"password": MASK}}
    assert [(use.path, use.parts) for use in uses] == [
        (
            ["token"],
            [
                SecretPart(text="postgres://"),
                ref(f"secret:{SEALED}"),
                SecretPart(text="@"),
                SecretPart(text="db"),
                SecretPart(text="/"),
                ref("secrets.db"),
            ],
        ),
        (["headers", "X"], [SecretPart(text="plain text")]),
        (["login", "password"], [SecretPart(text="from the input")]),
    ]


@pytest.mark.parametrize("value", [None, 5, ["a", "b"]], ids=repr)
def test_a_marked_parameter_that_becomes_no_text_is_left_to_the_executor(value: JsonValue) -> None:
    shown, uses = taken(call(token="{{start.x}}"), {"start": {"x": value}})

    assert (shown, uses) == ({"token": value}, [])


def test_the_name_of_a_task_counts_first() -> None:
    task = call(note="{{secrets.token}} {{secrets.plan.token}}")

    shown, uses = taken(task, {"secrets": {"token": "an output"}, "secrets.plan": {"token": 7}})

    assert (shown, uses) == ({"note": "an output 7"}, [])
    assert [*credentials_of(task, {"secrets"})] == []
    assert [*credentials_of(task, {"start"})] == [(("note",), "token")]


def test_an_iteration_sets_secrets_aside_for_each_item() -> None:
    task = call(url="{{start.urls}}", token="{{start.tokens}}", note="{{secrets.a}}")
    values: dict[str, JsonValue] = {"start.urls": ["u0", "u1"], "start.tokens": ["t0", "t1"]}
    iteration = plan(task, values)
    assert iteration is not None

    parameters = item_parameters(task, iteration.iterated, iteration.shared, iteration.at(1))
    uses = Asides(task).take(
        parameters,
        lambda name: item_values(name, iteration.iterated, iteration.shared, iteration.at(1)),
    )

    assert parameters == {"url": "u1", "token": MASK, "note": MASK}
    assert [use.parts for use in uses] == [[SecretPart(text="t1")], [ref("secrets.a")]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("token",), True),
        (("url",), False),
        (("note", "token"), False),
        (("login", "password"), True),
        (("login", "user"), False),
        (("logins", 3, "password"), True),
        (("headers", "Authorization"), True),
        (("nothing", "here"), False),
    ],
    ids=str,
)
def test_marks_are_found_at_any_depth(path: tuple[str | int, ...], expected: bool) -> None:
    assert is_marked("vault_call", path) is expected
    assert not is_marked("http_request", path)
    assert not is_marked("unknown", path)


@pytest.mark.parametrize("text", ["secrets", "secrets.", "secrets.a.b", "secrets.a b", "secret:1"])
def test_what_is_no_reference_to_a_secret(text: str) -> None:
    assert credential_in(text) is None
    assert sealed_in(text) is None


def test_masking_hides_what_is_stored_and_nothing_else() -> None:
    stored: JsonValue = {
        "a": [f"x{sealed_reference(SEALED)}y", "{{secrets.name}}", 5],
        "b": "{{start.x}}",
    }

    assert masked(stored) == {"a": [MASK, "{{secrets.name}}", 5], "b": "{{start.x}}"}


def definition(executor: str, **parameters: JsonValue) -> JsonValue:
    return {
        "tasks": [
            {"name": "start", "task_executor_name": "receive_file"},
            {"name": "call", "task_executor_name": executor, "parameters": dict(parameters)},
        ],
        "edges": [{"source": "start", "target": "call"}],
    }


def test_references_to_credentials_are_valid_in_any_parameter_that_somebody_opens() -> None:
    for executor, parameters in (
        ("http_request", {"url": "https://x/{{secrets.a}}", "headers": {"A": "{{secrets.b}}"}}),
        ("format_data", {"template": {"t": "{{secrets.a}}"}}),
        ("vault_call", {"token": "{{secrets.a}}"}),
        ("wait", {"seconds": 1}),
    ):
        assert check(definition(executor, **parameters))[1] == []


def test_a_credential_where_nobody_opens_it_is_refused() -> None:
    flow, faults = check(definition("wait", seconds="{{secrets.a}}"))

    assert [fault.type for fault in faults] == ["secret_out_of_reach"]
    assert flow.tasks


@pytest.mark.parametrize("text", ["secrets", "secrets.a.b", "secrets.ü"])
def test_a_malformed_reference_to_a_credential_is_told_as_one(text: str) -> None:
    faults = check(definition("http_request", url=f"{{{{{text}}}}}"))[1]

    assert [fault.type for fault in faults] == ["malformed_reference"]
    assert "credential" in faults[0].reason


def test_faults_do_not_repeat_what_may_be_secret() -> None:
    hush = "hush-9f"
    task = call(
        token=hush,
        login={"pasword": hush, "password": 5, "user": 5},
        headers={"A": f"{{{{{hush}}}}}", "B": f"{{{{start {hush}"},
        pasword=hush,
    )

    start = Task(name="start", executor="receive_file")
    faults = validate(Flow(tasks=(start, task)))

    assert {"string_too_short", "unknown_task", "unclosed_reference", "unknown_parameter"} <= {
        fault.type for fault in faults
    }
    assert hush not in repr(faults)


def test_a_mask_fits_where_a_secret_is_expected() -> None:
    assert check(definition("vault_call", token=MASK[:8]))[1] == []
    assert check(definition("vault_call", headers={"A": MASK}, token=MASK))[1] == []
