"""Coordination in a SQLite database of this machine, for many items that are kept, such as a ledger."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from chaosdrill.coordination import items
from chaosdrill.coordination.files import value_of
from chaosdrill.coordination.items import Item, ItemWrite, Key
from chaosdrill.coordination.store import ConditionFailed
from chaosdrill.errors import BadInput, CannotSee
from chaosdrill.paths import ensure_directory

LOCKED_WITHIN_S = 20.0  # how long a write waits for those of other processes
_READ, _WRITE = "BEGIN", "BEGIN IMMEDIATE"  # the latter waits for other writers before anything is read
_TABLE = "CREATE TABLE IF NOT EXISTS items (pk TEXT, sk TEXT, item TEXT NOT NULL, PRIMARY KEY (pk, sk))"


class SqliteStore:
    """Items in a SQLite database, one JSON document each. A write is on disk when its method returns.

    Implements :class:`chaosdrill.coordination.store.ItemStore`. The items stay until they are replaced.

    :param path: the file; the first write creates it, readable by this user only.
    :source: https://sqlite.org/lang_transaction.html
    """

    synchronous = "FULL"  # a write is on disk before its method returns; tests turn this off

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def now_ms(self) -> int:
        """Return the time of this machine, in milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Read items, all as they were at one moment; None for one that does not exist."""
        with self._connected(_READ) as connection:
            return [_read(connection, key) for key in keys]

    def partition(self, partition: str) -> list[Item]:
        """Read all items of a partition, in the order of their sort keys."""
        with self._connected(_READ) as connection:
            rows = connection.execute("SELECT item FROM items WHERE pk = ? ORDER BY sk", (partition,)).fetchall()
            return [_item(text) for (text,) in rows]

    def update(self, write: ItemWrite) -> Item:
        """Apply one write.

        :raises ConditionFailed: when a condition does not hold.
        """
        return self._write([write])[0]

    def transact(self, writes: Sequence[ItemWrite]) -> None:
        """Apply several writes, of one item each, together or not at all.

        :raises ConditionFailed: when a condition does not hold.
        """
        self._write(writes)

    def _write(self, writes: Sequence[ItemWrite]) -> list[Item]:
        with self._connected(_WRITE) as connection:
            found = [_read(connection, write.key) or {} for write in writes]
            if not all(items.holds(write.when, item) for write, item in zip(writes, found, strict=True)):
                raise ConditionFailed
            changed = [items.written(write, item) for write, item in zip(writes, found, strict=True)]
            rows = [(*write.key, _as_json(item)) for write, item in zip(writes, changed, strict=True)]
            connection.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", rows)
            return list(changed)

    @contextmanager
    def _connected(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Open the database for one transaction, which is committed when the block ends."""
        try:
            with closing(self._open(creates=begin == _WRITE)) as connection:
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
        except (OSError, sqlite3.Error, BadInput, ValueError, TypeError, AttributeError) as error:
            why = f"{self} could not be read or written: {type(error).__name__}: {error}"
            raise CannotSee(why, code="coordination-unreachable") from error

    def _open(self, creates: bool) -> sqlite3.Connection:
        """Connect to the file, or, for a read before it exists, to an empty database in memory."""
        if creates:
            ensure_directory(self._path.parent)
            self._path.touch(mode=0o600)
        path = self._path if self._path.exists() else ":memory:"
        connection = sqlite3.connect(path, timeout=LOCKED_WITHIN_S, isolation_level=None)
        try:
            connection.execute(f"PRAGMA synchronous = {self.synchronous}")
            connection.execute(_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection


def _read(connection: sqlite3.Connection, key: Key) -> Item | None:
    row = connection.execute("SELECT item FROM items WHERE pk = ? AND sk = ?", key).fetchone()
    return None if row is None else _item(row[0])


def _item(text: str) -> Item:
    return {name: value_of(value) for name, value in json.loads(text).items()}


def _as_json(item: Item) -> str:
    return json.dumps(item, sort_keys=True, default=sorted)  # a set as a list
