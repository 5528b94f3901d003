"""How many single mutations of the code do the unit and contract tests notice?

    python -m benchmarks.mutants measure     # which test runs which line, from one run of the tests under coverage
    python -m benchmarks.mutants run         # 60 mutants, resumable; --seed, --count
    python -m benchmarks.mutants measure tests/unit/test_slots.py    # again, those that were mended
    python -m benchmarks.mutants run --retry # once more what survived
    python -m benchmarks.mutants show        # the results, each survivor with its change

Needs ``pip install cosmic-ray pytest-cov``, and is no part of the tests: 60 mutants take half an hour on two cores.
Mutants are drawn from analysis, controls, routing, packet_loss and failover: a place and a kind of change (such as a
comparison), for which one of Cosmic Ray's operators of that kind is drawn. For each, the tests of its line are run,
the quickest first, at most 60 s. Type annotations are left out, as no test can notice them. A mutant on a line that
no test runs counts as not noticed. The mutations are made in a copy of the repository; this checkout stays as it is.
"""

import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
PACKAGES = ("analysis", "controls", "routing", "packet_loss", "failover")
TESTS = ("tests/unit", "tests/contract")
AT_MOST_S = 60.0
PLANNED_S = 40.0  # how long the tests of one mutant may take by the coverage run: the rest is for start-up
# processes that a test starts, such as a whole drill, are measured, too, with the test as their context
COVERAGE = """
[run]
source = {sources}
data_file = {work}/lines
context = ${{PYTEST_CURRENT_TEST-}}
parallel = true
patch = subprocess
sigterm = true
"""
FAMILIES = ("ReplaceBinaryOperator", "ReplaceUnaryOperator", "ReplaceComparisonOperator")


@dataclass(frozen=True)
class Mutant:
    """One change of one place.

    :param path: of the module, from the repository's root.
    :param operator: Cosmic Ray's name of the change; ``occurrence`` is which place in the module it is applied to.
    :param diff: what it changes, as a unified diff without its header.
    """

    path: str
    line: int
    operator: str
    occurrence: int
    diff: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one mutant: ``outcome`` is killed, survived, or not-covered.

    :param tests: how many tests were run for it; ``left_out``: those that did not fit into the time.
    """

    mutant: Mutant
    outcome: str
    tests: int
    left_out: int
    seconds: float
    noticed_by: str = ""


@click.group()
@click.option(
    "--work", type=click.Path(path_type=Path), default=Path.home() / ".cache" / "chaosdrill-mutants", show_default=True
)
@click.pass_context
def main(context: click.Context, work: Path) -> None:
    """Measure how many mutations the tests notice."""
    context.obj = work


@main.command()
@click.option("--jobs", default=2, show_default=True, help="Tests that run at once.")
@click.argument("tests", nargs=-1)
@click.pass_obj
def measure(work: Path, jobs: int, tests: tuple[str, ...]) -> None:
    """Copy the repository and learn which test runs which line; with TESTS add what these run."""
    if not tests:
        shutil.rmtree(work, ignore_errors=True)
    copy = work / "copy"
    copy.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(copy)], input=archive, check=True)
    (work / "measuring.ini").write_text(COVERAGE.format(work=work, sources=", ".join(_sources())))
    durations = work / f"durations-{len([*work.glob('durations-*.xml')])}.xml"
    options = ["-n", str(jobs), "--dist", "loadfile", "-m", "not long", f"--junitxml={durations}"]
    coverage = [
        "--cov",
        f"--cov-config={work / 'measuring.ini'}",
        "--cov-context=test",
        "--cov-report=",
        "--cov-append",
    ]
    command = [sys.executable, "-m", "pytest", "-q", *options, *coverage, *(tests or TESTS)]
    subprocess.run(command, cwd=copy, env=_environment(copy), check=False)


@main.command()
@click.option("--seed", default=11, show_default=True)
@click.option("--count", default=60, show_default=True)
@click.option("--retry", is_flag=True, help="Try those again that survived: the tests were mended.")
@click.pass_obj
def run(work: Path, seed: int, count: int, retry: bool) -> None:
    """Draw mutants and run the tests that cover each."""
    results = work / f"results-{seed}.jsonl"
    done = {_key(one.mutant): one for one in _read(results)}
    if retry:
        done = {key: one for key, one in done.items() if one.outcome == "killed"}
    covering, durations = _covering(work / "lines"), _durations(work)
    for number, mutant in enumerate(_drawn(work / "copy", seed, count), start=1):
        if _key(mutant) in done:
            continue
        result = _tried(work / "copy", mutant, covering.get((mutant.path, mutant.line), set()), durations)
        with results.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        click.echo(f"{number:3} of {count}  {result.outcome:11} {mutant.path}:{mutant.line}  {mutant.operator}")
    _show(results)


@main.command()
@click.option("--seed", default=11, show_default=True)
@click.pass_obj
def show(work: Path, seed: int) -> None:
    """Show what became of the mutants of a seed, the survivors with their change."""
    _show(work / f"results-{seed}.jsonl")


def _show(results: Path) -> None:
    latest = {_key(one.mutant): one for one in _read(results)}.values()
    counts = Counter(one.outcome for one in latest)
    for one in latest:
        if one.outcome != "killed":
            click.echo(f"\n{one.outcome}: {one.mutant.path}:{one.mutant.line} ({one.tests} tests)\n{one.mutant.diff}")
    click.echo(f"\n{counts['killed']} of {len(latest)} noticed; {dict(counts)}")


def _sources() -> list[str]:
    return [f"chaosdrill.{package}" for package in PACKAGES]


def _key(mutant: Mutant) -> tuple[str, str, int]:
    return mutant.path, mutant.operator, mutant.occurrence


def _read(results: Path) -> Iterator[Result]:
    for line in results.read_text().splitlines() if results.is_file() else ():
        row = json.loads(line)
        yield Result(**{**row, "mutant": Mutant(**row["mutant"])})


def _drawn(copy: Path, seed: int, count: int) -> list[Mutant]:
    """:returns: the mutants of a seed, the same each time for the same code."""
    places: dict[tuple[Any, ...], list[Mutant]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((copy / "chaosdrill" / package).rglob("*.py")):
            for family, mutant, column in _mutants_of(copy, path):
                places[mutant.path, mutant.line, column, family].append(mutant)
    choose = random.Random(seed)
    return [choose.choice(places[place]) for place in choose.sample(sorted(places), count)]


def _mutants_of(copy: Path, path: Path) -> Iterator[tuple[str, Mutant, int]]:
    from cosmic_ray.commands.init import _all_work_items

    annotated = _annotated(path)
    for item in _all_work_items([path], {}):
        (spec,) = item.mutations
        name = str(spec.operator_name).removeprefix("core/")
        if not any(begin <= spec.start_pos < end for begin, end in annotated):
            family = next((one for one in FAMILIES if name.startswith(one)), name)
            relative = str(path.relative_to(copy))
            yield family, Mutant(relative, spec.start_pos[0], spec.operator_name, spec.occurrence), spec.start_pos[1]


def _annotated(path: Path) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """:returns: from where to where the annotations of a module reach, as (line, column)."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append(node.returns)
        if isinstance(node, (ast.arg, ast.AnnAssign)):
            found.append(node.annotation)
    ends = ((one.lineno, one.col_offset, one.end_lineno, one.end_col_offset) for one in found if one is not None)
    return [((line, column), (end_line or line, end_column or column)) for line, column, end_line, end_column in ends]


def _tried(copy: Path, mutant: Mutant, covering: set[str], durations: Mapping[str, float]) -> Result:
    from cosmic_ray.mutating import use_mutation
    from cosmic_ray.plugins import get_operator

    began = time.monotonic()
    chosen = _chosen(covering, durations)
    path = copy / mutant.path
    with use_mutation(path, get_operator(mutant.operator)(), mutant.occurrence) as (before, after):
        changed = Mutant(mutant.path, mutant.line, mutant.operator, mutant.occurrence, _diff(before, after))
        noticed = _first_failure(copy, chosen) if chosen else ""
    outcome = "killed" if noticed else "survived" if chosen else "not-covered"
    left_out = len(covering) - len(chosen)
    return Result(changed, outcome, len(chosen), left_out, round(time.monotonic() - began, 1), noticed)


def _chosen(covering: set[str], durations: Mapping[str, float]) -> list[str]:
    """The quickest tests first, one of each file before the second of any, as long as the time reaches."""
    by_file: dict[str, list[str]] = defaultdict(list)
    for test in sorted(covering & set(durations), key=lambda one: (durations[one], one)):
        by_file[test.partition("::")[0]].append(test)
    ranked = sorted((rank, durations[test], test) for them in by_file.values() for rank, test in enumerate(them))
    chosen, planned_s = [], 0.0
    for _, seconds, test in ranked:
        if planned_s + seconds <= PLANNED_S:
            chosen.append(test)
            planned_s += seconds
    return chosen


def _first_failure(copy: Path, tests: Sequence[str]) -> str:
    """:returns: which test failed, or that the tests did not end in time as they do without the mutant; else empty."""
    ordered = sorted(tests, key=lambda one: (not one.startswith("tests/unit"), one))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *ordered]
    with subprocess.Popen(
        command,
        cwd=copy,
        env=_environment(copy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=AT_MOST_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return ""  # too slow is not noticed
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return (failed or output.splitlines()[-1:] or ["?"])[0] if process.returncode else ""


def _environment(copy: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def _covering(path: Path) -> dict[tuple[str, int], set[str]]:
    """:returns: for each line the tests that run it; for one of the import those that run another one of its file."""
    from coverage import CoverageData

    data = CoverageData(basename=str(path))
    data.read()
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    for file in data.measured_files():
        relative = "chaosdrill/" + file.rpartition("/chaosdrill/")[2]
        by_line = {
            line: {test for one in contexts if (test := one.partition("|")[0].partition(" (")[0])}
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        for line, tests in by_line.items():
            found[relative, line] |= tests or set().union(*by_line.values())
    return found


def _durations(work: Path) -> dict[str, float]:
    """:returns: how long each test that passed took, in seconds, with its set-up; the others can notice nothing."""
    import xml.etree.ElementTree as ElementTree

    found = {}
    reports = sorted(work.glob("durations-*.xml"), key=lambda path: path.stat().st_mtime)
    for case in (case for report in reports for case in ElementTree.parse(report).iter("testcase")):
        if len(case):  # failed, skipped, or an error
            continue
        module, _, classes = case.attrib["classname"].rpartition(".test_")
        file, *names = f"test_{classes}".split(".")
        test = "::".join([f"{module.replace('.', '/')}/{file}.py", *names, case.attrib["name"]])
        found[test] = float(case.attrib["time"])
    return found


def _diff(before: str, after: str) -> str:
    import difflib

    return "\n".join(list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:])


if __name__ == "__main__":
    main()
