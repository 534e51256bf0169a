"""Authored policies as Temporal's: what is passed on, and what the server would refuse."""

from datetime import timedelta

import pytest

from flows.executors.catalogue import EXECUTORS
from flows.model import RetryPolicy
from tests.support.engine import effect, instant, pure
from workflows.scheduling.retries import (
    LOCAL_TIMEOUT,
    attempt_timeout,
    attempts_allowed,
    most_attempts,
    retry_policy,
)

HTTP = EXECUTORS["http_request"]
CODE = EXECUTORS["python_code"]
FORMAT = EXECUTORS["format_data"]


def test_an_effect_is_tried_as_often_as_its_author_says() -> None:
    task = effect("t", retry_policy=RetryPolicy(max_attempts=7))

    assert most_attempts(task, HTTP) == 7
    assert retry_policy(task, HTTP).maximum_attempts == 7


def test_without_a_policy_effects_get_three_attempts_and_pure_work_one() -> None:
    assert attempts_allowed(effect("t"), HTTP) == 3
    assert attempts_allowed(pure("t"), CODE) == 1
    assert attempts_allowed(instant("t"), FORMAT) == 1


def test_pure_work_may_be_lost_with_its_worker_without_losing_an_attempt() -> None:
    policy = retry_policy(pure("t"), CODE)

    assert policy.maximum_attempts == 11
    assert policy.non_retryable_error_types == ["TemporalTimeout:StartToClose"]


def test_names_of_timeouts_mean_temporals_own() -> None:
    authored = RetryPolicy(non_retryable_error_types=("HttpStatus", "Timeout", "WorkerLost"))

    assert retry_policy(effect("t", retry_policy=authored), HTTP).non_retryable_error_types == [
        "HttpStatus",
        "Timeout",
        "WorkerLost",
        "TemporalTimeout:StartToClose",
        "TemporalTimeout:Heartbeat",
    ]


@pytest.mark.parametrize(
    ("first", "longest", "expected"),
    [(0.5, None, 50.0), (2.0, 1.0, 2.0), (1.0, 8.0, 8.0)],
)
def test_the_longest_wait_is_never_shorter_than_the_first(
    first: float, longest: float | None, expected: float
) -> None:
    authored = RetryPolicy(initial_interval_seconds=first, max_interval_seconds=longest)

    policy = retry_policy(effect("t", retry_policy=authored), HTTP)

    assert policy.maximum_interval == timedelta(seconds=expected)


def test_durations_are_never_rounded_down_to_none() -> None:
    authored = RetryPolicy.model_construct(initial_interval_seconds=1e-9)
    task = effect("t").model_copy(update={"retry_policy": authored, "timeout_seconds": 1e-9})

    assert retry_policy(task, HTTP).initial_interval == timedelta(milliseconds=1)
    assert attempt_timeout(task, HTTP) == timedelta(milliseconds=1)


def test_instant_work_is_cut_off_whatever_its_author_says() -> None:
    assert attempt_timeout(instant("t", timeout_seconds=3600), FORMAT) == LOCAL_TIMEOUT
    assert attempt_timeout(effect("t", timeout_seconds=3600), HTTP) == timedelta(hours=1)
    assert attempt_timeout(instant("t", timeout_seconds=2), FORMAT) == timedelta(seconds=2)
