"""Placeholders: what they name, how values are put in, and that nothing is expanded twice."""

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from dialogs.placeholders import pieces
from dialogs.templates import render, render_value
from dialogs.variables import Scope, dynamic_values, system_values

SCOPE = Scope(
    dynamic={"name": "Ada", "team": "own", "deep": {"a": [1, {"b": "two"}]}, "a.b": "flat"},
    team={"team": "shared", "only": "here"},
    thread={"choice": "x", "total": 3, "list": ["b", "a"], "text": "{{name}} [[choice]]"},
    workflow={"choice": "beneath", "wide": True},
    written_by={"Ask Name": {"name": "Bob"}, "Ask": {"Name.name": "short"}, "node_1": {"n": 1}},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello {{name}}!", "Hello Ada!"),
        ("{{ name }} {{deep.a[0]}} {{deep.a[1].b}}", "Ada 1 two"),
        ("{{a.b}}", "flat"),
        ("{{deep}}", '{"a": [1, {"b": "two"}]}'),
        ("{{team}} {{global.team}} {{global.only}}", "own shared here"),
        ("[[choice]] [[total]] [[wide]]", "x 3 true"),
        ("[[list]] [[list[1]]]", '["b", "a"] a'),
        ("[[Ask Name.name]] [[node_1.n]]", "Bob 1"),
        ("[[thread_0.choice]]", "x"),
        ("{{missing}} [[missing]] {{deep.a[9]}} {{deep.x}}", None),
        ("{{}} [[ ]] {{ {name} }} [[a]", None),
        ("[[text]]", "{{name}} [[choice]]"),
        ("{{name | upcase}}", "ADA"),
        ("[[list | sort | join: ', ']]", "a, b"),
        ("[[list | join: ']]']]", "b]]a"),
        ("{{missing | default: 'nobody'}}", "nobody"),
        ("{{name | no_such_filter}} {{name | date: '%Y'}}", None),
        ("{{name | upcase }} {%if%}", "ADA {%if%}"),
        ("[[total | plus: 1]] [[total | divided_by: 0]]", "4 [[total | divided_by: 0]]"),
    ],
)
def test_placeholders_are_replaced_once_or_stay(text: str, expected: str | None) -> None:
    assert render(text, SCOPE.lookup) == (text if expected is None else expected)


def test_a_string_that_is_one_placeholder_becomes_its_value() -> None:
    value: JsonValue = {"n": "[[total]]", "s": "n=[[total]]", "l": ["[[list | sort]]"], "k": 1}

    assert render_value(value, SCOPE.lookup) == {"n": 3, "s": "n=3", "l": [["a", "b"]], "k": 1}


@given(st.text("{}[]|.ab01'\" \n", max_size=40))
def test_a_text_is_the_sum_of_its_pieces(text: str) -> None:
    assert "".join(p if isinstance(p, str) else p.text for p in pieces(text)) == text


@given(st.text("{}[]|ab ", max_size=30))
def test_what_is_inserted_is_never_looked_at_again(value: str) -> None:
    assert render("<{{v}}>", lambda _: value) == f"<{value}>"


def test_later_layers_win_and_the_callers_own_over_the_platforms() -> None:
    values = dynamic_values(
        team={"a": 1, "b": 1, "now": 1},
        defaults={"b": 2, "c": 2},
        graph={"c": 3, "d": 3},
        system={"now": "noon", "date": "today"},
        run={"d": 4, "date": "never"},
    )

    assert values == {"a": 1, "b": 2, "c": 3, "d": 4, "now": "noon", "date": "never"}


def test_the_platforms_own_values_follow_from_the_instant_and_from_chance() -> None:
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)

    values = system_values(at, Random(1))  # noqa: S311 - repeatable, not secret

    assert values == system_values(at, Random(1))  # noqa: S311 - repeatable, not secret
    assert values["now"] == "January 05, 2026 10:00 AM"
    assert (values["month"], values["day_of_week"]) == ("January", "Monday")
    assert values["timestamp_ms"] == 1767607200000
