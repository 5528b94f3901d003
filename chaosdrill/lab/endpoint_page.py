"""Client of the lab's own pages on its AWS endpoint."""

import http.client
import json
from typing import Any

from chaosdrill.errors import BadInput, LabError
from chaosdrill.lab.plan import LabPlan
from chaosdrill.lab.running_lab import running_plan


def ask(plan: LabPlan, method: str, path: str, body: Any = None, within_s: float = 10.0) -> Any:
    """Send one request.

    :param plan: the lab's plan.
    :param body: sent as JSON.
    :param within_s: timeout in seconds.
    :returns: the response.
    :raises BadInput: when the request is invalid, with all its problems.
    :raises LabError: when the endpoint does not respond, or responds with an error.
    """
    endpoint = http.client.HTTPConnection("127.0.0.1", plan.aws_port, timeout=within_s)
    try:
        headers = {"Authorization": f"Bearer {plan.access.token}"}
        endpoint.request(method, path, None if body is None else json.dumps(body), headers)
        response = endpoint.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LabError(f"the lab's AWS endpoint does not respond: {error}: see `chaosdrill lab logs aws`") from error
    finally:
        endpoint.close()
    if response.status == http.HTTPStatus.OK:
        return answer
    if problems := answer.get("problems"):
        raise BadInput(problems)
    raise LabError(f"the lab's AWS endpoint responded {response.status} to {method} {path}: {answer}")


def ask_running(method: str, path: str, body: Any = None) -> Any:
    """Send one request to the running lab.

    :raises LabError: when none is running.
    """
    plan = running_plan()
    if plan is None:
        raise LabError("no lab runs: start one with `chaosdrill lab up --detach`")
    return ask(plan, method, path, body)
