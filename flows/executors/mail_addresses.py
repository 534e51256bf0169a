"""Which texts are mail addresses that a message can be sent to."""

import re

MAX_ADDRESS_CHARS = 254

# An atom of RFC 5322 with dots inside; quoted local parts are legal, and nobody has one.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def checked_address(text: str) -> str:
    """Return the bare address ``local@domain``, its domain in ASCII.

    Nothing that passes can end a header, a command or the address itself.

    Raises:
        ValueError: It is none.
    """
    local, at, domain = text.strip(" ").rpartition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        raise ValueError("must be an e-mail address, without a name around it")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        ascii_domain = ""
    labels = ascii_domain.split(".")
    address = f"{local}@{ascii_domain}"
    if len(address) > MAX_ADDRESS_CHARS or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("must be an e-mail address, its domain a host name")
    return address
