"""What a run showed, and what it could have shown: recorded when it ended, so that it outlives the run. Pure.

A run is observed again whenever its summary has changed. Every observation stays, and the worst of a run counts.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from chaosdrill.analysis.findings import TOLD
from chaosdrill.analysis.proof import proves
from chaosdrill.analysis.untrusted_json import mapping, number, sequence, text
from chaosdrill.gamedays.plans import canonical
from chaosdrill.history import to_json_safe
from chaosdrill.messages import SAID, Sentence, sentences_from_json

OPENING = ("failed", "invalid")  # what a finding asks of the verdict when it stays open
INFORMATIONAL = ("clock-off", "clock-unknown", "left-behind", "timeline-contradicts")  # these stay open, too
# values of a finding's sentence that name what it is about, and are the same in each run: no ids, no processes
SUBJECTS = ("activity", "movement", "operation", "phase", "read_back")
SUBJECTS_OF = {"left-behind": ("part",), "safeguard-tripped": ("name",)}
WRAPPED = ("problem", "reason", "text")  # values that are the sentence about the subject
WAITS = ("timeout_s", "within_s")  # arguments that make a step neither stronger nor weaker
DEEPEST = 3
LONGEST = 500  # characters of a finding's text


@dataclass(frozen=True)
class ShownFinding:
    """A finding that a run showed.

    :param name: one of :data:`chaosdrill.analysis.findings.FINDINGS`.
    :param subject: the step, transition, phase or operation that it is about; empty: the system as a whole.
    :param text: what was observed, with values.
    """

    name: str
    subject: str
    text: str


@dataclass(frozen=True)
class Observation:
    """A run as far as findings are concerned.

    :param began: UTC, ISO 8601.
    :param verdict: of its summary.
    :param broken: how its lab was broken on purpose: it opens findings, and closes none.
    :param dry: whether steps were left out on purpose.
    :param transitions: that took place.
    :param actions: by function, the numbers that each of its actions was called with; rollbacks left out.
    :param checks: by step, its tolerance as JSON; empty where it has none.
    :param figures: what was measured, by name.
    :param summary: digest of the summary that this was read from.
    :param domain: of the system; empty: unknown, as in runs of older versions.
    """

    run: str
    began: str
    experiment: str
    target: str
    scale: float | None
    verdict: str
    broken: bool = False
    dry: bool = False
    transitions: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()
    checks: Mapping[str, str] = field(default_factory=dict)
    objectives: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    shown: tuple[ShownFinding, ...] = ()
    summary: str = ""
    domain: str = ""

    @property
    def is_proof(self) -> bool:
        """Whether it says anything about the system: a refused or invalid run, a broken lab and a dry run do not."""
        return proves(self.verdict) and not self.broken and not self.dry

    def as_text(self) -> str:
        """Return it as canonical JSON."""
        return canonical(to_json_safe(asdict(self))).decode()


def observation_of(
    run: str, summary: Mapping[str, Any], events: Sequence[Mapping[str, Any]], digest: str
) -> Observation:
    """Observe a run.

    :param run: its id.
    :param summary: of any version that this chaosdrill reads; empty: it cannot be used, and the run proves nothing.
    :param events: its history.
    :param digest: of the summary.
    """
    opened = next((one for one in events if one.get("event") == "drill-opened"), {})
    judgement = mapping(summary.get("judgement"))
    figures = mapping(judgement.get("figures"))
    return Observation(
        run,
        began=text(summary.get("began")) or text(opened.get("at")) or _began_by_id(run),
        experiment=text(summary.get("experiment")) or text(opened.get("experiment")),
        target=text(summary.get("target")) or text(opened.get("target")),
        scale=number(summary.get("scale")),
        verdict=text(summary.get("verdict")) or "invalid",
        broken=bool(sequence(summary.get("broken"))),
        dry=bool(opened.get("dry")),
        transitions=tuple(sorted({text(mapping(one).get("what")) for one in sequence(judgement.get("movements"))})),
        actions=tuple(sorted(set(_actions(events)))),
        checks=dict(_checks(events)),
        objectives=dict(mapping(summary.get("objectives"))),
        figures={
            name: value for name, one in figures.items() if (value := number(mapping(one).get("value"))) is not None
        },
        shown=tuple(dict.fromkeys(findings_in(judgement))),
        summary=digest,
        domain=next((text(one.get("domain")) for one in events if one.get("event") == "target-opened"), ""),
    )


def observation_from(document: str) -> Observation:
    """Read an observation; what a later version has added to it is left out.

    :raises ValueError, TypeError, KeyError, AttributeError: when it is none.
    """
    found = json.loads(document)
    known = {one.name: found[one.name] for one in fields(Observation) if one.name in found}
    known["shown"] = tuple(ShownFinding(one["name"], one["subject"], one["text"]) for one in found.get("shown", ()))
    known["actions"] = tuple((str(func), str(numbers)) for func, numbers in found.get("actions", ()))
    known["transitions"] = tuple(map(str, found.get("transitions", ())))
    return Observation(**known)


def digest_of_summary(data: bytes) -> str:
    """Return the digest by which a summary is known."""
    return hashlib.sha256(data).hexdigest()


def findings_in(judgement: Mapping[str, Any]) -> Iterator[ShownFinding]:
    """Yield the findings of a judgement that stay open, each with its subject."""
    sentences = sentences_from_json(judgement.get(SAID))
    for one in map(mapping, sequence(judgement.get("findings"))):
        name, asks, words = text(one.get("name")), text(one.get("verdict")), text(one.get("text"))
        if asks in OPENING or (asks == TOLD and name in INFORMATIONAL):
            yield ShownFinding(
                name, " ".join(_subjects(sentences.get(words), SUBJECTS_OF.get(name, SUBJECTS))), words[:LONGEST]
            )


def _subjects(sentence: Any, names: Sequence[str], depth: int = 0) -> Iterator[str]:
    """Yield the values of a sentence that name what it is about."""
    if not isinstance(sentence, Sentence) or depth > DEEPEST:
        return
    for name, value in sentence.values.items():
        if name in names and isinstance(value, str) and not isinstance(value, Sentence):
            yield str(value)
        elif name in WRAPPED:
            yield from _subjects(value, names, depth + 1)


def _actions(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield what setup and method did, with the numbers that say how strongly."""
    arguments: dict[Any, Mapping[str, Any]] = {}
    for event in events:
        if event.get("event") == "activity-started":
            arguments[event.get("activity")] = mapping(event.get("arguments"))
        if event.get("event") == "activity-ended" and _counts(event) and event.get("type") != "probe":
            yield f"{event.get('module')}.{event.get('func')}", _numbers(arguments.get(event.get("activity"), {}))


def _numbers(arguments: Mapping[str, Any]) -> str:
    known = {name: _number(value) for name, value in arguments.items() if name not in WAITS}
    return canonical({name: value for name, value in known.items() if value is not None}).decode()


def _number(value: Any) -> float | None:
    """Return a number; a variable of an experiment may be one that is written as a text."""
    with suppress(ValueError):
        return number(float(value) if isinstance(value, str) else value)
    return None


def _checks(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for event in events:
        if event.get("event") == "activity-ended" and event.get("status") in ("succeeded", "failed"):
            tolerance = event.get("tolerance")
            yield text(event.get("activity")), "" if tolerance is None else json.dumps(tolerance, sort_keys=True)


def _began_by_id(run: str) -> str:
    with suppress(ValueError):
        return datetime.strptime(run[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).isoformat()
    return ""


def _counts(event: Mapping[str, Any]) -> bool:
    return event.get("status") == "succeeded" and event.get("phase") in ("setup", "method")
