"""Worker groups and the people in them, as the store keeps them."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from flows.errors import (
    DuplicateWorkerGroupError,
    InvalidError,
    NotFoundError,
    PersonNotFoundError,
)
from store.clock import now
from store.people import Claimed, PersonRepository
from store.worker_groups import MAX_MEMBERS, Membership, WorkerGroup, WorkerGroupRepository
from tests.support.stores import AUTHOR, ORGANIZATION, STRANGER, Stores

ADA = Claimed(first_name="Ada", last_name="Lovelace", email="ada@example.org", role="worker")


@pytest.fixture
def groups(stores: Stores) -> WorkerGroupRepository:
    return WorkerGroupRepository(stores.database)


@pytest.fixture
def people(stores: Stores) -> PersonRepository:
    return PersonRepository(stores.database)


def a_group(name: str = "reviewers", *members: str) -> WorkerGroup:
    at = now()
    return WorkerGroup(
        id=str(uuid4()),
        organization_id=ORGANIZATION,
        name=name,
        description=None,
        members=[Membership(user_id=user_id, added_at=at) for user_id in members],
        created_at=at,
        updated_at=at,
        modified_by=AUTHOR,
    )


def members_of(group: WorkerGroup) -> list[str]:
    return [member.user_id for member in group.members]


async def test_a_group_is_read_back_as_it_was_written(groups: WorkerGroupRepository) -> None:
    group = a_group("reviewers", "ada", "grace")

    await groups.create(group)

    assert await groups.get(ORGANIZATION, group.id) == group


async def test_a_name_is_taken_once_in_an_organization(groups: WorkerGroupRepository) -> None:
    first, other = a_group("one"), a_group("two")
    await groups.create(first)
    await groups.create(other)
    await groups.create(replace(a_group("one"), organization_id=STRANGER))

    with pytest.raises(DuplicateWorkerGroupError):
        await groups.create(a_group("one"))
    with pytest.raises(DuplicateWorkerGroupError):
        await groups.patch(ORGANIZATION, other.id, {"name": "one"}, AUTHOR)

    assert (await groups.get(ORGANIZATION, other.id)).name == "two"


async def test_members_come_and_go_in_one_write(groups: WorkerGroupRepository) -> None:
    group = a_group("reviewers", "ada", "grace")
    await groups.create(group)

    changed = await groups.change_members(
        ORGANIZATION,
        group.id,
        add=["ada", "edsger", "edsger"],
        remove=["grace", "nobody"],
        modified_by="admin",
    )

    assert members_of(changed) == ["ada", "edsger"]
    assert changed.members[0] == group.members[0]
    assert changed.modified_by == "admin"
    assert await groups.of_member(ORGANIZATION, "edsger") == {group.id}
    assert await groups.of_member(ORGANIZATION, "grace") == set()


async def test_changes_at_the_same_time_lose_nobody(groups: WorkerGroupRepository) -> None:
    group = a_group()
    await groups.create(group)

    await asyncio.gather(
        *(
            groups.change_members(
                ORGANIZATION, group.id, add=[f"person {n}"], remove=[], modified_by=AUTHOR
            )
            for n in range(8)
        )
    )

    changed = await groups.get(ORGANIZATION, group.id)
    assert sorted(members_of(changed)) == [f"person {n}" for n in range(8)]


async def test_a_group_has_a_largest_size(groups: WorkerGroupRepository) -> None:
    full = a_group("full", *(f"person {n}" for n in range(MAX_MEMBERS)))
    await groups.create(full)

    with pytest.raises(InvalidError, match="at most"):
        await groups.change_members(
            ORGANIZATION, full.id, add=["one more"], remove=[], modified_by=AUTHOR
        )
    swapped = await groups.change_members(
        ORGANIZATION, full.id, add=["one more"], remove=["person 0"], modified_by=AUTHOR
    )

    assert len(swapped.members) == MAX_MEMBERS
    with pytest.raises(InvalidError, match="at most"):
        await groups.create(a_group("fuller", *(f"person {n}" for n in range(MAX_MEMBERS + 1))))


async def test_groups_are_listed_by_name_in_pages(groups: WorkerGroupRepository) -> None:
    for name in ("c", "a", "b"):
        await groups.create(a_group(name))

    page = await groups.list(ORGANIZATION, offset=1, limit=1)

    assert [group.name for group in page.items] == ["b"]
    assert page.total == 3


async def test_a_stranger_finds_no_group(groups: WorkerGroupRepository) -> None:
    group = a_group("reviewers", "ada")
    await groups.create(group)

    for attempt in (
        groups.get(STRANGER, group.id),
        groups.patch(STRANGER, group.id, {"name": "taken over"}, AUTHOR),
        groups.change_members(STRANGER, group.id, add=["eve"], remove=[], modified_by=AUTHOR),
        groups.delete(STRANGER, group.id),
    ):
        with pytest.raises(NotFoundError):
            await attempt

    assert await groups.of_member(STRANGER, "ada") == set()
    assert await groups.existing(STRANGER, [group.id]) == set()
    assert await groups.existing(ORGANIZATION, [group.id, "other"]) == {group.id}
    assert await groups.get(ORGANIZATION, group.id) == group


async def test_a_deleted_group_is_gone(groups: WorkerGroupRepository) -> None:
    group = a_group("reviewers", "ada")
    await groups.create(group)

    await groups.delete(ORGANIZATION, group.id)

    with pytest.raises(NotFoundError):
        await groups.delete(ORGANIZATION, group.id)
    assert await groups.of_member(ORGANIZATION, "ada") == set()


async def test_a_person_is_remembered_as_their_token_has_them(people: PersonRepository) -> None:
    first = await people.met(ORGANIZATION, "ada", ADA)
    again = await people.met(ORGANIZATION, "ada", ADA)
    promoted = await people.met(ORGANIZATION, "ada", replace(ADA, role="org_admin"))

    assert again == first
    assert promoted.role == "org_admin"
    assert promoted.created_at == first.created_at
    assert await people.named(ORGANIZATION, ["ada", "grace"]) == {"ada": promoted}
    assert await people.named(STRANGER, ["ada"]) == {}


async def test_what_a_person_changed_counts_until_they_take_it_back(
    people: PersonRepository,
) -> None:
    await people.met(ORGANIZATION, "ada", ADA)

    changed = await people.change(
        ORGANIZATION, "ada", {"first_name": "Augusta"}, {"runs_per_page": 10**30}
    )
    met = await people.met(ORGANIZATION, "ada", ADA)
    back = await people.change(ORGANIZATION, "ada", {"first_name": None}, {"runs_per_page": None})

    assert changed.first_name == "Augusta"
    assert changed.settings == {"runs_per_page": 10**30}
    assert met.first_name == "Augusta"
    assert back.first_name == "Ada"
    assert back.settings == {}


async def test_nobody_is_changed_whom_nobody_met(people: PersonRepository) -> None:
    await people.met(ORGANIZATION, "ada", ADA)

    with pytest.raises(PersonNotFoundError):
        await people.change(STRANGER, "ada", {"first_name": "Eve"}, {})

    assert (await people.named(ORGANIZATION, ["ada"]))["ada"].first_name == "Ada"
