"""Web pages in a real Chromium that try to use the lab's AWS endpoint: by a form, by scripts, and by DNS rebinding."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from chaosdrill.lab.plan import HOME, STANDBY
from tests.chromium import needs_chromium, started_chromium
from tests.contract.lab_aws import ACCESS, LabAws, get

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = [pytest.mark.long, needs_chromium]

SCOPE = f"{ACCESS.user.id}/20260101/{STANDBY.name}"
MACHINE = {
    "name": "of-the-page",
    "roleArn": "arn:aws:iam::123456789012:role/any",
    "definition": json.dumps({"StartAt": "It", "States": {"It": {"Type": "Pass", "End": True}}}),
}
# a form of type text/plain sends NAME=VALUE: what makes the whole a JSON text stands on both sides
FORM = """<!doctype html><form id="f" method="post" enctype="text/plain" target="out" action="{url}"></form>
<iframe name="out"></iframe><script>
const text = document.createElement("input"); text.name = {name}; text.value = '"}}';
f.append(text); f.submit(); window.sent = true;</script>"""
SCRIPT = """async ([url, options]) => {
  try { const answer = await fetch(url, options); return [answer.type, answer.status, await answer.text()]; }
  catch (error) { return ["failed", 0, ""]; }
}"""


@pytest.fixture(scope="module")
def chromium(aws_session: LabAws) -> Iterator["BrowserContext"]:
    """Chromium, for which the attacker's names lead to this machine, as a rebinding name server would have it."""
    with started_chromium(
        "--host-resolver-rules=MAP *.evil.example 127.0.0.1",
        # newer browsers ask the user first; the endpoint must not rely on that
        "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
    ) as context:
        yield context


@pytest.fixture
def page(chromium: "BrowserContext", aws: LabAws) -> Iterator[Any]:
    """A page of the attacker's own server."""

    class Attacker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "<!doctype html><title>harmless</title>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    query = f"Action=CreateStateMachine&X-Amz-Credential={SCOPE}/states/aws4_request"
    name = json.dumps(json.dumps(MACHINE)[:-1] + ', "pad": "')
    pages = {"/form": FORM.format(url=f"{aws.url}/?{query}", name=name)}
    with ThreadingHTTPServer(("127.0.0.1", 0), Attacker) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        tab = chromium.new_page()
        tab.goto(f"http://www.evil.example:{server.server_address[1]}/")
        yield tab
        tab.close()
        server.shutdown()


def machines(aws: LabAws) -> set[str]:
    return {one["name"] for one in aws.client("stepfunctions").list_state_machines()["stateMachines"]}


def test_a_form_creates_no_state_machine(aws: LabAws, page: Any) -> None:
    answered: list[int] = []
    page.on("response", lambda response: answered.append(response.status) if aws.url in response.url else None)
    with page.expect_response(lambda response: response.url.startswith(aws.url)):
        page.goto(page.url + "form")
    assert answered == [403]
    assert "of-the-page" not in machines(aws)


def test_a_script_reads_nothing_and_sets_no_fault(aws: LabAws, page: Any) -> None:
    fault = json.dumps({"service": "dynamodb", "kind": "denied"})
    headers = {"Authorization": f"Bearer {ACCESS.token}"}  # even of one who has come to know it
    for options in (
        {"method": "PUT", "body": fault},
        {"method": "PUT", "body": fault, "headers": headers},
        {"method": "POST", "body": fault, "mode": "no-cors"},
        {"headers": headers},
    ):
        kind, _, text = page.evaluate(SCRIPT, [f"{aws.url}/chaosdrill/faults", options])
        assert (kind in ("failed", "opaque"), text) == (True, ""), options
    assert get(f"{aws.url}/chaosdrill/faults")[1]["faults"] == []


def test_a_name_that_was_rebound_makes_the_endpoint_no_origin_of_the_page(aws: LabAws, page: Any) -> None:
    here = f"http://rebound.evil.example:{aws.plan.aws_port}"
    page.route(here + "/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto(here + "/")  # from the attacker's server, to which the name led at first
    page.unroute(here + "/")
    headers = {"Authorization": f"Bearer {ACCESS.token}"}
    for path in ("/chaosdrill/faults", "/chaosdrill/calls?since=0", "/"):
        kind, status, text = page.evaluate(SCRIPT, [here + path, {"headers": headers}])
        assert (kind, status, json.loads(text or "{}").get("__type")) == ("basic", 421, "HostNotAllowed")
    flag = aws.client("dynamodb", HOME.name).get_item(TableName=HOME.flag_table, Key={"PK": {"S": "stopFlag"}})
    assert flag["Item"]["value"] == {"S": "false"}
