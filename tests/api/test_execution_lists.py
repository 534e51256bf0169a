"""The list of flow executions: filters, order, pages."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import JsonValue

from store.executions import ExecutionRepository
from store.models import ExecutionRecord, ExecutionStatus
from tests.fixtures.api import Api
from tests.support.documents import a_flow
from tests.support.platform import Platform

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Listing:
    """One flow with executions whose instants the test chose."""

    api: Api
    platform: Platform
    flow_id: str

    async def add(
        self, created: datetime = NOON, updated: datetime | None = None, status: str = "completed"
    ) -> str:
        """Store one execution and return its id."""
        record = ExecutionRecord(
            id=str(uuid4()),
            organization_id=self.platform.organization_id,
            flow_id=self.flow_id,
            flow_version=1,
            status=ExecutionStatus(status),
            input={"text": "x"},
            input_task_name="start",
            run_number=0,
            created_at=created,
            updated_at=updated or created,
            modified_by="system",
            is_open=False,
        )
        repository = ExecutionRepository(self.api.database)
        return (await repository.create(record, None)).id

    async def ids(self, **parameters: str | int | list[str]) -> list[str]:
        """Return the ids that one page shows."""
        response = await self.platform.client.get(
            "/api/flow-executions",
            params={"flow_id": self.flow_id, **parameters},
        )
        assert response.status_code == 200, response.text
        return [execution["id"] for execution in response.json()]


@pytest.fixture
async def listing(api: Api, platform: Platform) -> Listing:
    flow = await platform.flow(a_flow())
    return Listing(api, platform, str(flow["id"]))


async def test_the_newest_come_first_and_ten_at_a_time(listing: Listing) -> None:
    ids = [await listing.add(NOON + MINUTE * n) for n in range(12)]

    assert await listing.ids() == ids[:1:-1]
    assert await listing.ids(page=2) == ids[1::-1]
    assert await listing.ids(page=3) == []
    assert await listing.ids(page_size=1000) == ids[::-1]


async def test_order_is_chosen_by_field_and_direction(listing: Listing) -> None:
    a = await listing.add(NOON, NOON + 5 * MINUTE)
    b = await listing.add(NOON + MINUTE, NOON + MINUTE)
    c = await listing.add(NOON + 2 * MINUTE, NOON + 3 * MINUTE)

    assert await listing.ids(sort_direction="asc") == [a, b, c]
    assert await listing.ids(sort_field="updated_at") == [a, c, b]
    assert await listing.ids(sort_field="updated_at", sort_direction="asc") == [b, c, a]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("field", ["created_at", "updated_at"])
async def test_pages_over_ties_neither_repeat_nor_lose_one(
    listing: Listing, field: str, direction: str
) -> None:
    ids = {await listing.add(NOON) for _ in range(7)}
    order = {"sort_field": field, "sort_direction": direction}

    pages = [await listing.ids(page=page, page_size=2, **order) for page in range(1, 5)]

    walked = [id for page in pages for id in page]
    assert len(walked) == 7
    assert set(walked) == ids
    assert walked == await listing.ids(**order)


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_a_list_goes_on_behind_an_execution_even_among_ties(
    listing: Listing, direction: str
) -> None:
    for n in (0, 0, 0, 1, 1):
        await listing.add(NOON + n * MINUTE)
    whole = await listing.ids(sort_direction=direction)

    for position, id in enumerate(whole):
        after = await listing.ids(sort_direction=direction, start_from_execution_id=id)
        assert after == whole[position + 1 :]
    second_page = await listing.ids(
        sort_direction=direction, start_from_execution_id=whole[0], page=2, page_size=2
    )
    assert second_page == whole[3:5]


async def test_an_execution_of_another_flow_is_no_place_to_start_from(
    listing: Listing, platform: Platform
) -> None:
    other = await platform.started((await platform.flow(a_flow()))["id"])

    for start in (other.id, str(uuid4())):
        response = await platform.client.get(
            "/api/flow-executions",
            params={"flow_id": listing.flow_id, "start_from_execution_id": start},
        )
        assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")


async def test_statuses_are_chosen_and_excluded(listing: Listing) -> None:
    id_by_status = {
        status: await listing.add(status=status)
        for status in ("completed", "failed", "cancelled", "deleted")
    }

    async def found(**parameters: str | int | list[str]) -> set[str]:
        ids = await listing.ids(**parameters)
        return {status for status, id in id_by_status.items() if id in ids}

    assert await found() == {"completed", "failed", "cancelled"}
    assert await found(status="failed") == {"failed"}
    assert await found(status=["failed", "completed"]) == {"failed", "completed"}
    assert await found(status="deleted") == set()
    assert await found(status=["deleted", "failed"]) == {"failed"}
    assert await found(status_exclude="failed") == {"completed", "cancelled"}
    assert await found(status_exclude=["failed", "cancelled"]) == {"completed"}
    assert await found(status="failed", status_exclude="failed") == set()


async def test_ranges_include_both_ends(listing: Listing) -> None:
    ids = [await listing.add(NOON + MINUTE * n, NOON + MINUTE * (10 - n)) for n in range(4)]

    def at(n: int) -> str:
        return (NOON + MINUTE * n).isoformat()

    assert await listing.ids(created_after=at(1), created_before=at(2)) == [ids[2], ids[1]]
    assert await listing.ids(updated_after=at(9)) == [ids[1], ids[0]]
    assert await listing.ids(updated_before=at(7)) == [ids[3]]
    assert await listing.ids(created_after=at(1), updated_after=at(9)) == [ids[1]]
    assert await listing.ids(created_after="2025-03-01T14:03:00+02:00") == [ids[3]]
    assert await listing.ids(created_after="2025-03-01T12:03:00") == [ids[3]]
    assert await listing.ids(created_after="0001-01-01T00:00:00Z") == ids[::-1]
    assert await listing.ids(created_after="9999-12-31T23:59:59Z") == []


async def test_run_numbers_of_a_page_are_given_on_request(listing: Listing) -> None:
    for n in range(3):
        await listing.add(NOON + MINUTE * n)

    async def numbers(**parameters: str | bool) -> list[JsonValue]:
        response = await listing.platform.client.get(
            "/api/flow-executions", params={"flow_id": listing.flow_id, **parameters}
        )
        return [execution["run_number"] for execution in response.json()]

    assert await numbers() == [None, None, None]
    assert await numbers(include_run_number=True) == [3, 2, 1]


@pytest.mark.parametrize(
    "parameters",
    [
        {"created_after": "2025-01-02T00:00:00Z", "created_before": "2025-01-01T00:00:00Z"},
        {"updated_after": "2025-01-02T00:00:00Z", "updated_before": "2025-01-01T00:00:00Z"},
        {"status": "finished"},
        {"status_exclude": "finished"},
        {"status": ["completed", ""]},
    ],
)
async def test_parameters_that_make_no_sense_are_400(
    listing: Listing, parameters: dict[str, str | list[str]]
) -> None:
    response = await listing.platform.client.get(
        "/api/flow-executions", params={"flow_id": listing.flow_id, **parameters}
    )

    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "parameters",
    [
        {"flow_id": "x"},
        {"page": "0"},
        {"page": "10001"},
        {"page_size": "0"},
        {"page_size": "1001"},
        {"sort_field": "display_name"},
        {"sort_direction": "down"},
        {"start_from_execution_id": "x"},
        {"created_after": "yesterday"},
        {"created_before": "0001-01-01T00:00:00+14:00"},
        {"include_run_number": "perhaps"},
    ],
)
async def test_parameters_that_do_not_fit_are_422(
    listing: Listing, parameters: dict[str, str]
) -> None:
    response = await listing.platform.client.get(
        "/api/flow-executions", params={"flow_id": listing.flow_id, **parameters}
    )

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", *parameters]


async def test_a_list_needs_a_flow_that_exists(platform: Platform) -> None:
    without = await platform.client.get("/api/flow-executions")
    unknown = await platform.client.get("/api/flow-executions", params={"flow_id": str(uuid4())})

    assert without.status_code == 422
    assert without.json()["detail"][0]["loc"] == ["query", "flow_id"]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")


async def test_tags_that_no_output_has_find_nothing(listing: Listing) -> None:
    await listing.add()

    assert await listing.ids(tags="review:done") == []
