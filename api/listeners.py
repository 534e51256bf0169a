"""How a server stops listening without resetting those who have just connected.

The kernel makes connections on a listener's behalf, and resets those that nobody has taken in when
the listener is closed; no call says "make no more". A filter on the listener does: the packets that
ask for a connection are dropped, and all others pass, so connections in the making are finished
and taken in. Who asks meanwhile asks again a second later, and finds the listener gone.
"""

import ctypes
import os
import socket
import struct
import sys

_SO_ATTACH_FILTER = 26
"""The option's number in Linux on every machine but PA-RISC and SPARC; Python does not name it."""

_FLAGS = 13
_SYN = 0x02

_DROP_REQUESTS = (
    (0x30, 0, 0, _FLAGS),  # load the byte of the TCP header that holds the flags
    (0x45, 0, 1, _SYN),  # asks it for a connection? else skip one
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFF_FFFF),  # let all of it pass
)
"""A program for the kernel's classic packet filter: code, jumps if true and false, operand.

Source: the kernel's Documentation/networking/filter.rst.
"""


def refuse_connections(listener: int) -> bool:
    """Let the kernel make no further connections for a listener, which goes on listening.

    Args:
        listener: The descriptor of a socket that listens.

    Returns:
        Whether that worked: it does for TCP on Linux, unless the process may not set filters.
    """
    if sys.platform != "linux":
        return False
    steps = b"".join(struct.pack("HBBI", *step) for step in _DROP_REQUESTS)
    program = ctypes.create_string_buffer(steps, len(steps))
    pointer = struct.pack("HP", len(_DROP_REQUESTS), ctypes.addressof(program))
    with socket.socket(fileno=os.dup(listener)) as same:
        if same.family not in {socket.AF_INET, socket.AF_INET6}:
            return False
        try:
            same.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
        except OSError:
            return False
    return True
