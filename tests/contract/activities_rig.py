"""What the tests of the activities share: the lab's AWS endpoint, a configuration, an open drill, and the way home."""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.history import History, OpenDrill, opened
from tests.contract.lab_aws import LabAws, get
from tests.waiting import wait_for

_current: Any = importlib.import_module("chaosdrill.history.open_drill")  # the package has a function of that name
TOKYO, OSAKA = "ap-northeast-1", "ap-northeast-3"


@dataclass(frozen=True)
class Rig:
    """A running endpoint and the configuration that leads there."""

    lab: LabAws

    @property
    def configuration(self) -> dict[str, Any]:
        """What an experiment would hand to its activities."""
        return {"topology": str(self.lab.plan.topology_file)}

    def other_topology(self, path: Path, **changes: Any) -> dict[str, Any]:
        """A configuration whose topology differs from the lab's in some top-level keys."""
        path.write_text(json.dumps({**self.lab.topology, **changes}))
        return {"topology": str(path)}

    def client_host(self, **how: Any) -> dict[str, Any]:
        """The topology's ``client:``, with load coming from it in another way."""
        client = self.lab.topology["client"]
        return {"instance_id": client["instance_id"], "region": client["region"], **how}

    def flag(self, region: str, value: str | None) -> None:
        """Write a stop flag past the activities; None deletes it."""
        table, client = self.lab.topology["stop_flag"]["tables"][region], self.lab.client("dynamodb", region)
        key = {"PK": {"S": "stopFlag"}}
        if value is None:
            client.delete_item(TableName=table, Key=key)
        else:
            client.put_item(TableName=table, Item={**key, "value": {"S": value}})

    def route(self, **states: str) -> None:
        """Set routing controls past the activities: ``route(tokyo="On", osaka="Off")``."""
        routing = self.lab.topology["routing"]
        endpoint = routing["cluster_endpoints"][0]
        arns = {"tokyo": routing["controls"][TOKYO], "osaka": routing["controls"][OSAKA]}
        entries = [{"RoutingControlArn": arns[name], "RoutingControlState": state} for name, state in states.items()]
        client = self.lab.client("route53-recovery-cluster", endpoint["region"], endpoint["url"])
        client.update_routing_control_states(UpdateRoutingControlStateEntries=entries)

    def writer(self, region: str) -> None:
        """Make a region the writer past the activities."""
        database, client = self.lab.topology["database"], self.lab.client("rds")

        def described() -> Any:
            return client.describe_global_clusters(GlobalClusterIdentifier=database["global_cluster"])[
                "GlobalClusters"
            ][0]

        def connected() -> bool:
            return all(one["SynchronizationStatus"] == "connected" for one in described()["GlobalClusterMembers"])

        # a switchover that an earlier test left under way would move the writer after the look
        wait_for(lambda: described()["Status"] == "available" and connected())
        wanted = database["clusters"][region]
        if wanted not in [one["DBClusterArn"] for one in described()["GlobalClusterMembers"] if one["IsWriter"]]:
            client.switchover_global_cluster(
                GlobalClusterIdentifier=database["global_cluster"], TargetDbClusterIdentifier=wanted
            )
            wait_for(lambda: described()["Status"] == "available")

    def impair(self, region: str, impaired: bool) -> None:
        """Impair one of the five cluster endpoints, or end that."""
        _, answer = get(f"{self.lab.url}/chaosdrill/arc-endpoints/{region}", {"impaired": impaired}, "PUT")
        assert answer["impaired"] is impaired
        (self.lab.impaired.add if impaired else self.lab.impaired.discard)(region)

    def endpoint_regions(self) -> list[str]:
        """The regions of the five cluster endpoints."""
        return [one["region"] for one in self.lab.topology["routing"]["cluster_endpoints"]]

    def go_home(self) -> None:
        """Everything as it is at rest."""
        for region in tuple(self.lab.impaired):
            self.impair(region, False)
        self.flag(TOKYO, "false")
        self.flag(OSAKA, "true")
        self.route(tokyo="On", osaka="Off")
        self.lab.supervisor.refuse.clear()
        self.lab.supervisor.swap_s = 0.3
        self.writer(TOKYO)
        fis = self.lab.client("fis", TOKYO)

        def under_way() -> list[Any]:
            going_on = ("pending", "initiating", "running", "stopping")
            return [one for one in fis.list_experiments()["experiments"] if one["state"]["status"] in going_on]

        if experiments := under_way():
            for one in experiments:
                if one["state"]["status"] != "stopping":
                    fis.stop_experiment(id=one["id"])
            wait_for(lambda: not under_way())


def calls(rig: Rig) -> list[dict[str, Any]]:
    found = get(f"{rig.lab.url}/chaosdrill/calls")[1]["calls"]
    return [call for call in found if call["by"] == "chaosdrill"]


@contextmanager
def calls_of(rig: Rig) -> Iterator[list[dict[str, Any]]]:
    """The calls of the block, when it has ended."""
    before, found = len(calls(rig)), list[dict[str, Any]]()
    yield found
    found += calls(rig)[before:]


@contextmanager
def drill(directory: Path, run_id: str = "") -> Iterator[OpenDrill]:
    """An open drill for the length of the block, instead of the one that each of these tests has."""
    history = History(directory / "history.jsonl")
    try:
        with outside(), opened(OpenDrill(run_id or directory.name, directory, history)) as one:
            yield one
    finally:
        history.close()


@contextmanager
def outside() -> Iterator[None]:
    """For the length of the block no drill is open."""
    before, _current._open = _current._open, None
    try:
        yield
    finally:
        _current._open = before
