"""Canonical bytes and fingerprints."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.canonical import canonical_bytes, digest, fingerprint

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _reordered(value: JsonValue) -> JsonValue:
    """Return the same value with its keys in the other order."""
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed(value)}
    return [_reordered(item) for item in value] if isinstance(value, list) else value


@given(_JSON)
def test_key_order_changes_nothing(value: JsonValue) -> None:
    assert canonical_bytes(_reordered(value)) == canonical_bytes(value)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers()))
def test_integers_of_any_size_survive(value: dict[str, JsonValue]) -> None:
    assert json.loads(canonical_bytes(value)) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [1.5, "ß"]}, '{"a":[1.5,"ß"],"b":1}'),
        ({"b": 2**64, "a": "ß"}, r'{"a":"\u00df","b":18446744073709551616}'),
        ([math.nan, math.inf, 1], "[null,null,1]"),
        ([math.nan, 2**64], "[null,18446744073709551616]"),
        ("\ud800", r'"\ud800"'),
    ],
)
def test_what_the_bytes_are(value: JsonValue, expected: str) -> None:
    assert canonical_bytes(value).decode() == expected


def test_an_integer_beyond_all_decimal_limits_is_no_error() -> None:
    assert canonical_bytes(10**5_000) != canonical_bytes(10**5_000 + 1)


def test_types_that_look_alike_differ() -> None:
    values: list[JsonValue] = [1, 1.0, "1", True, [1], None, "null"]

    assert len({digest(value) for value in values}) == 7


def test_a_fingerprint_depends_on_all_that_a_result_does() -> None:
    parameters: JsonValue = {"a": 1}
    prints = {
        fingerprint("format_data", 1, parameters),
        fingerprint("format_data", 2, parameters),
        fingerprint("branch", 1, parameters),
        fingerprint("format_data", 1, {"a": 2}),
        fingerprint("format_data", 1, parameters, "edge"),
    }

    assert len(prints) == 5


def test_fingerprints_never_change() -> None:
    assert fingerprint("format_data", 1, {"b": [1, "ß"], "a": None}, "e") == (
        "e2cdd82b980f9335dfb50173719fd6651f0376ba13de9c6f0381c64d668b8c80"
    )
