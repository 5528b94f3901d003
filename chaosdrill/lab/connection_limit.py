"""A limit on unauthenticated connections to the lab's ports, so that there is always room for a new one."""

import contextlib
import socket
import threading


class Strangers:
    """Connections whose client is not authenticated yet; thread-safe.

    :param most: their maximum number; the oldest is closed for a new one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._connections: dict[int, socket.socket] = {}  # by descriptor, the oldest first

    def add(self, connection: socket.socket) -> None:
        """Add a new connection, and shut down the oldest when there are too many."""
        with self._lock:
            self._connections[connection.fileno()] = connection
            if len(self._connections) > self._most:
                oldest = self._connections.pop(next(iter(self._connections)))
                with contextlib.suppress(OSError):  # it has ended in the meantime
                    oldest.shutdown(socket.SHUT_RDWR)

    def remove(self, connection: socket.socket) -> None:
        """Remove a connection: its client is authenticated, or it ends."""
        with self._lock:
            self._connections.pop(connection.fileno(), None)
