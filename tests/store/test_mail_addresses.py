import pytest

from flows.errors import MailAddressTakenError
from store.mail_addresses import MailAddressRepository
from tests.support.stores import AUTHOR, ORGANIZATION, Stores, a_flow

HERE, THERE = "here@example.org", "there@example.org"


async def test_an_address_leads_to_the_flow_whose_latest_version_names_it(stores: Stores) -> None:
    addresses = MailAddressRepository(stores.database)
    flow = await stores.flows.create(a_flow(), mail_addresses=[HERE, THERE])

    async def next_version(expected: int, *named: str) -> list[str | None]:
        await stores.flows.add_version(
            ORGANIZATION, flow.id, flow.definition, AUTHOR, expected, mail_addresses=named
        )
        return [await addresses.flow_at(HERE), await addresses.flow_at(THERE)]

    assert await addresses.flow_at(HERE) == flow.id
    assert await next_version(1, THERE) == [None, flow.id]
    assert await next_version(2) == [None, None]
    assert await next_version(3, HERE) == [flow.id, None]
    await stores.flows.delete(ORGANIZATION, flow.id, AUTHOR)
    assert await addresses.flow_at(HERE) is None


async def test_flows_without_addresses_do_not_clash(stores: Stores) -> None:
    flows = [await stores.flows.create(a_flow(), mail_addresses=[]) for _ in range(2)]

    for flow in flows:
        await stores.flows.add_version(ORGANIZATION, flow.id, flow.definition, AUTHOR, 1)


async def test_a_refused_address_changes_nothing(stores: Stores) -> None:
    taken = await stores.flows.create(a_flow(), mail_addresses=[HERE])
    other = await stores.flows.create(a_flow(), mail_addresses=[THERE])

    with pytest.raises(MailAddressTakenError):
        await stores.flows.create(a_flow(), mail_addresses=["new@example.org", HERE])
    with pytest.raises(MailAddressTakenError):
        await stores.flows.add_version(
            ORGANIZATION, other.id, other.definition, AUTHOR, 1, mail_addresses=[HERE]
        )

    addresses = MailAddressRepository(stores.database)
    found = [await addresses.flow_at(one) for one in (HERE, THERE, "new@example.org")]
    assert found == [taken.id, other.id, None]
    assert (await stores.flows.latest(ORGANIZATION, other.id)).version == 1


async def test_one_flow_is_looked_at_however_many_there_are(stores: Stores) -> None:
    for number in range(20):
        await stores.flows.create(a_flow(), mail_addresses=[f"{number}@example.org"])
    wanted = {"mail_addresses": "7@example.org", "deleted": False}

    explained = await stores.database.command(
        {"explain": {"find": "flows", "filter": wanted}, "verbosity": "executionStats"}
    )

    stats = explained["executionStats"]
    assert (stats["totalKeysExamined"], stats["totalDocsExamined"]) == (1, 1)
