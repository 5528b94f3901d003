"""Command line of the lab's AWS endpoint (``python -m chaosdrill.lab.aws``): see the package's docstring."""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from chaosdrill.errors import LabError
from chaosdrill.lab.aws import runtime
from chaosdrill.lab.aws.moto_version import require_pinned_moto
from chaosdrill.lab.plan import DESIRED_COUNT, LabPlan

DNS_PORT = 53


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    :returns: the process's exit code.
    """
    options = _options(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("moto").setLevel(logging.CRITICAL)  # it logs pages per failed task; the history has the error
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        require_pinned_moto()
        plan = LabPlan.load(options.plan)
        runtime.use(plan)
        _prepare_environment(plan)
        _serve(plan, options, ended)
    except (LabError, OSError) as error:
        sys.stderr.write(f"the lab's AWS endpoint: {error}\n")
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaosdrill.lab.aws", description="The lab's AWS endpoint and DNS.")
    parser.add_argument("plan", type=Path, metavar="PLAN.json")
    parser.add_argument("--aws-fd", type=int, required=True, help="listening TCP socket of the host")
    parser.add_argument("--dns-udp-fd", type=int, required=True, help="UDP socket of the host")
    parser.add_argument("--dns-tcp-fd", type=int, required=True, help="listening TCP socket of the host")
    parser.add_argument("--outside", action="store_true", help="without namespaces: serve the inherited sockets only")
    return parser.parse_args(arguments)


def _prepare_environment(plan: LabPlan) -> None:
    """Set the variables that moto reads on import, and remove those of the user, in particular credentials."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
        del os.environ[name]
    os.environ.update(
        {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MOTO_ACCOUNT_ID": plan.account,
            "MOTO_DISABLE_GLOBAL_CORS": "true",
            "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
            "MOTO_ECS_SERVICE_RUNNING": str(DESIRED_COUNT),
            "MOTO_PORT": str(plan.aws_port),
        }
    )


def _serve(plan: LabPlan, options: argparse.Namespace, ended: threading.Event) -> None:
    from chaosdrill.lab.aws.endpoint import Endpoint  # imports moto

    dns = [(socket.socket(fileno=options.dns_udp_fd), socket.socket(fileno=options.dns_tcp_fd))]
    if not options.outside:
        from chaosdrill.lab.dns.server import bound

        dns.append(bound(plan.services_address, DNS_PORT))
    Endpoint(plan, options.aws_fd, dns, inside=not options.outside).start()
    ended.wait()  # all other threads are daemons without state to save


if __name__ == "__main__":
    sys.exit(main())
