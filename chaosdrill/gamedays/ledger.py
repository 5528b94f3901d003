"""The ledger of game days: what became of each occurrence, kept with the conditional writes of coordination.

An occurrence is claimed at most once, before anything starts. Outcomes that are no runs are recorded in the same way:
of several processes that decide at the same moment one counts.

======================  ======================  ==================================================================
partition key           sort key                attributes, beside those of every item of coordination
======================  ======================  ==================================================================
``gameday#ID``          ``plan``                the fields of :class:`Plan`, ``version``
``gameday#ID``          ``rival``               the fields of :class:`Rival`
``gameday#ID``          ``pause``               the fields of :class:`Pause`; for ``ID`` ``*``: of all game days
``gameday#ID#YYYY-MM``  ``occurrence#INSTANT``  ``entry``, ``outcome``, ``token``, ``holder``, ``alive_ms``
======================  ======================  ==================================================================

The month is that of the planned instant, UTC. Items of the ledger stay: they have no time after which they are deleted.
"""

import contextlib
import json
import os
import socket
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from chaosdrill.coordination import items
from chaosdrill.coordination.holders import user_name
from chaosdrill.coordination.interface import Holder
from chaosdrill.coordination.items import Item, ItemWrite, Key, Value
from chaosdrill.coordination.store import ConditionFailed, ItemStore
from chaosdrill.errors import CannotSee
from chaosdrill.gamedays.calendar import Occurrence
from chaosdrill.gamedays.events import Entry
from chaosdrill.history import to_json_safe

ALL = "*"  # stands for all game days where they are paused together
PLAN, PAUSE, RIVAL = "plan", "pause", "rival"
_ENTRY = "occurrence#"
_MAY_END = (items.equals("outcome", "claimed"), items.equals("outcome", "died"))
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What ticks have read of a game day's schedule.

    :param schedule: as JSON (:func:`chaosdrill.gamedays.decisions.schedule_text`).
    :param since_ms: when a tick first read this schedule: an occurrence that was planned before is never run.
    :param seen_ms: when a tick last read it.
    :param settled_ms: each occurrence that was planned since and before this has an outcome other than ``claimed``.
    :param version: of the item; 0 before it exists.
    :param definition: what the calendar that counts says of the game day, as a digest; empty in items of before.
    :param place: of that calendar: machine and path.
    """

    schedule: str
    since_ms: int
    seen_ms: int
    settled_ms: int
    version: int = 0
    definition: str = ""
    place: str = ""


@dataclass(frozen=True)
class Rival:
    """Another calendar with the same game day, which says otherwise and does not count.

    :param place: of that calendar: machine and path.
    :param since_ms: when a tick first read it.
    :param seen_ms: when a tick last read it.
    """

    place: str
    since_ms: int
    seen_ms: int


@dataclass(frozen=True)
class Pause:
    """A time in which a game day does not take place; it ends by itself.

    :param from_ms: its begin.
    :param until_ms: its end; that at which it was resumed, when it was.
    """

    from_ms: int
    until_ms: int
    by: str = ""
    why: str = ""

    def covers(self, instant_ms: int) -> bool:
        """Tell whether an instant is within the pause."""
        return self.from_ms <= instant_ms < self.until_ms


@dataclass(frozen=True)
class Record:
    """An entry as the ledger keeps it, with what tells whether the process of a claim lives.

    :param token: of the claim: whoever knows it may record how the occurrence ended.
    :param holder: the process that runs the drill; None before it has begun.
    :param alive_ms: when that process, or else the claim, was last heard of.
    """

    entry: Entry
    token: str = ""
    holder: Holder | None = None
    alive_ms: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the occurrence is claimed and has not ended."""
        return self.entry.outcome == "claimed"


class Ledger:
    """What became of occurrences. Every method raises ``CannotSee`` as the store does.

    :param store: of items; the one of :func:`chaosdrill.gamedays.stores.store_of`.
    """

    def __init__(self, store: ItemStore) -> None:
        self._store = store
        self._by = f"{user_name()}@{socket.gethostname()} {os.getpid()}"

    def __str__(self) -> str:
        return str(self._store)

    def now_ms(self) -> int:
        """Return the ledger's time, in milliseconds since 1970."""
        return self._store.now_ms()

    def claim(self, entry: Entry, holder: Holder | None = None, also: Sequence[ItemWrite] = ()) -> str:
        """Claim an occurrence that has no entry yet.

        :param entry: with the outcome ``claimed``.
        :param holder: the process that runs the drill; None when another one is started for it.
        :param also: writes that are made together with the claim, or both are not: that an approval is used.
        :returns: the token of the claim; empty when the occurrence has an entry already, or one of ``also`` cannot be
            made.
        """
        return self._add(entry, holder, also)

    def record(self, entry: Entry) -> bool:
        """Record the outcome of an occurrence that was never claimed.

        :returns: whether it was; False when the occurrence has an entry already.
        """
        return bool(self._add(entry, None, ()))

    def begin(self, occurrence: Occurrence, token: str, holder: Holder) -> bool:
        """Name the process that runs the drill of a claim. Only one can.

        :returns: whether it is this one.
        """
        sets: dict[str, Value] = {"token": token, "holder": _json(asdict(holder)), "alive_ms": self.now_ms()}
        when = (*_claimed_by(token), (items.absent("holder"),))
        return self._changed(ItemWrite(_key(occurrence), sets, when=when), "token", "holder")

    def renew(self, entry: Entry, token: str) -> bool:
        """Record that the process of a claim lives, and what is known of its run by now.

        :returns: False when the claim is no longer this one, or has ended.
        """
        sets: dict[str, Value] = {"token": token, "entry": _json(asdict(entry)), "alive_ms": self.now_ms()}
        return self._changed(
            ItemWrite(_key(entry.occurrence), sets, when=_claimed_by(token)), "token", "entry", "alive_ms"
        )

    def finish(self, entry: Entry, token: str) -> bool:
        """Record how the occurrence of a claim ended; also where a tick has taken its process for dead meanwhile.

        :returns: False when the claim is no longer this one, or has ended otherwise.
        """
        when = (items.NOT_NEWER, (items.equals("token", token),), _MAY_END)
        return self._changed(
            ItemWrite(_key(entry.occurrence), {**self._sets(entry), "token": token}, when=when), "token", "entry"
        )

    def end_dead(self, entry: Entry, record: Record) -> bool:
        """Record the outcome of a claim whose process has died.

        :param record: as it was read: when the process was heard of since, nothing is recorded.
        :returns: whether it was.
        """
        when = (*_claimed_by(record.token), (items.equals("alive_ms", record.alive_ms),))
        return self._changed(ItemWrite(_key(entry.occurrence), self._sets(entry), when=when), "entry")

    def entry(self, occurrence: Occurrence) -> Record | None:
        """Read the entry of one occurrence; None when it has none."""
        item = self._item(_key(occurrence))
        return record_of(item, occurrence) if item else None

    def entries(self, game_day: str, from_ms: int, to_ms: int) -> dict[Occurrence, Record]:
        """Read the entries of a game day that were planned from an instant on and before another, in order."""
        found: dict[Occurrence, Record] = {}
        for month in months(from_ms, to_ms):
            for item in self._store.partition(f"{_partition(game_day)}#{month}"):
                if str(item[items.SORT_KEY]).startswith(_ENTRY):
                    occurrence = Occurrence(game_day, int(item["planned_ms"]))
                    if from_ms <= occurrence.planned_ms < to_ms:
                        found[occurrence] = record_of(self._readable(item), occurrence)
        return found

    def plan(self, game_day: str) -> Plan | None:
        """Read what ticks have read of a game day; None when none has."""
        item = self._item((_partition(game_day), PLAN))
        return _read(Plan, item.get("plan"), version=item.get("version")) if item else None

    def put_plan(self, game_day: str, plan: Plan) -> bool:
        """Keep what a tick has read of a game day.

        :returns: False when another tick has written it since this one read it.
        """
        texts = _json({name: value for name, value in asdict(plan).items() if name != "version"})
        sets = {**self._stamp(), "plan": texts, "version": plan.version + 1}
        unchanged = items.equals("version", plan.version) if plan.version else items.absent("version")
        write = ItemWrite((_partition(game_day), PLAN), sets, when=(items.NOT_NEWER, (unchanged,)))
        return self._changed(write, "plan", "version")

    def rival(self, game_day: str) -> Rival | None:
        """Read which other calendar has the same game day; None when none ever had."""
        item = self._item((_partition(game_day), RIVAL))
        return _read(Rival, item.get("rival")) if item else None

    def put_rival(self, game_day: str, rival: Rival) -> None:
        """Keep which calendar a tick has read that does not count."""
        sets = {**self._stamp(), "rival": _json(asdict(rival))}
        self._store.update(ItemWrite((_partition(game_day), RIVAL), sets, when=(items.NOT_NEWER,)))

    def pause(self, game_day: str, pause: Pause) -> None:
        """Pause a game day; a pause of before is replaced.

        :param game_day: its id, or :data:`ALL`.
        """
        sets = {**self._stamp(), "pause": _json(asdict(pause))}
        self._store.update(ItemWrite((_partition(game_day), PAUSE), sets, when=(items.NOT_NEWER,)))

    def pauses(self, game_day: str) -> tuple[Pause, ...]:
        """Read the pauses of a game day: its own, and that of all game days."""
        found = (self._item((_partition(one), PAUSE)) for one in (game_day, ALL))
        return tuple(_read(Pause, item.get("pause")) for item in found if item)

    def own_pause(self, game_day: str) -> Pause | None:
        """Read the pause of a game day alone, or, for :data:`ALL`, that of all game days."""
        item = self._item((_partition(game_day), PAUSE))
        return _read(Pause, item.get("pause")) if item else None

    def _add(self, entry: Entry, holder: Holder | None, also: Sequence[ItemWrite]) -> str:
        token = uuid.uuid4().hex
        sets: dict[str, Value] = {**self._sets(entry), "token": token, "planned_ms": entry.occurrence.planned_ms}
        if holder is not None:
            sets["holder"] = _json(asdict(holder))
        sets["alive_ms"] = self.now_ms()
        write = ItemWrite(_key(entry.occurrence), sets, when=(items.IS_NEW,))
        return token if self._changed(write, "token", also=also) else ""

    def _sets(self, entry: Entry) -> dict[str, Value]:
        now_ms = self.now_ms()
        noted = replace(entry, at_ms=now_ms)
        return {**self._stamp(), "outcome": entry.outcome, "entry": _json(asdict(noted))}

    def _changed(self, write: ItemWrite, *names: str, also: Sequence[ItemWrite] = ()) -> bool:
        """Make a conditional write.

        :param names: the attributes that tell this write from others, when its response was lost.
        :param also: writes that are made together with it.
        :returns: whether it was made.
        """
        try:
            self._store.transact([write, *also])
            return True
        except (ConditionFailed, CannotSee) as error:  # an earlier try of it may have been carried out
            item = self._item(write.key) or {}
            if all(item.get(name) == write.sets[name] for name in names):
                return True
            if isinstance(error, CannotSee):
                raise
            return False

    def _item(self, key: Key) -> Item | None:
        item = self._store.get([key])[0]
        return None if item is None else self._readable(item)

    def _readable(self, item: Item) -> Item:
        return items.require_readable(item, str(self._store))

    def _stamp(self) -> dict[str, Value]:
        return items.stamp(self._by, self.now_ms())


def record_of(item: Item, occurrence: Occurrence) -> Record:
    """Read an entry from its item.

    :raises CannotSee: ``coordination-invalid``: it lacks something.
    """
    with _valid(occurrence.key):
        entry = _read(Entry, item.get("entry"), occurrence=occurrence, outcome=item["outcome"])
        holder = _read(Holder, item["holder"]) if item.get("holder") else None
        return Record(replace(entry, owed=tuple(entry.owed)), str(item["token"]), holder, int(item["alive_ms"]))


def months(from_ms: int, to_ms: int) -> Iterator[str]:
    """Yield the months, such as ``2027-01``, that have instants from one on and before another, UTC."""
    first, last = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (from_ms, max(from_ms, to_ms - 1)))
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        yield f"{month // 12:04d}-{month % 12 + 1:02d}"


def _partition(game_day: str) -> str:
    return f"gameday#{game_day}"


def _key(occurrence: Occurrence) -> Key:
    instant = occurrence.key.rpartition("@")[2]
    return f"{_partition(occurrence.game_day)}#{instant[:7]}", f"{_ENTRY}{instant}"


def _claimed_by(token: str) -> tuple[tuple[items.Condition, ...], ...]:
    return items.NOT_NEWER, (items.equals("token", token),), (items.equals("outcome", "claimed"),)


def _json(value: Any) -> str:
    return json.dumps(to_json_safe(value), sort_keys=True)


def _read(kind: type[T], text: Any, **known: Any) -> T:
    """Read a value from JSON; what a later version has added to it is left out."""
    with _valid(kind.__name__):
        names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
        return kind(**{name: value for name, value in {**json.loads(text), **known}.items() if name in names})


@contextlib.contextmanager
def _valid(what: str) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = f"{what} in the ledger of game days is invalid: {type(error).__name__}: {error}"
        raise CannotSee(why, code="coordination-invalid") from error
