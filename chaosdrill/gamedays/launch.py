"""Starts the process of a drill so that it outlives the tick that starts it, and waits for nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from chaosdrill.gamedays.calendar import Calendar, Occurrence
from chaosdrill.paths import ensure_directory, home

CLAIM_VARIABLE = "CHAOSDRILL_CLAIM"  # the token of the claim, for the process that runs its drill
SYSTEMD = Path("/run/systemd/system")
_WITHIN_S = 10.0  # how long it takes at most to find out whether systemd makes scopes


def launch(calendar: Calendar, occurrence: Occurrence, token: str) -> None:
    """Start ``chaosdrill gameday run`` for an occurrence that was claimed.

    systemd ends everything that a service has started when the service ends: a tick that runs in one starts the drill
    in a scope of its own. Elsewhere a session of its own is enough.

    :raises OSError: when the process cannot be started, or its log cannot be written.
    :source: https://www.freedesktop.org/software/systemd/man/latest/systemd-run.html
    """
    command = [*_scope(occurrence), *run_command(calendar, occurrence)]
    log = str(directory_of(occurrence) / "run.log")
    streams = [(0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)]
    os.posix_spawn(
        command[0],
        command,
        {**os.environ, CLAIM_VARIABLE: token},
        file_actions=[*((os.POSIX_SPAWN_OPEN, *one, 0o600) for one in streams), (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,
    )


def run_command(calendar: Calendar, occurrence: Occurrence) -> list[str]:
    """Return the command that runs the drill of an occurrence."""
    instant = occurrence.key.rpartition("@")[2]
    here = [sys.executable, "-m", "chaosdrill.cli", "gameday", "run", occurrence.game_day]
    return [*here, "--occurrence", instant, "--calendar", str(calendar.file.absolute())]


def directory_of(occurrence: Occurrence) -> Path:
    """Return the directory with what the processes of an occurrence print, in chaosdrill's home; it is made."""
    return ensure_directory(occurrences_directory() / name_of_directory(occurrence))


def occurrences_directory() -> Path:
    """Return the directory that has one for each occurrence; it may not exist."""
    return home() / "gamedays" / "occurrences"


def name_of_directory(occurrence: Occurrence) -> str:
    """Return the name of an occurrence's directory."""
    instant = occurrence.key.rpartition("@")[2].replace(":", "")
    return f"{occurrence.game_day}-{instant}"


def _scope(occurrence: Occurrence) -> Sequence[str]:
    """Return what makes a scope of systemd for a command; nothing where the tick is in no service of systemd."""
    systemd_run = shutil.which("systemd-run")
    if not (os.environ.get("INVOCATION_ID") and SYSTEMD.is_dir() and systemd_run):
        return ()
    user = () if os.getuid() == 0 else ("--user",)
    scope = (systemd_run, *user, "--scope", "--quiet", "--collect")
    if not _makes_scopes(scope):
        return ()
    return (*scope, f"--description=chaosdrill game day {occurrence.key}")


def _makes_scopes(scope: Sequence[str]) -> bool:
    try:
        done = subprocess.run([*scope, "true"], capture_output=True, timeout=_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
