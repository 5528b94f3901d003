"""Drivers that race for the lease of one system, with holders that are stopped and clocks that are wrong: the table.

    python -m benchmarks.lease_race [--rounds N] [--drivers N] [--seed N] [--write FILE]

Run from the repository. A round pauses four holders (`tests/lease_race/race.py` says how long), and takes about a
minute: a lease of 10 s must end, and be taken over, once or twice. One in which nothing happens for minutes, on a
machine that is too busy, is given up, and not in the table. ``--write``: the table goes there, too. Exit code 1 when
the checker (`tests/lease_race/checker.py`) found a call that breaks the promise of docs/safety.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.contract import lab_aws
from tests.contract.activities_rig import Rig
from tests.lease_race.processes import NoProgress
from tests.lease_race.race import PAUSES, Race, Raced

TITLE = """\
# A race for the lease

Made by `python -m benchmarks.lease_race {arguments}`. {drivers} drivers with the real lease client
race for one system of the lab's AWS endpoint. The boot clock of each is off by up to 5 days, and runs up to 1 % too
fast or too slow. The one that holds the lease is stopped (SIGSTOP) in the middle of its changes, again and again. A
checker reads the endpoint's log alone. [safety.md](../safety.md) says what a lease promises; here it lasts
{lease_s:g} s, and an attempt {attempt_s:g} s.

| | |
|---|---|
"""


def rows(raced: Sequence[Raced]) -> list[tuple[str, object]]:
    """Return the lines of the table."""
    checks = [one.checked for one in raced]

    def count(event: str) -> int:
        return sum(one.events[event] for one in raced)

    def total(kind: str) -> int:
        return sum(one.kind == kind for check in checks for one in check.violations)

    pauses = {pause: sum(one.pauses[pause] for one in raced) for pause in PAUSES}
    slack = [value for check in checks for value in check.slack_s]
    gaps = [value for check in checks for value in check.gaps_s]
    return [
        ("rounds", len(raced)),
        ("leases taken", sum(len(check.takes) for check in checks)),
        ("holders stopped for less than a second", pauses["short"]),
        ("holders stopped until they had to renew first", pauses["renewal"]),
        ("holders stopped beyond the end of their lease", pauses["late"]),
        ("holders stopped until they were taken over", pauses["taken-over"]),
        ("leases taken over from a stopped holder", sum(len(check.take_overs) for check in checks)),
        ("changing calls that arrived", sum(check.changes for check in checks)),
        ("changing calls that the lease guard refused", count("refused")),
        ("reversals that it refused", count("undo-refused")),
        ("calls that arrived after another run had taken over", total("after-take-over")),
        ("forward calls that arrived after the end of their lease", total("after-expiry")),
        ("take-overs before lease and attempt had passed", total("taken-over-too-early")),
        ("least time by which a take-over came later than that, s", _least(slack)),
        ("least time between the last change of one run and the first of its taker, s", _least(gaps)),
        ("changes of a stopped run that its taker reversed", sum(check.repairs for check in checks)),
        ("runs that began on, or ended with, what another run had changed", total("not-repaired")),
        ("rounds that ended with the system as before, and nothing owed", sum(map(is_clean, raced))),
    ]


def _least(values: Sequence[float]) -> str:
    return f"{min(values):.2f}" if values else "none"


def is_clean(raced: Raced) -> bool:
    """Tell whether a race left the system as it was."""
    return raced.is_enabled and not raced.open


def table(raced: Sequence[Raced], drivers: int, arguments: Sequence[str]) -> str:
    """Return the page."""
    head = TITLE.format(arguments=" ".join(arguments), drivers=drivers, **vars(raced[0].bound))
    return head + "".join(f"| {what} | {value} |\n" for what, value in rows(raced))


def main() -> int:
    """Race, and print the table after each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--drivers", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    raced: list[Raced] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "lab").mkdir()
        with lab_aws.running(directory / "lab") as lab:
            for number in range(options.rounds):
                own = directory / str(number)
                own.mkdir()
                try:
                    raced.append(Race(Rig(lab), own, options.drivers, options.seed + number).run(PAUSES))
                except NoProgress as error:  # the machine is too busy for so many drivers
                    print(f"round {number + 1}: {error}", file=sys.stderr)
                    continue
                for violation in raced[-1].checked.violations:
                    print(f"round {number + 1}: {violation}", file=sys.stderr)
                page = table(raced, options.drivers, sys.argv[1:])
                print(page, flush=True)
                if options.write:
                    options.write.write_text(page)
    return int(not raced or any(one.checked.violations or not is_clean(one) for one in raced))


if __name__ == "__main__":
    sys.exit(main())
