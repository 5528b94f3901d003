"""The texts of notifications, in the language of a channel.

What a notification's ``facts`` may have, beside ``detail``, which tells one of a kind from the next:

==================  ====================================================================================================
fact                meaning
==================  ====================================================================================================
``run``             id of the run
``by``              who started the drill
``transition``      ``failover`` or ``failback``; ``state``: ``began``, ``ended`` or ``failed``; ``at_ms``: when;
                    ``from`` and ``to``: regions
``verdict``         of the run; ``reason``: its first reason; ``figures``: measured values in words, by name
``compared``        the last comparable run: ``run``, and ``changes`` by figure: ``change`` in words, ``exceeds``
``report``          path or URL of the report
``owed``            what was not undone, as a list of texts
``outcome``         of an occurrence that did not run; ``code`` and ``why``
``until_ms``        until when it must be approved; ``approvers``: who may
``command``         what to run, instead of the usual command
==================  ====================================================================================================
"""

import shlex
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from chaosdrill import __version__
from chaosdrill.gamedays.calendar import Calendar, GameDay
from chaosdrill.gamedays.events import Notice, Notification
from chaosdrill.gamedays.notifications.delivery import Message, Priority
from chaosdrill.gamedays.notifications.messages import MESSAGES
from chaosdrill.history import to_json_safe
from chaosdrill.history.secrets import without_secrets
from chaosdrill.messages import as_it_is
from chaosdrill.report.messages import MESSAGES as REPORT_MESSAGES
from chaosdrill.report.texts import Words
from chaosdrill.terminal_text import one_line

LONGEST = 400  # characters of one value
_ALL = {**REPORT_MESSAGES, **MESSAGES}
_HIGH: frozenset[Notice] = frozenset({"died", "overdue"})
COMMANDS: Mapping[Notice, str] = {
    "planned": "chaosdrill gameday skip {game_day} {instant} --calendar {calendar}",
    "soon": "chaosdrill gameday skip {game_day} {instant} --calendar {calendar}",
    "approval-needed": "chaosdrill gameday approve {game_day} --occurrence {instant} --calendar {calendar}",
    "started": "chaosdrill stop {system}",
    "transition": "chaosdrill stop {system}",
    "finished": "chaosdrill runs show {run}",
    "rollback-failed": "chaosdrill rescue {system}",
    "not-run": "chaosdrill gameday history {game_day} --calendar {calendar}",
    "died": "chaosdrill rescue {system}",
    "overdue": "chaosdrill gameday check --calendar {calendar}",
}

Row = tuple[str, str]


def message_of(calendar: Calendar, notification: Notification, language: str) -> Message:
    """Write a notification in a language.

    Secrets in its facts are replaced by ``***``.
    """
    occurrence, facts = notification.occurrence, notification.facts
    text = _Text(calendar, notification, Words(language, _ALL))
    english = _Text(calendar, notification, Words("en", _ALL))
    return Message(
        notice=notification.notice,
        game_day=occurrence.game_day,
        planned_ms=occurrence.planned_ms,
        title=text.title(),
        text=text.body(),
        subject=english.title().encode("ascii", "replace").decode(),
        priority=_priority(notification),
        data={
            "notice": notification.notice,
            "game_day": occurrence.game_day,
            "occurrence": occurrence.key,
            "planned": _iso(occurrence.planned_ms),
            "facts": to_json_safe(facts),
        },
    )


def message_of_test(channel: str, language: str) -> Message:
    """Write a message with which a channel is tested."""
    words, english = Words(language, MESSAGES), Words("en", MESSAGES)
    text = "\n".join([words("test.text"), "", _footer(words)])
    subject = english("test.title", channel=channel).encode("ascii", "replace").decode()
    data = {"notice": "test", "channel": channel}
    return Message("test", "test", 0, words("test.title", channel=channel), text, subject, data=data)


def when(words: Words, instant_ms: int, zone: ZoneInfo) -> str:
    """Format an instant in a zone, with weekday, and with UTC beside it where that differs."""
    instant = datetime.fromtimestamp(instant_ms / 1000, UTC)
    local = instant.astimezone(zone)
    weekday = words(f"weekday.{local.weekday()}")
    text = words("when", weekday=weekday, date=f"{local:%Y-%m-%d}", time=f"{local:%H:%M}", zone=local.tzname())
    same_day = local.date() == instant.date()
    utc = f"{instant:%H:%M}" if same_day else f"{instant:%Y-%m-%d %H:%M}"
    return words("when-utc", when=text, utc=utc) if local.utcoffset() else text


class _Text:
    """One notification in one language."""

    def __init__(self, calendar: Calendar, notification: Notification, words: Words) -> None:
        self._notice, self._occurrence, self._facts = notification.notice, notification.occurrence, notification.facts
        self._calendar, self._words = calendar, words
        self._game_day: GameDay | None = calendar.game_days.get(self._occurrence.game_day)
        self._zone = self._game_day.schedule.zone if self._game_day else ZoneInfo("UTC")

    def title(self) -> str:
        title = _line(self._words(f"title.{self._notice}", **self._values()))
        return title[:1].upper() + title[1:]

    def body(self) -> str:
        lines = [self._words(f"text.{self._notice}", **self._values()), ""]
        lines += [f"{label}: {_line(value)}" for label, value in self._rows() if value]
        if command := self._command():
            lines += ["", self._words(f"do.{self._notice}"), f"    {_line(command)}"]
        return without_secrets("\n".join([*lines, "", _footer(self._words)]))

    def _values(self) -> dict[str, Any]:
        """What the texts of any notice may name."""
        words, facts = self._words, self._facts
        return {
            "name": self._game_day.name if self._game_day else self._occurrence.game_day,
            "when": self._when(self._occurrence.planned_ms),
            "minutes": f"{self._game_day.worst_case_min:g}" if self._game_day else "?",
            "verdict": words.of("verdict", str(facts.get("verdict", "?"))),
            "outcome": words.of("outcome", str(facts.get("outcome", "?"))),
            "transition": words.of("transition", str(facts.get("transition", "?"))),
            "state": words.of("state", str(facts.get("state", "?"))),
            "at": self._when(facts["at_ms"]) if "at_ms" in facts else "?",
        }

    def _when(self, instant_ms: int) -> str:
        return when(self._words, instant_ms, self._zone)

    def _rows(self) -> Iterator[Row]:
        words, facts = self._words, self._facts
        game_day = self._game_day
        yield words("row.game-day"), f"{game_day.name} ({game_day.id})" if game_day else self._occurrence.game_day
        yield words("row.owner"), game_day.owner if game_day else ""
        yield words("row.planned"), self._when(self._occurrence.planned_ms)
        yield words("row.by"), words.of("by", str(facts.get("by", "")))
        yield words("row.run"), str(facts.get("run", ""))
        yield words("row.from-to"), f"{facts.get('from', '')} → {facts['to']}".strip() if "to" in facts else ""
        yield words("row.until"), self._when(facts["until_ms"]) if "until_ms" in facts else ""
        yield words("row.approvers"), ", ".join(map(str, facts.get("approvers", ())))
        yield words("row.reason"), words.say(as_it_is(facts.get("reason", "")))
        yield words("row.why"), self._why()
        yield words("row.code"), str(facts.get("code", ""))
        for one in facts.get("owed", ()):
            yield words("row.owed"), words.say(as_it_is(one))
        yield from self._figures()
        yield words("row.report"), str(facts.get("report", ""))

    def _why(self) -> str:
        """The reason; where it is a sentence of the ledger, in Japanese what its code means, and the sentence."""
        words, why = self._words, as_it_is(self._facts.get("why", ""))
        meaning = words.of("why", str(self._facts.get("code", "")), "")
        return f"{meaning} {words.quoted(why)}" if meaning and why else meaning or words.say(why)

    def _figures(self) -> Iterator[Row]:
        """The figures of the run, and how each has changed since the last comparable run."""
        words, figures, compared = self._words, self._facts.get("figures", {}), self._facts.get("compared")
        for name, value in figures.items():
            yield words.of("figure", name), words.say(as_it_is(value))
        if compared is None:
            return
        yield words("row.compared"), str(compared.get("run") or words("compared.none"))
        for name, one in compared.get("changes", {}).items():
            known = {True: "exceeds", False: "within"}.get(one.get("exceeds"), "unknown")
            change = words.say(as_it_is(one["change"]))
            yield words("row.change", figure=words.of("figure", name)), words(f"change.{known}", change=change)

    def _command(self) -> str:
        if "command" in self._facts:
            return str(self._facts["command"])
        topology = self._game_day.topology if self._game_day else None
        run = str(self._facts.get("run", ""))
        values = {
            "game_day": self._occurrence.game_day,
            "instant": self._occurrence.key.rpartition("@")[2],
            "calendar": str(self._calendar.file.absolute()),
            "run": run,
            "system": run or (str(topology.absolute()) if topology else ""),
        }
        needed = [name for _, name, _, _ in Formatter().parse(COMMANDS[self._notice]) if name]
        if not all(values[name] for name in needed):
            return ""
        return COMMANDS[self._notice].format(**{name: shlex.quote(value) for name, value in values.items()})


def _priority(notification: Notification) -> Priority:
    if notification.notice == "rollback-failed":
        return "urgent"
    is_bad = notification.facts.get("verdict", "passed") != "passed"
    return "high" if notification.notice in _HIGH or is_bad else "normal"


def _line(text: str) -> str:
    """One printable line of bounded length: facts come from experiments and services."""
    line = one_line(without_secrets(text))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _footer(words: Words) -> str:
    return words("footer", version=__version__, host=socket.gethostname())


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
