"""Evidence of a drill for rules about business continuity, from a versioned data file.

A table lists what a drill shows, and what it does not. It is a reading aid, never a statement that a rule is met. Each
line has its source, and the person who checked it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from chaosdrill.analysis.proof import RECOVERY, proves
from chaosdrill.analysis.transitions import FAIL_BACK, FAIL_OVER
from chaosdrill.analysis.untrusted_json import number
from chaosdrill.bounded_yaml import load_yaml
from chaosdrill.languages import LANGUAGES
from chaosdrill.report.embedding import FILES

if TYPE_CHECKING:
    from chaosdrill.analysis.judgement import Judgement

FILE = "regulatory_evidence.yaml"
VERSION = 1
CAPABILITIES = ("failover", "failback", "fault", "recovery", "recovery-objective", "losses")
FAULTS = ("inject_packet_loss", "isolate_region")
LOSSES = "lost_writes_"
Text = Mapping[str, str]  # by language


@dataclass(frozen=True)
class Shows:
    """A fact that a drill may show.

    :param needs: what a run must have done and measured: words of :data:`CAPABILITIES`.
    """

    needs: frozenset[str]
    text: Text


@dataclass(frozen=True)
class EvidenceLine:
    """A rule, and what a drill may show for it.

    :param asks: what the rule requires, paraphrased.
    :param source: where the official text is.
    :param based_on: what the line was written from, if not from the official text; otherwise empty.
    :param checked_by: the person who has compared the line with the source; empty: no one yet.
    :param checked_on: the date of that check, ISO 8601.
    """

    id: str
    framework: str
    reference: Text
    asks: Text
    source: str
    based_on: str
    checked_by: str
    checked_on: str
    shows: tuple[Shows, ...]
    not_shown: tuple[Text, ...]


@dataclass(frozen=True)
class ShownEvidence:
    """A line of evidence for one run, or for several.

    :param shown: what the runs showed.
    :param not_shown: what no drill shows, and what these runs did not show.
    """

    line: EvidenceLine
    shown: tuple[Text, ...]
    not_shown: tuple[Text, ...]

    def as_json(self, language: str = LANGUAGES[0]) -> dict[str, Any]:
        """Return the evidence as JSON values."""
        line = self.line
        names = ("id", "framework", "source", "based_on", "checked_by", "checked_on")
        texts = {"shown": self.shown, "not_shown": self.not_shown}
        known = {name: [one[language] for one in them] for name, them in texts.items()}
        said = {"reference": line.reference[language], "asks": line.asks[language]}
        return {**{name: getattr(line, name) for name in names}, **said, **known}


@cache
def evidence_lines() -> tuple[EvidenceLine, ...]:
    """Read the table.

    :raises ValueError: when it is of another version, or a line needs an unknown capability.
    """
    document = load_yaml((FILES / FILE).read_text(encoding="utf-8"))
    if document["version"] != VERSION:
        raise ValueError(f"{FILE} has version {document['version']}, not {VERSION}")
    return tuple(map(_line, document["lines"]))


def shown_evidence(capabilities: Collection[str]) -> tuple[ShownEvidence, ...]:
    """Return each line with what runs with these capabilities show; without any, nothing is shown."""
    return tuple(_shown(line, frozenset(capabilities)) for line in evidence_lines())


def capabilities_of(
    judgement: "Judgement", target: str, objectives: Mapping[str, Any], actions: Collection[str], is_artificial: bool
) -> frozenset[str]:
    """Return what a run has done and measured; nothing for a run that proved nothing or ran in the lab.

    :param target: ``lab`` or ``aws``.
    :param actions: the functions of the actions that changed something.
    :param is_artificial: whether it was a dry run, or in a lab that was broken on purpose.
    """
    figures = {name: one.value for name, one in judgement.figures.items()}
    moved = [one.leg.what for one in judgement.movements]
    return capabilities(judgement.verdict, target, moved, figures, objectives, actions, is_artificial)


def capabilities(
    verdict: str,
    target: str,
    transitions: Collection[str],
    figures: Mapping[str, Any],
    objectives: Mapping[str, Any],
    actions: Collection[str],
    is_artificial: bool = False,
) -> frozenset[str]:
    """Return what a run has done and measured, as :func:`capabilities_of` does.

    :param figures: values by name; None: not measured.
    """
    if not proves(verdict) or target != "aws" or is_artificial:
        return frozenset()
    measured = [name for name, value in figures.items() if value is not None]
    is_recovery_known = FAIL_OVER in transitions and any(name.startswith(RECOVERY) for name in measured)
    known = {
        "failover": FAIL_OVER in transitions,
        "failback": FAIL_BACK in transitions,
        "fault": bool(set(FAULTS) & set(actions)),
        "recovery": is_recovery_known,
        "recovery-objective": is_recovery_known and number(objectives.get("rto_s")) is not None,
        "losses": FAIL_OVER in transitions and any(name.startswith(LOSSES) for name in measured),
    }
    return frozenset(name for name, holds in known.items() if holds)


def _shown(line: EvidenceLine, capabilities: frozenset[str]) -> ShownEvidence:
    shown = tuple(one.text for one in line.shows if one.needs <= capabilities)
    missing = tuple(one.text for one in line.shows if not one.needs <= capabilities)
    return ShownEvidence(line, shown, (*map(_not_by_these, missing), *line.not_shown))


def _not_by_these(text: Text) -> Text:
    """Return a text that states that these runs did not show something."""
    before = {"en": "Not by these runs: ", "ja": "対象の訓練では未確認: "}
    return {language: f"{before[language]}{words}" for language, words in text.items()}


def _line(one: Mapping[str, Any]) -> EvidenceLine:
    texts = ("based_on", "checked_by", "checked_on")
    return EvidenceLine(
        **{name: one[name] for name in ("id", "framework", "source")},
        reference=_text(one["reference"]),
        **{name: str(one[name] or "") for name in texts},
        asks=_text(one["asks"]),
        shows=tuple(_shows(one["shows"])),
        not_shown=tuple(map(_text, one["not_shown"])),
    )


def _shows(them: Sequence[Mapping[str, Any]]) -> Iterator[Shows]:
    for one in them:
        if unknown := set(one["needs"]) - set(CAPABILITIES):
            raise ValueError(f"{FILE}: there is no capability {', '.join(sorted(unknown))}")
        yield Shows(frozenset(one["needs"]), _text(one))


def _text(one: Mapping[str, Any]) -> Text:
    return {language: str(one[language]) for language in LANGUAGES}
