"""Reading of a run's summary; a summary of a newer version, or an invalid one, is never misread."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaosdrill.history.run_directory import SUMMARY
from chaosdrill.messages import NOTHING, Sentence, sentence
from chaosdrill.runs.documents import NOT_THERE, read_object

NEWEST = 3
WORDS = ("passed", "failed", "invalid", "refused", "interrupted")
DRILL, REBUILT, IMPORTED = "drill", "rebuilt", "imported"  # origins of a summary


@dataclass(frozen=True)
class Summary:
    """The summary of a run.

    :param said: the document; empty when it cannot be used.
    :param why_not: why it cannot be used, in words that follow "its summary "; empty when it can.
    :param missing: the file does not exist.
    """

    said: Mapping[str, Any] = field(default_factory=dict)
    why_not: Sentence = NOTHING
    missing: bool = False

    @property
    def verdict(self) -> str:
        """One of ``WORDS``; empty when there is none."""
        return str(self.said.get("verdict", ""))

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for the verdict."""
        reasons = self.said.get("reasons")
        return tuple(one for one in reasons if isinstance(one, str)) if isinstance(reasons, list) else ()

    @property
    def source(self) -> str:
        """Its origin: the drill itself, or made afterwards; empty without a usable summary."""
        source = self.said.get("source")
        return source if isinstance(source, str) else DRILL if self.said else ""


def read_summary(directory: Path) -> Summary:
    """Return the summary of a run directory, in any state."""
    path = directory / SUMMARY
    said, why_not = read_object(path)
    if why_not:
        told = sentence("cannot be used: {why}", why=why_not)
        return Summary(why_not=told, missing=why_not == NOT_THERE and not path.is_symlink())
    return Summary(why_not=why_not) if (why_not := _why_not(said)) else Summary(said)


def _why_not(said: Mapping[str, Any]) -> Sentence:
    version = said.get("version")
    if type(version) is not int or version < 1:
        return sentence(
            "is of no version that there is ({version}): something else has written it", version=_short(version)
        )
    if version > NEWEST:
        values = {"version": _short(version), "known": NEWEST}
        return sentence("is of version {version}, this chaosdrill knows {known}: install a newer one", **values)
    if said.get("verdict") not in WORDS:
        return sentence("has a verdict that there is none of: {verdict}", verdict=_short(said.get("verdict")))
    return NOTHING


def _short(value: Any) -> str:
    text = repr(value)[:1000]
    return text if len(text) <= 40 else f"{text[:39]}…"
