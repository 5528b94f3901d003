"""Checks of the client host and the load generator before a drill."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from chaosdrill.aws import System, ec2
from chaosdrill.aws.ssm import agent_status
from chaosdrill.client.host.packing import locust_needs
from chaosdrill.client.load_generator import load_generator
from chaosdrill.client.locust_page import OPEN_PAGE
from chaosdrill.errors import CannotSee
from chaosdrill.parts.check_readings import read_text
from chaosdrill.parts.host_checks import python_check
from chaosdrill.parts.interface import Check, CheckContext, Reading

_START = "load.actions.start_load"
_INSTANCE = "start the instance, allow ec2:DescribeInstances, or correct `client:`"
_AGENT = (
    "start the agent, allow ssm:DescribeInstanceInformation, or give the instance a profile with "
    "AmazonSSMManagedInstanceCore"
)
_BUCKET = "allow s3:ListBucket, or correct `s3:`"
_LOCUST = "start Locust with chaosdrill's plugin, or forward its port, or correct the URL, or write `run: ssm`"


def checks(context: CheckContext) -> Iterator[Check]:
    """List the checks: the client host accepts commands, and load can come from it."""
    system, host = context.system, context.system.topology.client
    if _needs_host(context):
        if host.instance_id.startswith("i-"):  # SSM also manages other machines: mi-…
            what, instance = f"{host.instance_id} in {host.region}", read_text(partial(_instance, system))
            yield Check("client", "load.client-host", what, _INSTANCE, instance)
        agent = read_text(partial(_agent, system))
        yield Check("client", "load.ssm-agent", "SSM agent", _AGENT, agent, quick=True)
    if context.needs("load"):
        what, fix = f"Locust ({host.run}{' ' if host.url else ''}{host.url})", _BUCKET if host.s3 else _LOCUST
        yield Check("client", "load.locust", what, fix, read_text(partial(_locust, system)))
    yield from _of_start(context)


def _of_start(context: CheckContext) -> Iterator[Check]:
    """List the checks of the requirements of the steps that start the load."""
    for name in dict.fromkeys(str(one.arguments.get("locustfile") or "") for one in context.steps_of(_START)):
        if name:
            yield Check("client", "load.script", name, "correct `locustfile`", partial(_script, name))
    if context.on_host and context.has_step(_START) and context.system.topology.client.run == "ssm":
        yield python_check(context.system, "load.python", locust_needs())


def _needs_host(context: CheckContext) -> bool:
    topology = context.system.topology
    runs_there = topology.client.run == "ssm" and context.needs("load")
    beats_there = topology.heartbeat is not None and topology.heartbeat.run == "ssm" and context.needs("heartbeat")
    return runs_there or beats_there or context.needs("packet_loss", "dns")


def _instance(system: System) -> str:
    host = system.topology.client
    found = ec2.instances(system, host.region, host.instance_id)
    state = str(found[0]["State"]["Name"]) if found else "unknown to EC2"
    return _wanted(state, "running", f"the instance is {state}", "fault-target-not-running")


def _agent(system: System) -> str:
    host = system.topology.client
    status = agent_status(system, host.instance_id, host.region)
    return _wanted(status, "Online", f"the SSM agent is {status}", "ssm-agent-offline")


def _wanted(seen: str, wanted: str, trouble: str, code: str) -> str:
    if seen != wanted:
        raise CannotSee(f"{trouble}, not {wanted}", code=code)
    return seen


def _locust(system: System) -> str:
    host = system.topology.client
    if host.run == "local":
        return "none yet: the drill starts its own Locust on this machine"
    if host.run == "ssm":  # the version of its Python would need a command there, and this only reads
        return f"none yet: the drill starts its own Locust on {host.instance_id}, delivered {_delivered(system)}"
    generator = load_generator({"topology": str(system.topology.path)})
    state, warning = generator.state(), f"; {OPEN_PAGE}" if generator.is_open_to_strangers() else ""
    return f"{state.state}, {state.user_count} users, {state.workers} workers, chaosdrill's plugin{warning}"


def _delivered(system: System) -> str:
    bucket = system.topology.client.s3.partition("/")[0]
    if not bucket:
        return "in the text of SSM commands (that takes minutes, once: a bucket under `s3:` makes it quick)"
    system.client("s3", system.topology.client.region).head_bucket(Bucket=bucket)
    return f"through the bucket {bucket}"


def _script(name: str) -> Reading:
    if not Path(name).is_file():
        return Reading("", "refuse", f"there is no file {name!r}", code="load-script-missing")
    return Reading("exists")
