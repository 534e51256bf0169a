"""References: finding, reading and resolving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.errors import TaskFailedError
from flows.references import (
    MAX_RESOLVED_CHARS,
    Reference,
    as_text,
    occurrences,
    read_reference,
    references_in,
    resolve,
    unclosed_references,
    value_at,
)

UUID = "3f0c2a9e-5b1d-4c77-9a42-0d6e8f41b2c5"

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "task_name", "path"),
    [
        ("a", "a", ()),
        ("a.output", "a", ()),
        ("a.output.output", "a", ("output",)),
        ("a.total", "a", ("total",)),
        ("a.output.total", "a", ("total",)),
        ("a.rows[0].id", "a", ("rows", 0, "id")),
        ("a.output[2]", "a", (2,)),
        ("a[2]", "a", (2,)),
        ("a.1.2-3_x", "a", ("1", "2-3_x")),
        (f"{UUID}.document_url", UUID, ("document_url",)),
        ("task 1.total", "task 1", ("total",)),
        ("a.b.total", "a.b", ("total",)),
        ("a.bc", "a", ("bc",)),
        ("a.b", "a.b", ()),
        ("a-b.x", "a-b", ("x",)),
        ("x[0].y", "x[0]", ("y",)),
        ("a.Maß", "a", ("Maß",)),
    ],
)
def test_the_longest_known_name_and_the_path_behind_it_are_read(
    text: str, task_name: str, path: tuple[str | int, ...]
) -> None:
    names = {"a", "a.b", "a-b", "task 1", UUID, "x[0]"}

    assert read_reference(text, names) == Reference(text, task_name, path)


@pytest.mark.parametrize(
    "text",
    ["b", "", "ab.x", "a-c.x", "A.x", "a.", "a..x", "a.x y", "a.x|upper", "a[-1]", "a[x]", "a.b c"],
)
def test_anything_else_is_no_reference(text: str) -> None:
    assert read_reference(text, {"a", "a.b"}) is None


def test_references_are_found_in_every_string_once_and_in_order() -> None:
    value: JsonValue = {
        "{{a.key}}": "{{ b.x }}",
        "list": ["{{a.x}} and {{b.x}}", {"deep": "{{a.x}}"}],
        "unknown": "{{c.x}}",
    }

    found = references_in(value, ["a", "b"])

    assert [reference.text for reference in found] == ["b.x", "a.x"]


def test_a_place_tells_whether_the_string_is_only_the_reference() -> None:
    found = list(occurrences({"a": ["{{x}}", " {{x}}"]}))

    assert [(place.location, place.is_whole) for place in found] == [
        (("a", 0), True),
        (("a", 1), False),
    ]


def test_braces_that_never_close_are_found_where_a_task_is_meant() -> None:
    value: JsonValue = ["{{a.x}} {{a.y", "{{b", "{{a.x}}"]

    assert list(unclosed_references(value, {"a"})) == [((0,), "a.y")]


@given(_JSON)
def test_a_whole_reference_keeps_value_and_type(value: JsonValue) -> None:
    resolved = resolve("{{a.x}}", {"a.x": value})

    assert resolved == value
    assert type(resolved) is type(value)


@given(_JSON)
def test_a_value_is_never_scanned_again(value: JsonValue) -> None:
    values: dict[str, JsonValue] = {"a": [value, "{{b}}"], "b": "resolved twice"}

    assert resolve({"k": "{{a}}"}, values) == {"k": [value, "{{b}}"]}


@given(_JSON, _JSON)
def test_resolving_is_total_whatever_is_known(value: JsonValue, known: JsonValue) -> None:
    resolve(["{{a}} {{b}}", value, {"x": "{{b}}"}], {"a": known})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (1.0, "1.0"),
        (10**30, "1" + "0" * 30),
        ([1, "a"], '[1,"a"]'),
        ({"b": 1, "a": "ß"}, '{"a":"ß","b":1}'),
    ],
)
def test_inside_text_a_value_is_written_as_text(value: JsonValue, text: str) -> None:
    assert as_text(value) == text
    assert resolve("<{{a}}|{{a}}>", {"a": value}) == f"<{text}|{text}>"


def test_keys_unknown_references_and_single_braces_stay() -> None:
    template: JsonValue = {"{{a}}": "{{b}} {a} {{{a}}}"}

    assert resolve(template, {"a": 1}) == {"{{a}}": "{{b}} {a} {1}"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), {"rows": [{"id": 1}, {"id": 2}, 3], "0": "zero"}),
        (("rows", 0, "id"), 1),
        (("rows", "1", "id"), 2),
        (("rows", "id"), [1, 2, None]),
        (("rows", 9), None),
        (("rows", 0, "id", "deeper"), None),
        (("missing",), None),
        ((0,), "zero"),
    ],
)
def test_a_path_leads_to_a_value_or_to_null(path: tuple[str | int, ...], value: JsonValue) -> None:
    assert value_at({"rows": [{"id": 1}, {"id": 2}, 3], "0": "zero"}, path) == value


@given(_JSON, st.lists(st.text() | st.integers(0, 10**9)))
def test_following_a_path_is_total(value: JsonValue, path: list[str | int]) -> None:
    value_at(value, path)


@pytest.mark.parametrize("template", ["{{a}}", "x{{a}}"])
def test_a_template_cannot_multiply_a_large_value_without_bound(template: str) -> None:
    large = "x" * (MAX_RESOLVED_CHARS // 10)
    copies: list[JsonValue] = [template] * 12

    with pytest.raises(TaskFailedError) as raised:
        resolve(copies, {"a": large})

    assert raised.value.type == "ParametersTooLarge"
    assert not raised.value.retryable


def test_a_large_value_may_be_used_once() -> None:
    large: JsonValue = ["x" * (MAX_RESOLVED_CHARS + 1)]

    assert resolve("{{a}}", {"a": large}) is large
