"""Game days as units of systemd: a timer and a service for each, for the rescue of each system, and for the tick.

:source: https://www.freedesktop.org/software/systemd/man/latest/systemd.timer.html and
    https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from chaosdrill.gamedays.due_occurrence import DUE
from chaosdrill.gamedays.exports.cluster import (
    CALENDAR_VARIABLE,
    LONGEST_TICK_S,
    rescue_arguments,
    run_arguments,
    tick_arguments,
)
from chaosdrill.gamedays.exports.plan import MARK, Export

SECRETS_FILE = "/etc/chaosdrill/secrets.env"
_MINUTELY = ("*-*-* *:*:00",)
_STOP_S = 60


def render_files(export: Export, command: Path, user: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Write the units.

    :param command: the absolute path of chaosdrill's command.
    :param user: whom the services run as.
    :param settings: environment variables of the services, such as ``CHAOSDRILL_HOME``.
    :returns: the text of each file, by its name.
    """
    known = _Common(export, command, user, settings)
    units: dict[str, str] = {}
    for one in export.game_days:
        what, arguments = f"Game day {one.game_day.name}", run_arguments(one.game_day.id, DUE)
        units |= known.pair(f"chaosdrill-gameday-{one.game_day.id}", what, arguments, one.expressions, one.worst_case_s)
    for path in export.topologies:
        arguments = rescue_arguments(str(path.absolute()))
        units |= known.pair(_name(path), f"Rescue of {path.name}", arguments, _MINUTELY, _STOP_S)
    return units | known.pair(
        "chaosdrill-tick", "Tick of the game days", tick_arguments(), _MINUTELY, _STOP_S, LONGEST_TICK_S
    )


def _name(path: Path) -> str:
    digest = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:8]
    return f"chaosdrill-rescue-{re.sub(r'[^A-Za-z0-9_.-]+', '-', path.stem)}-{digest}"


class _Common:
    """What all units have in common."""

    def __init__(self, export: Export, command: Path, user: str, settings: Mapping[str, str]) -> None:
        calendar = export.calendar.file.absolute()
        self._command, self._user, self._place = command, user, calendar.parent
        self._environment = {CALENDAR_VARIABLE: str(calendar), **settings}
        self._has_secrets = bool(export.secrets)

    def pair(
        self,
        name: str,
        what: str,
        arguments: Sequence[str],
        expressions: Iterable[str],
        stop_s: int,
        longest_s: int | None = None,
    ) -> dict[str, str]:
        """Write a timer and its service.

        :param stop_s: how long rollbacks may last when the service is stopped, in seconds.
        :param longest_s: after how many seconds it is ended; None: never.
        """
        return {
            f"{name}.timer": _unit(what, "Timer", _timer(expressions), "timers.target"),
            f"{name}.service": _unit(what, "Service", self._service(arguments, stop_s, longest_s)),
        }

    def _service(self, arguments: Sequence[str], stop_s: int, longest_s: int | None) -> list[tuple[str, str]]:
        """Describe a process that is started once, and that has time to roll back when it is stopped."""
        command = " ".join(map(_quoted, [str(self._command), *arguments]))
        return [
            ("Type", "exec"),
            ("User", self._user),
            ("WorkingDirectory", str(self._place).replace("%", "%%")),
            *(("Environment", _quoted(f"{name}={value}", "")) for name, value in self._environment.items()),
            *([("EnvironmentFile", SECRETS_FILE)] if self._has_secrets else []),
            ("ExecStart", command),
            ("Restart", "no"),
            # the drill has a session of its own, and rolls back whatever becomes of the process that waits for it
            ("KillMode", "process"),
            ("OOMPolicy", "continue"),
            ("TimeoutStopSec", str(stop_s)),
            *([] if longest_s is None else [("RuntimeMaxSec", str(longest_s))]),
        ]


def _timer(expressions: Iterable[str]) -> list[tuple[str, str]]:
    """Describe a timer that is exact to the second, and that makes up for nothing: what was missed, a tick decides."""
    return [*(("OnCalendar", one) for one in expressions), ("AccuracySec", "1s"), ("Persistent", "no")]


def _unit(what: str, section: str, settings: Iterable[tuple[str, str]], wanted_by: str = "") -> str:
    description = " ".join(what.split()).replace("%", "%%")
    lines = [MARK, f"[Unit]\nDescription=chaosdrill: {description}\n\n[{section}]"]
    lines += [f"{name}={value}" for name, value in settings]
    if wanted_by:
        lines += [f"\n[Install]\nWantedBy={wanted_by}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str, dollar: str = "$") -> str:
    """Quote a word of a setting: specifiers begin with ``%``, and variables of ``ExecStart=`` with ``$``.

    :source: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", f"{dollar}$")
    return f'"{escaped}"' if re.search(r"[^\w@:./=+,%-]", text) else escaped
