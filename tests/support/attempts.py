"""One attempt of an activity behind the interceptor, in Temporal's activity environment."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.interceptor import ProjectionInterceptor
from activities.secrets import Opened, OpenSecrets
from contracts.messages import TaskCall
from store.projection import Projection

Body = Callable[..., Awaitable[Any]]


class _Innermost(ActivityInboundInterceptor):
    """Runs an activity's body, as the SDK does behind all interceptors."""

    def __init__(self, body: Body) -> None:
        self._body = body

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._body(*input.args)


async def _has_none(call: TaskCall) -> Opened:
    raise AssertionError("this attempt has no secrets")


class Attempt:
    """An attempt that a test starts, watches and cancels."""

    def __init__(
        self,
        projection: Projection,
        body: Body,
        *,
        number: int = 1,
        is_local: bool = False,
        timeout: timedelta = timedelta(seconds=30),
        heartbeat_timeout: timedelta | None = timedelta(seconds=10),
        open_secrets: OpenSecrets = _has_none,
    ) -> None:
        """Prepare it; ``number`` counts from 1."""
        self.environment = ActivityEnvironment()
        self.environment.info = dataclasses.replace(
            self.environment.info,
            attempt=number,
            is_local=is_local,
            start_to_close_timeout=timeout,
            heartbeat_timeout=None if is_local else heartbeat_timeout,
            workflow_run_id="run",
        )
        self.heartbeats = 0
        self.environment.on_heartbeat = self._beat
        self._body = body
        interceptor = ProjectionInterceptor(projection, open_secrets)
        self._inbound = interceptor.intercept_activity(_Innermost(body))

    async def run(self, *arguments: Any) -> Any:
        """Run it and return its reply."""
        input = ExecuteActivityInput(fn=self._body, args=list(arguments), executor=None, headers={})
        return await self.environment.run(self._inbound.execute_activity, input)

    def _beat(self, *details: Any) -> None:
        self.heartbeats += 1
