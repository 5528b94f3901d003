"""Reading every part of a topology once, all at the same time. Nothing is changed, and no part spoils another."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System, arc, aurora, dynamodb, ec2, elb, main_table, stepfunctions
from chaosdrill.aws.ssm import agent_status
from chaosdrill.client import resolve
from chaosdrill.client.domain import is_seen_by_clients
from chaosdrill.client.load_generator import load_generator
from chaosdrill.client.locust_page import OPEN_PAGE
from chaosdrill.errors import CannotSee, DrillError
from chaosdrill.survey.seen import Seen
from chaosdrill.topology import ClusterEndpoint


@dataclass(frozen=True)
class Look:
    """Something to read, and what to do when it cannot be."""

    part: str
    what: str
    read: Callable[[], str]
    advice: str

    def __call__(self) -> Seen:
        """:returns: what was seen; every failure becomes trouble."""
        try:
            return Seen(self.part, self.what, self.read())
        except (DrillError, ClientError, BotoCoreError, ValueError) as error:  # ValueError: an answer that is not JSON
            return Seen(self.part, self.what, "", str(error), self.advice)


def check(system: System) -> list[Seen]:
    """Read every part of the topology.

    :returns: what was seen, in the topology's order; only one row when there are no usable credentials, because nothing
        can be read without them.
    """
    if (unusable := _credentials_unusable(system)) is not None:
        return [unusable]
    looks = [
        *_account(system),
        *_flags(system),
        *_routing(system),
        *_database(system),
        *_main_table(system),
        *_machines(system),
        *_entries(system),
        *_client(system),
    ]
    with ThreadPoolExecutor(len(looks), thread_name_prefix="check") as pool:
        return list(pool.map(lambda look: look(), looks))


def _credentials_unusable(system: System) -> Seen | None:
    """The one cause that every part would report: no such profile, or credentials that are missing or expired."""
    try:
        system.account()
    except DrillError as error:
        if error.code == "account-unreadable":
            return None  # STS may be out of reach alone: its own row says so
        return Seen("aws", "credentials (no other part was read: each needs them)", "", str(error))
    return None


def _account(system: System) -> list[Look]:
    def read() -> str:
        account = system.account()
        if account not in system.topology.accounts:
            allowed = ", ".join(system.topology.accounts)
            raise CannotSee(f"the credentials belong to account {account}, and the topology allows only {allowed}")
        return f"{account}, allowed"

    return [Look("accounts", "account of the credentials", read, "use the right profile, or add it under `accounts:`")]


def _flags(system: System) -> list[Look]:
    tables = system.topology.stop_flag.tables
    advice = "allow dynamodb:GetItem, or correct `stop_flag:`"

    def flag(region: str) -> str:
        return "TRUE: closed" if dynamodb.stop_flag(system, region) else "FALSE: open"

    return [
        Look("stop_flag", f"{table} in {region}", partial(flag, region), advice) for region, table in tables.items()
    ]


def _routing(system: System) -> list[Look]:
    routing = system.topology.routing
    advice = "allow route53-recovery-cluster:GetRoutingControlState, or correct `routing:`"

    def state(endpoint: ClusterEndpoint, control: str) -> str:
        client = system.client("route53-recovery-cluster", endpoint.region, endpoint.url)
        return str(client.get_routing_control_state(RoutingControlArn=control)["RoutingControlState"])

    def states(endpoint: ClusterEndpoint) -> str:
        seen = {region: state(endpoint, control) for region, control in routing.controls.items()}
        return _shown(seen)

    return [
        Look("routing", "routing controls", lambda: _shown(arc.routing_states(system)), advice),
        *(
            Look("routing", f"cluster endpoint {one.region}", partial(states, one), advice)
            for one in routing.cluster_endpoints
        ),
    ]


def _database(system: System) -> list[Look]:
    name, clusters = system.topology.database.global_cluster, system.topology.database.clusters

    def cluster() -> str:
        found = aurora.global_cluster(system)
        if absent := [arn for arn in clusters.values() if arn not in found.members.values()]:
            raise CannotSee(
                f"{', '.join(absent)} is no member of {name}; of the topology's are: {_shown(found.members)}"
            )
        return f"{found.status}, writer {found.writer}, members {_shown(found.members)}"

    def synchronization() -> str:
        found = aurora.global_cluster(system)
        if behind := [region for region in found.members if not found.is_synchronized(region)]:
            raise CannotSee(
                f"{_shown(found.synchronization)}: the writer cannot be moved to {', '.join(behind)}; a transition "
                "that is started all the same stops half way, with every region closed"
            )
        return _shown({region: found.synchronization.get(region, "not reported") for region in found.members})

    advice = "allow rds:DescribeGlobalClusters, or correct `database:`"
    rebuilt = "wait until it is connected: Aurora rebuilds the old primary after a failover, in minutes to hours"
    return [
        Look("database", f"global cluster {name}", cluster, advice),
        Look("database", "synchronization status", synchronization, rebuilt),
    ]


def _main_table(system: System) -> list[Look]:
    name = system.topology.main_table
    if name is None:
        return []

    def replicas(region: str) -> str:
        found = main_table.replica(system, region, name)
        if system.topology.other_region(region) not in found.others:
            raise CannotSee(f"{name} in {region} is not replicated to {system.topology.other_region(region)}")
        return f"replicated to {', '.join(found.others)}{', strongly consistent' * found.strongly_consistent}"

    advice = "allow dynamodb:DescribeTable, or correct or remove `main_table:`"
    regions = system.topology.region_names
    return [Look("main_table", f"{name} in {region}", partial(replicas, region), advice) for region in regions]


def _machines(system: System) -> list[Look]:
    failover = system.topology.failover
    advice = "allow states:ListStateMachines, or correct `failover:`"

    def machine(prefix: str) -> str:
        return stepfunctions.machine_arn(system, prefix).rsplit(":", 1)[1]

    return [
        Look("failover", f"state machine {prefix} in {failover.region}", partial(machine, prefix), advice)
        for prefix in (failover.failover_prefix, failover.failback_prefix)
    ]


def _entries(system: System) -> list[Look]:
    topology = system.topology
    advice = "allow elasticloadbalancing:DescribeLoadBalancers, or correct `load_balancers:`"

    def balancer(region: str) -> str:
        one = topology.load_balancers[region]
        if one.arn is None:
            return f"addresses in {one.cidr} (no ARN is named)"
        answer = resolve.seen_here(system, elb.load_balancer_name(system, region, one.arn))
        if not answer.addresses:
            raise CannotSee(f"the load balancer {one.arn} has no addresses: is it active?")
        return ", ".join(answer.addresses) + (f" in {one.cidr}" if one.cidr else "")

    def domain() -> str:
        if is_seen_by_clients(system):  # it would take a command there
            return f"resolved on {topology.client.instance_id} only, where a rehearsal looks it up"
        addresses = resolve.seen_here(system, topology.domain).addresses
        region = resolve.answering_region(system, addresses)
        if region not in topology.region_names:
            raise CannotSee(f"{topology.domain} resolves to {', '.join(addresses) or 'nothing'}: of {region} region")
        return f"{', '.join(addresses)}: {region}"

    return [
        *(Look("load_balancers", region, partial(balancer, region), advice) for region in topology.load_balancers),
        Look(
            "domain", topology.domain, domain, "correct `domain:` or `load_balancers:`, or name a server under `dns:`"
        ),
    ]


def _client(system: System) -> list[Look]:
    host = system.topology.client

    def instance() -> str:
        found = ec2.instances(system, host.region, host.instance_id)
        state = str(found[0]["State"]["Name"]) if found else "unknown to EC2"
        return _wanted(state, "running", f"the instance is {state}")

    def agent() -> str:
        status = agent_status(system, host.instance_id, host.region)
        return _wanted(status, "Online", f"the SSM agent is {status}")

    def load() -> str:
        if host.run == "local":
            return "none yet: the drill starts its own Locust on this machine"
        if host.run == "ssm":  # which Python it has would take a command there: this only reads
            return f"none yet: the drill starts its own Locust on {host.instance_id}, delivered {_delivered(system)}"
        generator = load_generator({"topology": str(system.topology.path)})
        state, warning = generator.state(), f"; {OPEN_PAGE}" if generator.is_open_to_strangers() else ""
        return f"{state.state}, {state.user_count} users, {state.workers} workers, chaosdrill's plugin{warning}"

    name = f"{host.instance_id} in {host.region}"
    advice = "start the instance, allow ec2:DescribeInstances, or correct `client:`"
    on_ec2 = host.instance_id.startswith("i-")  # SSM manages other machines, too: mi-…
    return [
        *([Look("client", name, instance, advice)] if on_ec2 else []),
        Look(
            "client",
            "SSM agent",
            agent,
            "start the agent, allow ssm:DescribeInstanceInformation, or give the instance "
            "a profile with AmazonSSMManagedInstanceCore",
        ),
        Look(
            "client",
            f"Locust ({host.run}{' ' if host.url else ''}{host.url})",
            load,
            "allow s3:ListBucket, or correct `s3:`"
            if host.s3
            else "start Locust with chaosdrill's plugin, or forward its port, or correct the URL, or write `run: ssm`",
        ),
    ]


def _delivered(system: System) -> str:
    bucket = system.topology.client.s3.partition("/")[0]
    if not bucket:
        return "in the text of SSM commands (that takes minutes, once: a bucket under `s3:` makes it quick)"
    system.client("s3", system.topology.client.region).head_bucket(Bucket=bucket)
    return f"through the bucket {bucket}"


def _wanted(seen: str, wanted: str, trouble: str) -> str:
    if seen != wanted:
        raise CannotSee(f"{trouble}, not {wanted}")
    return seen


def _shown(by_region: Mapping[str, str]) -> str:
    return ", ".join(f"{region} {value.rsplit(':', 1)[-1]}" for region, value in by_region.items())
