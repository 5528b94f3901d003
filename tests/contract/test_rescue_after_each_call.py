"""A driver that dies just before and just after each request of an action that changes something, and a rescue.

The kill matrix (`python -m benchmarks.kill_matrix`) does so with processes on a whole lab; here the driver's process is
this one, and dead means that it sends nothing more.
"""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.endpoint import Endpoint

from chaosdrill.aws.guard import changes_something
from chaosdrill.controls.owed_changes import OwedChanges
from chaosdrill.coordination.interface import Coordination, Lease
from chaosdrill.history.owed_undos import OwedUndo
from chaosdrill.parts.registry import part_of_action
from tests.contract.activities_rig import TOKYO, Rig, drill
from tests.contract.coordination_rig import Planted
from tests.contract.test_rescue import (  # noqa: F401 - the fixtures
    AT_HOME,
    EXPIRED_MS,
    RULE,
    _home,
    is_clear,
    placement,
    planted,
    rescue,
    rig,
)

SERVICE = {"cluster": "tokyo-app", "service": "transaction"}
ACTIONS: Mapping[str, Mapping[str, Any]] = {"set_stop_flag": {"region": "home", "value": True}}
IN_FORCE = ("pending", "initiating", "running", "stopping")


class Died(BaseException):
    """The driver is dead: whatever it still does reaches nobody."""


class Published:
    """Publishes as a drill does."""

    def __init__(self, coordination: Coordination, lease: Lease) -> None:
        self._coordination, self._lease = coordination, lease

    def owe(self, undo: OwedUndo) -> None:
        self._coordination.owe(self._lease, undo.number, undo)

    def pay(self, undo: OwedUndo) -> None:
        self._coordination.pay(self._lease.run, undo.number, self._lease.run)


@contextmanager
def dying(number: int, is_sent: bool) -> Iterator[list[str]]:
    """Die at a changing request.

    :param is_sent: whether it is carried out.
    :returns: the changing requests so far.
    """
    made: list[str] = []
    respond, send = Endpoint._do_get_response, Endpoint._send

    def do_get_response(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
        request.operation = operation_model.name
        return respond(endpoint, request, operation_model, context)

    def send_request(endpoint: Any, request: Any) -> Any:
        operation = getattr(request, "operation", "")
        if len(made) >= number:
            raise Died
        if not changes_something(operation):
            return send(endpoint, request)
        made.append(operation)
        if len(made) < number:
            return send(endpoint, request)
        if is_sent:
            send(endpoint, request)
        raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "_do_get_response", do_get_response)
        patch.setattr(Endpoint, "_send", send_request)
        yield made


def at_rest(rig: Rig) -> dict[str, Any]:  # noqa: F811
    ecs, fis = rig.lab.client("ecs", TOKYO), rig.lab.client("fis", TOKYO)
    (service,) = ecs.describe_services(cluster=SERVICE["cluster"], services=[SERVICE["service"]])["services"]
    faults = [one["id"] for one in fis.list_experiments()["experiments"] if one["state"]["status"] in IN_FORCE]
    rule = rig.lab.client("events").describe_rule(Name=RULE)["State"]
    return {"placement": placement(rig), "count": service["desiredCount"], "faults": faults, "rule": rule}


def die(rig: Rig, planted: Planted, directory: Path, action: str, number: int, is_sent: bool) -> str:  # noqa: F811
    """Run an action until the driver dies.

    :returns: the request that it died at; empty when the action came to its end.
    """
    part = part_of_action(action)
    assert part is not None
    module = f"chaosdrill.{part.name}.actions"
    step = {"activity": "it", "type": "action", "phase": "method", "module": module, "func": action}
    lease = planted.acquire(directory.name, EXPIRED_MS)
    with drill(directory, directory.name) as one, dying(number, is_sent) as made:
        one.undos.publish_with(Published(planted.coordination, lease))
        owed = OwedChanges().of_step(step, ACTIONS[action], None)
        one.history.append("activity-started", **step, arguments=ACTIONS[action], **owed)
        try:
            one.undos.begin(owed["number"])
            getattr(importlib.import_module(module), action)(**ACTIONS[action], configuration=rig.configuration)
        except Died:
            return made[number - 1]
    return ""


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_rescue_restores_everything_whenever_the_driver_dies(
    rig: Rig,  # noqa: F811
    planted: Planted,  # noqa: F811
    tmp_path: Path,
    action: str,
) -> None:
    before = at_rest(rig)
    assert (before["placement"], before["faults"]) == (AT_HOME, [])
    for number in count(1):
        requests = set()
        for is_sent in (False, True):
            directory = tmp_path / f"20261130T1000-{action.replace('_', '')}-{number}-{is_sent}".lower()
            directory.mkdir()
            requests.add(request := die(rig, planted, directory, action, number, is_sent))
            found = rescue(planted)
            assert (found["is_paid"], found["left"], found["failure"]) == (True, [], None), (request, is_sent)
            assert at_rest(rig) == before, (number, request, is_sent)
            assert is_clear(planted), (number, request, is_sent)
        if requests == {""}:
            assert number > 2, "it publishes what it owes, and makes its change"
            return
