"""The catalogue: every message in both languages, every one used, every name known."""

import re
import string
from pathlib import Path

import pytest

import chaosdrill.report
from chaosdrill.analysis.findings import FINDINGS, GRAVITY, PASSED, TOLD
from chaosdrill.analysis.objectives import OBJECTIVES
from chaosdrill.analysis.phases import PHASES
from chaosdrill.records.ledger import STATES
from chaosdrill.report.messages import MESSAGES
from chaosdrill.report.messages.findings import JAPANESE
from chaosdrill.report.texts import LANGUAGES, Words

FOLDER = Path(chaosdrill.report.__file__).parent
SOURCES = [*FOLDER.rglob("*.py"), *FOLDER.rglob("*.j2")]
TEXT = "\n".join(path.read_text() for path in SOURCES if path.parent.name != "messages")
KANA_OR_KANJI = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
# names of products, units and numbers are the same in both
SAME = re.compile(r"^(Step Functions|FIS|± 0|%|\W*)$")


@pytest.mark.parametrize("key", MESSAGES)
def test_a_message_is_in_both_languages(key):
    english, japanese = MESSAGES[key]
    assert english.strip()
    assert KANA_OR_KANJI.search(japanese) or SAME.match(re.sub(r"\{\w+\}", "", japanese)), japanese
    assert not KANA_OR_KANJI.search(english)

    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    assert fields(english) == fields(japanese)


def test_no_message_is_left_over():
    """Used is what stands in a template or in the code, or belongs to a kind whose names come from the run."""
    whole = set(re.findall(r"[\"']([a-z][a-z-]*\.[\w. %-]+)[\"']", TEXT))
    kinds = set(re.findall(r"\bof\(\s*[\"']([a-z-]+)[\"']", TEXT))
    package = FOLDER.parent.rglob("*.py")
    kinds |= {kind for path in package for kind in re.findall(r"\bName\(\s*\"([a-z-]+)\"", path.read_text())}
    begun = set(re.findall(r"[\"']([a-z][\w.-]*\.)[\"'] ~", TEXT)) | set(re.findall(r"f[\"']([a-z][\w.-]*\.)\{", TEXT))
    unused = [
        key
        for key in MESSAGES
        if key not in whole and key.partition(".")[0] not in kinds and not any(key.startswith(one) for one in begun)
    ]
    assert unused == []
    assert [one for one in begun if not any(key.startswith(one) for key in MESSAGES)] == []


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("finding", FINDINGS),
        ("verdict", (*GRAVITY, PASSED)),
        ("verdict-means", (*GRAVITY, PASSED)),
        ("asks", (*GRAVITY, TOLD)),
        ("moment", PHASES),
        ("state", STATES),
        ("objective", [name for name in OBJECTIVES if name != "budgets"]),
    ],
)
def test_every_name_that_a_run_may_use_is_translated(kind, names):
    assert [name for name in names if f"{kind}.{name}" not in MESSAGES] == []


def test_every_finding_has_a_japanese_meaning_and_none_is_of_a_finding_that_is_gone():
    assert set(JAPANESE) == set(FINDINGS)


def test_a_name_that_is_not_in_the_catalogue_is_shown_as_it_is():
    assert [Words(language).of("verdict", "brand-new") for language in LANGUAGES] == ["brand-new"] * 2
    with pytest.raises(KeyError):
        Words("en")("no.such.message")
