"""Coordination in a file of this machine, for systems without a table: it excludes drills with the same home only."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.coordination import items
from chaosdrill.coordination.items import Item, ItemWrite, Key
from chaosdrill.coordination.store import ConditionFailed
from chaosdrill.errors import BadInput, CannotSee
from chaosdrill.history.whole_files import locked, write_whole
from chaosdrill.paths import ensure_directory, home

_FILE = "items.json"  # one file, so that a transaction is complete or absent, also after a crash


class FileStore:
    """Items in one JSON file, changed under the lock of its directory.

    :param directory: default: ``coordination`` in :func:`chaosdrill.paths.home`.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def __str__(self) -> str:
        return str(self._path())

    def now_ms(self) -> int:
        """Return the time of this machine, in milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Read items; None for one that does not exist."""
        found = self._read()
        return [found.get(key) for key in keys]

    def partition(self, partition: str) -> list[Item]:
        """Read all items of a partition, in the order of their sort keys."""
        return [item for key, item in sorted(self._read().items()) if key[0] == partition]

    def update(self, write: ItemWrite) -> Item:
        """Apply one write.

        :raises ConditionFailed: when a condition does not hold.
        """
        return self._write([write])[write.key]

    def transact(self, writes: Sequence[ItemWrite]) -> None:
        """Apply several writes together.

        :raises ConditionFailed: when a condition does not hold.
        """
        self._write(writes)

    def _write(self, writes: Sequence[ItemWrite]) -> Mapping[Key, Item]:
        try:
            path = self._path(create=True)
            with locked(path.parent):
                found = self._read()
                for write in writes:
                    if not items.holds(write.when, found.get(write.key, {})):
                        raise ConditionFailed
                found |= {write.key: items.written(write, found.get(write.key, {})) for write in writes}
                write_whole(path, _as_json(found, self.now_ms() // 1000))
                return found
        except (OSError, BadInput) as error:
            raise self._unreachable("written", error) from error

    def _read(self) -> dict[Key, Item]:
        try:
            listed = json.loads(self._path().read_text())
            found = [{name: value_of(value) for name, value in item.items()} for item in listed]
            return {(item[items.PARTITION_KEY], item[items.SORT_KEY]): item for item in found}
        except FileNotFoundError:
            return {}
        except (OSError, BadInput, ValueError, TypeError, AttributeError, KeyError) as error:
            raise self._unreachable("read", error) from error

    def _path(self, create: bool = False) -> Path:
        directory = self._directory or home() / "coordination"
        return (ensure_directory(directory) if create else directory) / _FILE

    def _unreachable(self, verb: str, error: Exception) -> CannotSee:
        why = f"the leases and owed undos of this machine could not be {verb}: {type(error).__name__}: {error}"
        return CannotSee(why, code="coordination-unreachable")


def _as_json(found: Mapping[Key, Item], now_s: int) -> str:
    """Return the file's text, without expired items."""
    kept = [item for _, item in sorted(found.items()) if item.get(items.TTL, now_s) >= now_s]
    return json.dumps(kept, indent=1, default=sorted)  # a set as a list


def value_of(value: Any) -> Any:
    """Return the value of an attribute from JSON, in which a set is a list."""
    return frozenset(value) if isinstance(value, list) else value
