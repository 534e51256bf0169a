"""Which addresses tasks may reach: public ones, and those that an operator opened.

Source: docs/security.md, "Outgoing connections".
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Listed here, because what the standard library calls private changed between Python releases, and
# because the last one is a cloud's metadata service at an address that looks public.
_REFUSED: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "224.0.0.0/3",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "168.63.129.16/32",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Which hosts inside private networks may be reached.

    Attributes:
        names: Host names as they are looked up, in lower case, whatever they resolve to.
        networks: Addresses and ranges.
        everything: Whether nothing is refused.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    everything: bool = False

    @classmethod
    def of(cls, entries: Iterable[str]) -> "AllowedHosts":
        """Read entries as operators write them: names, addresses, CIDR ranges, or ``*``."""
        names: set[str] = set()
        networks: list[Network] = []
        everything = False
        for entry in (raw.strip().strip("[]") for raw in entries):
            if entry == "*":
                everything = True
                continue
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                names.add(_spelled(entry))
        return cls(frozenset(names - {""}), tuple(networks), everything)

    def permits(self, host: str, address: Address) -> bool:
        """Return whether a connection to this address, looked up under this name, is allowed."""
        if self.everything or _spelled(host) in self.names:
            return True
        target = _unwrapped(address)
        return any(target in network for network in self.networks) or _is_public(target)


def _spelled(host: str) -> str:
    """Return a name in the one spelling in which names are compared: IDNA, lower case, no dot."""
    name = host.lower().rstrip(".")
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return name


def _is_public(address: Address) -> bool:
    """Return whether the address is one of the open internet's."""
    if any(address in network for network in _REFUSED) or not address.is_global:
        return False
    # What is neither global unicast nor wraps an IPv4 address has no business in the internet.
    return isinstance(address, ipaddress.IPv4Address) or address in _GLOBAL_UNICAST


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    # The same without its zone: networks are compared by number.
    return ipaddress.IPv6Address(int(address))
