"""The ``chaosdrill gameday install`` command: systemd units or a crontab line that call the tick each minute."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from chaosdrill.cli.gameday_calendar import calendar_option, read_calendar
from chaosdrill.cli.text import one_line

NAME = "chaosdrill-gameday-tick"
# KillMode: what a tick starts outlives it, also where no scope of its own can be made. AccuracySec: to the minute.
SERVICE = """[Unit]
Description=chaosdrill: one tick of the game days in {calendar}

[Service]
Type=oneshot
KillMode=process
TimeoutStartSec=300
{environment}ExecStart={command}
"""
TIMER = """[Unit]
Description=chaosdrill: the tick of the game days, each minute

[Timer]
OnCalendar=*-*-* *:*:00
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
_PASSED_ON = ("CHAOSDRILL_HOME", "CHAOSDRILL_RUNS", "CHAOSDRILL_TOPOLOGY", "CHAOSDRILL_TZ", "AWS_PROFILE", "PATH")


@click.command()
@click.option("--cron", is_flag=True, help="Print a line for crontab, and change nothing.")
@calendar_option
def install(cron: bool, calendar_file: str | None) -> None:
    """Let systemd call `chaosdrill gameday tick` each minute, on this machine.

    \b
        chaosdrill gameday install
        chaosdrill gameday install --cron | crontab -     where there is no other crontab

    It writes a service and a timer (of this user, or, for root, of the machine), and enables the timer. Without systemd
    it prints a line for crontab. CHAOSDRILL_HOME and other settings of this shell are kept in it. Removed again by
    `systemctl --user disable --now chaosdrill-gameday-tick.timer`. On a server also run `loginctl enable-linger`: a
    user's timers stop when the user logs out.

    Exit code: 0; 1 when systemd refuses; 2 when the calendar is wrong.
    """
    calendar = read_calendar(calendar_file).file.absolute()
    command = [sys.executable, "-m", "chaosdrill.cli", "gameday", "tick", "--calendar", str(calendar)]
    known = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    if cron or not _has_systemd():
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in known.items())
        line = f"* * * * * {settings} {shlex.join(command)}".replace("%", r"\%")
        click.echo(line)
        return
    place = _place()
    place.mkdir(parents=True, exist_ok=True)
    environment = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in known.items())
    text = SERVICE.format(calendar=calendar, environment=environment, command=" ".join(map(_quoted, command)))
    (place / f"{NAME}.service").write_text(text)
    (place / f"{NAME}.timer").write_text(TIMER)
    for arguments in (["daemon-reload"], ["enable", "--now", f"{NAME}.timer"]):
        done = subprocess.run([*_systemctl(), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            click.echo(one_line(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}"), err=True)
            sys.exit(1)
    click.echo(one_line(f"{place / NAME}.timer calls the tick each minute; `chaosdrill gameday check` says whether"))


def _has_systemd() -> bool:
    from chaosdrill.gamedays.launch import SYSTEMD

    is_reachable = os.getuid() == 0 or bool(os.environ.get("XDG_RUNTIME_DIR"))
    return SYSTEMD.is_dir() and is_reachable and shutil.which("systemctl") is not None


def _systemctl() -> list[str]:
    return ["systemctl", *([] if os.getuid() == 0 else ["--user"])]


def _place() -> Path:
    if os.getuid() == 0:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _quoted(text: str) -> str:
    """Return a word quoted for a unit file.

    :source: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
