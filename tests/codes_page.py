"""docs/codes.md, written from the code: ``python -m tests.codes_page``."""

from collections.abc import Iterable, Sequence

from chaosdrill.analysis.findings import FINDINGS
from chaosdrill.error_codes import ERROR_CODES
from tests.small_drills import REPOSITORY

PAGE = REPOSITORY / "docs" / "codes.md"

HEAD = """# Codes of errors and findings

Every error, every problem of an input and every finding has a stable code. Scripts and tests should read codes:
wording may change, a code does not. This page is written from the code by `python -m tests.codes_page`; a test compares
the two.

Where codes are shown:

- the command line: in brackets behind each message, such as `[undeclared-variable]`;
- `summary.json` and `chaosdrill runs show --json`: `name` of a finding, and `codes` of the error behind it;
- `history.jsonl`: `codes` of the events `refused` and `crashed`, `error_codes` of `activity-ended`.

"""


def codes_page() -> str:
    """:returns: the whole page."""
    codes = [(f"`{code}`", meaning) for code, meaning in ERROR_CODES.items()]
    findings = [(f"`{name}`", meaning, verdict) for name, (verdict, meaning) in FINDINGS.items()]
    return (
        HEAD
        + "## Errors and problems\n\n"
        + table(("code", "when"), codes)
        + "\n## Findings\n\nThe last column is what a finding asks of the verdict; `told` ones change nothing.\n\n"
        + table(("code", "when", "verdict"), findings)
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; a cell that holds ``|`` must have it escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(codes_page())
