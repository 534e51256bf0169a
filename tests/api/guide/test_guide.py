"""docs/api-guide.md is what happens when its calls are made.

``PERDURE_WRITE_GUIDE=1`` writes the page instead of comparing it.
"""

import os
from pathlib import Path
from uuid import uuid4

from tests.api.guide import (
    asking,
    correcting,
    defining,
    joining,
    keys,
    noting,
    running,
    stopping,
    watching,
)
from tests.api.guide.story import Story
from tests.api.guide.telling import Caller, Telling
from tests.fixtures.api import READY_SECONDS, Api, bearer, running_api
from tests.support.eventually import eventually
from tests.support.served import served

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "api-guide.md"
CHAPTERS = (defining, running, correcting, asking, stopping, noting, watching, joining, keys)

INTRODUCTION = """
    # A tour of the flow API

    From a key in your hand to a flow that waits for people, with every call that it takes.
    [api.md](api.md) says what this page shows only by example, and `/openapi.json` lists every
    operation.

    The requests below were sent to a running platform, one after the other, and these are its
    answers; a test sends them again with every change. Only the host, ids, instants, keys, tokens
    and signatures were replaced, equal ids by equal ones. `…` marks what was left out of an answer,
    and long JSON is broken into lines.
    """


async def test_the_guide_is_what_the_api_answers(working_api: Api) -> None:
    administrator = await working_api.organization("Acme")
    person_id = str(uuid4())
    token = bearer(
        sub=person_id, organization_id=administrator.organization_id, role="worker", name="Ada"
    )
    person = await working_api.client(Authorization=f"Bearer {token}")
    caller = Caller(administrator.client, {"X-API-Key": "$KEY"})
    telling = Telling(caller, Caller(await working_api.client(), {}), working_api.client)
    telling.say(INTRODUCTION)

    narrow = working_api.settings.model_copy(update={"max_queued_executions": 1})
    async with served(working_api.app) as url, running_api(narrow) as second:
        limited = await second.client(X_API_Key=administrator.client.headers["X-API-Key"])

        async def is_ready() -> bool:
            return (await limited.get("/health/ready")).status_code == 200

        await eventually(is_ready, READY_SECONDS, saying="the second application is ready")
        story = Story(
            telling=telling,
            organization_id=administrator.organization_id,
            person=Caller(person, {"Authorization": "Bearer $TOKEN"}),
            person_id=person_id,
            limited=Caller(limited, caller.credential),
            url=url,
        )
        for chapter in CHAPTERS:
            await chapter.tell(story)

    if os.environ.get("PERDURE_WRITE_GUIDE"):
        GUIDE.write_text(telling.text())
    assert telling.text() == GUIDE.read_text(), "written anew by PERDURE_WRITE_GUIDE=1"
