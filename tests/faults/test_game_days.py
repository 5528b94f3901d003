"""Two game days that cron starts, unattended: the second drill is killed, and `rescue --when-stale` goes home."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from chaosdrill.history import read_history
from tests import drills
from tests.faults.rescue_rig import Elsewhere, nothing_is_owed_at_home
from tests.running_lab import CHAOSDRILL, RunningLab, needs
from tests.small_drills import REPOSITORY
from tests.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

WITHIN_S = 900.0
# a cron of the test's own: it sees this crontab and no other, and ends with the process
OWN_CRON = """\
mount -t tmpfs none /var/spool/cron/crontabs && mount -t tmpfs none /etc/cron.d && mount -t tmpfs none /run
mount --bind /dev/null /etc/crontab
install -m 600 "$1" /var/spool/cron/crontabs/root
exec cron -f
"""


class Received(BaseHTTPRequestHandler):
    """Accepts every notification, and keeps it."""

    notices: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.notices.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    notices: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Receiver", (Received,), {"notices": notices}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", notices
    server.shutdown()
    server.server_close()


def calendar(directory: Path, topology: Path, receiver: str, times: dict[str, datetime]) -> Path:
    """Write a calendar with one game day for each of the times."""
    shared = {
        "owner": "sre@example.com",
        "experiment": str(drills.FAILOVER),
        "topology": str(topology),
        "window": {"earliest": "00:00", "latest_end": "00:00"},
        "worst_case_min": 3,
        "variables": {"scale": 0.1, "window_s": 5, "spawn_rate": 10, "heartbeat_rate": 5.0},
        "notify": ["here"],
    }
    game_days = {
        name: {**shared, "schedule": {"zone": "UTC", "times": [f"{at:%Y-%m-%dT%H:%M}"]}} for name, at in times.items()
    }
    path = directory / "gamedays.yaml"
    channels = {"here": {"kind": "webhook", "url": receiver, "signing_key": {"secret": "HERE_KEY"}}}
    path.write_text(yaml.safe_dump({"version": 1, "game_days": game_days, "channels": channels}))
    return path


@contextmanager
def cron(directory: Path, lines: list[str], **variables: str) -> Iterator[None]:
    """Run the lines each minute, in an environment with nothing but the variables."""
    crontab = directory / "crontab"
    settings = [f"{name}={value}" for name, value in variables.items()]
    crontab.write_text("\n".join([*settings, *lines, ""]))
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", OWN_CRON, "sh", str(crontab)]
    with subprocess.Popen(command) as process:
        try:
            yield
            assert process.poll() is None, "cron has ended"
        finally:
            process.kill()


@needs("cron", "unshare")
@pytest.mark.skipif(os.getuid() != 0, reason="cron of its own needs root")
def test_two_unattended_drills_one_of_them_killed(
    own_lab: RunningLab, tmp_path: Path, elsewhere: Elsewhere, receiver: tuple[str, list[dict[str, Any]]]
) -> None:
    topology = Path(shutil.copy(own_lab.plan.topology_file, tmp_path / "topology.yaml"))
    now = datetime.now(UTC)
    times = {"first": now + timedelta(minutes=2), "second": now + timedelta(minutes=6)}
    path = calendar(tmp_path, topology, receiver[0], times)

    def gameday(*words: str) -> Any:
        command = [*CHAOSDRILL, "gameday", *words, "--calendar", str(path), "--json"]
        return json.loads(subprocess.run(command, env=own_lab.environment, capture_output=True, check=True).stdout)

    def outcomes() -> dict[str, str]:
        return {one["game_day"]: one["outcome"] for one in gameday("history")["entries"]}

    tick, rescue = (
        f"* * * * * cd {tmp_path} && {shlex.join([*CHAOSDRILL, *words])} >> {tmp_path / words[0]}.log 2>&1"
        for words in (["gameday", "tick", "--calendar", str(path)], ["rescue", str(topology), "--when-stale"])
    )
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "HERE_KEY": "whsec_" + "a2V5" * 8}
    with cron(tmp_path, [tick, rescue], CHAOSDRILL_HOME=str(own_lab.home), **variables):
        wait_for(outcomes, lambda found: found.get("first") == "ran", "the first game day", within_s=WITHIN_S)
        killed = wait_for(lambda: drill_in_the_standby(own_lab), what="the second drill", within_s=WITHIN_S)
        os.killpg(killed, signal.SIGKILL)
        wait_for(outcomes, lambda found: found.get("second") == "died", "the record of its death", within_s=WITHIN_S)
        wait_for(lambda: json.loads(elsewhere("status").stdout)["owed"], lambda owed: not owed, "a rescue", WITHIN_S)
        wait_for(lambda: notices(receiver[1]), lambda found: {("first", "finished"), ("second", "died")} <= set(found))
    nothing_is_owed_at_home(own_lab, elsewhere)
    first, second = sorted(one.name for one in (own_lab.home / "runs").iterdir() if one.is_dir())
    compared = own_lab.run("compare", first, second, "--json", check=False)
    assert second in compared.stdout + compared.stderr, "the run that was killed is named"
    assert [name for name, notice in notices(receiver[1]) if notice == "started"] == ["first", "second"]
    assert outcomes() == {"first": "ran", "second": "died"}


def notices(received: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """List the game day and the notice of everything that was received, in order."""
    return [(one["data"]["game_day"], one["data"]["notice"]) for one in received]


def drill_in_the_standby(lab: RunningLab) -> int | None:
    """Return the process group of a drill that has failed over; None when there is none."""
    for path in lab.home.glob("runs/*/history.jsonl"):
        events = read_history(path)
        ended = {row["activity"] for row in events if row["event"] == "activity-ended"}
        if "fail-over" not in ended or "fail-back" in ended:
            continue
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "chaostoolkit" in words and process.environ().get("CHAOSDRILL_HOME") == str(lab.home):
                return os.getpgid(process.pid)
    return None
