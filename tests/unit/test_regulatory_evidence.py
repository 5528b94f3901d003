"""The table of what a drill shows for supervisory rules: sourced, unchecked, and never more than a run proved."""

import re
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.analysis.judgement import judge
from chaosdrill.languages import LANGUAGES
from chaosdrill.report.embedding import FILES
from chaosdrill.report.regulatory_evidence import (
    CAPABILITIES,
    FILE,
    capabilities,
    capabilities_of,
    evidence_lines,
    shown_evidence,
)
from chaosdrill.runs import read_run
from tests.synthetic_run import make_run

PROOF: dict[str, Any] = {
    "verdict": "passed",
    "target": "aws",
    "transitions": ["fail-over", "fail-back"],
    "figures": {"recovery_fail_over_s": 9.0, "lost_writes_after_failover": 0.0},
    "objectives": {"rto_s": 60},
    "actions": ["inject_packet_loss"],
}
CLAIMS = re.compile(r"complian|conform|certif|satisf|fulfil|準拠|適合|遵守|充足", re.IGNORECASE)


def test_the_rules_of_the_table() -> None:
    assert [one.id for one in evidence_lines()] == [
        "fisc-71", "fisc-73", "fisc-73-1", "fisc-74", "dora-11", "dora-12", "rts-2024-1774-25", "pra-ss1-21", "mas-bcm",
        "ffiec-bcm",
    ]  # fmt: skip


@pytest.mark.parametrize("one", evidence_lines(), ids=lambda one: one.id)
def test_each_line_has_its_source_says_what_is_not_shown_and_was_checked_by_nobody(one: Any) -> None:
    assert one.source.startswith("https://")
    assert one.not_shown
    assert (one.checked_by, one.checked_on) == ("", "")
    texts = [one.asks, one.reference, *one.not_shown, *(shows.text for shows in one.shows)]
    assert all(text[language].strip() for text in texts for language in LANGUAGES)


def test_the_table_claims_nothing() -> None:
    assert CLAIMS.findall((FILES / FILE).read_text()) == []


def test_a_whole_drill_shows_everything_that_a_drill_can() -> None:
    assert capabilities(**PROOF) == set(CAPABILITIES)
    assert all(len(one.shown) == len(one.line.shows) for one in shown_evidence(capabilities(**PROOF)))


@pytest.mark.parametrize(
    "less",
    [
        {"verdict": "invalid"},
        {"verdict": "refused"},
        {"verdict": "interrupted"},
        {"verdict": ""},
        {"target": "lab"},
        {"target": ""},
        {"is_artificial": True},
    ],
    ids=str,
)
def test_a_run_that_proves_nothing_about_a_real_system_shows_nothing(less: dict[str, Any]) -> None:
    found = shown_evidence(capabilities(**{**PROOF, **less}))
    assert [one.shown for one in found] == [()] * len(evidence_lines())
    assert all(len(one.not_shown) == len(one.line.not_shown) + len(one.line.shows) for one in found)


@pytest.mark.parametrize(
    ("less", "missing"),
    [
        ({"transitions": ["fail-over"]}, {"failback"}),
        ({"transitions": ["fail-back"]}, {"failover", "recovery", "recovery-objective", "losses"}),
        (
            {"figures": {"recovery_fail_over_s": None, "lost_writes_after_failover": 0}},
            {"recovery", "recovery-objective"},
        ),
        ({"figures": {"recovery_fail_over_s": 9.0, "lost_writes_after_failover": None}}, {"losses"}),
        ({"objectives": {}}, {"recovery-objective"}),
        ({"actions": ["start_load"]}, {"fault"}),
    ],
)
def test_what_was_not_done_or_not_measured_is_not_shown(less: dict[str, Any], missing: set[str]) -> None:
    assert set(CAPABILITIES) - capabilities(**{**PROOF, **less}) == missing


def test_a_judgement_tells_what_its_run_shows(tmp_path: Path) -> None:
    judgement = judge(read_run(make_run(tmp_path, stored=False)))
    values: dict[str, Any] = {"objectives": {"rto_s": 60}, "actions": ["inject_packet_loss"], "is_artificial": False}
    assert capabilities_of(judgement, "aws", **values) == set(CAPABILITIES)
    assert capabilities_of(judgement, "lab", **values) == frozenset()
