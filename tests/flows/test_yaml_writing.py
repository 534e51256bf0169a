"""What is written as YAML is read as what it was, by us and by readers of YAML 1.1."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.reading import read_document
from flows.yaml_writing import write_yaml

_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\x00")
_MEANING_SOMETHING_ELSE = (
    *("no", "Yes", "~", "null", "1e3", "0o17", "0x1F", "017", "08", "1_000", "12:30", "2020-01-01"),
    *("<<", "=", "*a", "&a", "!t", "- a", "a: b", "a #b", "%", "@", ".inf", "+.5", "1.", "---"),
    *("a\nb", "a\nb\n", "a\n\n", " a\nb", "a \nb", "a\n b\n\tc", "\n", "a\r\nb", "{{a.b}}"),
)
_WORDS = st.sampled_from(_MEANING_SOMETHING_ELSE)
_TEXT = _WORDS | st.text(_CHARACTERS, max_size=8) | st.text("ab \n\t:#-'\"", max_size=12)
_VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**1000), 2**1000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
@example({"a": {"b": "x\ny\n"}, "": [[], {}, [["-"]]]})
def test_what_is_written_is_read_again(value: JsonValue) -> None:
    written = write_yaml(value)

    read = read_document(written, media="yaml")

    assert (read, repr(read)) == (value, repr(value))


@given(_WORDS)
def test_readers_of_the_older_version_take_text_for_text(text: str) -> None:
    assert yaml.safe_load(write_yaml({text: [text]})) == {text: [text]}


def test_it_reads_well() -> None:
    value: JsonValue = {
        "name": "Grüße",
        "tasks": [{"name": "a", "code": "import re\nx = 1\n", "text": "x" * 200, "none": None}],
        "empty": {},
    }

    assert write_yaml(value) == (
        "name: Grüße\n"
        "tasks:\n"
        "- name: a\n"
        "  code: |\n"
        "    import re\n"
        "    x = 1\n"
        f"  text: {'x' * 200}\n"
        "  none: null\n"
        "empty: {}\n"
    )


def test_nothing_is_written_as_a_reference_to_itself() -> None:
    shared: JsonValue = {"a": [1]}

    assert "&" not in write_yaml({"x": shared, "y": shared})


@pytest.mark.parametrize("value", ["a", 1, None, True, [], {}, "1e3", 10**308, -0.0])
def test_a_document_may_be_any_value(value: JsonValue) -> None:
    read = read_document(write_yaml(value), media="yaml")

    assert (read, repr(read)) == (value, repr(value))
