"""SSM: each behaviour of moto's that the lab mends."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.lab_aws import LabAws
from tests.waiting import wait_for

pytestmark = pytest.mark.long

HOME = "ap-northeast-1"


def instance(lab: LabAws) -> str:
    return str(lab.topology["client"]["instance_id"])


def send(lab: LabAws, *commands: str, **parameters: list[str]) -> str:
    sent = lab.client("ssm", HOME).send_command(
        InstanceIds=[instance(lab)],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": list(commands), **parameters},
    )
    return str(sent["Command"]["CommandId"])


def outcome(lab: LabAws, command_id: str) -> dict[str, Any]:
    ssm = lab.client("ssm", HOME)

    def look() -> Any:
        found = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance(lab))
        return found if found["Status"] not in ("Pending", "InProgress") else None

    return dict(wait_for(look))


def test_the_client_host_is_managed_and_online(aws: LabAws) -> None:
    ssm = aws.client("ssm", HOME)
    only = [{"Key": "InstanceIds", "Values": [instance(aws)]}]
    found = ssm.describe_instance_information(Filters=only)["InstanceInformationList"]
    assert [(one["InstanceId"], one["PingStatus"]) for one in found] == [(instance(aws), "Online")]
    other = [{"Key": "InstanceIds", "Values": ["i-00000000000000000"]}]
    assert ssm.describe_instance_information(Filters=other)["InstanceInformationList"] == []
    assert aws.client("ssm", "ap-northeast-3").describe_instance_information()["InstanceInformationList"] == []


def test_a_command_really_runs(aws: LabAws) -> None:
    command_id = send(aws, "cd /", "echo $((6 * 7)); echo here >&2")
    done = outcome(aws, command_id)
    assert (done["Status"], done["ResponseCode"]) == ("Success", 0)
    assert (done["StandardOutputContent"], done["StandardErrorContent"]) == ("42\n", "here\n")
    assert aws.supervisor.asked("client.run") == [
        {"command": "cd /\necho $((6 * 7)); echo here >&2", "timeout_s": 3600.0}
    ]
    listed = aws.client("ssm", HOME).list_command_invocations(CommandId=command_id, Details=True)
    invocation = listed["CommandInvocations"][0]
    assert (invocation["Status"], invocation["CommandPlugins"][0]["Output"]) == (
        "Success",
        "42\n\n----------ERROR-------\nhere\n",
    )
    filters = [{"key": "DocumentName", "value": "AWS-RunShellScript"}]
    ids = [
        [one["CommandId"] for one in aws.client("ssm", HOME).list_command_invocations(Filters=f)["CommandInvocations"]]
        for f in (filters, [*filters, {"key": "InvokedAfter", "value": "2100-01-01T00:00:00Z"}])
    ]
    assert command_id in ids[0]
    assert ids[1] == []


def test_a_commands_exit_code_is_told(aws: LabAws) -> None:
    done = outcome(aws, send(aws, "exit 3", workingDirectory=["/tmp"], executionTimeout=["5"]))
    assert (done["Status"], done["ResponseCode"]) == ("Failed", 3)
    assert aws.supervisor.asked("client.run")[0]["timeout_s"] == 5


def test_a_client_host_that_cannot_be_reached_fails_the_command(aws: LabAws) -> None:
    aws.supervisor.refuse["client.run"] = "unreachable"
    done = outcome(aws, send(aws, "true"))
    assert (done["Status"], done["StandardErrorContent"]) == ("Failed", "unreachable")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"InstanceIds": ["i-00000000000000000"]}, "InvalidInstanceId"),
        ({"DocumentName": "AWS-RunPowerShellScript"}, "InvalidDocument"),
    ],
)
def test_what_cannot_run_is_refused(aws: LabAws, changed: dict[str, Any], code: str) -> None:
    asked = {"InstanceIds": [instance(aws)], "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
    with pytest.raises(ClientError) as error:
        aws.client("ssm", HOME).send_command(**{**asked, **changed})
    assert error.value.response["Error"]["Code"] == code
    assert aws.supervisor.calls == []


def test_a_command_is_known_in_its_region_only(aws: LabAws) -> None:
    command_id = send(aws, "true")
    outcome(aws, command_id)
    with pytest.raises(ClientError, match="InvocationDoesNotExist"):
        aws.client("ssm", "ap-northeast-3").get_command_invocation(CommandId=command_id, InstanceId=instance(aws))
