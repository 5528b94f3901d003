"""The FIS safety lever as a stop condition of a drill: a person who engages it wants no experiment in that region."""

from collections.abc import Iterator
from functools import partial

from botocore.exceptions import ClientError

from chaosdrill.aws import System, fis
from chaosdrill.messages import as_it_is, sentence
from chaosdrill.packet_loss.checks import lever_regions
from chaosdrill.parts.interface import CheckContext, StopCondition
from chaosdrill.stop_when import ENGAGED, IGNORED


def stop_conditions(context: CheckContext) -> Iterator[StopCondition]:
    """List the safety levers that stop the drill: of regions with a fault, and of all regions if ``stop_when`` says
    so.
    """
    wanted = context.stop_when.safety_lever
    for region in [] if wanted == IGNORED else lever_regions(context):
        read = partial(_engaged, context.system, region, wanted == ENGAGED)
        yield StopCondition("safety-lever", f"safety lever of {region}", read)


def _engaged(system: System, region: str, is_required: bool) -> str:
    """Read whether a lever is engaged. A lever that is not required and may not be read is left to FIS itself."""
    try:
        state, reason = fis.safety_lever(system, region)
    except ClientError as error:
        if is_required or "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        return ""
    if state == "disengaged":
        return ""
    why = as_it_is(reason or "-")
    return sentence("the FIS safety lever of {region} is {state} ({reason})", region=region, state=state, reason=why)
