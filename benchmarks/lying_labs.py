"""What drills say in labs that lie: a drill for each lie of tests/lying/matrix.py, and the matrix as Markdown.

    python -m benchmarks.lying_labs [--only TEXT...] [--clean N] [--at-once N] [--write FILE] [--keep DIRECTORY]

Run from the repository. Each drill starts a lab of its own, broken on purpose, at scale 0.1; one to three minutes each.
``--only``: the lies whose name contains one TEXT. ``--clean``: N more drills in labs that do not lie. ``--at-once``:
how many drills at a time (default 1). ``--write``: the matrix goes there, too, after each drill. ``--keep``: where the
runs stay. Exit code 1 when a drill did not see through.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lying.matrix import CLEAN, LIES, Lie

ROOT = Path(__file__).parents[1]
VARIABLES = ("scale:float=0.1", "window_s:int=5", "spawn_rate:int=10", "read_back_s:int=15")
LONGEST_S = 600
SHOWN = 160
TITLE = """\
# Drills in labs that lie

Each row is a whole drill on the embedded lab at scale 0.1, broken on purpose (`chaosdrill lab break`, see
[lab.md](../lab.md)), and its result. The last column says whether verdict, findings and phases are exactly those of
`tests/lying/matrix.py`. Made by `python -m benchmarks.lying_labs --clean 20 --write docs/results/lying-labs.md`.

"""
HEAD = """\
| lab | experiment | verdict | finding | what it said | right |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Outcome:
    """What a drill said."""

    lie: Lie
    verdict: str
    findings: tuple[dict[str, str], ...]
    said: str
    movements: tuple[dict[str, Any], ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """The names of its findings."""
        return tuple(dict.fromkeys(one["name"] for one in self.findings))

    @property
    def right(self) -> bool:
        """Whether verdict and finding are right, and nothing is found or shown beyond what follows from the lie."""
        found, finding = set(self.named), {self.lie.finding} - {""}
        right = self.verdict == self.lie.verdict and finding <= found <= finding | set(self.lie.follows)
        return right and not self.shown_falsely

    @property
    def shown_falsely(self) -> tuple[str, ...]:
        """The phases that are shown as seen, and did not happen."""
        return tuple(
            f"{one['what']}: {phase['name']}"
            for one in self.movements
            for phase in one["phases"]
            if phase["at_ns"] is not None and phase["name"] in self.lie.unseen.get(one["what"], ())
        )

    def row(self) -> str:
        """:returns: a line of the matrix."""
        texts = [one["text"] for one in self.findings if one["name"] == self.lie.finding]
        text = " ".join((texts or [self.said])[0].split()).replace("|", "\\|")
        shown = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
        shown_falsely = f"; shown: {', '.join(self.shown_falsely)}" if self.shown_falsely else ""
        wanted = "" if self.right else f" (wanted: {self.lie.verdict}, {self.lie.finding or 'none'}{shown_falsely})"
        names = ", ".join(self.named) or "none"
        lab, experiment = self.lie.broken or "does not lie", self.lie.experiment
        lab += f" (lenient: {self.lie.lenient})" if self.lie.lenient else ""
        return (
            f"| {lab} | {experiment} | {self.verdict}{wanted} | {names} | {shown} | {'yes' if self.right else 'NO'} |"
        )


def drill(lie: Lie, home: Path) -> Outcome:
    """Run one drill, in a lab of its own."""
    home.mkdir(parents=True)
    command = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run"]
    words = [part for variable in VARIABLES for part in ("--var", variable)]
    lab = {"CHAOSDRILL_LAB_BREAK": lie.broken, "CHAOSDRILL_LAB_LENIENT": lie.lenient}
    environment = {**os.environ, "CHAOSDRILL_HOME": str(home), **lab}
    with (home / "said.log").open("w") as log:
        done = subprocess.run(
            [*command, *words, str(experiment(lie, home))],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_S,
            check=False,
        )
    said = (home / "said.log").read_text()
    summaries = sorted(home.glob("runs/*/summary.json"))
    if not summaries:
        return Outcome(lie, "none", (), f"exit code {done.returncode}: {said.strip().splitlines()[-1]}")
    summary: dict[str, Any] = json.loads(summaries[-1].read_text())
    judgement = summary.get("judgement") or {}  # none when the judging itself failed
    found, movements = summary.get("findings", judgement.get("findings", [])), judgement.get("movements", [])
    return Outcome(lie, summary["verdict"], tuple(found), "; ".join(summary["reasons"]), tuple(movements))


def experiment(lie: Lie, home: Path) -> Path:
    """:returns: the experiment's file, with the lie's objectives."""
    original = ROOT / "experiments" / lie.experiment
    if not lie.objectives:
        return original
    read = yaml.safe_load(original.read_text())
    arguments = read["controls"][0]["provider"]["arguments"]
    arguments["objectives"] = {**arguments.get("objectives", {}), **lie.objectives}
    changed = home / lie.experiment
    changed.write_text(yaml.safe_dump(read, sort_keys=False))
    return changed


def outcomes(lies: Sequence[Lie], keep: Path, at_once: int) -> Iterator[Outcome]:
    """Run them; what they said comes in their order."""
    names = [(lie.broken or "clean").replace(":", "-").replace("=", "-") for lie in lies]
    homes = [keep / f"{number:02}-{name}" for number, name in enumerate(names)]
    with ThreadPoolExecutor(at_once) as drills:
        yield from drills.map(drill, lies, homes)


def main() -> int:
    """:returns: the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--clean", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    lies = [
        *(lie for lie in LIES if any(text in (lie.broken or "clean") for text in options.only)),
        *([CLEAN] * options.clean),
    ]
    rows, wrong = [], 0
    print(HEAD, end="")
    with tempfile.TemporaryDirectory() as temporary:
        for outcome in outcomes(lies, options.keep or Path(temporary), options.at_once):
            rows.append(outcome.row())
            wrong += not outcome.right
            print(rows[-1], flush=True)
            if options.write:
                options.write.write_text(TITLE + HEAD + "".join(f"{row}\n" for row in rows))
    print(f"\n{len(rows) - wrong} of {len(rows)} as they should be")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
