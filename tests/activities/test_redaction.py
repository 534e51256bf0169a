"""Whatever a value turned into on its way back, it is not kept."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from activities.failures import activity_failure, task_error
from activities.redaction import Redactor
from flows.errors import RateLimitedError, TaskFailedError
from flows.secrets import MASK

VALUE = 'p&ss "wörd"/+1\n2'


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        repr(VALUE)[1:-1],
        html.escape(VALUE),
        quote(VALUE),
        quote(VALUE, safe=""),
        quote_plus(VALUE),
        VALUE.encode().hex(),
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
        VALUE.replace("\n", "\r\n"),
    ],
)
def test_every_form_of_a_value_is_taken_out(form: str) -> None:
    assert Redactor([VALUE]).text(f"<{form}>") == f"<{MASK}>"


@given(
    before=st.binary(max_size=20),
    value=st.text(st.characters(codec="utf-8"), min_size=10, max_size=40),
    after=st.binary(max_size=20),
)
def test_base64_of_longer_bytes_does_not_give_a_value_away(
    before: bytes, value: str, after: bytes
) -> None:
    encoded = base64.b64encode(before + value.encode() + after).decode()

    shown = Redactor([value]).text(encoded)

    assert MASK in shown
    longest = max(len(part) for part in shown.split(MASK))
    assert longest <= len(base64.b64encode(before + b"12" + after)) + 8


def test_keys_items_and_numbers_are_searched_too() -> None:
    value: JsonValue = {"a 123456": [123456, {"b": "x123456y"}, True, None, 12.5], "n": 1234567}

    assert Redactor(["123456"]).value(value) == {
        f"a {MASK}": [MASK, {"b": f"x{MASK}y"}, True, None, 12.5],
        "n": 1234567,
    }


def test_what_is_too_short_to_be_secret_is_left() -> None:
    assert Redactor(["", "abc"]).text("abc d") == "abc d"
    assert Redactor(["abcd"]).text("abcd abc") == f"{MASK} abc"


def test_a_value_that_holds_another_is_taken_out_as_a_whole() -> None:
    assert Redactor(["secret", "my secret is long"]).text("my secret is long") == MASK


def test_a_message_that_was_cut_does_not_end_in_a_piece_of_a_value() -> None:
    redactor = Redactor(["0123456789abcdef0123456789abcdef"])

    assert redactor.message("it said: 0123456789abcdef") == f"it said: {MASK}"
    assert redactor.message("it said: 0123456789abcdef…") == f"it said: {MASK}"
    assert redactor.message("it said: 01") == "it said: 01"


def test_an_error_keeps_its_type_its_retry_and_its_traceback() -> None:
    error = TaskFailedError(
        "refused hush-hush", type="Refused", retryable=True, traceback="line 1: hush-hush"
    )

    told = Redactor(["hush-hush"]).error(error)

    described = task_error(told)
    assert (described.message, described.type) == (f"refused {MASK}", "Refused")
    assert described.traceback == f"line 1: {MASK}"
    assert not activity_failure(told, None, 1).non_retryable
    assert "hush-hush" not in str(told)


def test_an_unforeseen_error_is_told_without_the_value_and_without_its_causes() -> None:
    try:
        try:
            raise KeyError("hush-hush")
        except KeyError as cause:
            raise ValueError("bad hush-hush") from cause
    except ValueError as error:
        told = Redactor(["hush-hush"]).error(error)

    failure = activity_failure(told, None, 1)
    assert (failure.message, failure.type) == (f"bad {MASK}", "ValueError")
    assert "hush-hush" not in str(failure.details)
    assert "KeyError" in str(failure.details)


def test_a_delay_that_a_service_asked_for_survives() -> None:
    limited = RateLimitedError("slow down hush-hush")

    failure = activity_failure(Redactor(["hush-hush"]).error(limited), None, 1)

    assert failure.next_retry_delay == limited.retry_after
