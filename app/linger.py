"""The end of a connection whose client may still be sending: RFC 9112, section 9.6."""

import socket
from contextlib import suppress

from .storage.outside import Deadline

LONGEST = 30_000  # milliseconds, as nginx has it
IDLE = 1.0  # seconds without a byte
STEP = 64 * 2**10  # bytes


def linger(connection: socket.socket) -> None:
    """Say that no more will be sent, drop what comes until the client has read that, and close.

    To close while bytes are on their way would reset the connection, and the client might lose the answer.
    """
    with connection, suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(IDLE)
        dropped, deadline = bytearray(STEP), Deadline(LONGEST)
        while connection.recv_into(dropped) and not deadline.passed:
            pass
