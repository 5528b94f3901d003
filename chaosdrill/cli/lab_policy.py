"""The ``chaosdrill lab policy`` command: the permissions of the lab's user."""

import json
from typing import IO, Any

import click

from chaosdrill.errors import BadInput

PAGE = "/chaosdrill/policy"


@click.command("policy")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@click.option("--remove", is_flag=True, help="Make the user an administrator again, as at the start.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the user and its policies.")
def lab_policy(file: IO[str] | None, remove: bool, as_json: bool) -> None:
    """Give the lab's user (the keys of the profile chaosdrill-lab) the IAM policy in FILE and no other permission.

    \b
        chaosdrill iam failover --topology topology/lab.yaml | chaosdrill lab policy -
        chaosdrill lab policy              show the policies that count
        chaosdrill lab policy --remove

    From then on each call with these keys is authorised by it, conditions included, and SimulatePrincipalPolicy answers
    by it. A policy with an element or a condition operator that the lab does not evaluate is refused.
    """
    from chaosdrill.lab import endpoint_page

    if remove and file:
        raise click.UsageError("--remove ends what FILE begins: give one of them")
    method, body = ("DELETE", None) if remove else ("PUT", _read(file)) if file else ("GET", None)
    found = endpoint_page.ask_running(method, PAGE, body)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(f"user: {found['user']}")
    for policy in found["policies"]:
        for number, statement in enumerate(_listed(policy["Statement"]), 1):
            named = statement.get("Sid", f"statement {number}")
            click.echo(f"  {statement['Effect']} {named}: {', '.join(_listed(statement['Action']))}")


def _read(file: IO[str]) -> Any:
    try:
        return json.load(file)
    except ValueError as error:  # also for bytes that are not UTF-8
        raise BadInput([f"{file.name} is not JSON: {error}: write what `chaosdrill iam` prints"]) from error


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
