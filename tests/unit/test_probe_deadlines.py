"""A probe whose endpoint never answers ends one request's own timeout after the time that it may wait."""

import inspect
import json
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Optional

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.activity import probe
from chaosdrill.aws import deadlines, read_coalescing, sessions
from chaosdrill.aws.deadlines import ending, extended, one_of_several, within
from chaosdrill.client import resolve
from chaosdrill.errors import CannotSee
from tests.further import first_of
from tests.unit.test_deadlines import Mute, took_s
from tests.unit.test_topology import RIGHT

REQUEST_S, READ_S, LEAST_S = 1.0, 0.7, 0.3
WITHIN_S = 0.5
BUSY_S = 25.0  # for making a dozen clients on a busy machine; without an end the tries of one call alone take 32 s
NAMES = json.loads((Path(__file__).parents[1] / "contract" / "discovery.json").read_text())
PROBES = sorted(name for name, described in NAMES.items() if described["type"] == "probe")
ARGUMENTS: dict[str, Any] = {
    **{"region": "home", "alarm": "canary", "cluster": "app", "service": "transaction", "name": "fault"},
    **{"window_s": 0.1, "baseline_window_s": 0.1, "timeout_s": 0.1, "seen_from": "client"},
}
FACTS, STATE = "chaosdrill.region.probes.region_facts", "chaosdrill.region.probes.region_state"
COUNTS = "chaosdrill.routing.probes.cluster_endpoints_reachable"
ANY_REGION = (
    COUNTS,
    "chaosdrill.routing.probes.active_routing_region",
)  # the cluster has no endpoint in the home region


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"REQUEST_S": REQUEST_S, "READ_S": READ_S, "LEAST_S": LEAST_S}.items():
        monkeypatch.setattr(deadlines, name, value)
    monkeypatch.setattr(read_coalescing, "_resources", {})
    monkeypatch.setattr(read_coalescing, "EVERY_S", 0.05)
    monkeypatch.setattr(read_coalescing, "GRACE_S", 0.0)
    monkeypatch.setattr(sessions, "_clients", {})
    monkeypatch.setattr(sessions, "_sessions", {})
    monkeypatch.setattr(resolve, "LOOKUP_S", LEAST_S)


@pytest.fixture
def mute() -> Iterator[Mute]:
    server = Mute()
    yield server
    server.close()


@pytest.fixture
def configuration(mute: Mute, tmp_path: Path) -> dict[str, str]:
    """A topology whose every part is where nobody answers."""
    text = RIGHT.replace("https://a.example/v1", mute.url).replace("https://b.example/v1", mute.url + "/2")
    (tmp_path / "config").write_text("[profile one]\naws_access_key_id = a\naws_secret_access_key = b\n")
    text += f"aws: {{profile: one, config_file: config, endpoint_url: '{mute.url}'}}\n"
    text += "dns: {nameserver: 127.0.0.1, port: 9}\n"
    text += "main_table: MainTable\n"
    (tmp_path / "topology.yaml").write_text(text.replace("http://127.0.0.1:8089/", mute.url))
    return {"topology": str(tmp_path / "topology.yaml")}


def called(name: str, within_s: float, configuration: dict[str, str]) -> Callable[[], Any]:
    module, _, function = name.rpartition(".")
    act = getattr(import_module(module), function)
    wanted = inspect.signature(act).parameters
    given = {key: value for key, value in (ARGUMENTS | {"within_s": within_s}).items() if key in wanted}
    if name in ANY_REGION:
        del given["region"]
    return lambda: act(**given, configuration=configuration)


def result_of(look: Callable[[], Any]) -> Any:
    """:returns: what a probe returned, or the error behind its ``ActivityFailed``."""
    try:
        return look()
    except ActivityFailed as error:
        return error.__cause__


@pytest.mark.parametrize("within_s", first_of([WITHIN_S, 0.0]))
@pytest.mark.parametrize("name", [one for one in PROBES if ".load." not in one and ".heartbeat." not in one])
def test_a_probe_that_is_not_answered_ends_at_its_deadline(
    mute: Mute, configuration: dict[str, str], name: str, within_s: float
) -> None:
    look = called(name, within_s, configuration)

    def looked() -> None:
        if name == COUNTS:
            assert look() == 0, "that none can be reached is what it measures"
        elif name == FACTS:
            assert all("error" in fact for name, fact in look().items() if name != "region")
        else:
            found = result_of(look)
            assert isinstance(found, CannotSee) or (name, found) == (STATE, "unknown")

    waits_s = within_s + sum(ARGUMENTS[one] for one in ("window_s", "baseline_window_s") if "fault_landed" in name)
    waits_s += ARGUMENTS["timeout_s"] if name.endswith("automatic_failover") else 0
    assert took_s(looked) < waits_s + REQUEST_S + BUSY_S


def test_what_may_take_longer_has_its_own_time(mute: Mute) -> None:
    """A command on the client host has the time that it was given, from when it was sent."""
    with ending(0.1), extended(5.0):
        assert 4.0 < deadlines.ends_s() - time.monotonic() <= 5.0 or not deadlines.over()
    with within(100), extended(1.0):
        assert deadlines.ends_s() - time.monotonic() > 99, "without an end nothing changes"


def test_several_endpoints_share_what_is_left() -> None:
    with ending(10.0):
        for left, share_s in ((5, 2.0), (2, 5.0), (1, 10.0)):
            with one_of_several(left):
                assert deadlines.ends_s() - time.monotonic() == pytest.approx(share_s, abs=0.5)
        with one_of_several(1), ending(60.0):
            assert deadlines.ends_s() - time.monotonic() <= 10.0, "an end inside another one only shortens"


def test_a_call_that_begins_at_the_end_has_no_time_left() -> None:
    with ending(0.0):
        assert deadlines.ends_s() <= time.monotonic()
        assert deadlines.over()


def test_threads_that_are_told_so_have_the_same_end() -> None:
    with ending(0.0):
        over = deadlines.carried(deadlines.over)
    assert over()
    assert not deadlines.over()


@pytest.mark.parametrize(("within_s", "waits_s"), [(4, 4), ("4", 4), (None, 0)])
def test_the_time_that_a_probe_may_wait_is_what_its_argument_says(within_s: Any, waits_s: float) -> None:
    @probe
    def look(within_s: Optional[float] = None) -> float:
        return deadlines.ends_s() - time.monotonic()

    assert look(within_s) == pytest.approx(waits_s + REQUEST_S, abs=0.5)
