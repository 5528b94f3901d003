"""Reads of the packet loss on the host. FIS reports the fault as running while its document still installs its tools.

The document's loss is a netem queueing discipline, which ``tc qdisc show`` lists from the moment it acts.

See: https://docs.aws.amazon.com/fis/latest/userguide/actions-ssm-agent.html
"""

from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from chaosdrill.aws import System, ssm
from chaosdrill.client.commands import run_on_client
from chaosdrill.packet_loss.plan import DOCUMENT

_RULES = 'PATH="$PATH:/usr/sbin:/sbin"; tc qdisc show 2>&1 | grep -w netem; true'


def loss_rules(system: System) -> str:
    """Return the host's netem rules as ``tc`` prints them, a line each; empty when there are none.

    :raises CannotSee: when the host accepts no commands.
    """
    called = "that lists the packet loss in force (tc qdisc show)"
    return run_on_client(system, _RULES, called=called, reads="list-packet-loss").stdout.strip()


def document_output(system: System, since: datetime) -> str:
    """Return the state and the last output of the document's command on the host, as part of a message.

    :param since: when the experiment was started.
    """
    host = system.topology.client
    try:
        runs = ssm.document_runs(system, host.instance_id, host.region, DOCUMENT, since)
    except (ClientError, BotoCoreError) as error:
        return f"what its SSM command printed cannot be read ({error}): allow ssm:ListCommandInvocations"
    if not runs:
        return f"SSM has no command with {DOCUMENT} on {host.instance_id} since {since:%H:%M:%S} UTC"
    return str(runs[0])
