"""Every reader of a response, on the response that AWS documents, and on one with all that its model allows, and less.

The lab was written by the same hands as the readers; these responses were not.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

import chaosdrill
from chaosdrill.automatic_failover import triggers
from chaosdrill.aws import (
    System,
    arc,
    aurora,
    cloudwatch,
    dynamodb,
    elb,
    execution_memory,
    fis,
    main_table,
    read_coalescing,
    recorder,
    safety_rules,
    ssm,
    stepfunctions,
    system_of,
)
from chaosdrill.conformance import entries as entries_of_aws
from chaosdrill.conformance import fault_injection, global_database, permissions
from chaosdrill.coordination.items import ItemWrite
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.coordination.table import TableStore
from chaosdrill.discovery import (
    controls,
    databases,
    dns_records,
    entry_points,
    flags,
    hosts,
    machines,
    main_tables,
)
from chaosdrill.discovery.account import Account
from chaosdrill.discovery.scope import DiscoveryScope
from chaosdrill.errors import DrillError
from chaosdrill.packet_loss import experiments, host, isolation, role, role_documents
from chaosdrill.packet_loss.plan import templates_equal
from chaosdrill.service import ecs
from chaosdrill.topology.model import CoordinationTable
from tests.contract.call_recorder import Recorder
from tests.contract.documented_responses import (
    SESSION,
    Operation,
    Responses,
    documented,
    with_everything,
    without_lists,
)
from tests.contract.service_models import violations
from tests.unit.test_topology import RIGHT

HOME, STANDBY = "us-east-1", "us-west-2"
CLUSTERS = {
    HOME: "arn:aws:rds:us-east-1:123456789012:cluster:js-global-cluster",
    STANDBY: "arn:aws:rds:us-west-2:123456789012:cluster:DB-1",
}
MACHINE = "arn:aws:states:us-west-2:012345678912:stateMachine:state-machine-name"
EXECUTION = "arn:aws:states:us-east-1:012345678912:execution:state-machine-name:execution-name"
ENDED = stepfunctions.Execution(
    EXECUTION, "SUCCEEDED", 0.021, started="2019-01-10T19:34:00.101Z", stopped="2019-01-10T19:34:00.122Z"
)
LOCAL_MACHINE = "arn:aws:states:us-west-2:123456789012:stateMachine:SimpleStateMachine3C32178E"
COMMAND, INSTANCE = "ef7fdfd8-9b57-4151-a15c-db9a12345678", "i-1234567890abcdef0"
SERIES = cloudwatch.Series(HOME, "AWS/SNS", "PublishSize", {"TopicName": "NotifyMe"})
SIMULATED = {"Statement": [{"Action": "dynamodb:CreateBackup", "Resource": "*"}]}
WANTED_TEMPLATE = {
    "description": "d",
    "stopConditions": [{"source": "none"}],
    "actions": {},
    "roleArn": "arn:aws:iam::123456789012:role/myRole",
    "tags": {"Name": "one"},
}
EXPECTED_FAILURES = (DrillError, ClientError, BotoCoreError)
DOCUMENTED = documented()


@pytest.fixture(autouse=True)
def as_the_models_say(recorder: Recorder) -> Iterator[None]:
    """What is played here is on purpose as it is, and nothing is sent."""
    yield
    recorder.take()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system of the examples: in their regions, with their clusters."""
    directory = tmp_path_factory.mktemp("examples")
    text = RIGHT.replace("ap-northeast-1", HOME).replace("ap-northeast-3", STANDBY)
    for region, name in ((HOME, "tokyo"), (STANDBY, "osaka")):
        text = text.replace(f"arn:aws:rds:{region}:123456789012:cluster:{name}", CLUSTERS[region])
    (directory / "config").write_text("[profile one]\naws_access_key_id = a\naws_secret_access_key = b\n")
    (directory / "topology.yaml").write_text(text + "aws: {profile: one, config_file: config}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CONFIG_FILE", str(directory / "config"))
        yield system_of({"topology": str(directory / "topology.yaml")})


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test reads anew."""
    monkeypatch.setattr(read_coalescing, "_resources", {})
    monkeypatch.setattr(stepfunctions, "_found", {})
    monkeypatch.setattr(execution_memory, "_started_s", {})
    monkeypatch.setattr(execution_memory, "_ended", set())


def survey(_: System) -> DiscoveryScope:
    return DiscoveryScope(Account("one"), HOME, STANDBY)


@dataclass(frozen=True)
class Reader:
    """What the product makes of a response.

    :param read: calls the operation and reads its response.
    :param expected: of the documented response; None: there is none.
    """

    read: Callable[[System], Any]
    expected: Any = None


def flag(system: System) -> Any:
    return dynamodb.stop_flag(system, HOME)


READERS: dict[Operation, tuple[Reader, ...]] = {
    ("cloudwatch", "DescribeAlarms"): (
        Reader(lambda system: triggers.alarm_state(system, HOME, "myalarm"), "OK"),
        Reader(lambda system: list(cloudwatch.alarms(system, HOME, ["myalarm"])), ["myalarm"]),
    ),
    ("cloudwatch", "GetMetricData"): (
        Reader(lambda system: cloudwatch.latest(system, SERIES, "Maximum", 60, 600), 96.85),
    ),
    ("cloudwatch", "ListMetrics"): (
        Reader(lambda system: global_database._other_dimensions(system, HOME, "DB-1")[1:2], [{"TopicName": "CFO"}]),
    ),
    ("dynamodb", "DescribeTable"): (
        Reader(lambda system: main_table.replica(system, HOME, "T"), main_table.Replica("T", HOME, "", (), False)),
        Reader(lambda system: main_tables._is_replicated(survey(system), "T"), False),
    ),
    ("dynamodb", "GetItem"): (Reader(flag), Reader(lambda system: flags._attributes(survey(system), HOME, "T"), ())),
    ("dynamodb", "Query"): (Reader(lambda system: table(system).partition("run#1"), [{"SongTitle": "Call Me Today"}]),),
    ("dynamodb", "TransactGetItems"): (
        Reader(lambda system: table(system).get([("run#1", "lease")])),
        Reader(lambda system: ItemCoordination(table(system)).read(["a"])),
    ),
    ("dynamodb", "UpdateItem"): (
        Reader(
            lambda system: table(system).update(ItemWrite(("run#1", "lease"), {"n": 1})),
            {"AlbumTitle": "Louder Than Ever", "Artist": "Acme Band", "SongTitle": "Happy Day", "Year": 2015},
        ),
    ),
    ("dynamodb", "ListTables"): (
        Reader(
            lambda system: survey(system).account.listed("dynamodb", HOME, "list_tables", "TableNames").items,
            ("Forum", "ProductCatalog", "Reply", "Thread"),
        ),
    ),
    ("ec2", "DescribeInstances"): (
        Reader(lambda system: host.not_running(system, host.Host("i-1", HOME, "arn", "document")), []),
        Reader(lambda system: host.at_host(system, None, {"Name": "bastion"}, None).topology.client.instance_id),
        Reader(lambda system: isolation._refuse_clients_own(system, HOME, {})),
        Reader(lambda system: list(hosts._named(survey(system), HOME)), ["i-1234567890abcdef0"]),
    ),
    ("ec2", "DescribeSubnets"): (
        Reader(
            lambda system: isolation.subnets_of(system, STANDBY, ["subnet-1"]),
            ["arn:aws:ec2:us-east-1:111122223333:subnet/subnet-8EXAMPLE"],
        ),
    ),
    ("ec2", "DescribeVpcs"): (
        Reader(
            lambda system: entry_points._range(
                survey(system), HOME, entry_points.Balancer("arn", "name", "vpc", "application")
            ),
            "30.1.0.0/16",
        ),
    ),
    ("ecs", "DescribeServices"): (
        Reader(
            lambda system: ecs.counts(system, ecs.Service("default", "my-http-service", HOME)), ecs.Counts(10, 10, 0)
        ),
    ),
    ("elbv2", "DescribeLoadBalancers"): (
        Reader(
            lambda system: elb.load_balancer_name(system, HOME, "arn"),
            "my-load-balancer-424835706.us-west-2.elb.amazonaws.com",
        ),
        Reader(lambda system: isolation.application_vpc(system, STANDBY), "vpc-3ac0fb5f"),
        Reader(lambda system: [one.vpc for one in entry_points._balancers(survey(system), HOME)], ["vpc-3ac0fb5f"]),
    ),
    ("elbv2", "DescribeLoadBalancerAttributes"): (
        Reader(lambda system: entries_of_aws._headers(system, HOME, "arn").as_assumed, False),
    ),
    ("events", "DescribeRule"): (Reader(lambda system: triggers.rule_state(system, HOME, "test"), "ENABLED"),),
    ("fis", "CreateExperimentTemplate"): (Reader(lambda system: made_template(system), ("ABCDE1fgHIJkLmNop", True)),),
    ("fis", "GetExperiment"): (
        Reader(lambda system: fis.experiment(system, "ABC12DeFGhI3jKLMNOP").state, "completed"),
        Reader(lambda system: list(fis.recorded(system, "ABC12DeFGhI3jKLMNOP", HOME))),
    ),
    ("fis", "GetSafetyLever"): (Reader(lambda system: fis.safety_lever(system, HOME), ("engaged", "Blocked days")),),
    ("fis", "GetExperimentTemplate"): (
        Reader(
            lambda system: fis.recorded(system, "ABC12DeFGhI3jKLMNOP", HOME)["GetExperimentTemplate"] is not None, True
        ),
        Reader(lambda system: templates_equal(template(system), WANTED_TEMPLATE)),
    ),
    ("fis", "ListExperiments"): (
        Reader(lambda system: [one.state for one in fis.summaries(system, HOME)], ["running"]),
        Reader(lambda system: fis.of_run(system, "run", HOME), []),
    ),
    ("fis", "ListExperimentTemplates"): (
        Reader(lambda system: experiments.template_like(system, {"tags": {"Name": "one"}}, HOME)),
    ),
    ("fis", "StartExperiment"): (
        Reader(lambda system: experiments._started(system, "EXT1", HOME), "ABC12DeFGhI3jKLMNOP"),
    ),
    ("iam", "GetRole"): (
        Reader(lambda system: role.role_arn(system, "Test-Role"), "arn:aws:iam::123456789012:role/Test-Role"),
    ),
    ("iam", "GetRolePolicy"): (
        Reader(lambda system: role_documents.missing_from(role._policy(system, role.for_packet_loss()), policy()), []),
    ),
    ("iam", "SimulatePrincipalPolicy"): (
        Reader(
            lambda system: permissions._simulated(system, "arn:aws:iam::123456789012:user/alejandro", SIMULATED).text,
            "arn:aws:iam::123456789012:user/alejandro: denied: dynamodb:CreateBackup on *",
        ),
    ),
    ("rds", "DescribeGlobalClusters"): (
        Reader(
            lambda system: (aurora.global_cluster(system).status, aurora.global_cluster(system).writer),
            ("available", HOME),
        ),
        Reader(lambda system: databases.find_database(survey(system)).value["clusters"], CLUSTERS),
    ),
    ("route53", "GetHealthCheck"): (Reader(lambda system: controls._followed(survey(system), "1"), ""),),
    ("route53", "ListHostedZones"): (Reader(lambda system: zones(dns_records.find_records(survey(system))), ((), ())),),
    ("route53", "ListResourceRecordSets"): (Reader(lambda system: list(dns_records._rows(survey(system), "Z1")), []),),
    ("route53-recovery-cluster", "GetRoutingControlState"): (
        Reader(arc.routing_states, {HOME: "On", STANDBY: "On"}),
        Reader(arc.endpoints_reachable, {"us-east-1": "", "us-west-2": ""}),
    ),
    ("route53-recovery-control-config", "DescribeSafetyRule"): (
        Reader(lambda system: safety_rules._shown(system, "arn"), "TestSafetyRule (arn)"),
    ),
    ("route53-recovery-control-config", "ListClusters"): (
        Reader(lambda system: [len(controls._in_order(one)) for one in clusters(system)], [5, 5]),
    ),
    ("route53-recovery-control-config", "ListControlPanels"): (
        Reader(lambda system: len(controls._controls(survey(system), "arn")), 4),
    ),
    ("route53-recovery-control-config", "ListRoutingControls"): (
        Reader(lambda system: [one.name for one in controls._controls(survey(system), "arn")], ["Rc1", "Rc2"] * 2),
    ),
    ("route53-recovery-control-config", "ListSafetyRules"): (
        Reader(lambda system: safety_rules.arns_of(system, ["TestSafetyRule"])[0].rpartition("/")[2], "333333444444"),
    ),
    ("ssm", "DescribeDocument"): (Reader(lambda system: fault_injection._parameters(system)),),
    ("ssm", "DescribeInstanceInformation"): (
        Reader(lambda system: ssm.agent_status(system, "i-1", HOME), "Online"),
        Reader(lambda system: hosts._managed(survey(system), HOME), {"i-028ea792daEXAMPLE": "Online"}),
    ),
    ("ssm", "GetCommandInvocation"): (
        Reader(lambda system: ssm._invocation(system.client("ssm", HOME), COMMAND, INSTANCE).status, "Success"),
    ),
    ("ssm", "GetDocument"): (Reader(lambda system: fault_injection._content(system)),),
    ("ssm", "ListCommandInvocations"): (
        Reader(
            lambda system: [
                (one.status, [step.name for step in one.steps])
                for one in ssm.document_runs(system, INSTANCE, HOME, "AWS-UpdateSSMAgent", datetime.now(UTC))
            ],
            [("Success", ["aws:updateSsmAgent"])] * 2,
        ),
    ),
    ("ssm", "SendCommand"): (
        Reader(
            lambda system: ssm._send(
                system, system.client("ssm", HOME), INSTANCE, HOME, "true", 30, "chaosdrill: test"
            ),
            "92853adf-ba41-4cd6-9a88-142d1EXAMPLE",
        ),
    ),
    ("stepfunctions", "DescribeExecution"): (
        Reader(lambda system: execution(system).seconds, 0.021),
        Reader(lambda system: execution(system).has_ended, True),
    ),
    ("stepfunctions", "GetExecutionHistory"): (
        Reader(lambda system: [one.name for one in stepfunctions.state_times(system, EXECUTION)], ["HelloWorld"]),
    ),
    ("stepfunctions", "ListExecutions"): (
        Reader(lambda system: stepfunctions.running(system, [MACHINE]), [EXECUTION]),
        Reader(lambda system: stepfunctions.latest(system, MACHINE), ENDED),
    ),
    ("stepfunctions", "ListStateMachines"): (
        Reader(lambda system: stepfunctions.machine_arn(system, "SimpleStateMachine"), LOCAL_MACHINE),
        Reader(lambda system: machines.find_machines(survey(system)).value),
    ),
    ("sts", "GetCallerIdentity"): (
        Reader(lambda system: system.client("sts", HOME).get_caller_identity()["Account"], "123456789012"),
        Reader(lambda system: survey(system).account.number(HOME), "123456789012"),
    ),
}
READ_ELSEWHERE = {
    ("fis", "ListExperimentResolvedTargets"): "tests/contract/test_rehearsal.py: of a preview, whose id FIS gives",
    ("iam", "ListRolePolicies"): "tests/contract/test_sweep.py: on the lab's responses only",
    ("s3", "GetObject"): "a presigned URL, which no client of ours reads",
    ("s3", "ListObjectsV2"): "tests/contract/test_sweep.py: on the lab's responses only",
}
UNREAD = {  # calls whose response has nothing that is read: that they were answered is what counts
    *(
        ("dynamodb", "TransactWriteItems"),
        ("ecs", "UpdateService"),
        ("events", "DisableRule"),
        ("events", "EnableRule"),
    ),
    ("events", "PutRule"),
    *(("fis", "StopExperiment"), ("iam", "CreateRole"), ("iam", "PutRolePolicy"), ("rds", "FailoverGlobalCluster")),
    *(("iam", "CreateServiceLinkedRole"), ("iam", "GetPolicy"), ("iam", "DeleteRole"), ("iam", "DeleteRolePolicy")),
    ("fis", "DeleteExperimentTemplate"),
    *(("rds", "SwitchoverGlobalCluster"), ("route53-recovery-cluster", "UpdateRoutingControlStates")),
    *(("s3", "DeleteObject"), ("s3", "HeadBucket"), ("s3", "HeadObject"), ("s3", "PutObject")),
    ("stepfunctions", "StartExecution"),
}
CASES = [
    pytest.param(operation, reader, id=f"{'-'.join(operation)}-{number}")
    for operation, readers in READERS.items()
    for number, reader in enumerate(readers)
]


def table(system: System) -> TableStore:
    return TableStore(system.coordination_client("eu-west-1"), CoordinationTable("T", "eu-west-1"))


def zones(found: dns_records.DnsRecords) -> Any:
    return found.rows, found.private


def template(system: System) -> dict[str, Any]:
    found: dict[str, Any] = system.client("fis", HOME).get_experiment_template(id="ABCDE1fgHIJkLmNop")[
        "experimentTemplate"
    ]
    return found


def execution(system: System) -> stepfunctions.Execution:
    found = stepfunctions.described(system, EXECUTION)
    assert found is not None
    return found


def clusters(system: System) -> list[dict[str, Any]]:
    found = survey(system).account.listed("route53-recovery-control-config", STANDBY, "list_clusters", "Clusters")
    return list(found.items)


def made_template(system: System) -> Any:
    return experiments.ensure_template(system, WANTED_TEMPLATE, HOME)


def policy() -> Any:
    return json.loads(unquote(DOCUMENTED["iam", "GetRolePolicy"]["PolicyDocument"]))


def played(monkeypatch: pytest.MonkeyPatch, operation: Operation, response: dict[str, Any]) -> Responses:
    """From now on calls are answered: of this operation with this response."""
    others = {one: DOCUMENTED.get(one) or with_everything(one) for one in [*READERS, *UNREAD]}
    responses = Responses({**others, operation: response})
    monkeypatch.setattr(recorder, "_player", responses)
    return responses


@pytest.mark.parametrize(("operation", "reader"), [case for case in CASES if case.values[0] in DOCUMENTED])
def test_a_reader_understands_the_documented_response(
    system: System, monkeypatch: pytest.MonkeyPatch, operation: Operation, reader: Reader
) -> None:
    responses = played(monkeypatch, operation, DOCUMENTED[operation])
    found = outcome(system, reader)
    assert operation in responses.asked, f"it has not called {operation}: {found!r}"
    if reader.expected is not None:
        assert found == reader.expected
    else:
        assert not isinstance(found, Exception) or isinstance(found, EXPECTED_FAILURES)


@pytest.mark.parametrize("made", [without_lists, with_everything])
@pytest.mark.parametrize(("operation", "reader"), CASES)
def test_a_reader_copes_with_whatever_the_model_allows(
    system: System,
    monkeypatch: pytest.MonkeyPatch,
    operation: Operation,
    reader: Reader,
    made: Callable[[Operation], dict[str, Any]],
) -> None:
    """An empty list may be missing, and a text may be any text: then it says what it misses, and does not stumble."""
    responses = played(monkeypatch, operation, made(operation))
    found = outcome(system, reader)
    assert operation in responses.asked, f"it has not called {operation}: {found!r}"
    assert not isinstance(found, Exception) or isinstance(found, EXPECTED_FAILURES), repr(found)


def outcome(system: System, reader: Reader) -> Any:
    try:
        return reader.read(system)
    except Exception as error:  # noqa: BLE001  what it is, is the test's to judge
        return error


@pytest.mark.parametrize("operation", DOCUMENTED, ids="-".join)
def test_the_documented_responses_are_of_the_model(operation: Operation) -> None:
    wrong = [
        what
        for what in violations(
            SESSION.get_service_model(operation[0]).operation_model(operation[1]).output_shape, DOCUMENTED[operation]
        )
        if not EXAMPLE_VALUES.search(what)
    ]
    assert wrong == []


# ids of examples are short or end in EXAMPLE, and a field that was not used is an empty text
# and ListHostedZones' has no Marker, which its model requires
EXAMPLE_VALUES = re.compile("EXAMPLE|does not match|is less than|is more than|: '' is none of|^.Marker: is missing")


def test_every_operation_that_is_called_has_its_readers_here() -> None:
    services = {service for service, _ in [*READERS, *UNREAD]}
    names = {
        xform_name(name): (service, name)
        for service in services
        for name in SESSION.get_service_model(service).operation_names
    }
    called = {names[word] for word in words_of_the_product() if word in names}
    known = {*READERS, *UNREAD, *READ_ELSEWHERE}
    assert {one for one in called if one not in known and not AMBIGUOUS & {one[1]}} == set()


AMBIGUOUS = frozenset({"ListClusters", "ListCommands", "ListRoutingControls", "Query", "CreateConnection"})


def words_of_the_product() -> set[str]:
    """Methods that are called, and names of operations in quotes."""
    package = Path(chaosdrill.__file__).parent
    files = [path for path in package.rglob("*.py") if "lab" not in path.relative_to(package).parts]
    return {word for path in files for word in re.findall(r'[."]([a-z][a-z0-9_]+)[("]', path.read_text())}
