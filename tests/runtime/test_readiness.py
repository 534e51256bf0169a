"""Ports for servers of ours."""

import socket

import pytest

from flows.errors import StartUpError
from runtime.readiness import LOOPBACK, free_port, is_port_free

FIRST_THAT_CONNECTIONS_LEAVE_FROM = 32_768  # the default of Linux
LAST_OF_PRIVILEGED_SERVERS = 1_023


def test_a_free_port_is_none_that_connections_leave_from() -> None:
    ports = [free_port() for _ in range(50)]

    assert all(is_port_free(port) for port in ports)
    assert max(ports) < FIRST_THAT_CONNECTIONS_LEAVE_FROM
    assert min(ports) > LAST_OF_PRIVILEGED_SERVERS
    assert len(set(ports)) > 40


def test_no_port_is_chosen_that_somebody_listens_on() -> None:
    with socket.create_server((LOOPBACK, free_port())) as server:
        taken = server.getsockname()[1]

        with pytest.raises(StartUpError):
            free_port(range(taken, taken + 1))
