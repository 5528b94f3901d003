"""The load on the client host on SSM's bad days: bursts of failures are survived, what never works is given up, and
what is half done is said. The other actions: ``test_aws_side_faults``.
"""

import base64
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from chaosdrill.aws import ssm, system_of
from chaosdrill.client import load_generator as seam
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.host import remote_program, ssm_locust
from chaosdrill.client.host.ssm_locust import find_on_host
from chaosdrill.client.load_generator import load_generator
from chaosdrill.history import OpenDrill
from chaosdrill.load.actions import change_load, start_load, stop_load
from chaosdrill.load.probes import load_health, requests_per_s
from chaosdrill.page_guard import NEW_KEY
from tests.contract import load_rig
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, drill
from tests.contract.load_rig import Target, target
from tests.contract.ssm_rig import BUCKET, BURST, KINDS, break_ssm, burst, hits, hurried, mend
from tests.failing import fails_with
from tests.waiting import LONG_S, wait_for

pytestmark = pytest.mark.long

SLOW_TO_STOP = """
    def on_stop(self):
        import time
        time.sleep(6)
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with hurried(tmp_path_factory) as one:
        yield one


@pytest.fixture(scope="module")
def clients() -> Iterator[Target]:
    with target() as one:
        yield one


@pytest.fixture(scope="module")
def configuration(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The same for all tests: one Locust is brought there and started, and is taken by the next test."""
    path = tmp_path_factory.mktemp("topology") / "topology.json"
    made = rig.other_topology(path, client=rig.client_host(run="ssm", s3=BUCKET))
    yield made
    mend(rig)
    seam.end_load_generator(made)


@pytest.fixture
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_rig.script(tmp_path_factory.mktemp("script"))


@pytest.fixture
def one_drill(rig: Rig, tmp_path: Path) -> Iterator[OpenDrill]:
    with drill(tmp_path, "the-run") as one:
        yield one
    mend(rig)


def started(clients: Target, script: Path, configuration: dict[str, Any], users: int = 2) -> dict[str, Any]:
    done: dict[str, Any] = start_load(users, 10, clients.url, str(script), within_s=120, configuration=configuration)
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_the_load_starts_though_five_calls_fail(
    rig: Rig,
    clients: Target,
    script: Path,
    configuration: dict[str, Any],
    one_drill: OpenDrill,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    burst(rig, kind, monkeypatch)
    assert started(clients, script, configuration)["users"] == 2
    assert hits(rig) == [BURST, BURST]
    assert load_generator(configuration).state().user_count == 2


def test_the_host_that_is_named_wins_over_the_topology(
    rig: Rig, clients: Target, script: Path, configuration: dict[str, Any], one_drill: OpenDrill, tmp_path: Path
) -> None:
    topology = yaml.safe_load(Path(configuration["topology"]).read_text())
    sent = {**topology.pop("heartbeat"), "region_header": "X-Served-By"}
    clients.region_header, clients.regions = "X-Served-By", {"GET": OSAKA}
    nobody = {**topology["client"], "instance_id": "i-0123456789abcdef0", "region": OSAKA}
    given = {"configuration": rig.other_topology(tmp_path / "t.json", heartbeat=sent, **{**topology, "client": nobody})}
    with fails_with("ssm-agent-offline"):
        start_load(2, 10, clients.url, str(script), **given)
    here = {"region": "home", "instance_id": topology["client"]["instance_id"]}
    assert start_load(2, 10, clients.url, str(script), within_s=120, **here, **given)["users"] == 2
    assert change_load(3, 10, **given)["after"]["users"] == 3, "it is known where it is"
    assert requests_per_s(1, region="standby", **given) > 0, "by the header that the topology names"
    with fails_with("client-host-differs"):
        load_health(instance_id="i-0123456789abcdef0", **given)
    seam._own.clear()  # as in another process of the same drill
    assert load_health(**here, **given)["users"] == 3
    assert stop_load(**here, **given)["done"] is True


@pytest.mark.parametrize("kind", ["server-error", "lost-answer"])
def test_the_load_is_changed_though_five_calls_fail(
    rig: Rig, clients: Target, script: Path, configuration: dict[str, Any], one_drill: OpenDrill, kind: str
) -> None:
    started(clients, script, configuration)
    break_ssm(rig, kind, "SendCommand", BURST)
    break_ssm(rig, kind, "GetCommandInvocation", BURST)
    assert change_load(3, 10, configuration=configuration)["after"]["users"] == 3
    assert hits(rig) == [BURST, BURST]


def test_a_load_that_cannot_be_changed_is_told_as_it_is(
    rig: Rig, clients: Target, script: Path, configuration: dict[str, Any], one_drill: OpenDrill
) -> None:
    started(clients, script, configuration)
    break_ssm(rig, "server-error", "SendCommand")
    with fails_with("locust-unreachable"):
        change_load(3, 10, configuration=configuration)
    mend(rig)
    assert load_generator(configuration).state().user_count == 2


def test_a_command_whose_end_nobody_tells_is_given_up_and_named(
    rig: Rig, configuration: dict[str, Any], one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssm, "_REPORTED_WITHIN_S", 0.5)
    break_ssm(rig, "server-error", "GetCommandInvocation")
    with fails_with("half-done") as told:
        run_on_client(system_of(configuration), "true", timeout_s=1)
    assert re.search("[0-9a-f-]{36} on i-", str(told.value)), "the command and its host"


def test_the_load_stops_though_five_calls_fail(
    rig: Rig, clients: Target, script: Path, configuration: dict[str, Any], one_drill: OpenDrill
) -> None:
    started(clients, script, configuration)
    break_ssm(rig, "lost-answer", "SendCommand", BURST)
    break_ssm(rig, "throttling", "GetCommandInvocation", BURST)
    assert stop_load(configuration=configuration)["state"] == "stopped"
    assert hits(rig) == [BURST, BURST]
    assert (one_drill.directory / "locust.log").exists()


def test_users_that_are_slow_to_stop_are_waited_for(
    rig: Rig, clients: Target, configuration: dict[str, Any], one_drill: OpenDrill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssm_locust, "ANSWER_WITHIN_S", 2.0)
    slow = load_rig.script(one_drill.directory, load_rig.TWO_CALLS + SLOW_TO_STOP)
    started(clients, slow, configuration)
    assert stop_load(configuration=configuration)["state"] == "stopped"


@pytest.mark.parametrize("kind", ["server-error", "reset"])
def test_a_load_that_cannot_be_stopped_is_told_and_can_be_stopped_again(
    rig: Rig, clients: Target, script: Path, configuration: dict[str, Any], one_drill: OpenDrill, kind: str
) -> None:
    started(clients, script, configuration)
    break_ssm(rig, kind, "SendCommand")
    with fails_with("half-done") as told:
        stop_load(configuration=configuration)
    assert rig.lab.topology["client"]["instance_id"] in str(told.value)
    mend(rig)
    assert load_generator(configuration).state().user_count == 2, "it went on"
    assert stop_load(configuration=configuration)["done"] is True
    assert find_on_host(system_of(configuration)) is None


def test_a_locust_that_does_not_answer_at_first_and_cannot_be_ended_is_told_and_ended_by_stop_load(
    rig: Rig, clients: Target, script: Path, configuration: dict[str, Any], one_drill: OpenDrill
) -> None:
    begun = remote_program.started

    def then_break(*given: Any, **named: Any) -> Any:
        found = begun(*given, **named)
        break_ssm(rig, "server-error", "SendCommand")
        return found

    with pytest.MonkeyPatch.context() as here:
        here.setattr("chaosdrill.client.host.ssm_locust.started", then_break)
        with fails_with("cleanup-failed"):
            start_load(2, 10, clients.url, str(script), within_s=1, configuration=configuration)
    mend(rig)
    assert stop_load(configuration=configuration)["done"] is True
    assert find_on_host(system_of(configuration)) is None


def test_a_drill_that_cannot_end_its_locust_says_so(
    rig: Rig,
    clients: Target,
    script: Path,
    configuration: dict[str, Any],
    one_drill: OpenDrill,
    caplog: pytest.LogCaptureFixture,
) -> None:
    started(clients, script, configuration)
    break_ssm(rig, "server-error", "SendCommand")
    seam.DrillLoad(configuration, None).end()
    (told,) = [row.getMessage() for row in caplog.records if row.levelname == "ERROR"]
    assert all(name in told for name in (rig.lab.topology["client"]["instance_id"], "stop_load"))


def test_a_locust_whose_start_nobody_answers_is_told_and_ended_by_stop_load(
    rig: Rig, clients: Target, script: Path, configuration: dict[str, Any], one_drill: OpenDrill
) -> None:
    started(clients, script, configuration)  # all is there then
    stop_load(configuration=configuration)
    asked = remote_program.Program.ask

    def lose_the_answer(self: remote_program.Program, command: str, *given: Any, **named: Any) -> Any:
        if command == "start":
            break_ssm(rig, "lost-answer", "SendCommand")
        return asked(self, command, *given, **named)

    with pytest.MonkeyPatch.context() as here:
        here.setattr(remote_program.Program, "ask", lose_the_answer)
        with fails_with("half-done"):
            started(clients, script, configuration)
    mend(rig)
    wait_for(lambda: find_on_host(system_of(configuration)))  # it is being started all the same
    assert stop_load(configuration=configuration)["done"] is True
    assert find_on_host(system_of(configuration)) is None


def words_of_commands(rig: Rig) -> str:
    """:returns: every word of every SSM command, and what it says where it is packed."""
    said = []
    for page in rig.lab.client("ssm", TOKYO).get_paginator("list_commands").paginate():
        for word in " ".join(one for each in page["Commands"] for one in each["Parameters"]["commands"]).split():
            said.append(word)
            with suppress(ValueError, zlib.error):
                said.append(zlib.decompress(base64.b64decode(word)).decode("latin-1"))
    return "\n".join(said)


def test_the_secret_of_its_page_stays_on_the_client_host(
    rig: Rig, clients: Target, script: Path, configuration: dict[str, Any], one_drill: OpenDrill
) -> None:
    started(clients, script, configuration)
    generator = load_generator(configuration)
    assert isinstance(generator, ssm_locust.SsmLoadGenerator)
    kept = Path(os.environ["XDG_CACHE_HOME"]) / "chaosdrill" / "load" / "page-secret"
    secret, url = kept.read_text(), f"http://127.0.0.1:{generator.locust.port}"
    assert (kept.stat().st_mode & 0o777, len(secret)) == (0o600, 43)
    for path in ("/stop", "/swarm", NEW_KEY):
        assert requests.post(url + path, timeout=LONG_S).status_code == 403, "whoever is on that host"
    said = words_of_commands(rig)
    assert '"path": "/swarm"' in said
    assert secret not in said
    assert secret not in "".join(path.read_text() for path in (kept.parent / "state.json", one_drill.history.path))
    address = urlsplit(next(word for word in generator.page_access().split() if "key=" in word).rstrip(","))
    entered = f"{url}{address.path}?{address.query}"
    with requests.Session() as person:
        person.get(entered, timeout=LONG_S)
        assert person.post(f"{url}/stop", headers={"Origin": url}, timeout=LONG_S).json()["success"]
    assert requests.get(entered, timeout=LONG_S).status_code == 403, "it works once"
