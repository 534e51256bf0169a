"""The table in docs/permissions.md, tried cell by cell."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from operations.caller import Role
from tests.api.test_isolation import (
    ATTEMPTS,
    UNADDRESSED,
    Attempt,
    one_of_everything,
    tried,
    without_names,
)
from tests.fixtures.api import Api, bearer
from tests.support.documents import a_flow
from tests.support.platform import Json

PERMISSIONS = Path(__file__).parents[2] / "docs" / "permissions.md"

# What calls that name nobody's id send; the table of foreign calls says the same of the others.
BODIES: dict[str, Json] = {
    "POST /api/flows": {"display_name": "mine", "definition": a_flow()},
    "POST /api/task-data": {"flow_definition": a_flow()},
    "POST /api/integrations/credentials": {"name": "mine", "value": "x"},
    "POST /api/organizations/worker-groups": {"name": "mine"},
    "POST /api/service-accounts": {"name": "mine"},
    "PUT /api/organizations/settings": {},
    "PATCH /api/profile/me": {"first_name": "Ada"},
}
PARAMETERS = {
    "GET /api/human-review-tasks/by-execution": {"flow_execution_id": "{execution}"},
}
PUBLIC = {"GET /api/files/content", "PUT /api/files/content", "POST /api/webhooks/{}/{}"}
ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")


def documented() -> dict[str, dict[str, str]]:
    """Return what each role may do, by operation."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PERMISSIONS.read_text().splitlines()
        if line.startswith(("| operation", "| `"))
    ]
    start = next(number for number, row in enumerate(rows) if row[0] == "operation")
    roles = rows[start][1:]
    return {
        without_names(operation): dict(zip(roles, cells, strict=True))
        for first, *cells in rows[start + 1 :]
        for operation in re.findall(r"`([A-Z]+ [^`]+)`", first)
    }


def attempts() -> Iterator[Attempt]:
    """Return one call of each operation, those last that take away what others need."""
    calls = {without_names(str(attempt)): attempt for attempt in ATTEMPTS}
    for name in UNADDRESSED - PUBLIC:
        method, path = name.split(" ")
        calls[name] = Attempt(method, path, 0, BODIES.get(name), PARAMETERS.get(name))
    yield from sorted(
        calls.values(),
        key=lambda call: (
            call.method == "DELETE",
            call.path.endswith("/execute"),  # withdraws reviews, and hides what was corrected
            ORDER.index(call.method),
            -call.path.count("/"),
            call.path,
        ),
    )


def test_the_table_names_every_operation_once() -> None:
    text = PERMISSIONS.read_text()
    table = text[text.index("| operation") : text.index("## Workers")]
    named = re.findall(r"`([A-Z]+ /[^`]+)`", table)

    assert len(named) == len(set(named))
    assert {*documented()} == {without_names(str(call)) for call in attempts()}


def test_the_table_has_a_column_for_every_role() -> None:
    for name, cells in documented().items():
        assert {*cells} == {*Role}, name
        assert {*cells.values()} <= {"yes", "no", "invited"}, name


@pytest.mark.parametrize("role", [role.value for role in Role])
async def test_a_role_may_do_what_the_table_says(working_api: Api, role: str) -> None:
    owner = await working_api.organization()
    person_id = str(uuid4())
    ids = await one_of_everything(owner, reviewer_id=person_id)
    token = bearer(organization_id=owner.organization_id, role=role, sub=person_id)
    person = await working_api.client(Authorization=f"Bearer {token}")
    uninvited = await (await working_api.person(owner.organization_id, role)).client.get(
        f"/api/flows/{ids['flow']}"
    )
    path = f"/api/flows/{ids['flow']}/invitations"
    await owner.client.put(path, json={"user_ids": [person_id]})
    wrong: list[str] = []

    for call in attempts():
        cell = documented()[without_names(str(call))][role]
        answer = await tried(person, call, ids)
        if _is_refused(answer) != (cell == "no"):
            wrong.append(f"{call}: {answer.status_code} where the table says {cell}")

    assert wrong == []
    assert uninvited.status_code == (403 if role == "worker" else 200)


def _is_refused(answer: httpx.Response) -> bool:
    """Return whether somebody may not do what they asked for, in whatever words."""
    assert answer.status_code < 500, answer.text
    return answer.status_code in (403, 404)
