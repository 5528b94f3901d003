"""What activities see and do where the clients are: on the real lab's client host, with real packets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chaoslib.exceptions import ActivityFailed

from chaosdrill.client.load_generator import load_generator
from chaosdrill.dns.probes import addresses, answering_region, answers_agree, ttl_s
from chaosdrill.errors import CannotSee
from chaosdrill.history import OpenDrill
from chaosdrill.load.actions import start_load, stop_load
from chaosdrill.load.probes import failures, requests_per_s
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss
from chaosdrill.packet_loss.probes import fault_landed
from chaosdrill.routing.actions import set_routing
from tests.contract.activities_rig import OSAKA, TOKYO, drill
from tests.failing import fails_with
from tests.running_lab import RunningLab, needs
from tests.waiting import wait_for

WINDOW_S = 5.0


@pytest.fixture
def configuration(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(lab.home))  # where the secret of Locust's page is
    return {"topology": str(lab.home / "lab" / "topology.yaml")}


@pytest.fixture
def load(configuration: dict[str, Any]) -> Iterator[None]:
    """Ten users at work for a window's length, so that there is a baseline."""
    start_load(10, 10, "http://api.example.com", configuration=configuration)
    generator = load_generator(configuration)
    since_s = generator.state().now_s
    wait_for(lambda: generator.window(since_s, since_s + WINDOW_S).complete, bool, "the baseline")
    yield
    stop_load(configuration=configuration)


@pytest.fixture
def one_drill(tmp_path: Path, configuration: dict[str, Any]) -> Iterator[OpenDrill]:
    """A drill whose fault is healed."""
    with drill(tmp_path) as one:
        yield one
        heal_packet_loss(configuration=configuration)


def landed(configuration: dict[str, Any], within_s: float) -> bool:
    return fault_landed(within_s, WINDOW_S, WINDOW_S, configuration=configuration)


def test_the_client_host_resolves_the_serving_region(configuration: dict[str, Any]) -> None:
    assert addresses(configuration=configuration) == ["10.100.5.165", "10.100.9.84"]
    assert answering_region(configuration=configuration) == TOKYO


def test_what_a_region_answered_is_known_by_its_addresses(
    configuration: dict[str, Any], one_drill: OpenDrill, load: None
) -> None:
    """The lab's application names no region, as the sample's does not."""
    assert failures(1, 10, region="home", configuration=configuration) == 0
    assert requests_per_s(1, region="standby", configuration=configuration) == 0


@needs("dig")
def test_the_client_host_knows_how_long_it_may_keep_the_answer(configuration: dict[str, Any]) -> None:
    assert 0 < ttl_s(seen_from="client", configuration=configuration) <= 6


@needs("dig")
def test_the_client_host_asks_a_name_server_that_is_named_as_well_as_its_own(configuration: dict[str, Any]) -> None:
    asked = {"seen_from": "client", "nameserver": "10.100.0.2", "configuration": configuration}
    assert addresses(**asked) == ["10.100.5.165", "10.100.9.84"]
    assert answering_region(**asked) == TOKYO
    assert answers_agree(["client", "10.100.0.2"], configuration=configuration) is True
    with fails_with("client-command-failed"):  # a web server, and no name server
        addresses(**{**asked, "nameserver": "10.100.5.165"})


def test_sources_of_a_region_that_the_client_does_not_resolve_are_refused(configuration: dict[str, Any]) -> None:
    set_routing("standby", configuration=configuration)
    try:
        assert answering_region(within_s=10, expected="standby", configuration=configuration) == OSAKA
        with fails_with("sources-not-in-region"):
            inject_packet_loss(sources="home", configuration=configuration)
    finally:
        set_routing("home", configuration=configuration)
    assert answering_region(within_s=10, expected="home", configuration=configuration) == TOKYO


@pytest.mark.usefixtures("load")
def test_loss_is_seen_to_land(configuration: dict[str, Any], one_drill: OpenDrill) -> None:
    assert inject_packet_loss(configuration=configuration)["sources"] == ["10.100.5.165", "10.100.9.84"]
    assert landed(configuration, 30) is True
    effect = one_drill.history.events("fault-effect")[-1]
    assert effect["judgement"]["drops_rose"] is True
    assert effect["window"]["p90_ms"] > 2 * effect["baseline"]["p90_ms"]


@pytest.mark.long
@pytest.mark.usefixtures("load")
def test_a_fault_that_hits_nobody_does_not_land(configuration: dict[str, Any], one_drill: OpenDrill) -> None:
    inject_packet_loss(sources="10.100.99.99", configuration=configuration)
    assert landed(configuration, 8) is False
    effects = one_drill.history.events("fault-effect")
    assert [effect["judgement"]["drops_rose"] for effect in effects] == [False] * len(effects)
    assert len(effects) >= 2, "one window after the other"


def with_drop_counter(configuration: dict[str, Any], path: Path, command: str | None) -> dict[str, Any]:
    """A configuration whose topology names another command that prints the drops, or none."""
    topology = yaml.safe_load(Path(configuration["topology"]).read_text())
    topology["packet_loss"] = {} if command is None else {"drop_counter_command": command}
    topology["aws"]["config_file"] = str(Path(configuration["topology"]).parent / topology["aws"]["config_file"])
    path.write_text(yaml.safe_dump(topology))
    return {"topology": str(path)}


@pytest.mark.long
@pytest.mark.usefixtures("load")
def test_without_a_drop_counter_the_latency_alone_tells(
    configuration: dict[str, Any], one_drill: OpenDrill, tmp_path: Path
) -> None:
    uncounted = with_drop_counter(configuration, tmp_path / "topology.yaml", None)
    inject_packet_loss(configuration=uncounted)
    assert landed(uncounted, 30) is True
    assert one_drill.history.events("fault-effect")[-1]["judgement"]["drops_rose"] is None


@pytest.mark.long
@pytest.mark.usefixtures("load")
def test_a_drop_counter_that_cannot_be_read_makes_it_blind(
    configuration: dict[str, Any], one_drill: OpenDrill, tmp_path: Path
) -> None:
    unreadable = with_drop_counter(configuration, tmp_path / "topology.yaml", "echo many")
    inject_packet_loss(configuration=unreadable)
    with fails_with("drop-counter-unreadable"):
        landed(unreadable, 30)


def test_without_load_nothing_can_be_seen(configuration: dict[str, Any], one_drill: OpenDrill) -> None:
    inject_packet_loss(configuration=configuration)
    with pytest.raises(ActivityFailed) as blind:
        landed(configuration, 1)
    assert isinstance(blind.value.__cause__, CannotSee)
    assert blind.value.__cause__.code in ("too-few-requests", "load-window-incomplete")
