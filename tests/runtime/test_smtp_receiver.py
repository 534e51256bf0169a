"""The SMTP server itself, whoever the messages are for."""

import asyncio
import smtplib
from contextlib import ExitStack
from datetime import timedelta

import pytest

from flows.errors import EngineError, NotFoundError, StartUpError, StoreUnavailableError
from runtime.smtp_receiver import MAX_CONNECTIONS, MAX_RECIPIENTS, receiving_mail
from tests.support.letters import SENDER, a_letter, post

MAX_BYTES = 64 * 1024


class Everybody:
    """Takes what comes, unless something is said to happen to an address."""

    def __init__(self, **faults: Exception) -> None:
        self.faults = faults
        self.taken: list[str] = []

    async def receives(self, address: str) -> bool:
        return True

    async def take(self, address: str, raw: bytes) -> None:
        name = address.partition("@")[0]
        if name in self.faults:
            raise self.faults[name]
        self.taken.append(address)


async def test_one_recipient_who_must_wait_has_the_whole_message_sent_again() -> None:
    later, never = StoreUnavailableError("down"), NotFoundError("gone")
    everybody = Everybody(later=later, never=never)

    async with receiving_mail(everybody, "127.0.0.1", 0, max_bytes=MAX_BYTES) as port:
        both = await post(port, a_letter(), "one@x.org", "later@x.org")
        some = await post(port, a_letter(), "never@x.org", "one@x.org")
        none = await post(port, a_letter(), "never@x.org")

    assert (both[0], some[0], none[0]) == (451, 250, 550)
    assert everybody.taken == ["one@x.org", "one@x.org"]


@pytest.mark.parametrize("fault", [RuntimeError("secret"), EngineError("secret")])
async def test_what_nobody_foresaw_is_tried_again_and_not_told(fault: Exception) -> None:
    async with receiving_mail(Everybody(one=fault), "127.0.0.1", 0, max_bytes=MAX_BYTES) as port:
        code, said = await post(port, a_letter(), "one@x.org")

    assert code == 451
    assert "secret" not in said


async def test_recipients_of_a_message_are_not_too_many() -> None:
    addresses = [f"{number}@x.org" for number in range(MAX_RECIPIENTS + 1)]

    async with receiving_mail(Everybody(), "127.0.0.1", 0, max_bytes=MAX_BYTES) as port:
        assert (await post(port, a_letter(), *addresses[1:]))[0] == 250
        assert (await post(port, a_letter(), *addresses))[0] == 452


async def test_a_size_that_is_announced_is_refused_before_it_comes() -> None:
    def announce(port: int) -> int:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("sender.test")
            return client.mail(SENDER, [f"SIZE={MAX_BYTES + 1}"])[0]

    async with receiving_mail(Everybody(), "127.0.0.1", 0, max_bytes=MAX_BYTES) as port:
        assert await asyncio.to_thread(announce, port) == 552


async def test_connections_are_not_too_many_and_make_room_again() -> None:
    def crowd(port: int) -> list[int]:
        with ExitStack() as stack:
            for _ in range(MAX_CONNECTIONS):
                stack.enter_context(smtplib.SMTP("127.0.0.1", port, timeout=10))
            with pytest.raises(smtplib.SMTPConnectError) as refused:
                smtplib.SMTP("127.0.0.1", port, timeout=10)
        return [refused.value.smtp_code]

    async with receiving_mail(Everybody(), "127.0.0.1", 0, max_bytes=MAX_BYTES) as port:
        assert await asyncio.to_thread(crowd, port) == [421]
        assert (await post(port, a_letter(), "one@x.org"))[0] == 250


@pytest.mark.parametrize(
    "said", [b"", b"EHLO x\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n"]
)
async def test_who_keeps_a_connection_waiting_loses_it(said: bytes) -> None:
    everybody = Everybody()

    async with receiving_mail(
        everybody, "127.0.0.1", 0, max_bytes=MAX_BYTES, patience=timedelta(seconds=0.3)
    ) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for line in said.splitlines(keepends=True):
            writer.write(line)
        await asyncio.wait_for(reader.read(), 20)  # until the server closes it
        writer.close()
        await writer.wait_closed()

    assert everybody.taken == []


async def test_a_port_that_is_taken_stops_the_start() -> None:
    async with receiving_mail(Everybody(), "127.0.0.1", 0, max_bytes=MAX_BYTES) as port:
        with pytest.raises(StartUpError, match="cannot be received"):
            async with receiving_mail(Everybody(), "127.0.0.1", port, max_bytes=MAX_BYTES):
                pass
