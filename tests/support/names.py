"""Names that the system's resolver answers as a test wants."""

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import pytest


def resolving(
    monkeypatch: pytest.MonkeyPatch, addresses_by_name: Mapping[str, Sequence[str]]
) -> None:
    """Answer these names, and leave all others to the resolver."""
    real = socket.getaddrinfo

    def answered(host: str, port: Any, *rest: Any, **named: Any) -> Any:
        if host not in addresses_by_name:
            return real(host, port, *rest, **named)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses_by_name[host]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answered)
