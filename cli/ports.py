"""The ports of an embedded platform, checked before anything starts."""

from dataclasses import dataclass, fields, replace

from flows.errors import StartUpError
from runtime.readiness import free_port, is_port_free


@dataclass(frozen=True, slots=True)
class Ports:
    """One port a part; 0 until ``chosen`` picked a free one."""

    api: int
    temporal: int
    ui: int
    mongodb: int
    metrics: int


_OPTION = {
    "api": "--port",
    "temporal": "--temporal-port",
    "ui": "--ui-port",
    "mongodb": "--mongodb-port",
}


def chosen(ports: Ports, unused: frozenset[str]) -> Ports:
    """Return the ports with every 0 replaced by a free one.

    The metrics port is not checked: a taken one is a warning of the worker.

    Args:
        unused: Names of ports whose part is not started here.

    Raises:
        StartUpError: A port is taken, or two parts were given the same one.
    """
    for name in (field.name for field in fields(Ports)):
        number: int = getattr(ports, name)
        if name in unused:
            continue
        if number == 0:
            ports = replace(ports, **{name: free_port()})
        elif name in _OPTION and not is_port_free(number):
            raise StartUpError(f"port {number} is taken: choose another one with {_OPTION[name]}")
    used = [getattr(ports, name) for name in _OPTION if name not in unused]
    if len(set(used)) < len(used):
        raise StartUpError(f"every part needs a port of its own, not {sorted(used)}")
    return ports
