"""The ``chaosdrill gameday approve`` and ``revoke`` commands: a person's approval of the plan of one occurrence."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosdrill.cli.gameday_calendar import calendar_option, read_calendar, require_game_days
from chaosdrill.cli.gameday_ledger import ledger_needed
from chaosdrill.cli.gameday_occurrence import occurrence_named, occurrence_option
from chaosdrill.cli.text import one_line

if TYPE_CHECKING:
    from chaosdrill.gamedays.approvals import OccurrenceApproval
    from chaosdrill.gamedays.calendar import Calendar, GameDay, Occurrence

_KEY = click.Path(path_type=Path)
_BY_HAND = click.option(
    "--by-hand", is_flag=True, help="The next run by hand, within 24 hours, instead of a planned one."
)


@click.command()
@click.argument("game_day", metavar="GAMEDAY")
@occurrence_option
@_BY_HAND
@click.option("--name", default="", metavar="TEXT", help="Your name; shown as unverified.")
@click.option("--sign", type=_KEY, metavar="KEY", help="Sign with this SSH key, or the public key of one in ssh-agent.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the approval, with statement and signature.")
@calendar_option
def approve(
    game_day: str,
    occurrence: str,
    by_hand: bool,
    name: str,
    sign: Path | None,
    yes: bool,
    as_json: bool,
    calendar_file: str | None,
) -> None:
    """Approve the plan of one occurrence of a game day.

    \b
        chaosdrill gameday approve monthly-failover
        chaosdrill gameday approve monthly-failover --occurrence 2027-01-10T17:00Z
        chaosdrill gameday approve monthly-failover --sign ~/.ssh/id_ed25519
        chaosdrill gameday approve monthly-failover --by-hand

    The approval is of exactly this experiment, the files that it names, topology, variables and window: any edit voids
    it. Who approves is the STS principal of the AWS credentials, in the lab the user of this machine, with --sign the
    owner of the key. The calendar names who may (`approval: by`), and until when. Whoever starts the drill does not
    approve it.

    Exit code: 0 when the approval stands; 1 when it would not count, with the reason; 2 when the input cannot be used,
    or the ledger cannot be read or written.
    """
    from chaosdrill.gamedays.approvals import approve as approve_occurrence
    from chaosdrill.gamedays.approvals import name_of
    from chaosdrill.gamedays.identities import principal_of_process
    from chaosdrill.gamedays.stores import store_of
    from chaosdrill.runs.archive.signing import require_key

    with ledger_needed():
        if sign is not None:
            require_key(sign)
        calendar = read_calendar(calendar_file)
        require_game_days(calendar, (game_day,))
        known = calendar.game_days[game_day]
        store = store_of(calendar)
        planned = _planned(calendar, known, occurrence, by_hand, store.now_ms())
        account = principal_of_process(known.topology)
        if not yes:
            _ask(known, planned, account)
        approval = approve_occurrence(store, known, planned, account, name, sign)
    if as_json:
        click.echo(json.dumps(approval.as_json(), indent=1))
    else:
        click.echo(one_line(f"{name_of(planned)} is approved by {_who(approval)}: {approval.digest}"))


@click.command()
@click.argument("game_day", metavar="GAMEDAY")
@occurrence_option
@_BY_HAND
@calendar_option
def revoke(game_day: str, occurrence: str, by_hand: bool, calendar_file: str | None) -> None:
    """Revoke every approval of one occurrence of a game day. Anyone may, until its drill starts.

    \b
        chaosdrill gameday revoke monthly-failover

    Exit code: 0 when no approval stands any more; 1 when there is none, or the drill has started; 2 when the input
    cannot be used, or the ledger cannot be read or written.
    """
    from chaosdrill.gamedays.approvals import name_of
    from chaosdrill.gamedays.approvals import revoke as revoke_occurrence
    from chaosdrill.gamedays.identities import principal_of_process
    from chaosdrill.gamedays.stores import store_of

    with ledger_needed():
        calendar = read_calendar(calendar_file)
        require_game_days(calendar, (game_day,))
        known = calendar.game_days[game_day]
        store = store_of(calendar)
        planned = _planned(calendar, known, occurrence, by_hand, store.now_ms())
        for one in revoke_occurrence(store, planned, principal_of_process(known.topology)):
            click.echo(one_line(f"{name_of(planned)}: the approval by {_who(one)} is revoked"))


def _planned(calendar: "Calendar", game_day: "GameDay", instant: str, is_by_hand: bool, now_ms: int) -> "Occurrence":
    """Return the selected occurrence: a planned one, or the next manual run."""
    from chaosdrill.gamedays.approvals import next_by_hand

    if instant and is_by_hand:
        raise click.UsageError("--occurrence and --by-hand: give one of them")
    return next_by_hand(game_day.id) if is_by_hand else occurrence_named(calendar, game_day, instant, now_ms)


def _ask(game_day: "GameDay", planned: "Occurrence", account: str) -> None:
    """Show what would be approved, and ask for confirmation."""
    from chaosdrill.gamedays.approvals import name_of
    from chaosdrill.gamedays.plans import digest_of, plan_of

    plan = plan_of(game_day)
    shown = {
        "occurrence": name_of(planned),
        "experiment": f"{game_day.experiment} ({plan['experiment']})",
        "topology": f"{game_day.topology} ({plan['topology']})" if game_day.topology else "the lab",
        "files": ", ".join(f"{one['path']} ({one['digest']})" for one in plan.get("files", ())) or "it names none",
        "variables": json.dumps(plan["variables"], sort_keys=True),
        "window": "{earliest} to {latest_end}, {zone}".format(**plan["window"]),
        "plan": digest_of(plan),
        "you are": account,
    }
    for name, value in shown.items():
        click.echo(one_line(f"{name:<11} {value}"))
    click.confirm("Approve it?", abort=True)


def _who(approval: "OccurrenceApproval") -> str:
    return f'{approval.by} ("{approval.name}", unverified)' if approval.name else approval.by
