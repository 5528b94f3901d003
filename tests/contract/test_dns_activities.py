"""Through which resolver a domain is looked up, and whether they agree: the lab's name server, by real ``dig``."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dns.message
import dns.rcode
import pytest
from chaoslib.exceptions import ActivityFailed

from chaosdrill.aws import elb, system_of
from chaosdrill.dns.probes import addresses, answering_region, answers_agree, ttl_s
from chaosdrill.history import OpenDrill
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import running
from tests.failing import fails_with
from tests.running_lab import needs

TOKYO_S = ["10.100.5.165", "10.100.9.84"]


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


@pytest.fixture
def refusing() -> Iterator[str]:
    """A name server that answers SERVFAIL to everything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_refuse, args=(server,))
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        with suppress(OSError):  # nobody is connected, says the kernel, and wakes the thread
            server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _refuse(server: socket.socket) -> None:
    while True:
        message, client = server.recvfrom(4096)
        if not message:
            return
        reply = dns.message.make_response(dns.message.from_wire(message))
        reply.set_rcode(dns.rcode.SERVFAIL)
        server.sendto(reply.to_wire(), client)


def lab_s(rig: Rig) -> str:
    return f"127.0.0.1:{rig.lab.plan.dns_port}"


class TestNameServer:
    def test_it_wins_over_the_topology_s(self, rig: Rig, tmp_path: Path) -> None:
        silent = rig.other_topology(tmp_path / "t.yaml", dns={"nameserver": "127.0.0.1", "port": 9})
        asked = {"seen_from": "here", "nameserver": lab_s(rig), "configuration": silent}
        assert addresses(**asked) == TOKYO_S
        assert answering_region(**asked) == TOKYO
        assert ttl_s(**asked) == 1

    @needs("dig")
    def test_the_client_host_asks_it_by_dig(self, rig: Rig) -> None:
        assert addresses(nameserver=lab_s(rig), configuration=rig.configuration) == TOKYO_S
        assert ttl_s(seen_from="client", nameserver=lab_s(rig), configuration=rig.configuration) == 1
        script = rig.lab.supervisor.asked("client.run")[-1]["command"]
        assert f"dig +noall +comments +answer +time=2 +tries=2 @127.0.0.1 -p {rig.lab.plan.dns_port} " in script
        nobody = addresses("nobody.example.com", nameserver=lab_s(rig), configuration=rig.configuration)
        assert nobody == [], "no such name is an answer"

    @needs("dig")
    @pytest.mark.parametrize("seen_from", ["client", "here"])
    def test_one_that_fails_is_no_empty_answer(self, rig: Rig, refusing: str, seen_from: str) -> None:
        with fails_with("dns-response-unexpected" if seen_from == "client" else "dns-unanswered"):
            addresses(seen_from=seen_from, nameserver=refusing, configuration=rig.configuration)

    def test_without_dig_it_is_told_what_there_is(
        self, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "getent").symlink_to("/usr/bin/getent")
        monkeypatch.setattr(rig.lab.supervisor, "path", str(tmp_path))
        with fails_with("dns-tool-missing"):
            addresses(nameserver=lab_s(rig), configuration=rig.configuration)
        found = addresses("localhost", configuration=rig.configuration)
        assert found == ["127.0.0.1"], "without a name server the C library will do"
        with fails_with("dns-ttl-unknown"):
            ttl_s("localhost", seen_from="client", configuration=rig.configuration)

    def test_the_system_s_resolver_is_not_the_topology_s(self, rig: Rig) -> None:
        found: list[str] = []
        with suppress(ActivityFailed):  # this machine may have no resolver that answers
            found = addresses(seen_from="system", configuration=rig.configuration)
        assert set(found).isdisjoint(TOKYO_S)
        assert addresses(seen_from="here", configuration=rig.configuration) == TOKYO_S


class TestSeveral:
    def test_they_agree(self, rig: Rig, one_drill: OpenDrill) -> None:
        both = ["here", lab_s(rig)]
        assert answers_agree(both, seen_from="here", configuration=rig.configuration) is True
        assert addresses(seen_from="here", resolvers=both, configuration=rig.configuration) == TOKYO_S
        assert answering_region(seen_from="here", resolvers=both, configuration=rig.configuration) == TOKYO
        assert ttl_s(resolvers=both, configuration=rig.configuration) == 1
        told = one_drill.history.events("dns-answers")[0]
        assert told["answers"] == {"here": TOKYO_S, f"{lab_s(rig)} from here": TOKYO_S}

    def test_they_differ(self, rig: Rig, one_drill: OpenDrill, tmp_path: Path) -> None:
        with running(tmp_path) as another:
            other = Rig(another)
            other.route(tokyo="Off", osaka="On")
            both = {"resolvers": ["here", f"127.0.0.1:{another.plan.dns_port}"], "seen_from": "here"}
            assert answers_agree(**both, configuration=rig.configuration) is False
            assert answering_region(**both, configuration=rig.configuration) == "several"
            with fails_with("dns-answers-differ"):
                addresses(**both, configuration=rig.configuration)
            rig.route(tokyo="Off", osaka="On")
            assert answers_agree(**both, within_s=10, configuration=rig.configuration) is True
        assert [row["agree"] for row in one_drill.history.events("dns-answers")] == [False, True]

    def test_one_that_is_silent_makes_it_blind(self, rig: Rig, refusing: str) -> None:
        with fails_with("dns-unanswered"):
            answers_agree(["here", refusing], seen_from="here", configuration=rig.configuration)

    def test_what_is_written_wrong_is_told_at_once(self, rig: Rig) -> None:
        with fails_with("argument-invalid", "argument-invalid"):
            addresses(seen_from="there", resolvers=["one"], configuration=rig.configuration)


class TestWhose:
    def test_without_ranges_the_load_balancers_own_addresses_tell(self, rig: Rig, tmp_path: Path) -> None:
        balancers = {region: {"arn": one["arn"]} for region, one in rig.lab.topology["load_balancers"].items()}
        configuration = rig.other_topology(tmp_path / "t.yaml", load_balancers=balancers)
        assert answering_region(seen_from="here", configuration=configuration) == TOKYO
        rig.route(tokyo="Off", osaka="On")
        found = answering_region(seen_from="here", within_s=5, expected="standby", configuration=configuration)
        assert found == OSAKA
        own = elb.load_balancer_name(system_of(configuration), OSAKA, balancers[OSAKA]["arn"])
        assert addresses(own, "here", configuration=configuration) == ["10.101.4.37", "10.101.11.178"]
        assert answering_region(own, "here", configuration=configuration) == OSAKA

    def test_a_load_balancer_that_does_not_tell_matters_only_where_it_is_needed(self, rig: Rig, tmp_path: Path) -> None:
        arns = {region: one["arn"] for region, one in rig.lab.topology["load_balancers"].items()}
        gone = arns[OSAKA].replace("/app/", "/app/gone-")
        changed = {TOKYO: {"arn": arns[TOKYO]}, OSAKA: {"arn": gone}}
        configuration = rig.other_topology(tmp_path / "t.yaml", load_balancers=changed)
        assert answering_region(seen_from="here", configuration=configuration) == TOKYO
        rig.route(tokyo="Off", osaka="On")
        with fails_with("address-region-unknown"):
            answering_region(seen_from="here", within_s=3, expected="standby", configuration=configuration)

    def test_addresses_of_nobody_are_elsewhere(self, rig: Rig, tmp_path: Path) -> None:
        elsewhere = {region: {"cidr": "192.0.2.0/24"} for region in (TOKYO, OSAKA)}
        elsewhere[OSAKA] = {"cidr": "198.51.100.0/24"}
        configuration = rig.other_topology(tmp_path / "t.yaml", load_balancers=elsewhere)
        assert answering_region(seen_from="here", configuration=configuration) == "elsewhere"
