"""A worker that dies, or loses its store, while a message comes: nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.client import Client

from operations.definitions import Definitions
from operations.mail_intake import MailIntake
from operations.triggers import Triggers
from runtime.smtp_receiver import receiving_mail
from store.accounts import AccountRepository
from store.collections import EXECUTIONS, FILES
from store.file_contents import GridFSContents
from store.files import FileRepository
from store.flows import FlowRepository
from store.mail_addresses import MailAddressRepository
from tests.support.cut import Cut, Mode
from tests.support.flow_builders import task
from tests.support.letters import a_letter, post
from tests.support.operations import Json, Operations, operations_on

MOST_COMMANDS = 60
MODES: tuple[Mode, ...] = ("unsent", "unanswered")
NOTE = ("note.txt", "text/plain", b"Delivery note 4711")


def a_mail_flow(address: str) -> Json:
    mail = task("mail", "receive_email", {"email_address": address})
    return {"name": "mail", "tasks": [mail, task("note", reads="mail")], "edges": []}


@asynccontextmanager
async def receiver_on(database: AsyncIOMotorDatabase, operations: Operations) -> AsyncIterator[int]:
    """Receive mail, and yield the port."""
    flows = FlowRepository(database)
    intake = MailIntake(
        addresses=MailAddressRepository(database),
        triggers=Triggers(flows, AccountRepository(database), Definitions()),
        executions=operations.executions,
        files=FileRepository(database),
        contents=GridFSContents(database),
    )
    async with receiving_mail(intake, "127.0.0.1", 0, max_bytes=1024 * 1024) as port:
        yield port


async def an_addressed_flow(
    database: AsyncIOMotorDatabase, operations: Operations, address: str
) -> None:
    """Store a flow that receives mail, and the organization that it is of."""
    accounts = AccountRepository(database)
    organization = await accounts.create_organization(f"organization {uuid4()}")
    await operations.a_flow(a_mail_flow(address))
    await database["flows"].update_many({}, {"$set": {"organization_id": organization.id}})
    await database["flow_versions"].update_many({}, {"$set": {"organization_id": organization.id}})


async def test_a_message_is_answered_once_it_is_recorded_and_recorded_once(
    database: AsyncIOMotorDatabase,
    temporal_client: Client,
    task_queue: str,
    operations: Operations,
    mongo_uri: str,
) -> None:
    address = "orders@flows.example.org"
    await an_addressed_flow(database, operations, address)
    answers = []
    async with receiver_on(database, operations) as healthy:
        for at in range(1, MOST_COMMANDS):
            letter = a_letter(f"letter {at}", attachments=[NOTE])
            async with Cut(mongo_uri, at, MODES[at % 2]) as cut:
                mongo = cut.connect(database.name)
                broken = await operations_on(mongo.database, temporal_client, task_queue)
                async with receiver_on(mongo.database, broken) as port:
                    answers.append((await post(port, letter, address))[0])
                was_whole = not cut.is_cut
                await asyncio.to_thread(mongo.close)  # it talks through this loop
            # Transactions of a killed process end by themselves; no need to wait for that.
            await database.client.admin.command("killAllSessions", [])
            assert answers[-1] in ((250,) if was_whole else (250, 451)), answers
            recorded = await database[EXECUTIONS].count_documents({})
            assert recorded == at or answers[-1] == 451

            assert (await post(healthy, letter, address))[0] == 250

            assert await database[EXECUTIONS].count_documents({}) == at
            assert await database[FILES].count_documents({"is_stored": True}) == at
            if was_whole:
                break

    assert was_whole
    assert len(answers) > 8
    assert answers.count(451) > 8
