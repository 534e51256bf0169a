"""The desk of the examples: what it says, and what its register is told."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from cli.client import Client
from examples.claims_desk.desk import SCRIPT, Conversation, dialog
from examples.claims_desk.register import Call, register
from tests.fixtures.api import Api
from tests.support.command import REPOSITORY, Ended
from tests.support.models import KEY, called, completion, model_server
from tests.support.platform import Platform
from tests.support.served import served

GREETING = "Good day, this is the claims desk of Harbour Mutual. What is your policy number?"
NO_NUMBER = "A policy number has six digits, such as 104212. What is yours?"
NO_NUMBER_AGAIN = (
    "Sorry, that is none either: six digits, please. They are at the top of your policy."
)
UNKNOWN = "We have no policy of that number. Please look again: which is it?"
CONFIRM = "Policy 104212 of Ada Quill covers fire, water. Shall I open a claim, yes or no?"
YES_OR_NO = "Please answer yes or no."
OPENED = "Claim C-7001 is open. We will write to you."
SECONDS = 40


@pytest.fixture
async def url(working_api: Api) -> AsyncIterator[str]:
    async with served(working_api.app) as url:
        yield url


@pytest.fixture
def reaching(url: str, working: Platform) -> dict[str, str]:
    return {"PERDURE_URL": url, "PERDURE_API_KEY": working.client.headers["X-API-Key"]}


async def run(*arguments: str, variables: Mapping[str, str], typed: str = "") -> Ended:
    """Run the example as a person does, to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.claims_desk", *arguments),
        cwd=REPOSITORY,
        env={**os.environ, **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def test_the_script_opens_a_claim_under_one_key(reaching: dict[str, str]) -> None:
    ended = await run(variables=reaching)

    assert ended.status == 0, ended.out + ended.err
    said = [line[8:] for line in ended.out.splitlines() if line.startswith("desk")]
    heard = [line[8:] for line in ended.out.splitlines() if line.startswith("caller")]
    assert said == [GREETING, NO_NUMBER, UNKNOWN, CONFIRM, YES_OR_NO, OPENED]
    assert heard == [*SCRIPT]
    found = re.search(
        r"opened C-7001 under Idempotency-Key ([0-9a-f]{24})/6/node_open/1", ended.out
    )
    assert found is not None
    assert f"/v1/workflow-runs/{found[1]}" in ended.out


async def test_a_person_types_the_callers_part(reaching: dict[str, str]) -> None:
    ended = await run("--talk", variables=reaching, typed="12\nabc\n104212\nno\n")

    assert ended.status == 0, ended.out + ended.err
    texts = (GREETING, NO_NUMBER, NO_NUMBER_AGAIN, CONFIRM, "As you like, no claim was opened.")
    places = [ended.out.find(text) for text in texts]
    assert -1 not in places
    assert places == sorted(places)
    assert "Idempotency-Key" not in ended.out


async def test_a_person_who_hangs_up_leaves_a_run_that_waits(
    reaching: dict[str, str], working: Platform
) -> None:
    ended = await run("--talk", variables=reaching, typed="12\n")

    assert ended.status == 1
    listed = await working.client.get("/v1/workflow-runs")
    (run_row,) = listed.json()["workflow_runs"]
    assert run_row["workflow_run"]["status"] == "waiting_for_user_input"


async def test_the_desk_ends_where_the_policy_or_the_register_does(
    reaching: dict[str, str],
) -> None:
    def talked(*said: str, is_register_up: bool = True) -> tuple[list[str], list[Call]]:
        with (
            register() as desk,
            Client(reaching["PERDURE_URL"], reaching["PERDURE_API_KEY"]) as client,
        ):
            away = "http://127.0.0.1:9"
            talk = Conversation(client, dialog(desk.url if is_register_up else away))
            answers = [talk.turn(each) for each in (None, *said)]
            assert talk.is_over
            return answers[-1], desk.calls

    lapsed, calls = await asyncio.to_thread(talked, " 204410 ")
    away, _ = await asyncio.to_thread(talked, "104212", is_register_up=False)

    assert lapsed == ["The policy of Ines Moor ended on 31 March 2024, so no claim can be opened."]
    assert [(call.method, call.path) for call in calls] == [("GET", "/policies/204410")]
    assert away == ["Our register does not answer. Please call again later."]


def listening(body: dict[str, Any]) -> bytes:
    """Answer as a model might that reads nothing but what it is told."""
    heard = [each["content"] for each in body["messages"] if each["role"] == "user"][-1]
    by_purpose: dict[str, str] = {
        each["function"]["description"]: each["function"]["name"] for each in body["tools"]
    }

    def function(words: str) -> str:
        return next(name for purpose, name in by_purpose.items() if words in purpose)

    if "policy number" in body["messages"][0]["content"]:
        number = re.search(r"\b\d{6}\b", heard)
        if number is None:
            return completion("What is the number on your policy?")
        return called((function("policy number"), {"policy_number": number[0]}))
    if "please do" in heard:
        return called((function("wants a claim"), {}))
    return completion("Shall I open a claim, then?")


async def test_with_a_model_the_caller_speaks_freely(reaching: dict[str, str]) -> None:
    said = ("There was a fire!", "It is 104212, I think.", "What does that mean?", "Oh, please do.")
    async with model_server(listening) as model:
        variables = {
            "CLAIMS_DESK_MODEL_URL": f"{model.web.url}/v1",
            "CLAIMS_DESK_MODEL_NAME": "small",
            "CLAIMS_DESK_MODEL_KEY": KEY,
        }
        ended = await run(
            "--talk", "--model", variables=reaching | variables, typed="\n".join((*said, ""))
        )

    assert ended.status == 0, ended.out + ended.err
    texts = (
        *(GREETING, "What is the number on your policy?", CONFIRM, "Shall I open a claim, then?"),
        OPENED,
    )
    places = [ended.out.find(text) for text in texts]
    assert -1 not in places, ended.out
    assert places == sorted(places)
    assert [body["model"] for body in model.asked] == ["small"] * 4
    assert "Harbour Mutual" in model.asked[0]["messages"][0]["content"]
    assert "Ada Quill" in model.asked[-1]["messages"][0]["content"]


async def test_one_who_does_not_say_where_the_model_is_is_told_so(
    reaching: dict[str, str],
) -> None:
    ended = await run("--model", variables=reaching)

    assert (ended.status, ended.err) == (2, "CLAIMS_DESK_MODEL_URL is not set\n")
