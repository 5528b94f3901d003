from pathlib import Path

import pytest

from chaosdrill.errors import BadInput
from chaosdrill.topology import load_topology, topology_of
from chaosdrill.topology.model import CoordinationTable
from tests.failing import fails_with

RIGHT = """\
version: 1
target: aws
accounts: ["123456789012"]
regions: {home: ap-northeast-1, standby: ap-northeast-3}
domain: api.example.com.
client: {instance_id: i-0123456789abcdef0, region: ap-northeast-1, url: "http://127.0.0.1:8089/"}
load_balancers:
  ap-northeast-3: {arn: "arn:aws:elasticloadbalancing:ap-northeast-3:123456789012:loadbalancer/app/osaka/1"}
  ap-northeast-1: {cidr: 10.100.0.0/16}
stop_flag:
  tables: {ap-northeast-1: Tokyo-AppTable, ap-northeast-3: Osaka-AppTable}
  key: {PK: stopFlag}
  attribute: value
routing:
  controls:
    ap-northeast-1: arn:aws:route53-recovery-control::123456789012:controlpanel/a/routingcontrol/1
    ap-northeast-3: arn:aws:route53-recovery-control::123456789012:controlpanel/a/routingcontrol/2
  cluster_endpoints:
    - {region: us-east-1, url: "https://a.example/v1"}
    - {region: us-west-2, url: "https://b.example/v1"}
database:
  global_cluster: bank
  clusters:
    ap-northeast-1: arn:aws:rds:ap-northeast-1:123456789012:cluster:tokyo
    ap-northeast-3: arn:aws:rds:ap-northeast-3:123456789012:cluster:osaka
failover: {region: ap-northeast-3, failover_prefix: FailoverStateMachine, failback_prefix: FailbackStateMachine}
"""
ATTACHED = 'url: "http://127.0.0.1:8089/"'


def written(directory: Path, text: str) -> Path:
    path = directory / "topology.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(directory: Path, text: str) -> list[str]:
    path = written(directory, text)
    with pytest.raises(BadInput) as caught:
        load_topology(path)
    assert set(caught.value.codes) == {"topology-invalid"}
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def mismatches(found: list[str], expected: list[tuple[str, ...]]) -> list[str]:
    """Problems that are not as expected: each at its line and key, with what was observed or what to write there.

    :param expected: for each problem ``LINE: KEY`` and the values and keys that it names.
    """
    return [
        problem
        for problem, (place, *named) in zip(found, expected, strict=True)
        if not problem.startswith(f"{place}: ") or not all(one in problem for one in named)
    ]


def test_a_right_topology_says_what_it_says(tmp_path: Path) -> None:
    topology = load_topology(written(tmp_path, RIGHT + "aws: {profile: ct-guest-sso, config_file: aws/config}\n"))
    assert topology.region_names == ("ap-northeast-1", "ap-northeast-3")
    assert list(topology.load_balancers) == ["ap-northeast-1", "ap-northeast-3"], "home comes first"
    assert topology.domain == "api.example.com"
    assert topology.client.url == "http://127.0.0.1:8089"
    assert topology.aws.config_file == tmp_path / "aws/config", "relative to the topology"
    assert [endpoint.region for endpoint in topology.routing.cluster_endpoints] == ["us-east-1", "us-west-2"]
    assert topology.packet_loss.drop_counter_command is None
    assert topology.time_scale == 1.0
    assert topology.other_region("ap-northeast-3") == "ap-northeast-1"


def test_every_problem_is_told_at_once_with_line_key_and_fix(tmp_path: Path) -> None:
    wrong = (
        RIGHT.replace("target: aws", "target: moon")
        .replace('["123456789012"]', "[123456789012]")
        .replace("  tables:", "  tabels:")
        .replace("domain: api.example.com.", "domain: 'http://api.example.com'")
        .replace("cidr: 10.100.0.0/16", "cidr: 10.100.5.0/16")
        .replace("failover: {region: ap-northeast-3, ", "failover: {")
        .replace('    - {region: us-west-2, url: "https://b.example/v1"}', "    - {region: us-west-2, url: b.example}")
    )
    expected = [
        ("2: target", "'moon'", "lab", "aws"),
        ("3: accounts[0]", " 123456789012:", '"123456789012"'),
        ("5: domain", "'http://api.example.com'", " api.example.com"),
        ("9: load_balancers.ap-northeast-1.cidr", "'10.100.5.0/16'", " 10.100.0.0/16"),
        ("10: stop_flag.tables", "missing", "`tables:`"),
        ("11: stop_flag.tabels", "unknown", "`tables`"),
        ("20: routing.cluster_endpoints[1].url", "'b.example'", "http://127.0.0.1:8089"),
        ("26: failover.region", "missing", "`region:`", " ap-northeast-1"),
    ]
    assert mismatches(problems(tmp_path, wrong), expected) == []


def test_what_fits_the_form_must_make_sense(tmp_path: Path) -> None:
    wrong = RIGHT.replace("ap-northeast-3: Osaka-AppTable", "ap-northeast-2: Osaka-AppTable") + "time_scale: 0.2\n"
    expected = [
        ("11: stop_flag.tables.ap-northeast-2", "`ap-northeast-3`"),
        ("11: stop_flag.tables.ap-northeast-3", "missing"),
        ("27: time_scale", "0.2", "aws", "remove"),
    ]
    assert mismatches(problems(tmp_path, wrong), expected) == []


def test_form_and_sense_are_told_together(tmp_path: Path) -> None:
    wrong = RIGHT.replace("target: aws", "target: moon").replace("FailbackStateMachine", "FailoverStateMachine")
    assert [problem.split(":")[1] for problem in problems(tmp_path, wrong)] == [" target", " failover.failback_prefix"]


@pytest.mark.parametrize(
    ("right", "wrong", "place", "named"),
    [
        ("routingcontrol/2", "routingcontrol/1", "17: routing.controls.ap-northeast-3", " ap-northeast-1"),
        ("rds:ap-northeast-1", "rds:ap-northeast-3", "24: database.clusters.ap-northeast-1", " ap-northeast-3"),
        (":rds:ap-northeast-1", ":sns:ap-northeast-1", "24: database.clusters.ap-northeast-1", " sns: "),
        ('url: "https://b', 'url: "https://a', "20: routing.cluster_endpoints[1].url", "'https://a.example/v1'"),
        ("region: us-west-2", "region: us-east-1", "20: routing.cluster_endpoints[1].region", "'us-east-1'"),
        ("FailbackStateMachine", "Failo", "26: failover.failback_prefix", "'FailoverStateMachine'"),
        ("10.100.0.0/16", "fd00::/8", "9: load_balancers.ap-northeast-1.cidr", "'fd00::/8'"),
        ("global_cluster: bank", 'global_cluster: "bank\\n"', "22: database.global_cluster", "'bank\\n'"),
        ("127.0.0.1:8089", "127.0.0.1:80890", "6: client.url", "'http://127.0.0.1:80890/'"),
        ("127.0.0.1:8089", "127.0.0.1:80 89", "6: client.url", "'http://127.0.0.1:80 89/'"),
        ('"123456789012"', '"123456789012\\n"', "3: accounts[0]", "'123456789012\\n'"),
        ("version: 1", "version: 1\n7: x", "2: 7", "quotes"),
        ("version: 1", "version: 1\non: x", "2: on", "quotes"),
        ("version: 1", "version: 1\n? [a, b]\n: x", "2: ?", "quotes"),
        ("version: 1", "version: 1\n<<: {a: 1}", "2: a", "unknown"),
        ("PK: stopFlag}", "PK: stopFlag, PK: other}", "12: PK", "twice"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_line(
    tmp_path: Path, right: str, wrong: str, place: str, named: str
) -> None:
    assert right in RIGHT
    assert mismatches(problems(tmp_path, RIGHT.replace(right, wrong, 1)), [(place, named)]) == []


LAMBDA = "arn:aws:lambda:ap-northeast-3:123456789012:function:fail-over"
MACHINE = "arn:aws:states:ap-northeast-3:123456789012:stateMachine:FailoverStateMachine"


@pytest.mark.parametrize("named", [f"{MACHINE}:PROD", f"{MACHINE}:7", LAMBDA, f"{MACHINE}:PROD:7", "arn:"])
def test_a_state_machine_is_named_by_its_own_arn(tmp_path: Path, named: str) -> None:
    """Not by that of an alias or a version: found when the file is read, not in the middle of a drill."""
    before = "failover_prefix: FailoverStateMachine"
    (found,) = problems(tmp_path, RIGHT.replace(before, f"failover_prefix: '{named}'"))
    assert found.startswith("26: failover.failover_prefix: ")
    load_topology(
        written(tmp_path, RIGHT.replace("failover_prefix: FailoverStateMachine", f"failover_prefix: '{MACHINE}'"))
    )


def test_merge_keys_stand_for_what_they_name(tmp_path: Path) -> None:
    """The merge keys of YAML: https://yaml.org/type/merge.html"""
    merged = RIGHT.replace("client: {instance_id:", "client: &host {instance_id:").replace(
        "    - {region: us-west-2, url:", "    - {<<: {region: us-east-1, url: x}, region: us-west-2, url:"
    )
    assert load_topology(written(tmp_path, merged)) == load_topology(written(tmp_path, RIGHT))
    beside = RIGHT.replace('us-east-1, url: "https://a', '&one us-east-1, url: "https://a')
    beside = beside.replace("- {region: us-west-2,", "- {<<: [{region: us-west-2}, {region: eu-west-1}],")
    assert load_topology(written(tmp_path, beside)) == load_topology(written(tmp_path, RIGHT))


@pytest.mark.parametrize(
    ("endpoint", "place", "named"),
    [
        (
            "{<<: {region: us-west-2, regoin: x}, url: 'https://b.example/v1'}",
            "20: routing.cluster_endpoints[1].regoin",
            "`region`",
        ),
        ("{<<: {region: us-west-2}}", "20: routing.cluster_endpoints[1].url", "missing"),
        ("{<<: {region: a}, region: us-west-2, region: b, url: 'https://b.example/v1'}", "20: region", "twice"),
        ("{<<: 5, region: us-west-2, url: 'https://b.example/v1'}", "20: ", "YAML: `<<`"),
        ("&a {<<: *a, url: 'https://b.example/v1'}", " ", "YAML: "),
    ],
)
def test_what_is_wrong_with_a_merged_key_is_told_with_its_line(
    tmp_path: Path, endpoint: str, place: str, named: str
) -> None:
    wrong = RIGHT.replace('    - {region: us-west-2, url: "https://b.example/v1"}', f"    - {endpoint}")
    assert wrong != RIGHT
    found = problems(tmp_path, wrong)
    assert found[0].startswith(place), found
    assert named in found[0]


def test_ranges_that_overlap_would_make_an_address_of_both_regions(tmp_path: Path) -> None:
    wrong = RIGHT.replace("{arn: ", "{cidr: 10.100.7.0/24, arn: ")
    expected = ("9: load_balancers.ap-northeast-1.cidr", "'10.100.0.0/16'", " 10.100.7.0/24 ", "ap-northeast-3", "arn")
    assert mismatches(problems(tmp_path, wrong), [expected]) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("aws: &a {profile: *a}\n", "nested"),
        ("[" * 1500, "nested"),
        ("day: 2026-13-45\n", "1..12"),
        ("aws: !!python/object/apply:os.system [ls]\n", "os.system"),
    ],
)
def test_yaml_that_cannot_be_read_is_told_without_a_traceback(tmp_path: Path, text: str, named: str) -> None:
    (found,) = problems(tmp_path, text)
    assert named in found.partition(" YAML: ")[2]


def test_home_and_standby_differ(tmp_path: Path) -> None:
    wrong = RIGHT.replace("standby: ap-northeast-3", "standby: ap-northeast-1")
    assert mismatches(problems(tmp_path, wrong), [("4: regions.standby", "'ap-northeast-1'", "home")]) == []


def test_a_lab_must_say_where_it_answers(tmp_path: Path) -> None:
    lab = RIGHT.replace("target: aws", "target: lab")
    assert mismatches(problems(tmp_path, lab + "aws: {profile: lab}\n"), [("27: aws", "endpoint_url")]) == []
    assert load_topology(written(tmp_path, lab + "aws: {endpoint_url: 'http://127.0.0.1:1'}\n")).target == "lab"


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.5:4566",
        "https://sts.example.com",
        "http://127.0.0.1.example.com",
        r"http://example.com\@127.0.0.1",
        r"http://example.com\.localhost",
    ],
)
def test_a_lab_is_on_this_machine(tmp_path: Path, url: str) -> None:
    lab = RIGHT.replace("target: aws", "target: lab")
    (found,) = problems(tmp_path, lab + f"aws: {{endpoint_url: '{url}'}}\n")
    assert found.startswith("27: aws.endpoint_url: ")
    for here in ("http://127.0.0.5:1", "http://localhost:1", "http://[::1]:1"):
        assert load_topology(written(tmp_path, lab + f"aws: {{endpoint_url: '{here}'}}\n")).target == "lab"


def test_a_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    found = problems(tmp_path, RIGHT + "domain: other.example.com\n")
    assert mismatches(found, [("27: domain", "twice")]) == []


def test_what_is_not_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    (broken,) = problems(tmp_path, "version: 1\ntarget: [aws\n")
    assert (broken[:3], " YAML: " in broken) == ("3: ", True)
    (empty,) = problems(tmp_path, "")
    assert (empty[:3], "`regions:`" in empty, "`domain:`" in empty) == ("1: ", True, True)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with fails_with("topology-unreadable") as missing:
        load_topology(tmp_path / "nowhere.yaml")
    assert "nowhere.yaml" in str(missing.value)


def test_topology_of_prefers_the_configuration_and_reads_again_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, RIGHT)
    monkeypatch.setenv("CHAOSDRILL_TOPOLOGY", str(path))
    by_variable = topology_of(None)
    assert topology_of({"topology": str(path)}) is by_variable, "not read twice"
    path.write_text(RIGHT.replace("global_cluster: bank", "global_cluster: banking"), encoding="utf-8")
    assert topology_of({"topology": ""}).database.global_cluster == "banking"
    with fails_with("topology-unreadable"):
        topology_of({"topology": str(tmp_path / "other")})


def test_without_a_topology_it_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAOSDRILL_TOPOLOGY", raising=False)
    with fails_with("topology-missing"):
        topology_of({})


@pytest.mark.parametrize(
    ("written_as", "told"),
    [
        ("", ("6: client.url", "missing", "`url:`")),
        ("run: attach", ("6: client.url", "missing", "`url:`")),
        ("run: local, url: 'http://127.0.0.1:8089'", ("6: client.url", "'http://127.0.0.1:8089'")),
        ("run: ssm, url: 'http://127.0.0.1:8089'", ("6: client.url", "'http://127.0.0.1:8089'")),
        ("run: local, s3: my-bucket", ("6: client.s3", "'my-bucket'", "`run: ssm`")),
        ("run: ssm, s3: 's3://my-bucket'", ("6: client.s3", "'s3://my-bucket'")),
        ("run: here, url: 'http://127.0.0.1:8089'", ("6: client.run", "'here'", "attach")),
    ],
)
def test_load_comes_from_a_locust_that_is_attached_to_or_started(
    tmp_path: Path, written_as: str, told: tuple[str, ...]
) -> None:
    assert mismatches(problems(tmp_path, RIGHT.replace(ATTACHED, written_as)), [told]) == []
    local = load_topology(written(tmp_path, RIGHT.replace(ATTACHED, "run: local"))).client
    assert (local.run, local.url) == ("local", "")
    on_host = load_topology(written(tmp_path, RIGHT.replace(ATTACHED, "run: ssm, s3: my-bucket/a/b"))).client
    assert (on_host.run, on_host.url, on_host.s3) == ("ssm", "", "my-bucket/a/b")


@pytest.mark.parametrize(("load", "heartbeat"), [("run: local", "local"), ("run: ssm", "ssm"), (ATTACHED, "ssm")])
def test_the_heartbeat_runs_where_load_comes_from_unless_it_says_otherwise(
    tmp_path: Path, load: str, heartbeat: str
) -> None:
    text = RIGHT.replace(ATTACHED, load) + "heartbeat:\n  read: {method: GET, path: /health}\n"
    followed, own = load_topology(written(tmp_path, text)).heartbeat, {"local": "ssm", "ssm": "local"}[heartbeat]
    otherwise = load_topology(written(tmp_path, f"{text}  run: {own}\n")).heartbeat
    assert followed is not None
    assert otherwise is not None
    assert (followed.run, otherwise.run) == (heartbeat, own)


@pytest.mark.parametrize(
    ("dns", "told"),
    [
        ("{seen_from: moon}", "dns.seen_from"),
        ("{port: 53}", "dns.port"),
        ("{}", "dns"),
    ],
)
def test_how_the_domain_is_looked_up_must_make_sense(tmp_path: Path, dns: str, told: str) -> None:
    (found,) = problems(tmp_path, f"{RIGHT}dns: {dns}\n")
    assert found.split(": ")[1] == told


def test_a_domain_may_be_looked_up_where_clients_are(tmp_path: Path) -> None:
    text = f"{RIGHT}dns: {{seen_from: client, nameserver: 10.0.0.2, port: 5353}}\n"
    read = load_topology(written(tmp_path, text)).dns
    assert read is not None
    assert (read.seen_from, read.nameserver, read.port) == ("client", "10.0.0.2", 5353)


def test_a_domain_is_looked_up_here_unless_the_topology_says_otherwise(tmp_path: Path) -> None:
    read = load_topology(written(tmp_path, f"{RIGHT}dns: {{nameserver: 10.0.0.2}}\n")).dns
    assert read is not None
    assert (read.seen_from, read.nameserver, read.port) == ("here", "10.0.0.2", 53)


def test_a_key_that_has_moved_is_told_where_to(tmp_path: Path) -> None:
    found = problems(tmp_path, f"{RIGHT}load_generator: {{run: ssm}}\n")
    assert mismatches(found, [("27: load_generator", "unknown", "`client:`")]) == []


def test_a_password_in_a_url_is_refused_and_not_shown(tmp_path: Path) -> None:
    found = problems(tmp_path, RIGHT.replace("http://127.0.0.1:8089/", "http://driller:planted-pw@127.0.0.1:8089"))
    assert mismatches(found, [("6: client.url", "'http://***@127.0.0.1:8089'", "password")]) == []
    assert "planted-pw" not in found[0]


HEARTBEAT = """\
heartbeat:
  read: {method: GET, path: /balance, headers: {X_ACCOUNT_ID: "{account}"}}
  write: {method: POST, path: /deposit, headers: {X_ACCOUNT_ID: "{account}"}, body: {sum: "{quantity}"}, id: number}
  settled: {method: GET, path: "/transaction/{id}", field: status, settled: [done]}
  balance: {method: GET, path: /balance, field: balance}
  accounts: {prefix: synthetic-, count: 20}
"""


def test_a_heartbeat_says_what_is_sent_and_to_which_accounts(tmp_path: Path) -> None:
    heartbeat = load_topology(written(tmp_path, RIGHT + HEARTBEAT)).heartbeat
    assert heartbeat is not None
    assert heartbeat.accounts is not None
    assert heartbeat.settled is not None
    assert (heartbeat.run, heartbeat.rate_per_s, heartbeat.deadline_s) == ("ssm", None, 1)
    assert (heartbeat.accounts.prefix, heartbeat.accounts.count) == ("synthetic-", 20)
    assert heartbeat.read["status"] == [200]
    assert heartbeat.settled["missing_status"] == [404]
    assert load_topology(written(tmp_path, RIGHT)).heartbeat is None


def test_the_templates_heartbeat_is_right_when_it_is_uncommented(tmp_path: Path) -> None:
    template = Path(load_topology.__code__.co_filename).with_name("template.yaml").read_text()
    begin = template.index("# heartbeat:")
    section = template[begin : template.index("\n\n", begin)]
    text = template.replace(section, "\n".join(line.removeprefix("# ") for line in section.splitlines()))
    heartbeat = load_topology(written(tmp_path, text)).heartbeat
    assert heartbeat is not None
    assert heartbeat.accounts is not None
    assert (heartbeat.accounts.count, heartbeat.write and heartbeat.write["id"]) == (2000, "transactionId")


def test_a_heartbeat_that_contradicts_itself_is_told_all_at_once(tmp_path: Path) -> None:
    wrong = (
        HEARTBEAT.replace(", id: number", "")
        .replace('"{quantity}"', '"{sum}"')
        .replace("/transaction/{id}", "/transaction")
        .replace("  accounts: {prefix: synthetic-, count: 20}\n", "")
    )
    accounts = "`accounts: {prefix: ..., count: ...}`"
    expected = [
        ("27: heartbeat.accounts", "missing", accounts, "`write:`"),
        ("28: heartbeat.read.headers.X_ACCOUNT_ID", "{account}", accounts),
        ("29: heartbeat.write.body.sum", "{sum}", "{account}, {quantity}"),
        ("29: heartbeat.write.id", "missing", "`id:`", "transactionId"),
        ("30: heartbeat.settled", "{id}"),
    ]
    assert mismatches(problems(tmp_path, RIGHT + wrong), expected) == []


def test_what_is_written_back_without_writing_is_told(tmp_path: Path) -> None:
    without = "".join(line for line in HEARTBEAT.splitlines(keepends=True) if "write:" not in line)
    expected = [
        ("29: heartbeat.settled", "`write:`", "`settled:`"),
        ("30: heartbeat.balance", "`write:`", "`balance:`"),
    ]
    assert mismatches(problems(tmp_path, RIGHT + without), expected) == []


@pytest.mark.parametrize(
    ("right", "wrong", "place", "named"),
    [
        ("path: /balance, headers", "path: balance, headers", "28: heartbeat.read.path", " 'balance': "),
        ("method: POST", "method: SEND", "29: heartbeat.write.method", " 'SEND': "),
        ("count: 20", "count: 0", "32: heartbeat.accounts.count", " 0: "),
        ("prefix: synthetic-", "prefix: s", "32: heartbeat.accounts.prefix", " 's': "),
        ("  read:", "  rate_per_s: 0\n  read:", "28: heartbeat.rate_per_s", " 0: "),
        ("settled: [done]", "setled: [done]", "30: heartbeat.settled.setled", "`settled`"),
    ],
)
def test_a_wrong_part_of_a_heartbeat_is_named(right: str, wrong: str, place: str, named: str, tmp_path: Path) -> None:
    found = problems(tmp_path, RIGHT + HEARTBEAT.replace(right, wrong, 1))
    assert any(problem.startswith(f"{place}: ") and named in problem for problem in found), found


COORDINATION = "coordination: {table: chaosdrill-coordination, region: us-west-2}\n"


def test_the_coordination_table_is_optional_and_its_lease_lasts_a_minute(tmp_path: Path) -> None:
    assert load_topology(written(tmp_path, RIGHT)).coordination is None
    coordination = load_topology(written(tmp_path, RIGHT + COORDINATION)).coordination
    assert coordination == CoordinationTable("chaosdrill-coordination", "us-west-2", 60.0)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("us-west-2", "ap-northeast-1", "coordination.region"),
        ("us-west-2", "ap-northeast-3", "coordination.region"),
        ("region: us-west-2", "region: us-west-2, lease_s: 9", "coordination.lease_s"),
        ("region: us-west-2", "region: us-west-2, lease_s: 901", "coordination.lease_s"),
        ("region: us-west-2", "region: us-west-2, lease_s: .nan", "coordination.lease_s"),
        ("table: chaosdrill-coordination, ", "", "coordination.table"),
    ],
)
def test_a_table_of_leases_that_would_not_do_is_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    (problem,) = problems(tmp_path, RIGHT + COORDINATION.replace(old, new))
    assert f" {key}: " in problem


@pytest.mark.parametrize("value", [".nan", ".inf", "0", "-1", "true"])
def test_a_scale_that_is_no_finite_number_above_0_is_refused(tmp_path: Path, value: str) -> None:
    there = 'aws: {endpoint_url: "http://127.0.0.1:9"}\n'
    text = RIGHT.replace("target: aws", "target: lab") + there + f"time_scale: {value}\n"
    (problem,) = problems(tmp_path, text)
    assert " time_scale: " in problem
