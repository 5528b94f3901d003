"""Leftovers of chaosdrill's programs on the client host, and below the topology's S3 prefix."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from chaosdrill.aws import System
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.host import delivery
from chaosdrill.client.host.pythons import CACHE
from chaosdrill.client.host.remote_program import Program

LEFT_AFTER_S = delivery.URL_LIFE_S  # the URL of an older object has expired
IN_USE_S = 60.0  # a program that was called this recently belongs to a running drill, as in `program`
PROGRAMS: Mapping[str, str] = {"load": "locust", "heartbeat": "heartbeat"}  # directory: word in its command lines
_FILES = "state.json lease owner page-secret config.json locust.log heartbeat.log records answers"
_RUN = re.compile(r"[\w.:-]{1,200}", re.ASCII)
# Prints lines of `name value`. Processes are found by the unique path of the program or of its configuration.
_LIST = """{cache}; cd "$d/{directory}" 2>/dev/null || exit 0
echo "now $(date +%s)"
for one in {files}; do [ -e "$one" ] && echo "file $one" && echo "changed $(stat -c %Y "$one")"; done
[ -f owner ] && echo "owner $(cat owner)"
[ -f state.json ] && echo "state $(cat state.json)" && pid=$(sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p' state.json)
[ -n "$pid" ] && [ -r "/proc/$pid/stat" ] && echo "keeper $(cat "/proc/$pid/stat")"
{processes}
for one in $pids; do echo "pid $one"; done
true
"""
_PROCESSES = """pids=
for one in $(grep -lF "$d/" /proc/[0-9]*/cmdline 2>/dev/null); do
  one=${{one#/proc/}}; one=${{one%/cmdline}}
  [ "$one" != $$ ] && tr '\\0' ' ' <"/proc/$one/cmdline" 2>/dev/null | grep -q {word} && pids="$pids $one"
done"""
_REMOVE = """{cache}; cd "$d/{directory}" 2>/dev/null || exit 0
[ "$(cat owner 2>/dev/null)" = {run} ] || exit 0
{processes}
[ -z "$pids" ] || kill -9 $pids 2>/dev/null
rm -rf {files}
"""


@dataclass(frozen=True)
class ProgramOnHost:
    """Contents of a program's directory on the client host.

    :param run: the run that started it; empty when its files do not say.
    :param state: its state file; empty when that is missing.
    :param is_running: whether its keeper process runs.
    :param pids: all its processes, whether or not the keeper runs.
    :param idle_s: seconds since one of its files was changed; each call changes one.
    """

    run: str
    state: Mapping[str, Any]
    is_running: bool
    pids: tuple[int, ...]
    files: tuple[str, ...]
    idle_s: float


@dataclass
class _Lines:
    """Values of the listing's lines by name."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")


def program_on_host(system: System, directory: str) -> ProgramOnHost | None:
    """Read the leftovers of a program on the client host.

    :param directory: one of :data:`PROGRAMS`.
    :returns: None when there are none.
    :raises CannotSee: when the host accepts no commands.
    """
    script = _LIST.format(cache=CACHE, directory=directory, files=_FILES, processes=_processes(directory))
    called = f"that lists what the {directory} has left there"
    found = _lines(run_on_client(system, script, called=called, reads="list-leftovers").stdout)
    pids = tuple(int(one) for one in found.all("pid") if one.isdecimal())
    if not (found.all("file") or pids):
        return None
    state = _object(found.first("state"))
    run = next((name for name in (str(state.get("run", "")), found.first("owner")) if _RUN.fullmatch(name)), "")
    changed = [float(one) for one in found.all("changed") if one.isdecimal()]
    idle_s = max(0.0, float(found.first("now") or 0) - max(changed, default=0.0))
    keeps = _start_time(found.first("keeper")) == state.get("since") not in ("", None)
    return ProgramOnHost(run, state, keeps, pids, tuple(found.all("file")), idle_s)


def remove_from_host(system: System, directory: str, run: str) -> None:
    """End a program on the client host, and remove its files except the unpacked program, which the next drill reuses.
    Has no effect when it is gone, or another run has one there.

    :param directory: one of :data:`PROGRAMS`.
    :param run: the run that it belongs to.
    """
    found = program_on_host(system, directory)
    if found is None or found.run != run:
        return
    if found.is_running:
        Program(system, str(found.state["python"]), str(found.state["app"])).ask("end", run=run)
    script = _REMOVE.format(
        cache=CACHE, directory=directory, files=_FILES, processes=_processes(directory), run=shlex.quote(run)
    )
    run_on_client(system, script, called=f"that removes what the {directory} of {run} has left there")


def removal_by_hand(found: ProgramOnHost, directory: str) -> str:
    """Return the commands that a person runs on the client host as root."""
    pids = [found.state["pid"]] if found.is_running else found.pids
    kill = f"kill {' '.join(map(str, pids))}; " if pids else ""
    return f'{kill}cd "${{XDG_CACHE_HOME:-$HOME/.cache}}/chaosdrill/{directory}" && rm -rf {" ".join(found.files)}'


def objects_below(system: System, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the objects in a folder below the topology's S3 prefix whose presigned URLs have expired.

    An object is used at once and then deleted, so one that outlives its URL was left behind.

    :param folder: ``once/`` or ``answers/``.
    :returns: key and upload time of each (UTC, ISO 8601); none when the topology names no bucket.
    """
    if not system.topology.client.s3:
        return
    client, at = delivery.place(system, folder)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=at["Bucket"], Prefix=at["Key"]):
        date = page["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        for one in page.get("Contents") or []:
            if now - one["LastModified"] >= timedelta(seconds=LEFT_AFTER_S):
                yield str(one["Key"]), one["LastModified"].astimezone(UTC).isoformat(timespec="seconds")


def remove_object(system: System, folder: str, key: str) -> None:
    """Delete an object of a folder below the topology's S3 prefix. Has no effect when it is gone.

    :raises ValueError: when the key is not in the folder.
    """
    client, at = delivery.place(system, folder)
    if not key.startswith(at["Key"]):
        raise ValueError(f"{key} is not below {at['Key']}")
    client.delete_object(Bucket=at["Bucket"], Key=key)


def _processes(directory: str) -> str:
    return _PROCESSES.format(word=PROGRAMS[directory])


def _lines(text: str) -> _Lines:
    found = _Lines()
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.values.setdefault(name, []).append(value.strip())
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _start_time(stat: str) -> str:
    """Return a process's start time from its ``/proc/PID/stat``; it distinguishes the process from a later one with the
    same ID.
    """
    words = stat.rpartition(")")[2].split()
    return words[19] if len(words) > 19 and words[0] != "Z" else ""
