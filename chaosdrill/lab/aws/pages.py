"""The lab's own pages on the endpoint's port.

``GET /chaosdrill/health``: 200 once the reference system is provisioned. ``PUT /chaosdrill/arc-endpoints/REGION`` with
``{"impaired": true}``: that cluster endpoint responds with EndpointTemporarilyUnavailableException until it is reset.
``PUT /chaosdrill/hurry``: shortens the waits of state machines to the minimum, for an interrupted drill on an otherwise
unused lab.

``PUT /chaosdrill/faults`` with ``{"service", "kind", "region"?, "operation"?, "calls"?, "seconds"?, "everyone"?}``: see
``faults``; GET lists all, DELETE removes all.

``PUT /chaosdrill/writers`` with ``{"regions": [...]}``: DescribeGlobalClusters shows these as writers, too.

``PUT /chaosdrill/policy`` with an IAM policy: the lab user's calls are authorized by it alone, until DELETE; GET
returns the policies in force.

``GET /chaosdrill/calls?since=NUMBER``: the calls with a higher number, see ``calls``.
"""

import json
import threading
from typing import Any
from urllib.parse import parse_qs

from chaosdrill.lab.aws import authorization, policies, rds, runtime
from chaosdrill.lab.aws.arc import ENDPOINT_REGIONS, OWN_SERVICES, STATE
from chaosdrill.lab.aws.calls import CALLS
from chaosdrill.lab.aws.dispatcher import EMULATED
from chaosdrill.lab.aws.errors import Answer
from chaosdrill.lab.aws.faults import FAULTS, fault_of

HEALTH = "/chaosdrill/health"
ARC_ENDPOINTS = "/chaosdrill/arc-endpoints/"
HURRY = "/chaosdrill/hurry"
FAULT = "/chaosdrill/faults"
CALL = "/chaosdrill/calls"
POLICY = "/chaosdrill/policy"
WRITERS = "/chaosdrill/writers"
SERVICES = frozenset({*EMULATED, *OWN_SERVICES})
provisioned = threading.Event()


def health(_: dict[str, Any]) -> Answer:
    """Respond whether drills can begin."""
    if provisioned.is_set():
        return _json("200 OK", {"status": "ready"})
    return _json("503 Service Unavailable", {"status": "starting"})


def arc_endpoint(environ: dict[str, Any]) -> Answer:
    """Impair a cluster endpoint, or reset it."""
    region = environ["PATH_INFO"].removeprefix(ARC_ENDPOINTS)
    if region not in ENDPOINT_REGIONS:
        text = f"no cluster endpoint in {region!r}; there are {', '.join(ENDPOINT_REGIONS)}"
        return _json("404 Not Found", {"message": text})
    if environ["REQUEST_METHOD"] == "PUT":
        try:
            impaired = json.load(environ["wsgi.input"])["impaired"] is True
        except (ValueError, KeyError, TypeError):
            return _json("400 Bad Request", {"message": 'the body must be {"impaired": true} or {"impaired": false}'})
        STATE.impaired = STATE.impaired | {region} if impaired else STATE.impaired - {region}
    return _json("200 OK", {"region": region, "impaired": region in STATE.impaired})


def hurry(environ: dict[str, Any]) -> Answer:
    """Shorten the waits."""
    if environ["REQUEST_METHOD"] != "PUT":
        return _json("405 Method Not Allowed", {"message": "PUT shortens the waits; nothing lengthens them again"})
    runtime.hurry()
    return _json("200 OK", {"hurried": True})


def faults(environ: dict[str, Any]) -> Answer:
    """Add a fault, list all, or remove all."""
    if environ["REQUEST_METHOD"] == "DELETE":
        return _json("200 OK", {"removed": FAULTS.clear()})
    if environ["REQUEST_METHOD"] == "PUT":
        try:
            fault, problems = fault_of(json.load(environ["wsgi.input"]), SERVICES)
        except ValueError as error:
            fault, problems = None, [f"the body is no JSON: {error}"]
        if fault is None:
            return _json("400 Bad Request", {"problems": problems})
        return _json("200 OK", FAULTS.add(fault).described())
    return _json("200 OK", {"faults": FAULTS.described()})


def writers(environ: dict[str, Any]) -> Answer:
    """Set the regions that are shown as additional writers; an empty list shows only the real one."""
    regions = json.load(environ["wsgi.input"])["regions"]
    rds.show_writers(regions)
    return _json("200 OK", {"regions": regions})


def policy(environ: dict[str, Any]) -> Answer:
    """Set the lab user's only policy, remove it, or return the policies in force."""
    if environ["REQUEST_METHOD"] == "DELETE":
        authorization.restore_administrator()
    if environ["REQUEST_METHOD"] == "PUT":
        try:
            given = json.load(environ["wsgi.input"])
        except ValueError as error:
            return _json("400 Bad Request", {"problems": [f"the body is no JSON: {error}"]})
        if problems := policies.problems(given):
            return _json("400 Bad Request", {"problems": problems})
        authorization.set_policy(given)
    user = authorization.lab_user()
    return _json("200 OK", {"user": user.arn, "policies": authorization.policies_of(user)})


def calls(environ: dict[str, Any]) -> Answer:
    """Return the calls with a higher number than ``since``."""
    since = parse_qs(environ.get("QUERY_STRING", "")).get("since", ["0"])[0]
    if not since.isdigit():
        return _json("400 Bad Request", {"message": f"since={since}: write the number of a call"})
    return _json("200 OK", {"calls": CALLS.since(int(since))})


def _json(status: str, facts: dict[str, Any]) -> Answer:
    return status, [("Content-Type", "application/json")], json.dumps(facts).encode()


PAGES = {
    HEALTH: health,
    ARC_ENDPOINTS: arc_endpoint,
    HURRY: hurry,
    FAULT: faults,
    CALL: calls,
    WRITERS: writers,
    POLICY: policy,
}
