"""In what the lab can be more forgiving than AWS, and that this is written where users look for it."""

from pathlib import Path

from chaosdrill.lab.strictness import LENIENT, lenient_names
from chaosdrill.report.last_lines import last_lines
from tests.failing import fails_with

DOCUMENT = Path(__file__).parents[2] / "docs" / "lab.md"


def test_names_are_sorted_and_each_is_there_once():
    assert lenient_names(["public-zone", " public-zone", ""]) == ("public-zone",)
    assert lenient_names([""]) == ()


def test_every_unknown_name_is_reported_at_once():
    with fails_with("lenient-name-unknown", "lenient-name-unknown") as refused:
        lenient_names(["polite", "public-zone", "friendly"])
    assert all(name in str(refused.value) for name in ("friendly", "polite"))


def test_the_document_has_each_name_with_what_it_does():
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert [name for name, what in LENIENT.items() if f"| `{name}` | {what} |" not in rows] == []


def test_the_end_of_a_drill_names_them():
    said = {"verdict": "passed", "reasons": [], "target": "lab", "circumstances": {"lenient lab": ["public-zone"]}}
    verdict = dict(last_lines(said, "en"))["verdict"]
    assert "public-zone" in verdict
    assert "public-zone" not in dict(last_lines({**said, "circumstances": {}}, "en"))["verdict"]
