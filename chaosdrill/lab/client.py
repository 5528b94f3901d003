"""The lab's client host, the bastion, which runs Locust, SSM commands and the packet loss."""

import asyncio
import os
import shlex
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from chaosdrill.lab import network, packet_loss
from chaosdrill.lab.environment import client_environment
from chaosdrill.lab.namespaces import enter_for_good
from chaosdrill.lab.packet_loss import LossRule
from chaosdrill.lab.plan import LabPlan


class LabClientHost:
    """The client host: runs commands in the bastion's namespaces.

    :param plan: the lab's plan.
    :param network_fd: descriptor of its network namespace.
    :param view_fd: descriptor of the mount namespace of its programs, see ``client_view``.
    """

    def __init__(self, plan: LabPlan, network_fd: int, view_fd: int) -> None:
        self.network_fd = network_fd
        self.view_fd = view_fd
        self._plan = plan
        self._home = plan.directory / "home"
        # one thread in the bastion's namespace: a netlink socket belongs to the namespace in which it is opened
        self._inside = ThreadPoolExecutor(1, thread_name_prefix="bastion")

    async def prepare(self) -> None:
        """Set up its network and the empty packet-loss table.

        :raises LabError: when this kernel does not support packet loss.
        """
        self._write_programs()
        await self.in_bastion(network.build_bastion, self._plan, self.network_fd)
        await self.in_bastion(packet_loss.prepare)

    def _write_programs(self) -> None:
        """Write stand-ins for two programs: ``tc qdisc show`` lists the packet loss in force, and ``modprobe`` finds
        its module.

        The rules here are nftables', because some kernels lack netem.
        """
        tc = f"exec {shlex.quote(sys.executable)} -m {packet_loss.__name__} qdisc"
        for name, script in {"tc": tc, "modprobe": "exit 0"}.items():
            program = self._plan.client_programs / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o700)

    async def inject(self, id: str, percent: float, sources: list[str], traffic_type: str, duration_s: float) -> None:
        """Start a packet loss. See :class:`chaosdrill.lab.packet_loss.LossRule`."""
        await self.in_bastion(packet_loss.inject, LossRule(id, percent, tuple(sources), traffic_type, duration_s))

    async def heal(self, id: str) -> None:
        """End a packet loss; has no effect when it has ended."""
        await self.in_bastion(packet_loss.heal, id)

    async def packet_loss(self) -> dict[str, Any]:
        """Return the state of the packet loss: ``{"active": {set: addresses}, "dropped_packets": n}``."""
        return {
            "active": await self.in_bastion(packet_loss.active),
            "dropped_packets": await self.in_bastion(packet_loss.dropped_packets),
        }

    async def run(self, command: str, timeout_s: float) -> dict[str, Any]:
        """Run a shell script as the client's user and wait for it.

        :returns: ``{"exit_code": n, "stdout": text, "stderr": text}``; exit code 124 when it was killed at the timeout.
        """
        script = _script(command)
        try:
            process = await asyncio.create_subprocess_exec(
                *("/bin/sh", f"/dev/fd/{script}"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(script,),
                env=client_environment(self._plan),
                preexec_fn=partial(enter_for_good, self.network_fd, self.view_fd, str(self._home)),
                start_new_session=True,
            )
        finally:
            os.close(script)
        try:
            stdout, stderr = await asyncio.wait_for(process.communicate(), timeout_s)
            code = process.returncode
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            stdout, stderr, code = b"", f"ended after {timeout_s} s".encode(), 124
        return {
            "exit_code": code,
            "stdout": stdout.decode(errors="replace"),
            "stderr": stderr.decode(errors="replace"),
        }

    async def in_bastion(self, function: Any, *arguments: Any) -> Any:
        """Call a function in the client host's network namespace.

        :returns: the function's result.
        """
        return await asyncio.get_running_loop().run_in_executor(self._inside, function, *arguments)


def _script(text: str) -> int:
    """Return a descriptor of a file with a script. Like SSM's agent, the lab runs a file, so the text is in no argument
    list.
    """
    descriptor = os.memfd_create("script")
    os.write(descriptor, text.encode())
    return descriptor
