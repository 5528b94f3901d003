"""Runs a module's scenarios where the lab's addresses exist: in namespaces of their own, without the rest of the lab.

A test module defines ``world(directory)``, an async context manager that starts its servers once, ``reset(world)``,
which brings them back to rest before each scenario, and scenarios::

    @inside
    async def test_something(world): ...

Every scenario becomes an ordinary pytest test that asks one driver process in the namespaces to run it.
"""

import asyncio
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute

from chaosdrill.lab.plan import HOME, STANDBY

SCENARIO_TIMEOUT_S = 120.0
SERVICES_ADDRESS = "10.100.0.2"
# the flags of the lab itself (see chaosdrill.lab), for root and ordinary users alike
UNSHARE = (
    "unshare --user --net --ipc --pid --fork --kill-child --mount-proc --map-user=1000 --map-group=1000 --keep-caps"
)
ROOT = Path(__file__).parents[2]

Scenario = Callable[[Any], Awaitable[None]]


class Namespaces:
    """The driver of one test module, seen from outside."""

    def __init__(self, module: str, directory: Path) -> None:
        self._errors = directory / "driver.err"
        with self._errors.open("wb") as errors:
            self._driver = subprocess.Popen(
                [*UNSHARE.split(), sys.executable, "-m", "tests.lab.inside", module, str(directory)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._read()  # the world is ready

    def run(self, scenario: str) -> None:
        """Run one scenario; its failure is this one's."""
        assert self._driver.stdin is not None
        self._driver.stdin.write(scenario + "\n")
        self._driver.stdin.flush()
        self._read()

    def close(self) -> None:
        """Let the driver end its world."""
        self._driver.communicate(timeout=SCENARIO_TIMEOUT_S)
        assert self._driver.returncode == 0, self._errors.read_text()

    def _read(self) -> None:
        assert self._driver.stdout is not None
        answer = self._driver.stdout.readline()
        assert answer, f"the driver ended: {self._errors.read_text()}"
        failure = json.loads(answer)
        if failure is not None:
            pytest.fail(failure, pytrace=False)


def inside(scenario: Scenario) -> Callable[[Namespaces], None]:
    """Make a scenario a pytest test."""

    def test(namespaces: Namespaces) -> None:
        namespaces.run(scenario.__name__)

    test.__name__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    test.scenario = scenario  # type: ignore[attr-defined]
    return test


@pytest.fixture(scope="module")
def namespaces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespaces]:
    """The namespaces of this test module, with its world in them. Import it where it is used."""
    made = Namespaces(request.module.__name__, tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


def _make_surroundings(directory: Path) -> None:
    """The lab's addresses, memory for its files, and a password file that knows this uid (initdb looks there)."""
    for place in (directory, Path("/dev/shm")):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    with IPRoute() as network:
        [loopback] = network.link_lookup(ifname="lo")
        network.link("set", index=loopback, state="up")
        addresses = [SERVICES_ADDRESS]
        for region in (HOME, STANDBY):
            addresses += region.addresses
        for address in addresses:
            network.addr("add", index=loopback, address=address, prefixlen=32)
    passwd = directory / "passwd"
    passwd.write_text("ec2-user:x:1000:1000::/:/bin/sh\n")
    subprocess.run(["mount", "--bind", passwd, "/etc/passwd"], check=True)


async def _drive(module: Any, directory: Path, say: Callable[[str | None], None]) -> None:
    async with module.world(directory) as world:
        say(None)
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                async with asyncio.timeout(SCENARIO_TIMEOUT_S):
                    await module.reset(world)
                    await getattr(module, line.strip()).scenario(world)
                say(None)
            except (Exception, pytest.fail.Exception):  # noqa: BLE001 - reported to pytest, which fails the test with it
                say(traceback.format_exc())


def main() -> None:
    """Be the driver: one line in names a scenario, one line out is null or its traceback."""
    name, directory = sys.argv[1], Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what scenarios print must not look like an answer

    def say(failure: str | None) -> None:
        answers.write(json.dumps(failure) + "\n")
        answers.flush()

    _make_surroundings(directory)
    asyncio.run(_drive(importlib.import_module(name), directory, say))


if __name__ == "__main__":
    main()
