"""Lists of flows: whatever they are narrowed by, they walk an index in order, of one tenant."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, get_args

from store.clock import now
from store.flow_lists import CLEANABLE_AFTER, flow_criteria, flow_hint
from store.models import FlowQuery
from tests.store.test_lists import stages
from tests.support.stores import ORGANIZATION, STRANGER, Stores, a_flow

OURS = 12
THEIRS = 60

SortField = Literal["created_at", "updated_at", "display_name"]


def filters(some_id: str) -> Iterator[dict[str, Any]]:
    """Yield each filter alone, and all of them together."""
    single: list[dict[str, Any]] = [
        {},
        {"search": "FLOW 1"},
        {"created_by": "somebody"},
        {"is_cleanable": True},
        {"tag_filters": (("any", ("a", "b")),)},
        {"tag_filters": (("all", ("a", "b")), ("none", ("c",)))},
        {"only": frozenset({some_id})},
    ]
    yield from single
    yield {name: value for each in single for name, value in each.items()}


async def test_no_list_of_flows_sorts_or_scans(stores: Stores) -> None:
    long_ago = now() - CLEANABLE_AFTER - timedelta(days=1)
    for number in range(OURS):
        flow = await stores.flows.create(
            a_flow(
                f"flow {number}",
                tags=["a", "b"] if number % 2 else [],
                created_by="somebody" if number % 3 else "author",
                definition={"tasks": []},
                created_at=long_ago,
            )
        )
    for number in range(THEIRS):
        theirs = replace(a_flow(f"flow {number}"), organization_id=STRANGER)
        await stores.flows.create(theirs)

    for sort_field in get_args(SortField):
        for descending in (True, False):
            for narrowed in filters(flow.id):
                query = FlowQuery(sort_field=sort_field, descending=descending, **narrowed)
                direction = -1 if descending else 1
                plan = await stages(
                    stores.database,
                    "flows",
                    flow_criteria(ORGANIZATION, query),
                    [(sort_field, direction), ("_id", direction)],
                    flow_hint(query),
                )

                assert not {"SORT", "COLLSCAN"} & set(plan["stages"]), query
                assert plan["returned"] > 0, query
                assert plan["read"] <= (OURS if narrowed else plan["returned"]), query
