"""A bundle that ``chaosdrill rehearse --export`` once wrote, of a lab in place of AWS, played where there is no lab."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dnslib.server import DNSLogger, DNSServer
from dnslib.zoneresolver import ZoneResolver

from chaosdrill.aws import recorder, system_of
from chaosdrill.preflight.show import check
from chaosdrill.rehearsal import bundle
from chaosdrill.rehearsal.rehearse import rehearse
from tests.contract.activities_rig import TOKYO
from tests.drills import FAILOVER

BUNDLE = Path(__file__).with_name("bundles") / "reference.json"
ZONE = """
api.example.com. 60 A 10.100.5.165
api.example.com. 60 A 10.100.9.84
tokyo-app-1.ap-northeast-1.elb.amazonaws.com. 60 A 10.100.5.165
osaka-app-1.ap-northeast-3.elb.amazonaws.com. 60 A 10.101.4.37
"""  # DNS is asked past AWS's API, so no bundle has its answers


@pytest.fixture
def topology(tmp_path: Path) -> Iterator[Path]:
    """The bundle's, with its calls answered from it; nobody listens where it says that AWS is."""
    raw, calls = bundle.load(BUNDLE)
    server = DNSServer(ZoneResolver(ZONE), address="127.0.0.1", port=0, logger=DNSLogger("-request,-reply"))
    server.start_thread()
    told: dict[str, Any] = {"dns": {"nameserver": "127.0.0.1", "port": server.server.server_address[1]}}
    told["client"] = {**raw["client"], "url": "http://127.0.0.1:9"}
    path = tmp_path / "topology.yaml"
    path.write_text(yaml.safe_dump({**raw, **told, "aws": {"endpoint_url": "http://127.0.0.1:9"}}))
    with recorder.playing(calls):
        yield path
    server.stop()
    server.server.server_close()


def test_every_part_is_seen_again_but_the_load_which_is_none_of_aws_s(topology: Path) -> None:
    seen = check(system_of({"topology": str(topology)}))
    assert [one.what for one in seen if not one.ok] == ["Locust (attach http://127.0.0.1:9)"]
    assert {one.part for one in seen} > {"accounts", "client", "database", "failover", "routing", "stop_flag"}


def test_the_rehearsal_is_the_same_again(topology: Path) -> None:
    seen = rehearse(FAILOVER, {}, topology)
    (trouble,) = seen.in_the_way
    assert "http://127.0.0.1:9" in trouble
    assert (seen.state, seen.account) == (f"serving({TOKYO})", "000000000001")
    effects: dict[str, Any] = {one.step.name: one.effect for one in seen.steps if one.effect}
    assert effects["inject-packet-loss"].touches.endswith(" 10.100.5.165, 10.100.9.84")
    assert "FailoverStateMachine-1A2B3C4D" in effects["fail-over"].touches
    (preview,) = seen.previews
    assert preview.targets == ("arn:aws:ec2:ap-northeast-1:000000000001:instance/i-00000000000000001",)
