from datetime import timedelta

import pytest

from activities.egress import guarded_client
from activities.failures import activity_failure
from activities.http import HttpActivities
from flows.errors import TaskFailedError
from tests.support.calls import a_call, performed
from tests.support.web import response, serving


async def test_temporal_waits_as_long_as_the_service_asks() -> None:
    call = a_call("http_request")
    async with (
        serving(lambda _: response(status=429, Retry_After="3")) as web,
        guarded_client(["127.0.0.1"]) as client,
    ):
        with pytest.raises(TaskFailedError) as caught:
            await performed(
                HttpActivities(client).http_request, a_call("http_request", url=web.url)
            )

    failure = activity_failure(caught.value, call, attempt=1)

    assert failure.next_retry_delay == timedelta(seconds=3)
    assert failure.type == "HttpStatus"
    assert not failure.non_retryable
