"""The process's components assembled: patched moto, the reference system, HTTP and DNS."""

import socket
import threading
from collections.abc import Sequence

from chaosdrill.lab.aws.fast_imports import lean_imports
from chaosdrill.lab.plan import LabPlan

with lean_imports():
    import moto.ec2.models  # noqa: F401  first, while its import is fast

from chaosdrill.lab.aws import (
    alarms,
    authorization,
    canaries,
    dynamodb,
    ecs,
    events,
    fis,
    functions,
    iam,
    pages,
    provision,
    rds,
    route53,
    ssm,
    stepfunctions,
)
from chaosdrill.lab.aws.admission import Admission
from chaosdrill.lab.aws.arc import OWN_SERVICES
from chaosdrill.lab.aws.dispatcher import Dispatcher
from chaosdrill.lab.aws.interceptor import RequestGate
from chaosdrill.lab.aws.replication_lag import publish_for_ever
from chaosdrill.lab.aws.server import Listeners
from chaosdrill.lab.aws.warmup import warm_up
from chaosdrill.lab.dns.server import NameServer

Sockets = tuple[socket.socket, socket.socket]
PATCHES = (iam, dynamodb, stepfunctions, functions, rds, route53, events, ssm, fis, ecs)


class Endpoint:
    """The AWS endpoint and DNS.

    :param aws_fd: listening socket of the host.
    :param dns: pairs of a UDP and a listening TCP socket.
    :param inside: also serve this process's own network namespace.
    """

    def __init__(self, plan: LabPlan, aws_fd: int, dns: Sequence[Sockets], inside: bool) -> None:
        for patch in PATCHES:
            patch.install()
        self._plan, self._inside = plan, inside
        app = Admission(RequestGate(Dispatcher(OWN_SERVICES, pages.PAGES)), plan)
        self._listeners = Listeners(app, plan.aws_port, aws_fd, inside)
        self._name_servers = [NameServer(route53.lookup, udp, tcp) for udp, tcp in dns]

    def start(self) -> None:
        """Start to serve, create the reference system, then report readiness."""
        authorization.make_user()
        self._listeners.start()
        made = provision.provision(self._plan)
        for server in self._name_servers:
            server.start()
        pages.provisioned.set()
        alarms.start()
        if self._inside:  # outside the lab, the application's addresses may belong to other hosts
            canaries.start(self._plan)
        threading.Thread(target=warm_up, args=(self._plan, made.routing), name="warm-up", daemon=True).start()
        clusters = made.topology["database"]["clusters"]
        threading.Thread(target=publish_for_ever, args=(clusters,), name="replication-lag", daemon=True).start()
