"""The check, shared by several parts, whether the client host has a Python that can run a program."""

from functools import partial

from chaosdrill.aws import System
from chaosdrill.client.host.inspection import install_command
from chaosdrill.client.host.packing import HEARTBEAT, locust_zipapp
from chaosdrill.client.host.pythons import Needs, find_python
from chaosdrill.parts.interface import Check, Reading


def python_check(system: System, name: str, needs: Needs) -> Check:
    """Return the check; it sends one command that only reads.

    :param name: of the check.
    :param needs: the requirements of the program.
    """
    host = system.topology.client
    package = f"python{needs.python[0]}.{needs.python[1]}"
    fix = f"install one, such as {install_command(host.instance_id, host.region, package)}"
    what = f"Python for {needs.what} on {host.instance_id}"
    return Check("client", name, what, fix, partial(_python, system, needs), on_host=True)


def _python(system: System, needs: Needs) -> Reading:
    python = find_python(system, needs)
    if needs is not HEARTBEAT:
        locust_zipapp(python)  # fetched now if it needs a package index, and not after the drill has begun
    return Reading(str(python))
