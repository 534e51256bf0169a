"""A listener for which no more connections are made."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.listeners import refuse_connections


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    host = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}[request.param]
    with socket.socket(request.param) as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no such loopback")
        sock.listen()
        sock.setblocking(False)
        yield sock


async def test_who_has_connected_is_served_and_who_asks_is_refused(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    early, late = socket.socket(listener.family), socket.socket(listener.family)
    with early, late:
        for client in (early, late):
            client.setblocking(False)
        await loop.sock_connect(early, listener.getsockname())

        assert refuse_connections(listener.fileno())
        asking = asyncio.create_task(loop.sock_connect(late, listener.getsockname()))
        await asyncio.sleep(0)  # now it has asked
        await loop.sock_sendall(early, b"sent before anybody took it in")
        served, _ = await loop.sock_accept(listener)
        with served:
            assert await loop.sock_recv(served, 100) == b"sent before anybody took it in"
            with pytest.raises(BlockingIOError):
                listener.accept()

        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await asking


def test_a_socket_without_such_packets_is_left_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket"))
        sock.listen()

        assert not refuse_connections(sock.fileno())
