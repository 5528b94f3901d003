"""A write of the stop flag is acknowledged, and not executed."""

from chaosdrill.lab.misbehaviours.api import page
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Break, Lab, Option

FAULTS = "/chaosdrill/faults"


async def begin(lab: Lab, region: str) -> ActiveBreak:
    """Make DynamoDB of one region acknowledge writes without executing them, for every caller including state
    machines.
    """
    name = {"home": lab.plan.home.name, "standby": lab.plan.standby.name}[region]
    for operation in ("PutItem", "UpdateItem"):
        fault = {"service": "dynamodb", "kind": "ignored", "region": name, "operation": operation, "everyone": True}
        await page(lab.plan, "PUT", FAULTS, fault)

    async def mend() -> str:
        await page(lab.plan, "DELETE", FAULTS)
        return ""

    return ActiveBreak(mend)


BREAK = Break(
    "stop-flag-ignored",
    "a write of one region's stop flag is acknowledged, and not done",
    "the AWS fault `ignored` for PutItem and UpdateItem of the region's DynamoDB",
    begin,
    (Option("region", "home", "Whose flag.", ("home", "standby")),),
)
