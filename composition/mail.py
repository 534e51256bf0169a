"""Builds what receives mail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from composition.records import Created, executions_of
from operations.definitions import Definitions
from operations.mail_intake import MailIntake
from operations.triggers import Triggers
from runtime.gateway import Gateway
from runtime.mongo import Mongo
from runtime.settings import Settings
from runtime.smtp_receiver import receiving_mail as smtp_receiver
from store.accounts import AccountRepository
from store.file_contents import GridFSContents
from store.files import FileRepository
from store.flows import FlowRepository
from store.mail_addresses import MailAddressRepository


@asynccontextmanager
async def receiving_mail(
    settings: Settings, mongo: Mongo, gateway: Gateway, created: Created
) -> AsyncIterator[None]:
    """Receive mail that starts flows, if this worker is to.

    Args:
        created: Called for each execution that a message starts, to count it.
    """
    if settings.smtp_receive_host is None:
        yield
        return
    definitions = Definitions()
    intake = MailIntake(
        addresses=MailAddressRepository(mongo.database),
        triggers=Triggers(
            FlowRepository(mongo.database), AccountRepository(mongo.database), definitions
        ),
        executions=executions_of(settings, mongo, gateway, definitions, created),
        files=FileRepository(mongo.database),
        contents=GridFSContents(mongo.database),
    )
    async with smtp_receiver(
        intake,
        settings.smtp_receive_host,
        settings.smtp_receive_port,
        max_bytes=settings.smtp_receive_max_bytes,
    ):
        yield
