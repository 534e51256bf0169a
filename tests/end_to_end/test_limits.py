"""A limit on what runs at once, together with tasks that wait for the outside."""

from typing import Any

import pytest

from tests.fixtures.api import Api
from tests.support.effect_flows import INPUT, an_effect
from tests.support.effect_flows import a_flow as an_effect_flow
from tests.support.eventually import eventually
from tests.support.limits import held_by
from tests.support.platform import Execution, Json, Platform
from tests.support.receiver import Receiver, receiving
from tests.support.submissions import acknowledged, asking, shown_waiting, waiting_execution
from tests.support.truth import differences


@pytest.fixture
async def limited(working: Platform) -> Platform:
    """An organization that may run one execution at once."""
    await set_limit(working, 1)
    return working


async def set_limit(platform: Platform, limit: int) -> None:
    body = {"max_concurrent_executions": limit}
    changed = await platform.client.put("/api/organizations/settings", json=body)
    assert changed.status_code == 200, changed.text


async def holding(platform: Platform, receiver: Receiver, path: str) -> Execution:
    """Start an execution that runs until its gate opens."""
    receiver.gate(path)
    flow = await platform.flow(an_effect_flow(an_effect("call", receiver, path, "form")))
    return await platform.started(flow["id"], INPUT)


async def slots_of(api: Api, platform: Platform) -> list[str]:
    return await held_by(api.database, platform.organization_id)


async def stamped(api: Api, execution: Execution) -> dict[str, Any]:
    executions: Any = api.database["flow_executions"]
    found: dict[str, Any] = await executions.find_one({"_id": execution.id})
    return found


async def test_whoever_waits_makes_room_and_goes_on_before_fresh_starts(
    limited: Platform, working_api: Api
) -> None:
    async with receiving() as receiver:
        waiting = await waiting_execution(limited, asking())
        await eventually(lambda: is_free(working_api, limited))
        first = await holding(limited, receiver, "/first")
        await eventually(lambda: receiver.arrived("/first"))
        last = await holding(limited, receiver, "/last")
        assert (await last.shown())["status"] == "queued"

        await acknowledged(limited, waiting)
        await eventually(lambda: is_deferred(working_api, waiting))
        assert (await waiting.shown())["status"] == "awaiting_input"
        receiver.gates["/first"].set()

        await waiting.until("completed")
        receiver.gates["/last"].set()
        await last.until("completed")
        await first.until("completed")

    ended = (await stamped(working_api, waiting))["closed_at"]
    assert ended <= (await stamped(working_api, last))["started_at"]
    await eventually(lambda: is_free(working_api, limited))
    assert await differences(working_api, [first, waiting, last]) == []


async def test_a_waiter_is_cancelled_although_there_is_no_slot(
    limited: Platform, working_api: Api
) -> None:
    async with receiving() as receiver:
        waiting = await waiting_execution(limited, asking())
        deferred = await waiting_execution(limited, asking())
        await eventually(lambda: is_free(working_api, limited))
        running = await holding(limited, receiver, "/runs")
        await eventually(lambda: receiver.arrived("/runs"))
        await acknowledged(limited, deferred)
        await eventually(lambda: is_deferred(working_api, deferred))

        for execution in (waiting, deferred):
            cancelled = await limited.client.post(f"{execution.path}/cancel")
            assert cancelled.status_code == 204
            await execution.until("cancelled")

        assert (await slots_of(working_api, limited))[0].startswith(running.id)
        receiver.gates["/runs"].set()
        await running.until("completed")
    await eventually(lambda: is_free(working_api, limited))


async def test_a_parallel_wait_gives_nothing_back_while_something_runs(
    limited: Platform, working_api: Api
) -> None:
    async with receiving() as receiver:
        receiver.gate("/beside")
        flow: Json = asking()
        tasks: Any = flow["tasks"]
        tasks.append(an_effect("beside", receiver, "/beside", tasks[0]["name"]))
        execution = await waiting_execution(limited, flow)
        await eventually(lambda: receiver.arrived("/beside"))
        await shown_waiting(execution)
        assert len(await slots_of(working_api, limited)) == 1

        receiver.gates["/beside"].set()
        await eventually(lambda: is_free(working_api, limited))

        await acknowledged(limited, execution)
        await execution.until("completed")
    await eventually(lambda: is_free(working_api, limited))


async def test_a_limit_of_some_is_used_up_by_the_waiters_that_come_back(
    limited: Platform, working_api: Api
) -> None:
    await set_limit(limited, 2)
    waiting = [await waiting_execution(limited, asking()) for _ in range(4)]
    await eventually(lambda: is_free(working_api, limited))

    for execution in waiting:
        await acknowledged(limited, execution)
    for execution in waiting:
        await execution.until("completed")

    await eventually(lambda: is_free(working_api, limited))
    assert await differences(working_api, waiting) == []


async def is_free(api: Api, platform: Platform) -> bool:
    return await slots_of(api, platform) == []


async def is_deferred(api: Api, execution: Execution) -> bool:
    return bool((await stamped(api, execution)).get("asking"))
