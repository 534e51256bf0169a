"""What a caller stores comes back exactly, or is refused with a reason: any JSON there is."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.platform import Platform
from tests.support.served import served

KEYS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["$set", "$gt", "a.b", ".", "$", "", "_id", "__proto__", "blob", "\u202e"]),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**63 - 2, max_value=2**64 + 2),
    st.integers(min_value=-(10**300), max_value=10**300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        [-0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, "{{ }}", "\ufeff", "\U0010ffff"]
    ),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)
FORM: dict[str, JsonValue] = {
    "name": "start",
    "task_executor_name": "custom_form_input",
    "parameters": {"fields": [{"id": "anything", "data_type": "object", "required": False}]},
}


async def test_any_json_is_kept_exactly_in_inputs_and_definitions(
    api: Api, platform: Platform
) -> None:
    flow = await platform.flow({"tasks": [FORM]})
    key = platform.client.headers["X-API-Key"]

    async with served(api.app) as url:
        with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=30) as client:

            @settings(
                max_examples=40,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(value=VALUES)
            def keeps(value: JsonValue) -> None:
                sent = json.dumps({"anything": {"value": value}}, ensure_ascii=True)
                body = f'{{"flow_id": "{flow["id"]}", "input": {sent}}}'
                answer = client.post("/api/flow-executions", content=body)
                if refused(answer, body):
                    return
                again = client.get(f"/api/flow-executions/{answer.json()['id']}")
                assert spelled(exactly(again)["input"]) == spelled(json.loads(sent))
                definition = {"tasks": [FORM], "meta": {"value": value}}
                name = f"flow {uuid4()}"
                made = client.post(
                    "/api/flows",
                    content=json.dumps({"display_name": name, "definition": definition}),
                )
                if not refused(made, json.dumps(definition)):
                    shown = client.get(f"/api/flows/{made.json()['id']}")
                    assert spelled(exactly(shown)["definition"]) == spelled(
                        json.loads(json.dumps(definition))
                    )

            await asyncio.to_thread(keeps)


def refused(answer: httpx.Response, body: str) -> bool:
    """Return whether it was refused, for which there must be a reason."""
    if answer.status_code == 201:
        return False
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]
    assert "\\u0000" in body or "\\ud" in body, f"refused without need: {answer.text}"
    return True


def exactly(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content)


def spelled(value: Any) -> str:
    """Return a value so that 1, 1.0 and True differ, whatever the order of keys."""
    return json.dumps(value, sort_keys=True)
