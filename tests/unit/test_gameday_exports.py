"""Game days as files of other engines: complete, valid by the engine's own rules, and without a secret."""

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from chaosdrill.cli import cli
from chaosdrill.gamedays.calendar import Calendar, Channel, GameDay, Schedule, Window
from chaosdrill.gamedays.due_occurrence import DUE
from chaosdrill.gamedays.exports import eventbridge, kubernetes, systemd
from chaosdrill.gamedays.exports.cluster import rescue_arguments, run_arguments, tick_arguments
from chaosdrill.gamedays.exports.plan import MARK, Export, ExportedGameDay, plan_export, start_within_s
from chaosdrill.gamedays.loading import load_calendar
from tests.failing import fails_with
from tests.unit.test_topology import RIGHT

SCHEMA = json.loads((Path(__file__).parent / "kubernetes.schema.json").read_text())
COORDINATION = "coordination: {table: chaosdrill-coordination, region: us-west-2}\n"
IMAGE = "registry.example/chaosdrill:1"
CALENDAR = """\
version: 1
ledger: topology/aws.yaml
channels:
  hook: {kind: webhook, url: {secret: HOOK_URL}, signing_key: {secret: HOOK_KEY}}
game_days:
  monthly-failover:
    owner: sre
    experiment: experiments/failover.yaml
    topology: topology/aws.yaml
    schedule: {zone: Asia/Tokyo, cron: 0 3 * * SUN}
    window: {earliest: 00:00, latest_end: 06:00}
    worst_case_min: 90
    variables: {key: {secret: APP_KEY}}
    notify: [hook]
  weekly:
    owner: sre
    experiment: experiments/failover.yaml
    topology: topology/aws.yaml
    schedule: {zone: America/New_York, cron: 30 2 * * SUN}
    window: {earliest: 22:00, latest_end: 05:00}
    worst_case_min: 60
"""
WINDOW = Window(time(0), time(6))
NIGHTLY = "0 3 * * 0"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, text in {
        "gamedays.yaml": CALENDAR,
        "topology/aws.yaml": RIGHT + COORDINATION,
        "experiments/failover.yaml": "configuration: {key: ''}\nsecrets: {app: {token: {type: env, key: API_TOKEN}}}\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def game_day(place: Path, id: str = "monthly-failover", **other: Any) -> GameDay:
    schedule = Schedule(ZoneInfo("Asia/Tokyo"), NIGHTLY)
    experiment, topology = place / "experiments/failover.yaml", place / "topology/aws.yaml"
    return GameDay(id, "Monthly 100% failover", "sre", experiment, topology, schedule, WINDOW, 90, **other)


def export(place: Path, *expressions: str, days: tuple[GameDay, ...] = (), **other: Any) -> Export:
    days = days or (game_day(place),)
    topology = place / "topology/aws.yaml"
    calendar = Calendar(place / "gamedays.yaml", {day.id: day for day in days}, ledger=topology)
    exported = tuple(ExportedGameDay(day, expressions, 5400) for day in days)
    files = (calendar.file, days[0].experiment, topology)
    return replace(Export(calendar, exported, (topology,), files, ("API_TOKEN", "HOOK_URL")), **other)


def manifests(place: Path, **other: Any) -> list[dict[str, Any]]:
    written = kubernetes.render_files(export(place, NIGHTLY, **other), IMAGE, "drills")
    return list(yaml.safe_load_all(written["gamedays.yaml"]))


def cron_jobs(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "CronJob"}


def container(cron_job: dict[str, Any]) -> dict[str, Any]:
    return cron_job["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.long
def test_every_manifest_is_valid_by_the_schema_of_kubernetes(place: Path) -> None:
    found = manifests(place, days=(game_day(place), game_day(place, "x" * 40)))
    for one in found:
        jsonschema.validate(one, SCHEMA["$defs"][_definition(one["kind"])] | {"$defs": SCHEMA["$defs"]})
        assert len(one["metadata"]["name"]) <= kubernetes.LONGEST_NAME
    kinds = [one["kind"] for one in found]
    assert kinds.count("CronJob") == 4
    assert len({(one["kind"], one["metadata"]["name"]) for one in found}) == len(found)


def _definition(kind: str) -> str:
    return next(name for name in SCHEMA["$defs"] if name.endswith(f".{kind}"))


def test_the_schema_refuses_a_field_that_kubernetes_does_not_know(place: Path) -> None:
    found = next(one for one in manifests(place) if one["kind"] == "CronJob")
    found["spec"]["timezone"] = "UTC"
    with pytest.raises(jsonschema.ValidationError, match="timezone"):
        jsonschema.validate(found, SCHEMA["$defs"][_definition("CronJob")] | {"$defs": SCHEMA["$defs"]})


def test_a_cronjob_starts_one_drill_and_never_a_second_one(place: Path) -> None:
    spec = cron_jobs(manifests(place))["gameday-monthly-failover"]
    assert {name: value for name, value in spec.items() if name != "jobTemplate"} == {
        "schedule": NIGHTLY,
        "timeZone": "Asia/Tokyo",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 5400,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
    }
    job = spec["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    assert (job["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert "activeDeadlineSeconds" not in job, "a drill is never cut off"
    assert pod["terminationGracePeriodSeconds"] == 90 * 60
    assert container(spec)["args"] == ["gameday", "run", "monthly-failover", "--occurrence", "due"]


def test_the_pod_of_a_drill_is_not_evicted(place: Path) -> None:
    found = manifests(place)
    template = cron_jobs(found)["gameday-monthly-failover"]["jobTemplate"]["spec"]["template"]["metadata"]
    assert template["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    budget = next(one for one in found if one["kind"] == "PodDisruptionBudget")["spec"]
    assert (budget["minAvailable"], budget["selector"]["matchLabels"]) == (1, template["labels"])
    others = [name for name in cron_jobs(found) if name != "gameday-monthly-failover"]
    for name in others:
        metadata = cron_jobs(found)[name]["jobTemplate"]["spec"]["template"]["metadata"]
        # one each minute would keep its node forever; the next one goes on in any case
        assert not metadata["labels"]
        assert not metadata["annotations"]


def test_each_minute_a_tick_and_a_rescue_of_each_system(place: Path) -> None:
    found = {name: spec for name, spec in cron_jobs(manifests(place)).items() if not name.startswith("gameday-")}
    assert sorted(container(spec)["args"] for spec in found.values()) == [
        ["gameday", "tick", "--no-launch"],
        ["rescue", "/etc/chaosdrill/topology/aws.yaml", "--when-stale"],
    ]
    assert {spec["schedule"] for spec in found.values()} == {"* * * * *"}


def test_a_tick_that_hangs_keeps_no_other_one_from_starting(place: Path) -> None:
    longest = {
        name: spec["jobTemplate"]["spec"].get("activeDeadlineSeconds")
        for name, spec in cron_jobs(manifests(place)).items()
    }
    assert {name for name, seconds in longest.items() if seconds} == {"chaosdrill-tick"}
    limited = {name for name, text in units(place).items() if "RuntimeMaxSec=" in text}
    assert limited == {"chaosdrill-tick.service"}


def test_the_runs_are_on_a_volume_of_their_game_day_alone(place: Path) -> None:
    found = manifests(place, days=(game_day(place), game_day(place, "other")))
    claims = {one["metadata"]["name"] for one in found if one["kind"] == "PersistentVolumeClaim"}
    assert claims == {"gameday-monthly-failover", "gameday-other"}
    for name, spec in cron_jobs(found).items():
        home = spec["jobTemplate"]["spec"]["template"]["spec"]["volumes"][0]
        expected = {"persistentVolumeClaim": {"claimName": name}} if name in claims else {"emptyDir": {}}
        assert home == {"name": "home", **expected}


def test_secrets_are_references(place: Path) -> None:
    variables = {one["name"]: one for one in container(cron_jobs(manifests(place))["chaosdrill-tick"])["env"]}
    assert variables["API_TOKEN"] == {
        "name": "API_TOKEN",
        "valueFrom": {"secretKeyRef": {"name": "chaosdrill", "key": "API_TOKEN"}},
    }
    assert variables["CHAOSDRILL_GAMEDAYS"]["value"] == "/etc/chaosdrill/gamedays.yaml"


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
def test_kubectl_keeps_every_field_of_a_cronjob(place: Path) -> None:
    for one in (one for one in manifests(place) if one["kind"] == "CronJob"):
        command = ["kubectl", "set", "image", "--local", "-f", "-", "-o", "json", f"chaosdrill={IMAGE}2"]
        printed = subprocess.run(command, input=json.dumps(one), capture_output=True, text=True, check=True).stdout
        known = json.loads(printed)
        assert container(known["spec"])["image"] == f"{IMAGE}2"
        container(known["spec"])["image"] = IMAGE
        assert _without_empty(known["spec"]) == _without_empty(one["spec"])


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        found = {name: _without_empty(one) for name, one in value.items()}
        return {name: one for name, one in found.items() if one not in ({}, None) or name == "emptyDir"}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


def test_the_image_has_each_file_where_the_commands_look_for_it(place: Path) -> None:
    recipe = kubernetes.render_files(export(place, NIGHTLY), IMAGE, "drills")["Containerfile"].splitlines()
    copied = [json.loads(line.removeprefix("COPY ")) for line in recipe if line.startswith("COPY [")]
    assert copied == [
        [name, f"/etc/chaosdrill/{name}"]
        for name in ("gamedays.yaml", "experiments/failover.yaml", "topology/aws.yaml")
    ]
    assert "USER 10001" in recipe


def test_the_image_has_the_files_that_experiments_name(place: Path) -> None:
    """An approval covers them: without one of them in the image, the plan there would be another."""
    (place / "load.py").write_text("# users\n")
    (place / "experiments/failover.yaml").write_text("configuration: {key: '', locustfile: load.py}\n")
    planned = plan_export(load_calendar(place / "gamedays.yaml"), ["monthly-failover"], "eventbridge", 0)
    assert [path.name for path in planned.files] == ["gamedays.yaml", "failover.yaml", "load.py", "aws.yaml"]


def test_what_cannot_run_in_a_cluster_is_refused_at_once(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "failover.yaml"
    days = (replace(game_day(place), topology=None),)
    wrong = export(place, NIGHTLY, days=days, files=(elsewhere,))
    wrong = replace(wrong, calendar=replace(wrong.calendar, ledger=None))
    with fails_with("export-ledger-local", "export-target-lab", "export-file-outside"):
        kubernetes.render_files(wrong, IMAGE, "drills")


def test_a_ledger_that_names_no_table_is_refused(place: Path) -> None:
    (place / "topology/aws.yaml").write_text(RIGHT)
    with fails_with("coordination-missing"):
        kubernetes.render_files(export(place, NIGHTLY), IMAGE, "drills")


def template(place: Path, *expressions: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_template_text(place, *expressions))
    return found


def _template_text(place: Path, *expressions: str) -> str:
    planned = export(place, *expressions or ("cron(0 3 ? * 1 *)",))
    return eventbridge.render_files(planned, eventbridge.scheduler_region(planned, None))["gamedays.yaml"]


def schedules(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    resources: dict[str, dict[str, Any]] = found["Resources"]
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::Scheduler::Schedule"}


@pytest.mark.long
def test_the_template_is_valid_for_cloudformation(place: Path) -> None:
    from cfnlint.api import ManualArgs, lint

    text = _template_text(place, "cron(0 3 13 * ? *)", "cron(0 3 ? * 6 *)", "at(2027-01-10T03:00:00)")
    assert [str(one) for one in lint(text, config=ManualArgs(regions=["us-west-2"]))] == []
    wrong = text.replace("MaximumRetryAttempts: 0", "MaximumRetryAttempts: 999")
    assert lint(wrong, config=ManualArgs(regions=["us-west-2"])), "the linter sees nothing"


def test_each_schedule_of_eventbridge_is_started_once_and_its_failure_is_an_alarm(place: Path) -> None:
    found = template(place)
    for one in schedules(found).values():
        assert one["FlexibleTimeWindow"] == {"Mode": "OFF"}
        assert one["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
        assert one["Target"]["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["NotStarted", "Arn"]}}
    alarm = found["Resources"]["NotStartedAlarm"]["Properties"]
    assert alarm["Dimensions"][0]["Value"] == {"Fn::GetAtt": ["NotStarted", "QueueName"]}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_a_schedule_of_eventbridge_says_which_occurrence_it_starts(place: Path) -> None:
    found = schedules(template(place))
    commands = sorted(json.loads(one["Target"]["Input"])["containerOverrides"][0]["command"] for one in found.values())
    assert commands == [
        ["gameday", "run", "monthly-failover", "--occurrence", "<aws.scheduler.scheduled-time>"],
        ["gameday", "tick", "--no-launch"],
        ["rescue", "/etc/chaosdrill/topology/aws.yaml", "--when-stale"],
    ]
    by_zone = {one["ScheduleExpression"]: one["ScheduleExpressionTimezone"] for one in found.values()}
    assert by_zone == {"cron(0 3 ? * 1 *)": "Asia/Tokyo", "rate(1 minutes)": "UTC"}


def test_the_scheduler_is_in_a_region_that_is_not_drilled(place: Path) -> None:
    planned = export(place, "cron(0 3 ? * 1 *)")
    assert eventbridge.scheduler_region(planned, None) == "us-west-2"
    assert eventbridge.scheduler_region(planned, "eu-west-1") == "eu-west-1"
    for region in ("ap-northeast-1", "ap-northeast-3"):
        with fails_with("export-region-drilled"):
            eventbridge.scheduler_region(planned, region)
    rule = template(place)["Rules"]["OutsideTheDrilledRegions"]["Assertions"][0]["Assert"]
    assert rule == {"Fn::Not": [{"Fn::Contains": [["ap-northeast-1", "ap-northeast-3"], {"Ref": "AWS::Region"}]}]}


def test_the_task_reads_its_secrets_from_secrets_manager(place: Path) -> None:
    found = template(place)["Resources"]
    container = found["Task"]["Properties"]["ContainerDefinitions"][0]
    assert {one["Name"]: one["ValueFrom"] for one in container["Secrets"]} == {
        name: {"Fn::Sub": f"${{Secret}}:{name}::"} for name in ("API_TOKEN", "HOOK_URL")
    }
    policy = found["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]
    assert (policy["Action"], policy["Resource"]) == ("secretsmanager:GetSecretValue", {"Ref": "Secret"})


def units(place: Path, *expressions: str, command: Path = Path("/bin/true")) -> dict[str, str]:
    planned = export(place, *expressions or ("Sun *-*-* 03:00:00 Asia/Tokyo",))
    return systemd.render_files(planned, command, "root", {"CHAOSDRILL_HOME": f"{place}/home of $5 at 10%"})


def test_a_unit_of_systemd_starts_one_drill_that_nothing_restarts(place: Path) -> None:
    found = units(place, "Sun *-*-* 03:00:00 Asia/Tokyo", "2027-01-10 02:00:00 Asia/Tokyo")
    timer = found["chaosdrill-gameday-monthly-failover.timer"].splitlines()
    assert [line for line in timer if line.startswith("OnCalendar=")] == [
        "OnCalendar=Sun *-*-* 03:00:00 Asia/Tokyo",
        "OnCalendar=2027-01-10 02:00:00 Asia/Tokyo",
    ]
    assert {"AccuracySec=1s", "Persistent=no", "WantedBy=timers.target"} <= set(timer)
    service = found["chaosdrill-gameday-monthly-failover.service"].splitlines()
    assert {
        "Restart=no",
        "TimeoutStopSec=5400",
        "ExecStart=/bin/true gameday run monthly-failover --occurrence due",
    } <= (set(service))


def test_what_systemd_would_expand_is_escaped(place: Path) -> None:
    found = units(place)["chaosdrill-gameday-monthly-failover.service"]
    assert "Description=chaosdrill: Game day Monthly 100%% failover\n" in found
    assert f'Environment="CHAOSDRILL_HOME={place}/home of $5 at 10%%"\n' in found


def test_the_units_tick_and_rescue_each_minute(place: Path) -> None:
    found = units(place)
    assert "ExecStart=/bin/true gameday tick --no-launch\n" in found["chaosdrill-tick.service"]
    rescue = next(text for name, text in found.items() if "rescue" in name and name.endswith(".service"))
    assert f"ExecStart=/bin/true rescue {place}/topology/aws.yaml --when-stale\n" in rescue
    for name in ("chaosdrill-tick.timer", *(name for name in found if "rescue" in name and name.endswith(".timer"))):
        assert "OnCalendar=*-*-* *:*:00\n" in found[name]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_verifies_the_units(place: Path, tmp_path: Path) -> None:
    directory = tmp_path / "units"
    directory.mkdir()
    for name, text in units(place).items():
        (directory / name).write_text(text)
    names = sorted(str(path) for path in directory.iterdir())
    assert _verified(names) == ""
    (directory / "chaosdrill-tick.timer").write_text("[Timer]\nOnCalender=daily\n")
    assert "OnCalender" in _verified(names)


def _verified(names: list[str]) -> str:
    command = ["systemd-analyze", "verify", "--man=no", *names]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_no_file_of_an_export_has_a_secret(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "hush-hush")
    channel = Channel("hook", "webhook", {"url": {"secret": "HOOK_URL"}})
    planned = export(place, NIGHTLY)
    planned = replace(planned, calendar=replace(planned.calendar, channels={"hook": channel}))
    every = {
        **kubernetes.render_files(planned, IMAGE, "drills"),
        **eventbridge.render_files(planned, "us-west-2"),
        **systemd.render_files(planned, Path("/bin/true"), "root", {"CHAOSDRILL_HOME": str(place)}),
    }
    assert "hush-hush" not in "".join(every.values())


def run(place: Path, *arguments: str) -> Any:
    return CliRunner().invoke(cli, ["gameday", "export", *arguments, "--calendar", str(place / "gamedays.yaml")])


@pytest.mark.parametrize(("engine", "more"), [("kubernetes", ["--image", IMAGE]), ("eventbridge", []), ("systemd", [])])
def test_an_export_writes_the_files_of_an_engine(place: Path, engine: str, more: list[str]) -> None:
    output = place / "out"
    found = run(place, engine, "monthly-failover", *more, "--output", str(output), "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert {Path(name) for name in document["files"]} == set(output.iterdir())
    assert document["secrets"] == ["API_TOKEN", "APP_KEY", "HOOK_KEY", "HOOK_URL"]
    assert [one["id"] for one in document["game_days"]] == ["monthly-failover"]
    again = run(place, engine, "monthly-failover", *more, "--output", str(output))
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(("engine", "more"), [("kubernetes", ["--image", IMAGE]), ("eventbridge", []), ("systemd", [])])
def test_a_game_day_that_an_engine_would_start_otherwise_is_refused(place: Path, engine: str, more: list[str]) -> None:
    found = run(place, engine, *more, "--output", str(place / "out"))
    assert found.exit_code == 2
    assert {"weekly:", "EDT", "[export-instants-differ]"} <= set(found.output.split())
    assert "monthly-failover" not in found.output
    assert not (place / "out").exists()


def test_an_export_replaces_no_file_of_others_and_names_what_is_left_over(place: Path) -> None:
    output = place / "out"
    output.mkdir()
    (output / "chaosdrill-gameday-removed.timer").write_text(f"{MARK}\n")
    (output / "notes.txt").write_text("mine")
    found = run(place, "systemd", "monthly-failover", "--output", str(output), "--json")
    assert json.loads(found.stdout)["left_over"] == [str(output / "chaosdrill-gameday-removed.timer")]
    (output / "chaosdrill-tick.timer").write_text("mine")
    found = run(place, "systemd", "monthly-failover", "--output", str(output))
    assert (found.exit_code, (output / "chaosdrill-tick.timer").read_text()) == (2, "mine")
    assert "[export-file-not-ours]" in found.output


def test_an_image_has_the_aws_configuration_that_a_topology_names(place: Path) -> None:
    (place / "topology/aws.yaml").write_text(RIGHT + COORDINATION + "aws: {profile: drill, config_file: aws/config}\n")
    planned = plan_export(load_calendar(place / "gamedays.yaml"), ["monthly-failover"], "kubernetes", 0)
    recipe = kubernetes.render_files(planned, IMAGE, "drills")["Containerfile"]
    assert '\nCOPY ["topology/aws/config", "/etc/chaosdrill/topology/aws/config"]\n' in recipe


def test_a_drill_may_begin_as_late_as_its_window_allows(place: Path) -> None:
    calendar = load_calendar(place / "gamedays.yaml")
    planned = plan_export(calendar, ["monthly-failover"], "kubernetes", 0)
    # 03:00 to 06:00 is three hours, of which the drill may need one and a half
    assert [one.start_within_s for one in planned.game_days] == [5400]
    overnight = calendar.game_days["weekly"]
    late = [
        round(datetime(2027, 1, 2, hour, 30, tzinfo=overnight.schedule.zone).timestamp() * 1000) for hour in (2, 23)
    ]
    assert start_within_s(overnight, late[:1]) == 5400  # until 05:00 of the same day
    assert start_within_s(overnight, late[1:]) == 4.5 * 3600  # until 05:00 of the next day


@pytest.mark.parametrize(
    "arguments", [run_arguments("weekly", DUE), tick_arguments(), rescue_arguments("/etc/chaosdrill/topology.yaml")]
)
def test_the_command_line_takes_what_the_engines_start(arguments: list[str]) -> None:
    command: click.Command = cli
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    command.make_context(command.name, arguments)
