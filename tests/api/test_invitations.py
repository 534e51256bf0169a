"""Workers see the flows that they, or their groups, are invited to."""

from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from tests.fixtures.api import Api, bearer
from tests.support.documents import a_flow
from tests.support.platform import Json, Platform

GROUPS = "/api/organizations/worker-groups"


@dataclass(frozen=True, slots=True)
class Worker:
    """A person with the role worker."""

    id: str
    client: httpx.AsyncClient

    async def sees(self, flow: Json) -> bool:
        """Return whether a flow exists for them."""
        answer = await self.client.get(path_of(flow))
        assert answer.status_code in (200, 403)
        listed = await self.client.get("/api/flows", params={"page_size": 100})
        is_listed = flow["id"] in [each["id"] for each in listed.json()["flows"]]
        assert listed.json()["total"] == len(listed.json()["flows"])
        assert is_listed == (answer.status_code == 200)
        return is_listed


async def a_worker(api: Api, platform: Platform) -> Worker:
    """Return somebody of the organization who works."""
    worker_id = str(uuid4())
    token = bearer(organization_id=platform.organization_id, role="worker", sub=worker_id)
    return Worker(worker_id, await api.client(Authorization=f"Bearer {token}"))


async def a_group(platform: Platform, *members: Worker) -> str:
    """Create a worker group."""
    body: Json = {"name": f"group {uuid4()}", "member_user_ids": [each.id for each in members]}
    answer = await platform.client.post(GROUPS, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def path_of(flow: Json, end: str = "") -> str:
    return f"/api/flows/{flow['id']}{end}"


async def invite(platform: Platform, flow: Json, *user_ids: str) -> Json:
    """Invite people."""
    answer = await platform.client.put(
        path_of(flow, "/invitations"), json={"user_ids": [*user_ids]}
    )
    assert answer.status_code == 200, answer.text
    invited: Json = answer.json()
    return invited


async def invite_groups(platform: Platform, flow: Json, *group_ids: str) -> Json:
    """Invite worker groups."""
    answer = await platform.client.put(
        path_of(flow, "/team-invitations"), json={"worker_group_ids": [*group_ids]}
    )
    assert answer.status_code == 200, answer.text
    invited: Json = answer.json()
    return invited


async def withdraw(platform: Platform, path: str, body: Json) -> None:
    """Take invitations back."""
    answer = await platform.client.request("DELETE", path, json=body)
    assert answer.status_code == 204, answer.text


async def test_a_worker_sees_a_flow_while_invited(api: Api, platform: Platform) -> None:
    flow, other = await platform.flow(a_flow(), tags=["mine"]), await platform.flow(a_flow())
    worker, bystander = await a_worker(api, platform), await a_worker(api, platform)
    seen = [await worker.sees(flow)]

    await invite(platform, flow, worker.id)
    seen.append(await worker.sees(flow))
    tags = await worker.client.get("/api/flows/available-tags")
    assert (await worker.sees(other), await bystander.sees(flow)) == (False, False)

    await withdraw(platform, path_of(flow, "/invitations"), {"user_ids": [worker.id]})
    seen.append(await worker.sees(flow))

    assert seen == [False, True, False]
    assert tags.json() == ["mine"]
    assert (await worker.client.get("/api/flows/available-tags")).json() == []


async def test_a_group_brings_whoever_belongs_to_it_at_the_time(
    api: Api, platform: Platform
) -> None:
    flow = await platform.flow(a_flow())
    first, second = await a_worker(api, platform), await a_worker(api, platform)
    group = await a_group(platform, first)
    await invite_groups(platform, flow, group)
    seen = [(await first.sees(flow), await second.sees(flow))]

    await platform.client.post(
        f"{GROUPS}/{group}/members",
        json={"add_user_ids": [second.id], "remove_user_ids": [first.id]},
    )
    seen.append((await first.sees(flow), await second.sees(flow)))
    await withdraw(platform, path_of(flow, "/team-invitations"), {"worker_group_ids": [group]})
    seen.append((await first.sees(flow), await second.sees(flow)))

    assert seen == [(True, False), (False, True), (False, False)]


async def test_a_group_that_is_gone_leaves_no_invitation(api: Api, platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    worker = await a_worker(api, platform)
    group, kept = await a_group(platform, worker), await a_group(platform)
    await invite_groups(platform, flow, group, kept)

    await platform.client.delete(f"{GROUPS}/{group}")

    listed = await platform.client.get(path_of(flow, "/team-invitations"))
    assert [each["worker_group_id"] for each in listed.json()] == [kept]
    assert not await worker.sees(flow)
    left = await api.database["flow_invitations"].distinct("invitee_id", {"flow_id": flow["id"]})
    assert left == [kept]


async def test_inviting_may_be_repeated_and_overlap(api: Api, platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    first, second, third = (str(uuid4()) for _ in range(3))
    once = await invite(platform, flow, first, second, first)
    before = (await platform.client.get(path_of(flow, "/invitations"))).json()

    again = await invite(platform, flow, second, third)

    after = (await platform.client.get(path_of(flow, "/invitations"))).json()
    assert once == {
        **{"flow_id": flow["id"], "invited_user_ids": [first, second], "skipped_user_ids": []},
        **{"total_invitations": 2, "message": "people invited: 2"},
    }
    assert (again["invited_user_ids"], again["total_invitations"]) == ([second, third], 3)
    assert {each["user_id"] for each in after} == {first, second, third}
    assert after[-1]["user_id"] == third
    created = {each["user_id"]: each["created_at"] for each in after}
    assert all(created[each["user_id"]] == each["created_at"] for each in before)


async def test_groups_that_the_organization_does_not_have_are_skipped(
    platform: Platform, stranger: Platform
) -> None:
    flow = await platform.flow(a_flow())
    own, foreign, none = await a_group(platform), await a_group(stranger), str(uuid4())

    invited = await invite_groups(platform, flow, foreign, own, none)

    assert invited["invited_worker_group_ids"] == [own]
    assert invited["skipped_worker_group_ids"] == [foreign, none]
    assert (invited["total_invitations"], invited["message"]) == (
        1,
        "worker groups invited: 1, 2 skipped",
    )


async def test_lists_say_what_is_known_of_whom(api: Api, platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    known, unknown = str(uuid4()), str(uuid4())
    claims = {"given_name": "Ada", "family_name": "Byron", "email": "ada@example.org"}
    token = bearer(organization_id=platform.organization_id, role="app_user", sub=known, **claims)
    await (await api.client(Authorization=f"Bearer {token}")).get("/api/profile/me")
    group = await a_group(platform, await a_worker(api, platform))
    await invite(platform, flow, known)
    await invite(platform, flow, unknown)
    await invite_groups(platform, flow, group)

    people = (await platform.client.get(path_of(flow, "/invitations"))).json()
    groups = (await platform.client.get(path_of(flow, "/team-invitations"))).json()

    assert [
        (each["user_id"], each["first_name"], each["last_name"], each["email"], each["role"])
        for each in people
    ] == [
        (known, "Ada", "Byron", "ada@example.org", "app_user"),
        (unknown, "", "", "", "worker"),
    ]
    [shown] = groups
    assert (shown["worker_group_id"], shown["member_count"]) == (group, 1)
    assert shown["worker_group_name"].startswith("group ")


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": ["x"]}, {"ids": "x"}, {"ids": None}])
async def test_whom_nobody_can_invite(platform: Platform, body: Json) -> None:
    flow = await platform.flow(a_flow())

    for end, name in (("/invitations", "user_ids"), ("/team-invitations", "worker_group_ids")):
        sent = {name: body["ids"]} if body else {}
        for method in ("PUT", "DELETE"):
            answer = await platform.client.request(method, path_of(flow, end), json=sent)
            assert answer.status_code == 422, (method, end)
    many: Json = {"user_ids": [str(uuid4()) for _ in range(1_001)]}
    assert (await platform.client.put(path_of(flow, "/invitations"), json=many)).status_code == 422


async def test_taking_back_what_was_never_given_changes_nothing(
    platform: Platform, stranger: Platform
) -> None:
    flow, foreign = await platform.flow(a_flow()), await stranger.flow(a_flow())
    kept = str(uuid4())
    await invite(stranger, foreign, kept)

    await withdraw(platform, path_of(flow, "/invitations"), {"user_ids": [kept]})

    listed = await stranger.client.get(path_of(foreign, "/invitations"))
    assert [each["user_id"] for each in listed.json()] == [kept]


@pytest.mark.parametrize("role", ["backoffice", "app_user", "publisher", "integration", "worker"])
async def test_only_an_administrator_looks_after_invitations(
    api: Api, platform: Platform, role: str
) -> None:
    flow = await platform.flow(a_flow())
    person_id = str(uuid4())
    token = bearer(organization_id=platform.organization_id, role=role, sub=person_id)
    person = await api.client(Authorization=f"Bearer {token}")
    await invite(platform, flow, person_id)

    for end, name in (("/invitations", "user_ids"), ("/team-invitations", "worker_group_ids")):
        path, body = path_of(flow, end), {name: [person_id]}
        answers = [
            await person.get(path),
            await person.put(path, json=body),
            await person.request("DELETE", path, json=body),
        ]
        assert {each.status_code for each in answers} == {403}


async def test_a_deleted_flow_has_no_invitations(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    await platform.client.delete(path_of(flow))

    answers = [
        await platform.client.get(path_of(flow, "/invitations")),
        await platform.client.put(
            path_of(flow, "/team-invitations"), json={"worker_group_ids": [str(uuid4())]}
        ),
    ]

    assert {each.status_code for each in answers} == {404}


async def test_what_ran_stays_visible_to_the_invited_when_its_flow_is_deleted(
    api: Api, platform: Platform
) -> None:
    flow = await platform.flow(a_flow())
    execution = await platform.started(flow["id"])
    worker, bystander = await a_worker(api, platform), await a_worker(api, platform)
    await invite(platform, flow, worker.id)

    await platform.client.delete(path_of(flow))

    assert (await worker.client.get(execution.path)).status_code == 200
    assert (await bystander.client.get(execution.path)).status_code == 403


async def test_a_machine_that_works_needs_an_invitation_too(api: Api, platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    accounts = "/api/service-accounts"
    account = (
        await platform.client.post(accounts, json={"name": "robot", "role": "worker"})
    ).json()["id"]
    key = await platform.client.post(f"{accounts}/{account}/api-keys", json={"name": "key"})
    robot = Worker(account, await api.client(X_API_Key=key.json()["token"]))
    uninvited = await robot.sees(flow)

    await invite(platform, flow, account)

    assert (uninvited, await robot.sees(flow)) == (False, True)


async def test_a_machine_submits_data_without_an_invitation(api: Api, platform: Platform) -> None:
    execution = await platform.started((await platform.flow(a_flow()))["id"])
    accounts = "/api/service-accounts"
    body: Json = {"name": "robot", "role": "worker"}
    account = (await platform.client.post(accounts, json=body)).json()["id"]
    key = await platform.client.post(f"{accounts}/{account}/api-keys", json={"name": "key"})
    robot = await api.client(X_API_Key=key.json()["token"])

    data: Json = {"task_name": "start", "data": {}}
    answer = await robot.post(f"{execution.path}/webhook-data", json=data)

    assert answer.status_code == 400
    assert "does not wait for data" in answer.json()["error"]["message"]


async def test_a_worker_cancels_and_deletes_only_what_they_see(
    api: Api, platform: Platform
) -> None:
    flow = await platform.flow(a_flow())
    execution = await platform.started(flow["id"])
    worker = await a_worker(api, platform)

    async def tried() -> list[int]:
        return [
            (await worker.client.post(f"{execution.path}/cancel")).status_code,
            (await worker.client.delete(execution.path)).status_code,
        ]

    uninvited = await tried()
    shown = await execution.shown()
    await invite(platform, flow, worker.id)

    assert uninvited == [404, 403]
    assert shown["status"] in ("queued", "running")
    assert await tried() == [204, 204]


async def test_a_worker_reports_on_what_they_were_handed(api: Api, platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    execution = await platform.started(flow["id"])
    worker = (await a_worker(api, platform)).client

    reported = await worker.patch(f"{execution.path}/status", params={"status": "completed"})
    deleted = await worker.patch(f"{execution.path}/status", params={"status": "deleted"})

    assert (reported.status_code, deleted.status_code) == (200, 404)
