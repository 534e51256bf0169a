"""Text to JSON values: what is refused, and how it is said."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.errors import EngineError, InvalidDefinitionError, TooLargeError
from flows.model import MAX_DEFINITION_BYTES
from flows.reading import Media, read_document

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
_PRINTABLE = st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp"))


def _json(text: st.SearchStrategy[str]) -> st.SearchStrategy[JsonValue]:
    """Draw any JSON that has such text."""
    scalars = st.none() | st.booleans() | st.integers(-(2**1000), 2**1000)
    floats = st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        scalars | floats | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    )


@given(_json(_TEXT))
def test_json_is_read_as_it_was_written(value: JsonValue) -> None:
    assert read_document(json.dumps(value), media="json") == value


@given(_json(st.text(_PRINTABLE, max_size=8)))
def test_what_json_says_yaml_says_too(value: JsonValue) -> None:
    text = json.dumps(value, ensure_ascii=False)

    assert read_document(text, media="yaml") == value


def _bad(text: str | bytes, media: Media) -> InvalidDefinitionError:
    with pytest.raises(InvalidDefinitionError) as raised:
        read_document(text, media=media)
    return raised.value


@pytest.mark.parametrize(
    ("text", "media", "said"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "json", "b.c: key 'c' stands twice"),
        ('{"a": NaN}', "json", "not JSON: NaN is not a JSON number"),
        ('{"a": 1e999}', "json", "a: not a finite number"),
        (f'{{"a": {"9" * 400}}}', "json", "a: number is out of range"),
        (f'{{"a": {"9" * 5000}}}', "json", "not JSON: Exceeds the limit"),
        (r'{"a": ["\ud800"]}', "json", "a.0: text holds half of a surrogate pair"),
        (r'{"a": "x\u0000"}', "json", "a: text holds a NUL character"),
        (r'{"a": {"\u0000": 1}}', "json", "a: a key holds a NUL"),
        ('{"a": 1,}', "json", "not JSON at line 1, column 9"),
        ("", "json", "not JSON at line 1, column 1"),
        (b'{"a": "\xff"}', "json", "not UTF-8 at byte 7"),
        ("a: 1\nb: {c: 1, c: 2}", "yaml", "line 2, column 11: key 'c' stands twice"),
        (
            "a: !!python/object:os.system x",
            "yaml",
            "tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("a: !secret x", "yaml", "line 1, column 4: tag '!secret' is not known here"),
        ("a: !!set {x}", "yaml", "tag 'tag:yaml.org,2002:set' is not known here"),
        ("a: !!int x", "yaml", "'x' is no int"),
        ("a: .nan", "yaml", "'.nan' is not a finite number"),
        ("a: -.inf", "yaml", "'-.inf' is not a finite number"),
        (f"a: {'9' * 5000}", "yaml", "number is out of range"),
        ("1: x", "yaml", "line 1, column 1: a key must be text: put '1' into quotes"),
        ("? [a]\n: x", "yaml", "a key must be text"),
        ("a: &x [1]\n*x : 2", "yaml", "a key must not be an alias"),
        ("base: &b {k: 1}\na: {<<: *b}", "yaml", "merge keys are not supported"),
        ("a: &x [*x]", "yaml", "alias '*x' stands for nothing finished before it"),
        ("a: *nobody", "yaml", "alias '*nobody'"),
        ("a: 1\n---\nb: 2", "yaml", "line 2, column 1: more than one document"),
        ("a: [1", "yaml", "line 2, column 1: not YAML"),
        ("a:\tb: c", "yaml", "not YAML"),
        ("a: \x01", "yaml", "not YAML"),
        (r'a: "\ud800"', "yaml", "not YAML"),
        (r'a: "\0"', "yaml", "a: text holds a NUL character"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(
    text: str | bytes, media: Media, said: str
) -> None:
    assert said in str(_bad(text, media).faults[0])


def test_every_repeated_key_is_reported() -> None:
    error = _bad('{"a": 1, "a": 2, "b": [{"c": 1, "c": 1}]}', "json")

    assert {fault.location for fault in error.faults} == {("a",), ("b", 0, "c")}


@pytest.mark.parametrize(
    ("text", "media"),
    [
        ("x" * (MAX_DEFINITION_BYTES + 1), "yaml"),
        (b'"' + b"x" * MAX_DEFINITION_BYTES + b'"', "json"),
        ("[" * 65 + "]" * 65, "json"),
        ("[" * 65 + "]" * 65, "yaml"),
        ("[" * 100_000 + "]" * 100_000, "json"),
        ("[" * 900 + "]" * 900, "yaml"),
        ("- " * 900 + "x", "yaml"),
        ('{"a":' * 65 + "1" + "}" * 65, "json"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{key}: &{key} [{','.join([f'*{before}'] * 9)}]\n"
                for before, key in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "yaml",
        ),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40, "yaml"),
    ],
    ids=[
        "long yaml",
        "long json",
        "deep json",
        "deep yaml",
        "very deep json",
        "deep flow",
        "deep block",
        "deep objects",
        "alias bomb",
        "deep alias",
    ],
)
def test_too_much_is_refused(text: str | bytes, media: Media) -> None:
    with pytest.raises(TooLargeError):
        read_document(text, media=media)


def test_a_million_brackets_are_refused_whatever_the_parser_thinks_of_them() -> None:
    with pytest.raises((TooLargeError, InvalidDefinitionError)):
        read_document("[" * 1_000_000, media="yaml")


def test_the_deepest_allowed_document_is_read() -> None:
    assert read_document("[" * 64 + "]" * 64, media="json") == read_document(
        "[" * 64 + "]" * 64, media="yaml"
    )


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("017", 17),
        ("0o17", 15),
        ("0xfF", 255),
        ("-3", -3),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("!!float 1", 1.0),
        ("!!int '1'", 1),
        ("!!bool true", True),
        ("!!null ''", None),
        ("|\n  text\n", "text\n"),
        ("=", "="),
    ],
)
def test_plain_scalars_follow_the_core_schema(scalar: str, value: JsonValue) -> None:
    read = read_document(f"a: {scalar}", media="yaml")

    assert read == {"a": value}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(value)


def test_an_alias_repeats_a_value_without_sharing_it() -> None:
    read = read_document("a: &x {k: [1]}\nb: *x\nc: &k d\ne: *k\n? &key f\n: *key", media="yaml")

    assert read == {"a": {"k": [1]}, "b": {"k": [1]}, "c": "d", "e": "d", "f": "f"}
    assert isinstance(read, dict)
    assert read["a"] is not read["b"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert read_document(b"\xef\xbb\xbf{}", media="json") == {}


@given(st.binary(max_size=40) | st.text(max_size=40), st.sampled_from(["json", "yaml"]))
def test_no_text_breaks_the_reader(text: str | bytes, media: Media) -> None:
    with suppress(EngineError):
        read_document(text, media=media)
