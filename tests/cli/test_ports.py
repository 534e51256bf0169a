import socket
from dataclasses import astuple, replace

import pytest

from cli.ports import Ports, chosen
from flows.errors import StartUpError

ANY = Ports(api=0, temporal=0, ui=0, mongodb=0, metrics=0)


def test_zero_picks_a_free_port_for_each_part() -> None:
    ports = chosen(ANY, frozenset())

    assert 0 not in astuple(ports)
    assert len(set(astuple(ports))) == 5


@pytest.mark.parametrize(
    ("part", "option"),
    [
        ("api", "--port"),
        ("temporal", "--temporal-port"),
        ("ui", "--ui-port"),
        ("mongodb", "--mongodb-port"),
    ],
)
def test_a_taken_port_is_refused_unless_its_part_runs_elsewhere(part: str, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        ports = replace(ANY, **{part: number})

        with pytest.raises(StartUpError, match=rf"port {number} is taken: .* {option}$"):
            chosen(ports, frozenset())
        assert getattr(chosen(ports, frozenset({part})), part) == number


def test_a_taken_metrics_port_is_left_to_the_worker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]

        assert chosen(replace(ANY, metrics=number), frozenset()).metrics == number


def test_two_parts_cannot_share_a_port() -> None:
    number = chosen(ANY, frozenset()).api

    with pytest.raises(StartUpError, match="a port of its own"):
        chosen(replace(ANY, api=number, temporal=number), frozenset())
