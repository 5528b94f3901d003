"""The client's resolver caches records far beyond their TTL."""

import sys

from chaosdrill.lab.environment import clean_environment
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Option
from chaosdrill.lab.namespaces import in_network_command
from chaosdrill.lab.processes import Process


async def begin(lab: Lab, seconds: float) -> ActiveBreak:
    """Start a caching resolver on the client host, and make all programs there use it."""
    plan = lab.plan
    resolver = plan.directory / "etc" / "resolv.conf"
    as_it_was = resolver.read_text()
    program = [sys.executable, "-m", "chaosdrill.lab.dns.caching_resolver", plan.client_address, plan.services_address]
    command = [*in_network_command(lab.client.network_fd), *program, str(seconds)]
    process = Process("resolver", command, plan.directory / "logs" / "resolver.log", clean_environment())
    await process.start()
    # overwritten, not replaced: it is mounted over the machine's own
    resolver.write_text(as_it_was.replace(plan.services_address, plan.client_address))
    await lab.load.restart(nameserver=plan.client_address)

    async def mend() -> str:
        resolver.write_text(as_it_was)
        await lab.load.restart(nameserver="")
        await process.stop()
        return ""

    return ActiveBreak(mend, said="Locust was started again: a test that ran there has ended")


BREAK = Break(
    "dns-ttl-ignored",
    "DNS changes; the client's resolver keeps the old answer beyond its TTL",
    "a caching resolver on the client host, in its resolv.conf and Locust's settings",
    begin,
    (Option("seconds", 3600.0, "How long it keeps an answer."),),
)
