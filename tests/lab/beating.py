"""A heartbeat on a lab's client host, without a drill around it."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from chaosdrill.page_guard import SECRET_HEADER, SECRET_VARIABLE
from tests.lab.lying import Looks
from tests.waiting import LONG_S, wait_for

SECRET = "a-secret-of-this-page"
_ASK = """
import sys, urllib.request
method, url, name, secret = sys.argv[1:]
request = urllib.request.Request(url, method=method, headers={name: secret})
print(urllib.request.urlopen(request, timeout=20).read().decode())
"""


class Beating:
    """A heartbeat that runs; its records are in ``run / "records"``."""

    def __init__(self, looks: Looks, run: Path, url: str, process: "subprocess.Popen[bytes]") -> None:
        self._looks = looks
        self._url = url
        self._process = process
        self.run = run

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """Ask its page."""
        words = (method, f"{self._url}{path}", SECRET_HEADER, SECRET)
        found: dict[str, Any] = json.loads(self._looks.on_client("-c", _ASK, *words))
        return found

    def read_back(self, label: str, within_s: float) -> dict[str, Any]:
        """Let it read back what it has written, and wait for the result."""
        self.ask("POST", f"/read-back?label={label}&within_s={within_s:g}")

        def done() -> dict[str, Any] | None:
            found = self.ask("GET", f"/read-back?label={label}")
            return found if found["state"] == "done" else None

        found: dict[str, Any] = wait_for(done)
        return found

    def stop(self) -> None:
        """End it in order; its records are complete then."""
        self.ask("POST", "/stop")
        self._process.terminate()
        self._process.wait(LONG_S)


@contextmanager
def beating(looks: Looks, run: Path, writes: bool = True) -> Iterator[Beating]:
    """Start one against the application, as the lab's topology describes it.

    :param run: does not exist yet; becomes a link to a directory in the client host's home.
    """
    there = looks.plan.directory / "home" / f"beating-{time.time_ns()}"
    records = there / "records"
    records.mkdir(parents=True)
    run.symlink_to(there)
    (run / "config.json").write_text(json.dumps(_config(looks, records, writes)))
    started = looks.lab.entering("python", "-m", "chaosdrill.heartbeat", str(there / "config.json"))
    environment = started["env"] | {SECRET_VARIABLE: SECRET}
    with (run / "log").open("wb") as log:
        process = subprocess.Popen(started["args"], env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        page = wait_for(lambda: re.search(r"page: (http://\S+)", (run / "log").read_text()))
        yield Beating(looks, run, page[1].rstrip("/"), process)
    finally:
        process.terminate()
        process.wait(LONG_S)


def _config(looks: Looks, records: Path, writes: bool) -> dict[str, Any]:
    section = yaml.safe_load(looks.plan.topology_file.read_text())["heartbeat"]
    accounts = section["accounts"]
    names = [f"{accounts['prefix']}{time.time_ns()}-{number:05d}" for number in range(accounts["count"])]
    described = {name: section[name] if writes else None for name in ("write", "settled", "balance")}
    return {
        "run": records.parent.name,
        "url": f"http://{looks.plan.domain}",
        "nameserver": None,
        "deadline_s": section["deadline_s"],
        "timeout_s": 5.0,
        "rate_per_s": section["rate_per_s"],
        "region_header": "X-Region",
        "max_s": 3600.0,
        "directory": str(records),
        "page_fd": None,
        "lifeline_fd": None,
        "read": section["read"],
        **described,
        "accounts": names,
    }
