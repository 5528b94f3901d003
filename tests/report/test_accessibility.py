"""The pages against axe-core's rules (WCAG 2 and best practices), in a real Chromium."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.report.making import write_report
from tests.chromium import needs_chromium
from tests.report.conftest import Seen
from tests.report.test_comparison_page import GROUPS, page, run_id, runs
from tests.report.test_japanese import RUNS

pytestmark = [needs_chromium, pytest.mark.long]
__all__ = ["runs"]  # a fixture

WIDE, TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
STATES = ("passed", "failed", "without records", "refused", "interrupted", "imported")
COMPARISONS: dict[str, Any] = {
    "two runs": ("compare", run_id(1), run_id(9)),
    "many runs": ("compare", "--last", "5"),
    "groups": GROUPS,
    "runs that cannot be compared": ("compare", run_id(1), run_id(3)),
    "trend": ("trend", "--all"),
}
LANGUAGES = pytest.mark.parametrize("language", ["en", "ja"])


def violations(seen: Seen) -> list[tuple[str, list[str]]]:
    """Run axe-core on a page in both colour schemes, wide and narrow, with everything unfolded.

    :returns: each rule that is violated with the elements that violate it.
    """
    from axe_playwright_python.sync_playwright import Axe

    found = []
    seen.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for scheme, size in product(("light", "dark"), (WIDE, TELEPHONE)):
        seen.page.emulate_media(color_scheme=scheme)
        seen.page.set_viewport_size(size)
        seen.until("(dark) => document.getElementById('theme').ariaPressed === dark",
                                    arg=str(scheme == "dark").lower())  # fmt: skip
        response = Axe().run(seen.page).response
        assert len(response["passes"]) > 15
        found += [(one["id"], [str(node["target"]) for node in one["nodes"]]) for one in response["violations"]]
    return found


@LANGUAGES
@pytest.mark.parametrize("state", STATES)
def test_the_page_of_a_run(tmp_path: Path, see: Callable[..., Seen], state: str, language: str) -> None:
    path = write_report(RUNS[state](tmp_path), language)
    assert violations(see(path, drawn=state != "imported")) == []


@LANGUAGES
@pytest.mark.parametrize("name", COMPARISONS)
def test_the_page_of_a_comparison(runs: Path, see: Callable[..., Seen], name: str, language: str) -> None:
    seen = see(page(runs, *COMPARISONS[name], "--lang", language), drawn=False)
    if seen.run("document.getElementById('trend') !== null"):
        seen.page.wait_for_selector("#trend .main-svg .bars")
    assert violations(seen) == []
