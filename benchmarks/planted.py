"""What preflight and sweep find of everything that is planted for them, with precision and recall, as Markdown.

    python -m benchmarks.planted [--write FILE]

Run from the repository, in the tests' environment. It runs the tests that plant one thing at a time on the lab's AWS
endpoint, a few minutes in all, and reads from their results what was planted and what was found. A name that was found
and not planted lowers the precision, one that was planted and not found the recall. Exit code 1 when a test failed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
TESTS = {
    "unfit: `chaosdrill preflight`": "test_preflight.py::test_what_is_unfit_in_the_system_is_found_by_name",
    "left: `chaosdrill sweep`": "test_sweep.py::test_what_is_left_is_found_and_removed_and_nothing_else",
}
TITLE = """\
# What is planted, and found

Each row is something that makes a system unfit or that a drill left, planted alone on the lab's AWS endpoint, with the
names under which it must be found. Made by `python -m benchmarks.planted --write docs/results/planted.md`.
"""


def main() -> int:
    """Run the tests and print the tables.

    :returns: the exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    text, failed = TITLE, False
    for title, test in TESTS.items():
        code, found = _planted(test)
        failed |= code != 0
        text += f"\n## {title}\n\n" + "\n".join(_table(found)) + "\n"
    print(text)
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(text, encoding="utf-8")
    return int(failed)


def _planted(test: str) -> tuple[int, list[dict[str, Any]]]:
    """Run a test with all of its cases.

    :returns: pytest's exit code, and what each case planted and found.
    """
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.xml")
        options = ["-p", "no:xdist", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", "-q", *options, f"tests/contract/{test}"]
        done = subprocess.run(command, cwd=ROOT, check=False, stdout=sys.stderr)
        properties = ElementTree.parse(report).iter("property")
        found = [json.loads(str(one.get("value"))) for one in properties if one.get("name") == "planted"]
    return done.returncode, found


def _table(planted: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "| planted | must be found | found beyond that | not found |"
    yield "|---|---|---|---|"
    for one in planted:
        expected, found = set(one["expected"]), set(one["found"])
        cells = (one["name"].replace("_", " "), *map(_names, (expected, found - expected, expected - found)))
        yield f"| {' | '.join(cells)} |"
    right = sum(len({*one["expected"]} & {*one["found"]}) for one in planted)
    found, expected = (sum(len(one[name]) for one in planted) for name in ("found", "expected"))
    yield ""
    yield f"{len(planted)} planted; precision {right} of {found}, recall {right} of {expected}."


def _names(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


if __name__ == "__main__":
    sys.exit(main())
