"""How many connections anybody can hold open at the lab's ports: so few that there is always room for another."""

import contextlib
import socket
import threading


class Strangers:
    """Connections of which nobody knows yet who is at the other end; safe to use from several threads.

    :param most: how many there are at most; the oldest makes room for a new one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._connections: dict[int, socket.socket] = {}  # by descriptor, the oldest first

    def add(self, connection: socket.socket) -> None:
        """Count a new connection; the oldest is shut down when there are too many."""
        with self._lock:
            self._connections[connection.fileno()] = connection
            if len(self._connections) > self._most:
                oldest = self._connections.pop(next(iter(self._connections)))
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    oldest.shutdown(socket.SHUT_RDWR)

    def remove(self, connection: socket.socket) -> None:
        """Count it no more: it is known now, or ends."""
        with self._lock:
            self._connections.pop(connection.fileno(), None)
