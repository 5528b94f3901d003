"""Locust's page of a drill in a real browser: a person drives it, another web page does not."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from chaosdrill.client.load_generator import LoadGenerator, end_load_generator, open_load_generator
from tests.chromium import needs_chromium, started_chromium
from tests.contract import load_rig
from tests.contract.activities_rig import drill
from tests.waiting import LONG_S, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = [pytest.mark.long, needs_chromium]

REBOUND = "rebound.example"  # a name of another one's domain that leads to this machine
FORM = """
<title>begun</title>
<form id="form" method="post" action="{target}/swarm" target="frame">
<input name="user_count" value="5"><input name="spawn_rate" value="5"><input name="host" value="{victim}">
</form>
<iframe name="frame"></iframe>
<script>
const went = [];
const form = new URLSearchParams(new FormData(document.getElementById("form")));
const options = {{method: "POST", credentials: "include", body: form}};
const reply = (response) => went.push(response.status);
async function attack() {{
  for (const more of [{{}}, {{mode: "no-cors"}}])
    for (const path of ["/swarm", "/stats/reset", "/chaosdrill/new-key"])
      await fetch("{target}" + path, {{...options, ...more}}).then(reply, () => went.push("error"));
  await fetch("{target}/stats/requests", {{credentials: "include"}}).then(reply, () => went.push("error"));
  document.querySelector("iframe").onload = () => document.title = "done " + JSON.stringify(went);
  document.getElementById("form").submit();
}}
attack();
</script>
"""


@pytest.fixture(scope="module")
def browser() -> Iterator["BrowserContext"]:
    with started_chromium(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1") as context:
        yield context


@pytest.fixture(scope="module")
def victim() -> Iterator[load_rig.Target]:
    with load_rig.target() as server:
        yield server


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadGenerator]:
    run = tmp_path_factory.mktemp("run")
    configuration = {"topology": str(load_rig.write_topology(run / "topology.yaml"))}
    with drill(run):
        yield open_load_generator(configuration, None, str(load_rig.script(run)), LONG_S)
        end_load_generator(configuration)


class Evil(http.server.ThreadingHTTPServer):
    """Another one's web server on this machine."""

    page = ""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Evil

    def do_GET(self) -> None:
        content = self.server.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def evil() -> Iterator[Evil]:
    with Evil(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def page(browser: "BrowserContext") -> Iterator["Page"]:
    made = browser.new_page()
    yield made
    made.close()


def start(page: "Page", host: str) -> None:
    """Do in Locust's page what the runbook says."""
    page.locator("input[name=userCount]").fill("2")
    page.locator("input[name=spawnRate]").fill("2")
    page.locator("input[name=host]").fill(host)
    page.get_by_role("button", name="Start", exact=False).first.click()


def test_a_person_who_opens_the_url_once_starts_and_stops_a_test(
    generator: LoadGenerator, page: "Page", victim: load_rig.Target
) -> None:
    page.goto(generator.one_time_url())
    assert page.url == f"{generator.url}/"
    start(page, victim.url)
    wait_for(lambda: generator.state().state == "running")
    page.get_by_role("button", name="Stop", exact=False).first.click()
    wait_for(lambda: generator.state().state == "stopped")


def test_at_the_bare_address_a_test_is_seen_and_not_started(
    generator: LoadGenerator, page: "Page", victim: load_rig.Target, browser: "BrowserContext"
) -> None:
    browser.clear_cookies()
    page.goto(generator.url)
    with page.expect_response(f"{generator.url}/swarm") as answered:
        start(page, victim.url) if page.locator("input[name=userCount]").count() else page.evaluate(
            "fetch('/swarm', {method: 'POST', body: new URLSearchParams({user_count: 1, spawn_rate: 1, host: ''})})"
        )
    assert answered.value.status == 403
    assert generator.state().state != "running"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", REBOUND])
def test_a_page_of_another_origin_starts_nothing_and_reads_nothing(
    generator: LoadGenerator, page: "Page", evil: Evil, victim: load_rig.Target, name: str
) -> None:
    """Even in the browser that was let in. Another port of 127.0.0.1 is the same site: it sends the cookie along."""
    page.goto(generator.one_time_url())
    answered = victim.answered
    evil.page = FORM.format(target=generator.url, victim=victim.url)
    page.goto(f"http://{name}:{evil.server_address[1]}/")
    wait_for(lambda: page.title().startswith("done"))
    assert page.title() == f"done {json.dumps(['error'] * 7, separators=(',', ':'))}"
    assert generator.state().state != "running"
    assert victim.answered == answered


def test_a_name_that_was_bound_to_this_machine_reads_nothing(generator: LoadGenerator, page: "Page") -> None:
    answer = page.goto(f"http://{REBOUND}:{urlsplit(generator.url).port}/")
    assert answer is not None
    assert answer.status == 403
    assert "locust" not in page.content().lower()


def test_it_is_shown_in_no_frame(generator: LoadGenerator, page: "Page", evil: Evil) -> None:
    evil.page = f"<iframe src='{generator.one_time_url()}'></iframe>"
    page.goto(f"http://127.0.0.1:{evil.server_address[1]}/")
    page.wait_for_load_state("networkidle")
    assert not [frame for frame in page.frames[1:] if "locust" in frame.content().lower()]


def test_the_attack_works_on_a_page_that_nothing_guards(
    page: "Page", evil: Evil, victim: load_rig.Target, tmp_path: Path
) -> None:
    with load_rig.locust(tmp_path, load_rig.script(tmp_path)) as attached:
        evil.page = FORM.format(target=attached.url, victim=victim.url)
        page.goto(f"http://localhost:{evil.server_address[1]}/")
        wait_for(lambda: attached.state().state == "running")
        assert attached.is_open_to_strangers()
