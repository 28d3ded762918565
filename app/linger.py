"""The end of a connection whose client may still be sending: RFC 9112, section 9.6."""

import socket
from contextlib import suppress

from .storage.outside import Outside

LONGEST = 30  # seconds, as nginx has it
IDLE = 1.0  # seconds without a byte
STEP = 64 * 2**10  # bytes


def linger(connection: socket.socket, outside: Outside) -> None:
    """Say that no more will be sent, and drop what comes until the client has read that.

    To close while bytes are on their way would reset the connection, and the client might lose the answer.
    """
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(IDLE)
        dropped, end = bytearray(STEP), outside.monotonic() + LONGEST
        while connection.recv_into(dropped) and outside.monotonic() < end:
            pass
