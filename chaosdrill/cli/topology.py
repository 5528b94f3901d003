"""The ``chaosdrill topology`` command group: discovery and checks of the topology file."""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosdrill.errors import BadInput, problem

if TYPE_CHECKING:
    from chaosdrill.aws import System
    from chaosdrill.conformance.assumptions import CheckedAssumption
    from chaosdrill.discovery.check_result import ReadPart
    from chaosdrill.discovery.findings import TopologyFinding

WIDTH_IN_FILES = 200
CONFORMANCE_POLICY = "failover"  # the experiment whose permissions are simulated


@click.group()
def topology() -> None:
    """The topology: the file that names the parts of the system that is drilled, and the accounts that may be touched.

    \b
        chaosdrill topology discover --profile P --home ap-northeast-1 --standby ap-northeast-3 --output aws.yaml
        chaosdrill topology check aws.yaml

    Neither changes anything, apart from `check --conformance --settlement`. To try both without an account, let them
    read the lab:

    \b
        chaosdrill lab up --detach && eval "$(chaosdrill lab env)"
        chaosdrill topology discover --profile chaosdrill-lab --home ap-northeast-1 --standby ap-northeast-3
        chaosdrill topology check
    """


@topology.command()
@click.option("--profile", envvar="AWS_PROFILE", help="Profile of the AWS config file.  [default: AWS_PROFILE]")
@click.option("--home", required=True, help="The region that serves at rest, such as ap-northeast-1.")
@click.option("--standby", required=True, help="The region that stands by, such as ap-northeast-3.")
@click.option("--domain", help="The name that clients resolve.  [default: the one Route 53 leads to both regions]")
@click.option("--output", type=click.Path(path_type=Path), help="A file that is not there yet.  [default: print it]")
def discover(profile: str | None, home: str, standby: str, domain: str | None, output: Path | None) -> None:
    """Find the system's parts in an account, and write the topology.

    \b
        chaosdrill topology discover --profile P --home ap-northeast-1 --standby ap-northeast-3
        chaosdrill topology discover --profile P --home ap-northeast-1 --standby ap-northeast-3 \\
            --domain api.example.com --output topology/aws.yaml

    Looks for state machines by prefix, tables that hold a stop flag, the ARC cluster with its endpoints, the Aurora
    global cluster, the load balancers that the domain leads to, and the bastion; then whether this machine resolves the
    domain, and whether Locust responds on 127.0.0.1:8089. Only reads. Where it found nothing, or several candidates, or
    lacks a permission, the file has a TODO that says how to fill it in. What the heartbeat sends is always one.
    Exit code: 0 when the file is complete, 1 when something is left to fill in.
    """
    from chaosdrill.discovery import discovery
    from chaosdrill.discovery.account import Account
    from chaosdrill.discovery.scope import DiscoveryScope

    _refuse_bad_input(home, standby, domain, output)
    asked = DiscoveryScope(Account(profile), home, standby, domain.rstrip(".").lower() if domain else None)
    known = _known_of_lab(profile)
    findings = discovery.discover(asked, known)
    text = discovery.file_text(findings)
    _write(text, output)
    left = discovery.left_to_fill_in(findings)
    problems = [f"{key}: {unknown.why}" for key, unknown in left] or discovery.problems_of_text(text)
    _tell(findings, problems, _recipe(output, [key for key, _ in left], known))


def _known_of_lab(profile: str | None) -> dict[str, Any]:
    """Return the lab's own values for what no account contains; empty when the profile is not the lab's."""
    import yaml

    from chaosdrill.lab import running_lab

    plan = running_lab.running_plan()
    if plan is None:
        return {}
    own = yaml.safe_load(plan.topology_file.read_text(encoding="utf-8"))
    there = (profile, os.environ.get("AWS_CONFIG_FILE"))
    if there != (own["aws"]["profile"], own["aws"]["config_file"]):
        return {}
    return {"dns": own["dns"], "url": own["client"]["url"], "heartbeat": own["heartbeat"]}


def _recipe(output: Path | None, left: Sequence[str], known: Mapping[str, Any]) -> str:
    """Return the command that fills in the missing values with the lab's candidates; empty when it would not fill in
    all.
    """
    if not known or not left or not all(key.rpartition(".")[2] in known for key in left):
        return ""
    names = "\\|".join(known)
    file = shlex.quote(str(output)) if output else "FILE"
    return f"this profile leads to the lab; fill them in: sed -i 's/^\\( *\\)# \\({names}\\): /\\1\\2: /' {file}"


def _refuse_bad_input(home: str, standby: str, domain: str | None, output: Path | None) -> None:
    from chaosdrill.topology.problems import problems_of_part

    given = {"--home": (home, "region"), "--standby": (standby, "region"), "--domain": (domain, "domain")}
    problems = [
        f"{option} {text}: write {fix}"
        for option, (text, kind) in given.items()
        if text is not None and (fix := problems_of_part(kind, text))
    ]
    if home == standby:
        problems.append(f"--standby {standby}: is the home region, too: name another")
    if output and output.exists():
        problems.append(f"--output {output}: is there already, and is not overwritten: choose another file")
    elif output and not output.parent.is_dir():
        problems.append(f"--output {output}: there is no directory {output.parent}: make it first")
    if problems:
        raise BadInput(problems)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput([f"--output {output}: cannot be written ({error.strerror}): choose another file"]) from error
    click.echo(f"written  {output}", err=True)


def _tell(findings: "Mapping[str, TopologyFinding]", left: Sequence[str], recipe: str) -> None:
    for key, finding in findings.items():
        if finding.looked_at:
            click.echo(f"{'TODO' if finding.unknown(key) else 'ok':<6}{key}: {finding.looked_at}", err=True)
    click.echo(f"left to fill in: {len(left)}" if left else "complete", err=True)
    for one in left:
        click.echo(f"  {one}", err=True)
    if recipe:
        click.echo(recipe, err=True)
    sys.exit(1 if left else 0)


@topology.command()
@click.argument("file", envvar="CHAOSDRILL_TOPOLOGY", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of the checks.")
@click.option("--conformance", is_flag=True, help="Compare the account with what chaosdrill assumes of AWS instead.")
@click.option("--on-host", is_flag=True, help="With --conformance: also run one harmless command on the client host.")
@click.option(
    "--watch",
    "watch_s",
    type=float,
    default=0.0,
    metavar="SECONDS",
    help="With --conformance: how long to wait for a drill.",
)
@click.option(
    "--settlement",
    "settlement_s",
    type=click.FloatRange(5, 600),
    metavar="SECONDS",
    help="With --conformance: WRITES synthetic transactions for so long (5 to 600; 60 is a good choice), and measures "
    "how fast they are settled.  [default: writes nothing]",
)
@click.option("--export", type=click.Path(path_type=Path), help="With --conformance: write AWS's responses, redacted.")
def check(
    file: str | None,
    as_json: bool,
    conformance: bool,
    on_host: bool,
    watch_s: float,
    settlement_s: float | None,
    export: Path | None,
) -> None:
    """Read every part of the topology FILE once, and show its state.

    \b
        chaosdrill topology check topology/aws.yaml
        CHAOSDRILL_TOPOLOGY=topology/aws.yaml chaosdrill topology check --json
        chaosdrill topology check topology/aws.yaml --conformance --on-host --export conformance.json

    Nothing is changed. First the file itself: every error with its line, key and fix. Then, all at the same time: the
    account, the stop flags, the routing controls and each cluster endpoint, the database, the state machines, the load
    balancers, the DNS answer and the region it leads to, the client host, the load generator.
    Exit code: 0 when every part could be read and fits, 1 when not.

    With --conformance it checks instead what AWS's documentation leaves open and chaosdrill relies on, such as the
    parameters of the FIS document, the permissions, and the tools on the client host. Each row of the table is "as
    assumed", "differs" or "could not be read", with what was observed and what to do. It only reads.
    Exit code: 0 when everything is as assumed, 1 when not.

    \b
    --on-host     runs one command on the client host (SSM), which changes nothing there
    --watch       samples a failover while it happens: start it, then start a drill
    --settlement  is the only option that writes: it runs the heartbeat, which sends transactions to
                  the synthetic accounts of the topology's `heartbeat:`, for SECONDS as fast as a
                  drill does around a failover, and checks that the application settles them as fast.
                  Meanwhile it holds the system's lease, so that no drill begins
    --export      writes AWS's responses, redacted, and the settlement times to a new file. When a row
                  differs, send it to chaosdrill's maintainers
    """
    from chaosdrill.aws import system_of
    from chaosdrill.preflight.show import check as read

    if not file:
        why = "no topology is named: chaosdrill topology check FILE, or set CHAOSDRILL_TOPOLOGY"
        raise BadInput([problem("topology-missing", why)])
    if conformance:
        return _conformance(file, on_host, watch_s, settlement_s, export, as_json)
    if on_host or watch_s or settlement_s or export:
        raise BadInput(
            ["--on-host, --watch, --settlement and --export belong to --conformance: add it, or leave them out"]
        )
    seen = read(system_of({"topology": file}))
    if as_json:
        click.echo(json.dumps([{**asdict(one), "ok": one.ok} for one in seen], indent=1))
    else:
        _show(seen)
    sys.exit(0 if all(one.ok for one in seen) else 1)


def _show(seen: "Sequence[ReadPart]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("part", "what was read", "value", "", "advice"):
        table.add_column(heading, overflow="fold")  # a truncated ARN would be useless
    for one in seen:
        state = Text("ok", "green") if one.ok else Text("trouble", "red")
        table.add_row(*map(Text, (one.part, one.what, one.value or one.trouble)), state, Text(one.advice))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_IN_FILES)
    console.print(table)
    wrong = sum(not one.ok for one in seen)
    click.echo(f"{wrong} of {len(seen)} could not be read or do not fit" if wrong else f"all {len(seen)} are well")


def _conformance(
    file: str, on_host: bool, watch_s: float, settlement_s: float | None, export: Path | None, as_json: bool
) -> None:
    from contextlib import nullcontext

    from chaosdrill.aws import recorder, system_of
    from chaosdrill.conformance.assumptions import AS_ASSUMED
    from chaosdrill.conformance.check import conformance
    from chaosdrill.experiment_files import configuration_of
    from chaosdrill.policies import filled, policy_of
    from chaosdrill.rehearsal import bundle

    if export and export.exists():
        raise BadInput([f"--export {export}: is there already, and is not overwritten: choose another file"])
    system = system_of({"topology": file})
    policy = filled(policy_of(CONFORMANCE_POLICY), system.topology, configuration_of(CONFORMANCE_POLICY))
    with recorder.recording() if export else nullcontext() as answers:
        rows = conformance(system, policy, on_host, watch_s)
    measured = None
    if settlement_s:  # outside the recording: the heartbeat's own commands could not be replayed
        row, measured = _settlement(file, system, settlement_s)
        rows.append(row)
    if export and answers:
        bundle.export(export, system.topology, answers.calls, measured)
    click.echo(json.dumps([asdict(one) for one in rows], indent=1)) if as_json else _show_conformance(rows)
    if export:
        click.echo(f"AWS's responses, redacted: {export}", err=True)
    sys.exit(0 if all(one.state == AS_ASSUMED for one in rows) else 1)


def _settlement(file: str, system: "System", seconds: float) -> "tuple[CheckedAssumption, dict[str, Any] | None]":
    """Measure the settlement of writes under load, unless a drill of the system is running on this machine.

    :returns: the row of the table, and the measurement; None when nothing could be measured.
    """
    from chaosdrill.conformance.settlement import checked_settlement, row_of
    from chaosdrill.controls.lock import take_lock
    from chaosdrill.errors import Refused

    try:
        lock = take_lock(None if system.topology.target == "lab" else Path(file).absolute())
    except Refused as error:  # two heartbeats would write to the same accounts
        return row_of(error), None
    try:
        row, load = checked_settlement(system, {"topology": file}, seconds)
    finally:
        os.close(lock)
    return row, asdict(load) if load else None


def _show_conformance(rows: "Sequence[CheckedAssumption]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("subject", "assumed", "observed", "result", "advice"):
        table.add_column(heading, overflow="fold")
    colours = {"as assumed": "green", "differs": "red"}
    for one in rows:
        state = Text(one.state, colours.get(one.state, "yellow"))
        table.add_row(Text(one.subject), Text(one.assumed), Text(one.observed), state, Text(one.advice))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_IN_FILES)
    console.print(table)
    counts = {state: sum(one.state == state for one in rows) for state in dict.fromkeys(one.state for one in rows)}
    click.echo(", ".join(f"{number} {state}" for state, number in counts.items()))
