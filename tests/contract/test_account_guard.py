"""No drill reaches an account that its topology does not allow, whatever the user's environment says."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.aws import system_of
from chaosdrill.failover.actions import fail_over
from chaosdrill.packet_loss.actions import inject_packet_loss
from chaosdrill.region.probes import region_state
from chaosdrill.routing.actions import set_routing
from chaosdrill.stop_flag.actions import set_stop_flag
from chaosdrill.stop_flag.probes import stop_flag
from tests.contract.activities_rig import OSAKA, TOKYO, Rig, drill, outside
from tests.failing import fails_with
from tests.unit.test_sessions import HOSTILE


class Elsewhere(http.server.ThreadingHTTPServer):
    """Where the user's environment leads: nothing may ever arrive here."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Arrival)
        self.arrived: list[str] = []


class Arrival(http.server.BaseHTTPRequestHandler):
    server: Elsewhere

    def do_POST(self) -> None:
        self.server.arrived.append(self.requestline)
        self.send_error(500)

    do_GET = do_PUT = do_CONNECT = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    server = Elsewhere()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_lab_drill_stays_in_the_lab_whatever_the_environment_says(
    rig: Rig, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.go_home()
    url = f"http://127.0.0.1:{elsewhere.server_address[1]}"
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, url if "ENDPOINT_URL" in name or "PROXY" in name else value)
    for service in ("DYNAMODB", "SFN", "ROUTE53_RECOVERY_CLUSTER", "FIS", "IAM", "SSM", "EC2"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
    configuration = rig.other_topology(tmp_path / "topology.yaml", version=1)  # a reach of its own: no cached client
    with drill(tmp_path):
        assert region_state(configuration=configuration) == f"serving({TOKYO})"
        assert set_stop_flag("standby", False, configuration=configuration)["done"] is True
        assert set_stop_flag("standby", True, configuration=configuration)["done"] is True
        inject_packet_loss(sources="10.100.5.165", configuration=configuration)
        assert fail_over(configuration=configuration)["status"] == "SUCCEEDED"
    assert elsewhere.arrived == []


def test_an_account_that_is_not_allowed_is_refused_before_anything_changes(rig: Rig, tmp_path: Path) -> None:
    rig.go_home()
    configuration = rig.other_topology(tmp_path / "topology.yaml", accounts=["999999999999"])
    assert stop_flag("home", configuration=configuration) is False, "looking is allowed"
    with drill(tmp_path):
        with fails_with("account-not-allowed"):
            set_stop_flag("home", True, configuration=configuration)
        with fails_with("account-not-allowed"):
            set_routing("standby", configuration=configuration)
        with fails_with("account-not-allowed"):
            fail_over(configuration=configuration)
        with fails_with("account-not-allowed") as refused:
            inject_packet_loss(sources="10.100.5.165", configuration=configuration)
    assert all(one in str(refused.value) for one in ("profile chaosdrill-lab", "123456789012", "999999999999"))
    assert region_state(configuration=rig.configuration) == f"serving({TOKYO})"
    assert stop_flag(OSAKA, configuration=rig.configuration) is True


def test_a_role_is_taken_on_where_the_configuration_says_so(rig: Rig) -> None:
    rig.go_home()
    configuration = {**rig.configuration, "aws_assume_role_arn": "arn:aws:iam::123456789012:role/drill"}
    who = system_of(configuration).client("sts", TOKYO).get_caller_identity()["Arn"]
    assert who == "arn:aws:sts::123456789012:assumed-role/drill/chaosdrill"
    assert set_stop_flag("standby", False, configuration=configuration)["done"] is True
    rig.go_home()


@pytest.mark.parametrize("changes", [{}, {"target": "aws", "time_scale": 1}])
def test_nothing_is_changed_without_a_drill_unless_it_is_written(
    rig: Rig, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """On the lab as on AWS."""
    rig.go_home()
    configuration = rig.other_topology(tmp_path / "topology.yaml", **changes)
    with outside():
        with pytest.raises(ActivityFailed) as refused:
            set_stop_flag("standby", False, configuration=configuration)
        assert refused.value.__cause__.codes == ("no-drill-open",)  # type: ignore[union-attr]
        assert set_stop_flag("standby", False, standalone=True, configuration=configuration)["done"] is True
    rig.go_home()
