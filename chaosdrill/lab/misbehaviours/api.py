"""Calls to the lab's AWS API for breaks, without an SDK, which would make the lab's first process large."""

import asyncio
import http.client
import json
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from chaosdrill.errors import LabError
from chaosdrill.lab import signing
from chaosdrill.lab.plan import LabPlan

ANSWER_WITHIN_S = 15.0


async def call_json(plan: LabPlan, service: str, region: str, target: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call an API with the JSON protocol.

    :param service: its signing name.
    :param target: such as ``AWSStepFunctions.UpdateStateMachine``.
    :returns: the response.
    :raises LabError: when the API refuses.
    """
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
    found: dict[str, Any] = json.loads(await _ask(plan, service, region, "POST", "/", json.dumps(body), headers))
    return found


async def call_query(plan: LabPlan, service: str, region: str, action: str, **parameters: str) -> str:
    """Call an API with the query protocol.

    :returns: the response's text.
    :raises LabError: when the API refuses.
    """
    form = urlencode({"Action": action, "Version": "2014-10-31", **parameters})
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return await _ask(plan, service, region, "POST", "/", form, kind)


async def call_rest(
    plan: LabPlan, service: str, region: str, method: str, path: str, body: str = ""
) -> ElementTree.Element:
    """Call an API with the REST-XML protocol.

    :returns: the response, without namespaces.
    :raises LabError: when the API refuses.
    """
    text = await _ask(plan, service, region, method, path, body, {"Content-Type": "application/xml"})
    answer = ElementTree.fromstring(text)
    for element in answer.iter():
        element.tag = element.tag.rpartition("}")[2]
    return answer


async def page(plan: LabPlan, method: str, path: str, body: Any = None) -> Any:
    """Send a request to one of the lab's own pages on the endpoint."""
    from chaosdrill.lab import endpoint_page  # the endpoint listens on 127.0.0.1 of the cloud, too

    return await asyncio.to_thread(endpoint_page.ask, plan, method, path, body)


async def _ask(
    plan: LabPlan, service: str, region: str, method: str, path: str, body: str, headers: dict[str, str]
) -> str:
    url, keys = f"{plan.aws_url_on_host}{path}", plan.access.parts
    signed = signing.signed(keys, method, url, region, service, headers, body.encode())

    def ask() -> str:
        endpoint = http.client.HTTPConnection("127.0.0.1", plan.aws_port, timeout=ANSWER_WITHIN_S)
        try:
            endpoint.request(method, path, body.encode(), signed)
            answer = endpoint.getresponse()
            text = answer.read().decode()
        finally:
            endpoint.close()
        if answer.status >= 300:
            raise LabError(f"the lab's {service} refused {method} {path} {body[:200]}: {answer.status} {text[:300]}")
        return text

    return await asyncio.to_thread(ask)
