"""ARC acknowledges and shows the new states; DNS does not change."""

import yaml

from chaosdrill.lab.misbehaviours.api import call_rest
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab

PATH = "/2013-04-01/healthcheck"
_UPDATE = (
    '<UpdateHealthCheckRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
    "<Disabled>{disabled}</Disabled><Inverted>{inverted}</Inverted></UpdateHealthCheckRequest>"
)


async def begin(lab: Lab) -> ActiveBreak:
    """Disable the records' health checks, which then keep their current state and no longer follow their routing
    controls.
    """
    checks = await _checks(lab)
    answers = await lab.database.writer() or lab.serving
    for region, check in checks.items():
        # disabled counts as healthy; disabled and inverted as unhealthy
        await _update(lab, check, disabled=True, inverted=region != answers)

    async def mend() -> str:
        for check in checks.values():
            await _update(lab, check, disabled=False, inverted=False)
        return ""

    return ActiveBreak(mend)


async def _checks(lab: Lab) -> dict[str, str]:
    controls = yaml.safe_load(lab.plan.topology_file.read_text())["routing"]["controls"]
    region_of = {control: region for region, control in controls.items()}
    found = (await call_rest(lab.plan, "route53", "us-east-1", "GET", PATH)).iter("HealthCheck")
    by_control = {one.findtext(".//RoutingControlArn"): str(one.findtext("Id")) for one in found}
    return {region_of[control]: check for control, check in by_control.items() if control in region_of}


async def _update(lab: Lab, check: str, disabled: bool, inverted: bool) -> None:
    body = _UPDATE.format(disabled=str(disabled).lower(), inverted=str(inverted).lower())
    await call_rest(lab.plan, "route53", "us-east-1", "POST", f"{PATH}/{check}", body)


BREAK = Break(
    "routing-without-dns",
    "ARC acknowledges and shows a switch of the routing controls; DNS does not change",
    "Route 53's UpdateHealthCheck: the records' health checks are disabled",
    begin,
)
