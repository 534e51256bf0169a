"""Ports for servers of ours."""

from pathlib import Path

import pytest

from flows.errors import StartUpError
from runtime import readiness
from runtime.readiness import SERVER_PORTS, free_port, is_port_free

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_free_port_is_none_that_connections_leave_from() -> None:
    lowest = int(_EPHEMERAL.read_text().split()[0])

    ports = [free_port() for _ in range(50)]

    assert all(is_port_free(port) for port in ports)
    assert max(ports) < lowest
    assert SERVER_PORTS[0] > 1024
    assert len(set(ports)) > 40


def test_no_port_is_chosen_where_all_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "is_port_free", lambda _: False)

    with pytest.raises(StartUpError):
        free_port()
