"""Which JSON is taken, and which is refused before anything else looks at it."""

import json

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue

from api.bodies import MAX_DEPTH, read_json
from flows.errors import InvalidError


def nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_document_is_read_as_it_was_written() -> None:
    text = '{"b": [1, 2.5, true, null], "a": {"ü": "😀"}, "big": 123456789012345678901234567890}'

    value = read_json(text.encode())

    assert json.dumps(value, ensure_ascii=False) == text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e400}', "range"),
        (b'{"a": -1e400}', "range"),
        (b'{"a": 1' + b"0" * 400 + b"}", "range"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "range"),
        (b'{"a": "x\\u0000y"}', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"a": 1, "b": 2, "a": 3}', "twice"),
        (b'{"a": [{"b": 1, "b": 1}]}', "twice"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper"),
    ],
)
def test_json_that_we_cannot_keep_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidError, match=reason):
        read_json(body)


@pytest.mark.parametrize("body", [b"{", b'{"a": }', b"{'a': 1}", b'{"a": 1}x', b"\xef\xbb\xbf{}"])
def test_what_is_no_json_is_a_fault_of_the_body(body: bytes) -> None:
    with pytest.raises(RequestValidationError) as caught:
        read_json(body)

    assert caught.value.errors()[0]["type"] == "json_invalid"


def test_a_value_may_be_nested_to_the_limit_and_no_deeper() -> None:
    deepest = {"input": nested(MAX_DEPTH)}

    assert read_json(json.dumps(deepest).encode()) == deepest
    with pytest.raises(InvalidError, match="deeper"):
        read_json(json.dumps({"input": nested(MAX_DEPTH + 1)}).encode())


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read_json(b'"\\ud83d\\ude00"') == "😀"


def test_the_largest_double_is_accepted_as_an_integer_too() -> None:
    largest = int(1.7976931348623157e308)

    assert read_json(str(largest).encode()) == largest
