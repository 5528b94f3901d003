"""The pages that a drill serves, Locust's and the heartbeat's, and those that should not use them."""

import json
import logging
import os
import pty
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from chaosdrill.client import locust_page
from chaosdrill.client.load_generator import LoadGenerator, end_load_generator, open_load_generator
from chaosdrill.client.local_heartbeat import LocalHeartbeat
from chaosdrill.load.page_access import show_page_access
from chaosdrill.page_guard import NEW_KEY, SECRET_HEADER, SECRET_VARIABLE
from tests.contract import load_rig
from tests.contract.activities_rig import drill
from tests.contract.load_records_rig import STEADY
from tests.failing import fails_with
from tests.waiting import LONG_S

FORM = {"user_count": "1", "spawn_rate": "1", "host": "http://127.0.0.1:9"}
PRINTS_ITS_ENVIRONMENT = (
    STEADY
    + """
import os
with open("environment", "w") as file:
    file.write(repr(dict(os.environ)))
"""
)
NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def generator(run: Path) -> Iterator[LoadGenerator]:
    """A Locust that a drill has started on this machine."""
    configuration = {"topology": str(load_rig.write_topology(run / "topology.yaml"))}
    with drill(run):
        script = load_rig.script(run, PRINTS_ITS_ENVIRONMENT)
        yield open_load_generator(configuration, None, str(script), LONG_S)
        end_load_generator(configuration)


def secret_of(generator: LoadGenerator) -> str:
    return locust_page._logins[generator.url].secret


def runs(generator: LoadGenerator) -> bool:
    return generator.state().state in ("running", "spawning")


def test_the_drill_itself_starts_and_stops_a_test(generator: LoadGenerator) -> None:
    generator.swarm(1, 10, "http://127.0.0.1:9")
    load_rig.wait_for(lambda: runs(generator), bool, "the test")
    generator.stop()
    load_rig.wait_for(lambda: runs(generator), lambda on: not on, "its end")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/swarm"),
        ("POST", "/stop"),
        ("GET", "/stop"),
        ("POST", "/stats/reset"),
        ("POST", "/user"),
        ("POST", "/chaosdrill/user-classes"),
        ("POST", NEW_KEY),
        ("GET", "/chaosdrill/records"),
        ("GET", "/logs"),
        ("OPTIONS", "/swarm"),
        ("PUT", "/"),
    ],
)
def test_without_secret_and_cookie_locusts_page_is_read_only(generator: LoadGenerator, method: str, path: str) -> None:
    for headers in ({}, {SECRET_HEADER: "x" * 43}, {"Cookie": "chaosdrill-00000000=x"}):
        answer = requests.request(method, generator.url + path, data=FORM, headers=headers, timeout=LONG_S)
        assert answer.status_code == 403
        assert not answer.cookies
    assert not runs(generator)


@pytest.mark.parametrize("path", ["/", "/stats/requests", "/stats/report", "/exceptions", "/chaosdrill/window"])
def test_the_bare_address_is_read(generator: LoadGenerator, path: str) -> None:
    answer = requests.get(generator.url + path, timeout=LONG_S)
    assert answer.status_code == 200
    assert not answer.cookies
    assert secret_of(generator) not in answer.text
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8089", "10.0.0.1"])
def test_a_name_that_was_bound_to_this_machine_is_not_served(generator: LoadGenerator, host: str) -> None:
    headers = {"Host": host, SECRET_HEADER: secret_of(generator)}
    assert requests.get(generator.url, headers=headers, timeout=LONG_S).status_code == 403
    assert requests.post(f"{generator.url}/swarm", data=FORM, headers=headers, timeout=LONG_S).status_code == 403
    assert not runs(generator)


def test_a_url_lets_one_browser_in_once(generator: LoadGenerator) -> None:
    url = generator.one_time_url()
    with requests.Session() as person, requests.Session() as other:
        assert person.get(url, timeout=LONG_S).status_code == 200, "led to the page"
        (cookie,) = person.cookies
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "Strict"
        assert other.get(url, timeout=LONG_S).status_code == 403, "it was opened before"
        assert not other.cookies
        assert person.get(url, timeout=LONG_S).status_code == 200, "in the same browser it does no harm"
        own, foreign = {"Origin": generator.url}, {"Origin": "http://127.0.0.1:9999"}
        assert person.post(f"{generator.url}/swarm", data=FORM, headers=foreign, timeout=LONG_S).status_code == 403
        assert person.post(f"{generator.url}{NEW_KEY}", headers=own, timeout=LONG_S).status_code != 200
        assert person.post(f"{generator.url}/swarm", data=FORM, headers=own, timeout=LONG_S).json()["success"]
        assert person.post(f"{generator.url}/stop", headers=own, timeout=LONG_S).json()["success"]
    load_rig.wait_for(lambda: runs(generator), lambda on: not on, "its end")


def test_the_secret_is_in_no_argument_no_record_and_no_environment_of_the_load_script(
    generator: LoadGenerator, run: Path
) -> None:
    secret, url = secret_of(generator), generator.one_time_url()
    (locust,) = load_rig.processes_with("locust")
    assert secret in locust.environ().values(), "the way that it is handed over"
    assert not [word for word in locust.cmdline() if secret in word]
    assert secret not in (run / "environment").read_text()
    assert SECRET_VARIABLE not in (run / "environment").read_text()
    written = b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert secret.encode() not in written
    assert urlsplit(url).query.removeprefix("key=").encode() not in written


def as_nobody(look: Callable[[], Any]) -> Any:
    """:returns: what a function returns to another user of this machine."""
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(theirs, json.dumps(look()).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return json.loads(said)


def is_readable(path: str) -> bool:
    with suppress(OSError):
        return bool(Path(path).read_bytes())
    return False


@needs_root
def test_another_user_of_the_machine_reads_the_page_and_nothing_else(generator: LoadGenerator) -> None:
    (locust,) = load_rig.processes_with("locust")

    def look() -> dict[str, Any]:
        asked = [("GET", "/"), ("POST", "/swarm"), ("GET", "/chaosdrill/records"), ("POST", "/stop"), ("POST", NEW_KEY)]
        return {
            "uid": os.getuid(),
            "status": [requests.request(one, generator.url + path, timeout=30).status_code for one, path in asked],
            "readable": [is_readable(f"/proc/{locust.pid}/{name}") for name in ("cmdline", "environ")],
        }

    assert as_nobody(look) == {"uid": NOBODY, "status": [200, 403, 403, 403, 403], "readable": [True, False]}


def test_another_process_of_this_user_is_told_why_it_is_refused(generator: LoadGenerator) -> None:
    locust_page.forget_logins()
    secret = secret_of_environment()
    try:
        stranger = LoadGenerator(generator.url)
        assert stranger.state().state
        with fails_with("locust-page-guarded"):
            stranger.swarm(1, 1, "http://127.0.0.1:9")
        assert not stranger.one_time_url()
        assert not stranger.is_open_to_strangers()
    finally:
        locust_page.forget_logins()
        locust_page.give_secret(generator.url, secret)


def secret_of_environment() -> str:
    (locust,) = load_rig.processes_with("locust")
    return locust.environ()[SECRET_VARIABLE]


class TestWhatIsPrinted:
    def test_on_a_terminal_the_url_and_nowhere_else(
        self, generator: LoadGenerator, monkeypatch: pytest.MonkeyPatch, run: Path
    ) -> None:
        ours, theirs = pty.openpty()
        logger, log = logging.getLogger("chaostoolkit"), logging.FileHandler(run / "chaostoolkit.log")
        with open(theirs, "w") as terminal:
            screen = logging.StreamHandler(terminal)
            monkeypatch.setattr(logger, "handlers", [log, screen])
            show_page_access(generator)
            printed = os.read(ours, 10_000).decode()
        os.close(ours)
        log.close()
        (url,) = [word for word in printed.split() if "key=" in word]
        assert requests.get(url, timeout=LONG_S, allow_redirects=False).status_code == 303
        assert "key=" not in (run / "chaostoolkit.log").read_text()

    def test_elsewhere_nothing(self, generator: LoadGenerator, monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
        with (run / "captured").open("w") as captured:
            monkeypatch.setattr(logging.getLogger("chaostoolkit"), "handlers", [logging.StreamHandler(captured)])
            monkeypatch.setattr(sys, "stderr", captured)
            show_page_access(generator)
        assert not (run / "captured").read_text()


def test_a_locust_that_is_open_to_strangers_is_warned_about_and_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with load_rig.locust(tmp_path, load_rig.script(tmp_path, STEADY)) as attached, drill(tmp_path) as one_drill:
        caplog.set_level(logging.WARNING, "chaostoolkit")
        logging.getLogger("chaostoolkit").propagate = True
        show_page_access(attached)
        assert [event["url"] for event in one_drill.history.events("load-page-open")] == [attached.url]
        assert [record for record in caplog.records if record.levelno == logging.WARNING]
        assert requests.post(f"{attached.url}/stop", timeout=LONG_S).status_code == 200


@pytest.fixture(scope="module")
def heartbeat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHeartbeat]:
    records = tmp_path_factory.mktemp("heartbeat") / "records"
    records.mkdir()
    with load_rig.target() as target, drill(records.parent):
        settings: dict[str, Any] = {"run": "r", "url": target.url, "nameserver": None, "accounts": None}
        settings |= {"read": {"method": "GET", "path": "/"}, "write": None}
        made = LocalHeartbeat(settings, records)
        try:
            made.wait_until_it_beats(LONG_S)
            yield made
        finally:
            made.end()


class TestHeartbeat:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/stop"),
            ("POST", "/burst"),
            ("POST", "/settlement"),
            ("POST", "/read-back?label=x&within_s=1"),
            ("GET", "/records?file=beats.jsonl"),
            ("OPTIONS", "/stop"),
        ],
    )
    @pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {SECRET_HEADER: "x" * 43}])
    def test_it_obeys_only_who_has_started_it(
        self, heartbeat: LocalHeartbeat, method: str, path: str, headers: dict[str, str]
    ) -> None:
        answer = requests.request(method, heartbeat.page.url + path, headers=headers, timeout=LONG_S)
        assert answer.status_code == 403
        assert heartbeat.page.state()["state"] == "running"

    def test_everybody_reads_how_it_beats_but_no_other_page(self, heartbeat: LocalHeartbeat) -> None:
        url = f"{heartbeat.page.url}/state"
        assert json.loads(requests.get(url, timeout=LONG_S).text)["state"] == "running"
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert requests.get(url, headers=headers, timeout=LONG_S).status_code == 403

    def test_the_secret_is_in_no_argument_and_no_file(self, heartbeat: LocalHeartbeat) -> None:
        secret = heartbeat.page._session.headers[SECRET_HEADER]
        (process,) = load_rig.processes_with("chaosdrill.heartbeat")
        config = Path(process.cmdline()[-1])
        assert not [word for word in process.cmdline() if str(secret) in word]
        for path in (config, *heartbeat.kept.directory.parent.rglob("*")):
            with suppress(IsADirectoryError):
                assert str(secret).encode() not in path.read_bytes()
        heartbeat.page.stop(LONG_S)
