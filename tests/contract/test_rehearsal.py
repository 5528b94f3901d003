"""A rehearsal against the lab's AWS endpoint: what it says, what it changes (nothing), and answers that play again."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from chaosdrill.aws import dynamodb, recorder, system_of
from chaosdrill.cli.rehearse import NOTHING_MADE
from chaosdrill.cli.rehearse import rehearse as cli_rehearse
from chaosdrill.controls import confirmation
from chaosdrill.errors import CannotSee
from chaosdrill.packet_loss.actions import heal_packet_loss, inject_packet_loss, isolate_region
from chaosdrill.region.probes import region_facts
from chaosdrill.rehearsal import bundle
from chaosdrill.rehearsal.rehearse import Rehearsal, rehearse
from tests.contract.activities_rig import OSAKA, TOKYO, Rig
from tests.contract.lab_aws import get
from tests.drills import FAILOVER
from tests.failing import fails_with
from tests.further import first_of

OUR_ROLE = "arn:aws:iam::123456789012:role/chaosdrill-packet-loss"  # given: not looked for
ADDRESSES = "10.100.5.165,10.100.9.84"


@pytest.fixture(autouse=True)
def _home(rig: Rig) -> None:
    rig.go_home()


def look(rig: Rig, **variables: Any) -> Rehearsal:
    return rehearse(FAILOVER, variables, rig.lab.plan.topology_file)


def effect(seen: Rehearsal, step: str) -> Any:
    (planned,) = [one for one in seen.steps if one.step.name == step and one.step.phase != "rollbacks"]
    assert planned.effect is not None, planned.trouble
    return planned


def changes(rig: Rig) -> list[Any]:
    """Everything that a drill would leave behind."""
    fis, sfn = rig.lab.client("fis", TOKYO), rig.lab.client("stepfunctions")
    executions = [
        sfn.list_executions(stateMachineArn=one["stateMachineArn"])["executions"]
        for one in sfn.list_state_machines()["stateMachines"]
    ]
    templates = [one["id"] for one in fis.list_experiment_templates()["experimentTemplates"]]
    return [templates, executions, region_facts(configuration=rig.configuration)]


def test_it_says_what_a_drill_would_do_and_does_nothing(rig: Rig) -> None:
    before = changes(rig)
    seen = look(rig, loss_percent=40)
    assert (seen.state, seen.expected) == (f"serving({TOKYO})", f"serving({TOKYO})")
    assert effect(seen, "fail-over").step.undone_by == ("fail-back",)
    assert "FailoverStateMachine-" in effect(seen, "fail-over").effect.touches
    assert OSAKA in effect(seen, "fail-over").effect.touches
    assert all(value in effect(seen, "start-load").effect.touches for value in ("10", "http://api.example.com"))
    assert changes(rig) == before


def test_what_a_failback_leads_back_is_undone_by_it_though_it_names_another_step(rig: Rig) -> None:
    seen = rehearse(FAILOVER.parent / "region-loss.yaml", {}, rig.lab.plan.topology_file)
    undone = {one.step.name: one.step.undone_by for one in seen.steps if one.step.phase == "method" and one.effect}
    whole = ("fail-back (if close-home was begun)",)
    assert undone == {
        "isolate-home": ("connect-home-again",),
        "close-home": ("fail-back",),
        "fail-over-database": whole,
        "route-to-standby": whole,
        "open-standby": whole,
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("written", "way"),
    [({"s3": "bucket/drills"}, r"\bbucket/drills\b"), ({}, r"\b\d{3} SSM\b")],
)
def test_it_says_what_is_brought_to_the_client_host(
    rig: Rig, tmp_path: Path, written: dict[str, str], way: str
) -> None:
    given = rig.other_topology(tmp_path / "topology.yaml", client=rig.client_host(run="ssm", **written))
    seen = rehearse(FAILOVER, {}, Path(given["topology"]))
    host, touched = rig.lab.topology["client"]["instance_id"], effect(seen, "start-load").effect.touches
    assert all(re.search(part, touched) for part in (host, r"\blocust\.pyz \(\d+\.\d MB\)", way)), touched


@pytest.mark.parametrize("experiment", first_of(sorted(path.name for path in FAILOVER.parent.glob("*.*")), 2))
def test_every_experiment_tells_what_each_of_its_actions_would_do(rig: Rig, experiment: str) -> None:
    seen = rehearse(FAILOVER.parent / experiment, {}, rig.lab.plan.topology_file)
    actions = [one for one in seen.steps if one.step.kind == "action" and one.step.phase in ("setup", "method")]
    silent = [one.step.name for one in actions if one.effect is None and "heal" not in one.step.function]
    assert actions
    assert silent == ["inject-packet-loss"] * ("inject-packet-loss" in silent), (
        "only there does it need the client host"
    )
    assert not [one.step.name for one in actions if one.effect and "None" in one.effect.touches]


def test_what_is_in_the_way_is_said_with_what_to_do(rig: Rig) -> None:
    """Nobody answers for Locust here, and the rig's client host runs no `dig`."""
    rig.flag(TOKYO, "true")
    seen = look(rig)
    assert (seen.state, seen.expected) == ("dark", f"serving({TOKYO})")
    assert any("dark" in one and f"serving({TOKYO})" in one for one in seen.in_the_way)
    (silent,) = [one for one in seen.seen if "http://127.0.0.1:9" in one.what]
    assert (silent.code, silent.advice != "") == ("locust-unreachable", True)
    assert any(silent.what in one and silent.advice in one for one in seen.in_the_way)


@pytest.fixture
def with_addresses(tmp_path: Path) -> Path:
    """The experiment with written addresses: what the domain resolves to, nobody on the rig's client host can tell."""
    return changed(FAILOVER, tmp_path, "sources: home", f'sources: "{ADDRESSES}"')


def changed(experiment: Path, directory: Path, old: str, new: str) -> Path:
    text = experiment.read_text()
    assert old in text
    (directory / experiment.name).write_text(text.replace(old, new))
    return directory / experiment.name


def previewed(rig: Rig, experiment: Path) -> Any:
    (preview,) = rehearse(experiment, {}, rig.lab.plan.topology_file).previews
    return preview


def injected(rig: Rig, **arguments: Any) -> str:
    """:returns: the id of the template that an injection made or used."""
    done = inject_packet_loss(sources=ADDRESSES, **arguments, configuration=rig.configuration)
    heal_packet_loss(configuration=rig.configuration)
    return str(done["template_id"])


def template_of(rig: Rig, preview: Any) -> str:
    found = rig.lab.client("fis", TOKYO).get_experiment(id=preview.experiment_id)["experiment"]
    return str(found["experimentTemplateId"])


def test_before_the_first_drill_there_is_no_preview_and_nothing_is_in_its_way(rig: Rig, with_addresses: Path) -> None:
    fresh = changed(with_addresses, with_addresses.parent, "exp-packetloss", "exp-never-made")
    preview = previewed(rig, fresh)
    assert (preview.step, preview.template) == ("inject-packet-loss", "exp-never-made")
    assert (preview.experiment_id, preview.targets, preview.trouble) == ("", (), "")


def templates(rig: Rig, name: str, region: str = TOKYO) -> list[str]:
    found = rig.lab.client("fis", region).list_experiment_templates()["experimentTemplates"]
    return [str(one["id"]) for one in found if one["tags"]["Name"] == name]


def removed(rig: Rig, made: Any) -> None:
    """Do what the output says, command by command."""
    for command in " && ".join(made.values()).split(" && "):
        aws, service, operation, *named = command.split()
        assert aws == "aws"
        pairs = dict(zip(named[::2], named[1::2], strict=True))
        client = rig.lab.client(service, pairs.pop("--region", TOKYO))
        words = {"--id": "id", "--role-name": "RoleName", "--policy-name": "PolicyName"}
        getattr(client, operation.replace("-", "_"))(**{words[name]: value for name, value in pairs.items()})


@pytest.mark.long
def test_a_first_rehearsal_may_make_the_template_that_the_drill_then_uses(rig: Rig, with_addresses: Path) -> None:
    name, harmed = "exp-made-ahead", len(rig.lab.supervisor.asked("packet_loss.inject"))
    fresh = changed(with_addresses, with_addresses.parent, "exp-packetloss", name)
    (preview,) = rehearse(fresh, {}, rig.lab.plan.topology_file, make_templates=True).previews
    (made,) = templates(rig, name)
    assert [arn.rsplit("/", 1)[1] for arn in preview.targets] == [rig.lab.topology["client"]["instance_id"]]
    assert (preview.trouble, template_of(rig, preview)) == ("", made)
    assert list(preview.made) == [f"template {name} ({made}, {TOKYO})"]
    assert len(rig.lab.supervisor.asked("packet_loss.inject")) == harmed, "nothing was broken"
    (again,) = rehearse(fresh, {}, rig.lab.plan.topology_file, make_templates=True).previews
    assert (template_of(rig, again), again.made) == (made, {}), "what is there is not made twice"
    assert injected(rig, template=name) == made
    assert templates(rig, name) == [made]
    removed(rig, preview.made)
    assert templates(rig, name) == []


@pytest.mark.long
def test_a_first_rehearsal_may_make_the_template_of_an_isolation(rig: Rig, tmp_path: Path) -> None:
    name, cut = "exp-isolation-made-ahead", len(rig.lab.supervisor.asked("network.isolate"))
    there = changed(
        FAILOVER.parent / "region-loss.yaml",
        tmp_path,
        '{region: "${home_region}", duration_s:',
        f"{{template: {name}, region: standby, duration_s:",
    )
    (preview,) = rehearse(there, {}, rig.lab.plan.topology_file, make_templates=True).previews
    (made,) = templates(rig, name, OSAKA)
    assert (len(preview.targets), preview.trouble) == (4, "")
    assert list(preview.made) == [f"template {name} ({made}, {OSAKA})"]
    assert len(rig.lab.supervisor.asked("network.isolate")) == cut, "nothing was broken"
    done = isolate_region("standby", 3600, template=name, configuration=rig.configuration)
    heal_packet_loss(region="standby", configuration=rig.configuration)
    assert (done["template_id"], templates(rig, name, OSAKA)) == (made, [made])


def test_a_role_that_is_given_is_used(rig: Rig, with_addresses: Path) -> None:
    own = f"arn:aws:iam::{rig.lab.plan.account}:role/of-the-administrators"
    fresh = changed(
        with_addresses,
        with_addresses.parent,
        "template: exp-packetloss",
        f"template: exp-own-role\n        role_arn: {own}",
    )
    (preview,) = rehearse(fresh, {}, rig.lab.plan.topology_file, make_templates=True).previews
    (made,) = templates(rig, "exp-own-role")
    (created,) = preview.made
    assert all(value in created for value in ("exp-own-role", made, TOKYO))
    described = rig.lab.client("fis", TOKYO).get_experiment_template(id=made)["experimentTemplate"]
    assert described["roleArn"] == own


def test_without_being_told_to_a_rehearsal_makes_nothing_and_says_how_to(rig: Rig, with_addresses: Path) -> None:
    fresh = changed(with_addresses, with_addresses.parent, "exp-packetloss", "exp-not-made")
    before = changes(rig)
    given = [str(fresh), "--topology", str(rig.lab.plan.topology_file)]
    shown = " ".join(CliRunner().invoke(cli_rehearse, given).output.split())
    assert all(part in shown for part in ("exp-not-made", "--make-temp")), "the rest of the option is on another line"
    assert changes(rig) == before


@pytest.mark.long
def test_what_was_made_is_shown_with_how_to_remove_it(rig: Rig, with_addresses: Path) -> None:
    fresh = changed(with_addresses, with_addresses.parent, "exp-packetloss", "exp-shown")
    given = [str(fresh), "--topology", str(rig.lab.plan.topology_file), "--make-template"]
    shown = " ".join(CliRunner().invoke(cli_rehearse, given).output.split())
    (made,) = templates(rig, "exp-shown")
    assert f"exp-shown ({made}, {TOKYO})" in shown
    assert f"aws fis delete-experiment-template --region {TOKYO} --id {made}" in shown
    for told, as_json in ((CliRunner().invoke(cli_rehearse, [*given, *more]), bool(more)) for more in ([], ["--json"])):
        assert NOTHING_MADE in (told.stderr if as_json else told.stdout)
    assert json.loads(told.stdout)["previews"][0]["made"] == {}


def test_no_template_is_made_in_another_account(rig: Rig, with_addresses: Path, tmp_path: Path) -> None:
    elsewhere = rig.other_topology(tmp_path / "elsewhere.yaml", accounts=["999999999999"])
    fresh = changed(with_addresses, with_addresses.parent, "exp-packetloss", "exp-elsewhere")
    with fails_with("account-not-allowed"):
        rehearse(fresh, {}, Path(elsewhere["topology"]), make_templates=True)
    assert templates(rig, "exp-elsewhere") == []


def test_all_that_is_wrong_with_the_faults_is_told_before_anything_is_made(rig: Rig, with_addresses: Path) -> None:
    wrong, before = {"loss_percent": 0, "fault_duration_s": 50000}, changes(rig)
    with fails_with("setting-invalid", "setting-invalid"):
        rehearse(with_addresses, wrong, rig.lab.plan.topology_file, make_templates=True)
    hostile = changed(with_addresses, with_addresses.parent, ADDRESSES, "0.0.0.0/0")
    hostile = changed(hostile, hostile.parent, "traffic_type: ingress", "interface: 'no name'")
    with fails_with("source-is-every-address", "argument-invalid"):
        rehearse(hostile, {}, rig.lab.plan.topology_file, make_templates=True)
    assert changes(rig) == before


def test_what_the_drill_would_refuse_is_not_prepared(rig: Rig, with_addresses: Path) -> None:
    there = changed(
        with_addresses,
        with_addresses.parent,
        "template: exp",
        f"instance_id: i-00000000000000bad\n        role_arn: {OUR_ROLE}\n        template: exp",
    )
    (preview,) = rehearse(there, {}, rig.lab.plan.topology_file, make_templates=True).previews
    assert (preview.codes, preview.made) == (("fault-target-not-running", "ssm-agent-offline"), {})
    assert "i-00000000000000bad" in preview.trouble


def test_a_template_that_may_have_been_made_is_said(rig: Rig, with_addresses: Path) -> None:
    fresh = changed(with_addresses, with_addresses.parent, "exp-packetloss", "exp-half")
    fault = {"service": "fis", "kind": "server-error", "operation": "CreateExperimentTemplate"}
    assert get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")[0] == 200
    try:
        (preview,) = rehearse(fresh, {}, rig.lab.plan.topology_file, make_templates=True).previews
    finally:
        get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
    assert (preview.codes, preview.made) == (("half-done",), {})


def test_a_rehearsal_says_which_role_must_be_made_and_makes_none(rig: Rig, with_addresses: Path) -> None:
    name, policy = "chaosdrill-packet-loss", "packet-loss"
    iam = rig.lab.client("iam")
    document = json.dumps(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
    iam.delete_role_policy(RoleName=name, PolicyName=policy)
    try:
        found = rehearse(with_addresses, {}, rig.lab.plan.topology_file, make_templates=True)
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_role_policy(RoleName=name, PolicyName=policy)
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)
    assert any("--make-roles" in one for one in found.in_the_way)


@pytest.mark.long
def test_fis_itself_says_what_it_would_hit_and_skips_it(rig: Rig, with_addresses: Path) -> None:
    injected(rig)
    before = len(rig.lab.supervisor.asked("packet_loss.inject"))
    preview = previewed(rig, with_addresses)
    assert preview.template == "exp-packetloss"
    assert [arn.rsplit("/", 1)[1] for arn in preview.targets] == [rig.lab.topology["client"]["instance_id"]]
    assert len(rig.lab.supervisor.asked("packet_loss.inject")) == before


@pytest.mark.long
def test_the_preview_is_of_the_template_that_a_drill_would_use(rig: Rig, with_addresses: Path) -> None:
    """Of several with one name, and wherever the last of them stands in FIS's list."""
    own, other = injected(rig), injected(rig, percent=31)
    assert own != other
    assert template_of(rig, previewed(rig, with_addresses)) == own
    thirty_one = rehearse(with_addresses, {"loss_percent": 31}, rig.lab.plan.topology_file).previews
    assert [template_of(rig, one) for one in thirty_one] == [other]


@pytest.mark.long
def test_a_region_s_isolation_is_previewed_in_that_region(rig: Rig, tmp_path: Path) -> None:
    loss = FAILOVER.parent / "region-loss.yaml"
    there = changed(loss, tmp_path, '{region: "${home_region}", duration_s:', "{region: standby, duration_s:")
    isolate_region("standby", 3600, configuration=rig.configuration)
    heal_packet_loss(region="standby", configuration=rig.configuration)
    cut = len(rig.lab.supervisor.asked("network.isolate"))
    preview = previewed(rig, there)
    subnets = rig.lab.client("ec2", OSAKA).describe_subnets()["Subnets"]
    assert set(preview.targets) <= {one["SubnetArn"] for one in subnets}
    assert len(preview.targets) == 4
    assert len(rig.lab.supervisor.asked("network.isolate")) == cut


@pytest.mark.long
def test_targets_that_are_gone_are_in_the_way(rig: Rig, with_addresses: Path) -> None:
    fis, gone = rig.lab.client("fis", TOKYO), "i-00000000000000bad"
    kept = fis.get_experiment_template(id=injected(rig))["experimentTemplate"]
    host = rig.lab.topology["client"]["instance_id"]
    targets = json.loads(json.dumps(kept["targets"]).replace(host, gone))
    fields = ("description", "stopConditions", "actions", "roleArn", "tags")
    fis.create_experiment_template(targets=targets, **{name: kept[name] for name in fields})
    there = changed(
        with_addresses,
        with_addresses.parent,
        "template: exp",
        f"instance_id: {gone}\n        role_arn: {OUR_ROLE}\n        template: exp",
    )
    seen = rehearse(there, {}, rig.lab.plan.topology_file)
    (preview,) = seen.previews
    assert preview.experiment_id, preview
    assert preview.trouble, preview
    assert any(preview.trouble in told for told in seen.in_the_way)


@pytest.mark.long
def test_fis_that_does_not_answer_is_in_the_way_and_no_crash(rig: Rig, with_addresses: Path) -> None:
    injected(rig)
    fault = {"service": "fis", "kind": "server-error", "operation": "StartExperiment"}
    assert get(f"{rig.lab.url}/chaosdrill/faults", fault, "PUT")[0] == 200
    try:
        seen = rehearse(with_addresses, {}, rig.lab.plan.topology_file)
    finally:
        get(f"{rig.lab.url}/chaosdrill/faults", method="DELETE")
    (preview,) = seen.previews
    assert (preview.step, preview.template, preview.codes) == (
        "inject-packet-loss",
        "exp-packetloss",
        ("aws-request-failed",),
    )
    assert len([text for text in seen.in_the_way if preview.trouble in text]) == 1


def test_a_wrong_experiment_is_told_and_nothing_is_asked(rig: Rig, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("title: x\n")
    with fails_with("experiment-invalid"):
        rehearse(wrong, {}, rig.lab.plan.topology_file)


@pytest.mark.long
@pytest.mark.usefixtures("no_proxy_of_the_user")
def test_recorded_answers_are_redacted_and_play_again(rig: Rig, tmp_path: Path) -> None:
    # another allow-list is another way to the account, of which nothing is remembered yet
    configuration = rig.other_topology(tmp_path / "real.yaml", accounts=[rig.lab.plan.account, "999999999999"])
    with recorder.recording() as answers:
        seen = rehearse(FAILOVER, {}, Path(configuration["topology"]))
        live = region_facts(configuration=configuration)
    exported = tmp_path / "bundle.json"
    bundle.export(exported, seen.topology, answers.calls)
    with fails_with("file-exists"):
        bundle.export(exported, seen.topology, answers.calls)
    assert rig.lab.plan.account not in exported.read_text()
    topology, calls = bundle.load(exported)
    path = tmp_path / "topology.yaml"
    path.write_text(yaml.safe_dump({**topology, "aws": {"endpoint_url": "http://127.0.0.1:9"}}))
    with recorder.playing(calls):
        again = region_facts(configuration={"topology": str(path)})
        assert {name: again[name] for name in ("flag", "routing", "writer", "running")} == {
            name: live[name] for name in ("flag", "routing", "writer", "running")
        }
        elsewhere = system_of({"topology": str(path)})
        with fails_with("recording-incomplete"):
            elsewhere.client("ec2", TOKYO).describe_vpcs()
    with pytest.raises(CannotSee):  # nothing plays any more
        dynamodb.stop_flag(elsewhere, TOKYO)


@pytest.mark.long
def test_an_answer_that_botocore_changes_plays_as_often_as_it_is_asked_for(rig: Rig) -> None:
    """A policy comes as text, and boto3 gives a mapping."""
    injected(rig)
    iam = system_of(rig.configuration).client("iam", TOKYO)

    def policy() -> Any:
        return iam.get_role(RoleName="chaosdrill-packet-loss")["Role"]["AssumeRolePolicyDocument"]

    with recorder.recording() as answers:
        live = policy()
    with recorder.playing(answers.calls):
        assert [policy(), policy()] == [live, live]
    assert live["Statement"][0]["Principal"] == {"Service": "fis.amazonaws.com"}


def test_what_is_no_bundle_is_told(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"version": 2}))
    with fails_with("bundle-version"):
        bundle.load(tmp_path / "other.json")
    (tmp_path / "text.json").write_text("text")
    with fails_with("bundle-invalid"):
        bundle.load(tmp_path / "text.json")


def test_a_confirmation_holds_until_the_topology_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSDRILL_HOME", str(tmp_path / "home"))
    topology = tmp_path / "topology.yaml"
    topology.write_text("version: 1\n")
    with fails_with("rehearsal-not-confirmed"):
        confirmation.require_confirmed(topology)
    confirmation.confirm(topology, "failover.yaml", "123456789012")
    assert confirmation.require_confirmed(topology)["account"] == "123456789012"
    topology.write_text("version: 1\n# changed\n")
    with fails_with("rehearsal-not-confirmed"):
        confirmation.require_confirmed(topology)


def test_it_says_what_waits_for_a_person_and_what_is_handed_over(rig: Rig, tmp_path: Path) -> None:
    text = FAILOVER.read_text()
    step = "name: fail-over            # runbook 3\n"
    assert step in text
    confirm = f'{step}    confirm: {{question: "Ready?", within_s: 60}}\n'
    end = "expect: serving(${home_region})"
    assert end in text
    stays = f"{end}\n        end: serving(${{standby_region}})\n        hand_over: {{to: failback, within_days: 14}}"
    path = tmp_path / FAILOVER.name
    path.write_text(text.replace(step, confirm).replace(end, stays))
    seen = rehearse(path, {}, rig.lab.plan.topology_file)
    assert all(part in effect(seen, "fail-over").step.approval for part in ("60 s", "Ready?"))
    assert effect(seen, "start-load").step.approval == ""
    assert seen.left_to == "failback, for 14 days"
    path.write_text(text.replace(step, confirm.replace("within_s: 60", "within_s: 0")))
    with fails_with("confirm-invalid"):
        rehearse(path, {}, rig.lab.plan.topology_file)
