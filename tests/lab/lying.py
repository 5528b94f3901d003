"""What the tests of the lab's breaks look at: what is claimed (AWS's API, DNS), and what is so (servers, kernel)."""

import json
import shlex
import time
import uuid
from collections.abc import Iterable
from typing import Any

import boto3

from chaosdrill.lab import endpoint_page
from chaosdrill.lab.plan import HOME, STANDBY, LabPlan, RegionPlan
from tests.running_lab import RunningLab
from tests.waiting import wait_for

AT_REST = ((HOME, "false"), (STANDBY, "true"))
FLAG = {"PK": {"S": "stopFlag"}}
FAILOVER, FAILBACK = "FailoverStateMachine", "FailbackStateMachine"

# sends [method, address, path, account, body] one after the other, prints [status, text] of each
_AUTHORITATIVE = """
import sys
import dns.message, dns.query
answer = dns.query.udp(dns.message.make_query(sys.argv[1], "A"), sys.argv[2], timeout=5)
print(*(item.address for one in answer.answer for item in one))
"""
_CALLS = """
import http.client, json, sys
answers = []
for method, address, path, account, body in json.loads(sys.argv[1]):
    connection = http.client.HTTPConnection(address, 80, timeout=5)
    try:
        connection.request(method, path, body and json.dumps(body), {"X_ACCOUNT_ID": account})
        answer = connection.getresponse()
        answers.append([answer.status, answer.read().decode()])
    except OSError as error:
        answers.append([0, type(error).__name__])
    finally:
        connection.close()
print(json.dumps(answers))
"""


class Looks:
    """Both sides of a running lab."""

    def __init__(self, lab: RunningLab) -> None:
        self.lab = lab
        self.plan = LabPlan.load(lab.home / "lab" / "plan.json")
        self._clients: dict[tuple[str, str, str], Any] = {}

    def begin(self, name: str, **options: Any) -> dict[str, Any]:
        """Break it, as the command line does."""
        written = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        self.lab.run("lab", "break", name, *written)
        found: dict[str, Any] = self.lab.call("breaks")[-1]
        assert (found["name"], found["in_force"]) == (name, True)
        return found

    def mend(self) -> None:
        """Mend it, as the command line does."""
        self.lab.call("breaks.clear")
        endpoint_page.ask(self.plan, "DELETE", "/chaosdrill/faults")

    # What is claimed ------------------------------------------------------------------------------------------------

    def aws(self, service: str, region: RegionPlan = STANDBY, url: str = "") -> Any:
        """:returns: a client of the lab's AWS."""
        reached = (service, region.name, url or self.plan.aws_url_on_host)
        if reached not in self._clients:
            user = self.plan.access.user
            keys = {"aws_access_key_id": user.id, "aws_secret_access_key": user.secret}
            self._clients[reached] = boto3.client(service, region.name, endpoint_url=reached[2], **keys)
        return self._clients[reached]

    def flag(self, region: RegionPlan) -> str:
        """:returns: a region's stop flag as it is written."""
        item = self.aws("dynamodb", region).get_item(TableName=region.flag_table, Key=FLAG)["Item"]
        return str(item["value"]["S"])

    def set_flag(self, region: RegionPlan, value: str) -> int:
        """:returns: the HTTP status of the write."""
        item = {**FLAG, "value": {"S": value}}
        answer = self.aws("dynamodb", region).put_item(TableName=region.flag_table, Item=item)
        return int(answer["ResponseMetadata"]["HTTPStatusCode"])

    def writers(self) -> list[str]:
        """:returns: the regions that DescribeGlobalClusters says write, none while the writer moves."""
        (cluster,) = self.aws("rds").describe_global_clusters()["GlobalClusters"]
        if cluster["Status"] != "available":
            return []
        return [one["DBClusterArn"].split(":")[3] for one in cluster["GlobalClusterMembers"] if one["IsWriter"]]

    def connected(self, region: RegionPlan) -> bool:
        """:returns: whether the writer can be moved to a region: its cluster is not being rebuilt."""
        (cluster,) = self.aws("rds").describe_global_clusters()["GlobalClusters"]
        members = {one["DBClusterArn"].split(":")[3]: one for one in cluster["GlobalClusterMembers"]}
        return bool(members[region.name]["SynchronizationStatus"] == "connected")

    def move_writer(self, region: RegionPlan, lossy: bool = False) -> None:
        """Switch over, or fail over with data loss, and wait until the API says that it is done."""
        rds = self.aws("rds", region)
        (cluster,) = rds.describe_global_clusters()["GlobalClusters"]
        arns = [one["DBClusterArn"] for one in cluster["GlobalClusterMembers"]]
        wait_for(lambda: self.connected(region))
        rds.failover_global_cluster(
            GlobalClusterIdentifier=cluster["GlobalClusterIdentifier"],
            TargetDbClusterIdentifier=next(arn for arn in arns if region.name in arn),
            AllowDataLoss=lossy,
        )
        wait_for(self.writers)

    def routing(self) -> dict[str, str]:
        """:returns: ARC's states by the controls' names."""
        controls = self._arc().list_routing_controls()["RoutingControls"]
        return {one["RoutingControlName"]: one["RoutingControlState"] for one in controls}

    def route_to(self, region: RegionPlan) -> None:
        """Switch the routing controls."""
        controls = self._arc().list_routing_controls()["RoutingControls"]
        wanted = [
            {
                "RoutingControlArn": one["RoutingControlArn"],
                "RoutingControlState": "On" if one["RoutingControlName"].endswith(region.city) else "Off",
            }
            for one in controls
        ]
        self._arc().update_routing_control_states(UpdateRoutingControlStateEntries=wanted)

    def _arc(self) -> Any:
        cluster = self.aws("route53-recovery-control-config").list_clusters()["Clusters"][0]
        endpoint = self.aws("route53-recovery-control-config").describe_cluster(ClusterArn=cluster["ClusterArn"])
        [url] = [one["Endpoint"] for one in endpoint["Cluster"]["ClusterEndpoints"] if one["Region"] == HOME.name]
        return self.aws("route53-recovery-cluster", HOME, url)

    def run_machine(self, prefix: str) -> str:
        """Run a state machine to its end.

        :returns: the execution's ARN; its status must be SUCCEEDED.
        """
        states = self.aws("stepfunctions")
        machines = states.list_state_machines()["stateMachines"]
        arn = next(one["stateMachineArn"] for one in machines if one["name"].startswith(prefix))
        execution = str(states.start_execution(stateMachineArn=arn)["executionArn"])

        def ended() -> str | None:
            try:
                status = str(states.describe_execution(executionArn=execution)["status"])
            except states.exceptions.ExecutionDoesNotExist:  # not yet
                return None
            return None if status == "RUNNING" else status

        assert wait_for(ended) == "SUCCEEDED"
        return execution

    # What is so -----------------------------------------------------------------------------------------------------

    def calls(self, requests: Iterable[tuple[str, RegionPlan, str, str, Any]]) -> list[tuple[int, Any]]:
        """Send requests from the client host: method, region, path, account, body.

        :returns: status and answer of each; status 0 when there was none.
        """
        typed = [
            [method, r.load_balancer_addresses[0], path, account, body] for method, r, path, account, body in requests
        ]
        answers = json.loads(self.on_client("-c", _CALLS, json.dumps(typed)))
        return [(status, json.loads(text) if text.startswith("{") else text) for status, text in answers]

    def on_client(self, *arguments: str) -> str:
        """:returns: what a Python on the client host prints."""
        done = self.lab.call("client.run", command=shlex.join(["python", *arguments]), timeout_s=25)
        assert done["exit_code"] == 0, done["stderr"]
        return str(done["stdout"])

    def deposit(self, prefix: str, count: int, region: RegionPlan = HOME) -> list[str]:
        """Deposit 100 on each of ``count`` accounts.

        :returns: the ids of the transactions, all accepted.
        """
        made = [("POST", region, "/transaction/deposit", f"{prefix}-{n}", {"quantity": 100}) for n in range(count)]
        answers = self.calls(made)
        assert {status for status, _ in answers} == {200}, answers
        return [answer["transactionId"] for _, answer in answers]

    def truth(self, region: RegionPlan | None = None) -> dict[str, dict[str, Any]]:
        """:returns: what the region's databases say, by id."""
        found = self.lab.call("truth", region=region.name if region else "")
        return dict(found["transactions"])

    def settled(self, ids: Iterable[str], region: RegionPlan | None = None) -> dict[str, dict[str, Any]]:
        """Wait until none of them is pending.

        :returns: the truth then.
        """
        wanted = list(ids)

        def done() -> dict[str, dict[str, Any]] | None:
            found = self.truth(region)
            pending = [one for one in wanted if found.get(one, {}).get("status") == "status#pending"]
            return None if pending else found

        found: dict[str, dict[str, Any]] = wait_for(done)
        return found

    def roles(self) -> dict[str, str]:
        """:returns: what each database server says it is."""
        regions = self.lab.call("database.status")["regions"]
        return {region: facts["role"] for region, facts in regions.items()}

    def addresses(self) -> set[str]:
        """:returns: the domain's addresses as the authoritative server gives them."""
        return set(self.on_client("-c", _AUTHORITATIVE, self.plan.domain, self.plan.services_address).split())

    # Rest -----------------------------------------------------------------------------------------------------------

    def go_home(self) -> None:
        """Mend everything, and put everything back where a lab begins."""
        self.mend()
        wait_for(lambda: "down" not in self.roles().values())
        if self.writers() != [HOME.name]:
            wait_for(lambda: sorted(self.roles().values()) == ["primary", "standby"])
            self.move_writer(HOME)
        changed = [region for region, value in AT_REST if self.flag(region) != value]
        for region, value in AT_REST:
            if region in changed:
                self.set_flag(region, value)
        if self.routing()["rc-tokyo"] != "On" or self.routing()["rc-osaka"] != "Off":
            self.route_to(HOME)
        if changed:
            self.until_open(HOME)

    def until_open(self, region: RegionPlan) -> None:
        """Wait until a region's application believes that it is open."""
        time.sleep(self.plan.flag_cache_s)
        unknown = f"/transaction/{uuid.uuid4()}"
        wait_for(lambda: self.calls([("GET", region, unknown, "nobody", None)])[0][0] == 404)
