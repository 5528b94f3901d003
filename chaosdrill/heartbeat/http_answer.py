"""An incremental parser of HTTP/1.x responses. No input or output.

:source: RFC 9112 (message body length: section 6.3; chunks: section 7.1)
"""

MOST_KEPT = 65_536  # bytes of a body: enough for every response that is read
MOST_HEAD = 65_536
_NO_BODY = (204, 304)


class BadAnswer(Exception):
    """The received data is no HTTP response."""


class AnswerParser:
    """One response.

    :param to_head: whether it is the response to HEAD, and so has no body, whatever its headers are.
    """

    def __init__(self, to_head: bool = False) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self._to_head = to_head
        self._buffer = b""
        self._head_read = False
        self._chunked = False
        self._missing: int | None = None  # bytes of the body, or of the chunk; None: until the end of the connection
        self._in_trailers = False

    @property
    def begun(self) -> bool:
        """Whether any part of it has arrived."""
        return self._head_read or bool(self._buffer)

    def feed(self, data: bytes) -> bool:
        """Parse received data.

        :returns: whether the response is complete.
        :raises BadAnswer: when it is not valid.
        """
        self._buffer = self._buffer + data if self._buffer else data
        while not self._head_read:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MOST_HEAD:
                    raise BadAnswer("its head does not end")
                return False
            head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            self._read_head(head)
        if not self.complete:
            self._read_body()
        return self.complete

    def end(self) -> bool:
        """Note that the other side closed the connection.

        :returns: whether the response is complete.
        """
        if self._head_read and not self._chunked and self._missing is None:
            self.complete = True
        return self.complete

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or len(words[1]) != 3 or not words[1].isdigit():
            raise BadAnswer(f"it begins with {first[:40]!r}")
        if (status := int(words[1])) < 200:
            return  # an interim response: the final one follows
        headers = (line.partition(":") for line in lines)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in headers}
        self.status = status
        self._head_read = True
        self._expect_body()

    def _expect_body(self) -> None:
        length = self.headers.get("content-length")
        if self._to_head or self.status in _NO_BODY:
            self.complete = True
        elif "transfer-encoding" in self.headers:
            self._chunked = self.headers["transfer-encoding"].lower().endswith("chunked")
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise BadAnswer(f"its length is {length[:20]!r}")
            self._missing = int(length)
            self.complete = not self._missing

    def _read_body(self) -> None:
        if self._chunked:
            while not self.complete and self._read_chunk():
                pass
            return
        self._keep(self._buffer if self._missing is None else self._buffer[: self._missing])
        if self._missing is not None:
            self._missing -= len(self._buffer)
            self.complete = self._missing <= 0
        self._buffer = b""

    def _read_chunk(self) -> bool:
        """Return whether something was read."""
        if self._missing is None:
            return self._read_line()
        data = self._buffer[: self._missing]
        self._buffer = self._buffer[len(data) :]
        self._missing -= len(data)
        self._keep(data)
        if self._missing or len(self._buffer) < 2:
            return False
        self._buffer = self._buffer[2:]  # the line break after a chunk
        self._missing = None
        return True

    def _read_line(self) -> bool:
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            if len(line) > MOST_HEAD:
                raise BadAnswer("a chunk's size does not end")
            return False
        self._buffer = rest
        if self._in_trailers:
            self.complete = not line
            return True
        size = line.split(b";")[0].strip()
        if not size or len(size) > 16 or size.strip(b"0123456789abcdefABCDEF"):
            raise BadAnswer(f"the size of a chunk is {size[:20]!r}")
        self._missing = int(size, 16)
        if self._missing == 0:
            self._missing, self._in_trailers = None, True
        return True

    def _keep(self, data: bytes) -> None:
        if len(self.body) < MOST_KEPT:
            self.body += data[: MOST_KEPT - len(self.body)]
