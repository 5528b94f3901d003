"""The lab's own pages on the endpoint's port, beside AWS's.

``GET /chaosdrill/health``: 200 once the reference system is there. ``PUT /chaosdrill/arc-endpoints/REGION`` with
``{"impaired": true}``: that cluster endpoint answers EndpointTemporarilyUnavailableException until it is put back.
``PUT /chaosdrill/hurry``: the waits of state machines are as short as they can be from now on, for an interrupted drill
whose lab nobody else uses.
"""

import json
import threading
from typing import Any

from chaosdrill.lab.aws import runtime
from chaosdrill.lab.aws.arc import ENDPOINT_REGIONS, STATE
from chaosdrill.lab.aws.errors import Answer

HEALTH = "/chaosdrill/health"
ARC_ENDPOINTS = "/chaosdrill/arc-endpoints/"
HURRY = "/chaosdrill/hurry"
provisioned = threading.Event()


def health(_: dict[str, Any]) -> Answer:
    """Whether drills can begin."""
    if provisioned.is_set():
        return _json("200 OK", {"status": "ready"})
    return _json("503 Service Unavailable", {"status": "starting"})


def arc_endpoint(environ: dict[str, Any]) -> Answer:
    """Impair a cluster endpoint, or end that."""
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


def _json(status: str, facts: dict[str, Any]) -> Answer:
    return status, [("Content-Type", "application/json")], json.dumps(facts).encode()


PAGES = {HEALTH: health, ARC_ENDPOINTS: arc_endpoint, HURRY: hurry}
