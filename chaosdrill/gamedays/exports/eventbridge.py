"""Game days as a CloudFormation template: EventBridge Scheduler starts a task of ECS for each.

:source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-scheduler-schedule.html and
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/tasks-scheduled.html
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaosdrill.errors import BadInput, problem
from chaosdrill.gamedays.exports.cluster import (
    HOME,
    NAME,
    USER,
    check_cluster,
    container_environment,
    path_in_image,
    render_cluster_files,
    rescue_arguments,
    run_arguments,
    tick_arguments,
)
from chaosdrill.gamedays.exports.plan import Export
from chaosdrill.topology import load_topology

_EACH_MINUTE = "rate(1 minutes)"
_KEPT_S = 1_209_600  # how long an invocation that failed stays in the queue: 14 days, the most that SQS has
_STOP_S = 120  # the most that Fargate waits for a container that is stopped
Resource = dict[str, Any]


def scheduler_region(export: Export, named: str | None) -> str:
    """Choose the region of the scheduler: the one named, else that of the ledger's table.

    :raises BadInput: when a game day cannot run in a cluster, or drills that region.
    """
    topologies = check_cluster(export)
    region = named or _ledger_region(export)
    drilled = [(path, topology) for path, topology in topologies.items() if region in topology.region_names]
    if drilled:
        why = f"{region} is a region that it drills, and the scheduler would fail with it"
        fix = "name a third region (`--region`)"
        raise BadInput([problem("export-region-drilled", f"{path}: {why}: {fix}") for path, _ in drilled])
    return region


def _ledger_region(export: Export) -> str:
    """Return the region of the ledger's table, which is known to exist."""
    assert export.calendar.ledger is not None
    table = load_topology(export.calendar.ledger).coordination
    assert table is not None
    return table.region


def render_files(export: Export, region: str) -> dict[str, str]:
    """Write the template, and the recipe of the image.

    :param region: of the scheduler, as :func:`scheduler_region` chose it.
    :returns: the text of each file, by its name.
    """
    drilled = sorted({name for topology in check_cluster(export).values() for name in topology.region_names})
    return render_cluster_files(export, _steps(region), [_template(export, region, drilled)])


def _steps(region: str) -> str:
    return (
        "make the secret, then:\n"
        f"  aws cloudformation deploy --region {region} --stack-name chaosdrill-gamedays \\\n"
        "    --template-file gamedays.yaml --capabilities CAPABILITY_IAM \\\n"
        "    --parameter-overrides Image=… Vpc=… SubnetA=… SubnetB=… TaskRole=… Alarms=…"
    )


def _template(export: Export, region: str, drilled: Sequence[str]) -> Resource:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Scheduled game days of chaosdrill, in {region}",
        "Parameters": _parameters(export),
        "Rules": {
            "OutsideTheDrilledRegions": {
                "Assertions": [
                    {
                        "Assert": {"Fn::Not": [{"Fn::Contains": [list(drilled), {"Ref": "AWS::Region"}]}]},
                        "AssertDescription": f"The scheduler must be in none of {', '.join(drilled)}",
                    }
                ]
            }
        },
        "Resources": {
            **_files_of_runs(),
            **_task(export),
            **_alarm(),
            **_roles(export),
            **dict(_schedules(export)),
        },
    }


def _parameters(export: Export) -> Resource:
    found = {
        "Image": {"Type": "String", "Description": "Container image that the Containerfile makes"},
        "Vpc": {"Type": "AWS::EC2::VPC::Id"},
        "SubnetA": {"Type": "AWS::EC2::Subnet::Id", "Description": "With a way to AWS and to the drilled system"},
        "SubnetB": {"Type": "AWS::EC2::Subnet::Id", "Description": "In another availability zone than SubnetA"},
        "TaskRole": {"Type": "String", "Description": "ARN of the role of the drills (chaosdrill iam EXPERIMENT)"},
        "Alarms": {"Type": "String", "Description": "ARN of the SNS topic for game days that were not started"},
    }
    if export.secrets:
        what = f"ARN of the secret in Secrets Manager with the keys {', '.join(export.secrets)}"
        found["Secret"] = {"Type": "String", "Description": what}
    return found


def _files_of_runs() -> Resource:
    """Make the file system that keeps the runs: a task's own is lost with it."""
    nfs = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}
    return {
        "TaskGroup": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "Game days of chaosdrill", "VpcId": {"Ref": "Vpc"}},
        },
        "FilesGroup": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "Runs of game days",
                "VpcId": {"Ref": "Vpc"},
                "SecurityGroupIngress": [{**nfs, "SourceSecurityGroupId": _attribute("TaskGroup", "GroupId")}],
            },
        },
        "Files": {
            "Type": "AWS::EFS::FileSystem",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"Encrypted": True, "BackupPolicy": {"Status": "ENABLED"}},
        },
        **{f"FilesIn{name}": _mount(name) for name in ("SubnetA", "SubnetB")},
        "Home": {
            "Type": "AWS::EFS::AccessPoint",
            "Properties": {
                "FileSystemId": {"Ref": "Files"},
                "PosixUser": {"Uid": str(USER), "Gid": str(USER)},
                "RootDirectory": {
                    "Path": f"/{NAME}",
                    "CreationInfo": {"OwnerUid": str(USER), "OwnerGid": str(USER), "Permissions": "0700"},
                },
            },
        },
    }


def _mount(subnet: str) -> Resource:
    groups = [_attribute("FilesGroup", "GroupId")]
    properties = {"FileSystemId": {"Ref": "Files"}, "SubnetId": {"Ref": subnet}, "SecurityGroups": groups}
    return {"Type": "AWS::EFS::MountTarget", "Properties": properties}


def _task(export: Export) -> Resource:
    container: Resource = {
        "Name": NAME,
        "Image": {"Ref": "Image"},
        "Essential": True,
        "StopTimeout": _STOP_S,
        "Command": tick_arguments(),
        "Environment": [{"Name": name, "Value": value} for name, value in container_environment(export).items()],
        "MountPoints": [{"SourceVolume": "home", "ContainerPath": HOME, "ReadOnly": False}],
        "LogConfiguration": {
            "LogDriver": "awslogs",
            "Options": {
                "awslogs-group": {"Ref": "Log"},
                "awslogs-region": {"Ref": "AWS::Region"},
                "awslogs-stream-prefix": NAME,
            },
        },
    }
    if export.secrets:
        container["Secrets"] = [
            {"Name": name, "ValueFrom": {"Fn::Sub": f"${{Secret}}:{name}::"}} for name in export.secrets
        ]
    files = {"FilesystemId": {"Ref": "Files"}, "TransitEncryption": "ENABLED"}
    volume = {**files, "AuthorizationConfig": {"AccessPointId": {"Ref": "Home"}, "IAM": "DISABLED"}}
    return {
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 400}},
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {}},
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "DependsOn": ["FilesInSubnetA", "FilesInSubnetB"],
            "Properties": {
                "RequiresCompatibilities": ["FARGATE"],
                "NetworkMode": "awsvpc",
                "Cpu": "1024",
                "Memory": "2048",
                "ExecutionRoleArn": _attribute("ExecutionRole", "Arn"),
                "TaskRoleArn": {"Ref": "TaskRole"},
                "ContainerDefinitions": [container],
                "Volumes": [{"Name": "home", "EFSVolumeConfiguration": volume}],
            },
        },
    }


def _alarm() -> Resource:
    """Make the queue of invocations that failed, and the alarm that says so."""
    dimension = {"Name": "QueueName", "Value": _attribute("NotStarted", "QueueName")}
    return {
        "NotStarted": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"MessageRetentionPeriod": _KEPT_S, "SqsManagedSseEnabled": True},
        },
        "NotStartedAlarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmDescription": "EventBridge Scheduler could not start a task of a game day",
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Dimensions": [dimension],
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 0,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "notBreaching",
                "AlarmActions": [{"Ref": "Alarms"}],
            },
        },
    }


def _roles(export: Export) -> Resource:
    cluster = {"ArnEquals": {"ecs:cluster": _attribute("Cluster", "Arn")}}
    passed = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    start: list[Resource] = [
        {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": {"Ref": "Task"}, "Condition": cluster},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": [_attribute("ExecutionRole", "Arn"), {"Ref": "TaskRole"}],
            "Condition": passed,
        },
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": _attribute("NotStarted", "Arn")},
    ]
    read: list[Resource] = []
    if export.secrets:
        read = [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": {"Ref": "Secret"}}]
    usual = {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"}
    return {
        "SchedulerRole": _role("scheduler.amazonaws.com", start),
        "ExecutionRole": _role("ecs-tasks.amazonaws.com", read, [usual]),
    }


def _role(service: str, statements: Sequence[Mapping[str, Any]], managed: Sequence[Any] = ()) -> Resource:
    trust: Resource = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust["Condition"] = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    properties: Resource = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    if managed:
        properties["ManagedPolicyArns"] = list(managed)
    if statements:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        properties["Policies"] = [{"PolicyName": "gamedays", "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _schedules(export: Export) -> Iterator[tuple[str, Resource]]:
    yield "Group", {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {}}
    for one in export.game_days:
        arguments = run_arguments(one.game_day.id, "<aws.scheduler.scheduled-time>")
        zone = str(one.game_day.schedule.zone)
        for expression in one.expressions:
            yield _logical("GameDay", one.game_day.id, expression), _schedule(expression, zone, arguments)
    for path in export.topologies:
        topology = path_in_image(export, path)
        yield _logical("Rescue", path.stem, topology), _schedule(_EACH_MINUTE, "UTC", rescue_arguments(topology))
    yield "Tick", _schedule(_EACH_MINUTE, "UTC", tick_arguments())


def _logical(begin: str, name: str, unique: str) -> str:
    """Make the logical name of a schedule, the same one each time."""
    plain = re.sub(r"[^A-Za-z0-9]", "", name.title())
    return f"{begin}{plain}{hashlib.sha256(f'{name} {unique}'.encode()).hexdigest()[:8]}"


def _schedule(expression: str, zone: str, arguments: Sequence[str]) -> Resource:
    """Make a schedule that starts one task, and does not try again.

    :source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    overrides = {"containerOverrides": [{"name": NAME, "command": list(arguments)}]}
    subnets = [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}]
    network = {"Subnets": subnets, "SecurityGroups": [_attribute("TaskGroup", "GroupId")], "AssignPublicIp": "DISABLED"}
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "GroupName": {"Ref": "Group"},
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": zone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": _attribute("Cluster", "Arn"),
                "RoleArn": _attribute("SchedulerRole", "Arn"),
                "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
                "DeadLetterConfig": {"Arn": _attribute("NotStarted", "Arn")},
                "EcsParameters": {
                    "TaskDefinitionArn": {"Ref": "Task"},
                    "LaunchType": "FARGATE",
                    "TaskCount": 1,
                    "NetworkConfiguration": {"AwsvpcConfiguration": network},
                },
                "Input": json.dumps(overrides),
            },
        },
    }


def _attribute(resource: str, name: str) -> Resource:
    return {"Fn::GetAtt": [resource, name]}
