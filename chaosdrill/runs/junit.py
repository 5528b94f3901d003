"""JUnit XML for CI systems: a test case for the verdict, for each check and for each finding of a run.

:source: https://github.com/testmoapp/junitxml
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from chaosdrill.analysis.findings import TOLD
from chaosdrill.analysis.untrusted_json import mapping, sequence, text
from chaosdrill.errors import BadInput, problem
from chaosdrill.history.whole_files import write_whole

PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"
_ELEMENTS: Final = {FAILED: "failure", ERROR: "error", SKIPPED: "skipped"}
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One test case.

    :param outcome: ``passed``; ``failed``; ``error``: it could not be decided; ``skipped``: informational.
    :param why: the reason for an outcome other than passed.
    """

    group: str
    name: str
    outcome: str
    why: str = ""


def cases_of_run(
    verdict: str, reasons: Sequence[str], findings: Iterable[Any], hypothesis: Iterable[Any]
) -> list[Case]:
    """Return the test cases of a run.

    :param findings: the findings of the judgement, as JSON values.
    :param hypothesis: the results of each probe before, during and after the method, from the summary.
    :returns: first the verdict, which passes only if it is ``passed``.
    """
    whole = Case("verdict", "verdict", _outcome(verdict), "; ".join(reasons) or verdict)
    return [whole, *_checks(hypothesis), *_findings(findings)]


def _outcome(verdict: str) -> str:
    return {"passed": PASSED, "failed": FAILED, TOLD: SKIPPED}.get(verdict, ERROR)


def _checks(hypothesis: Iterable[Any]) -> Iterator[Case]:
    """Yield each probe before and after the method; its results during the method decide nothing."""
    for probe in map(mapping, hypothesis):
        for when in ("before", "after"):
            readings = [mapping(one) for one in sequence(probe.get(when))]
            met = [one.get("met") for one in readings]
            outcome = PASSED if met and all(one is True for one in met) else FAILED if False in met else ERROR
            values = ", ".join(str(one.get("value")) for one in readings) or "it was not read"
            yield Case("hypothesis", f"{probe.get('probe')} ({when})", outcome, f"{values}; {probe.get('tolerance')!r}")


def _findings(findings: Iterable[Any]) -> Iterator[Case]:
    for one in map(mapping, findings):
        yield Case("findings", text(one.get("name")), _outcome(text(one.get("verdict"))), text(one.get("text")))


def junit_xml(suite: str, cases: Sequence[Case], properties: Mapping[str, str]) -> str:
    """Return the document.

    :param suite: the name of the test suite, such as the experiment's.
    :param properties: properties of the suite, such as the run's id.
    """
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(one.outcome == FAILED for one in cases)),
        "errors": str(sum(one.outcome == ERROR for one in cases)),
        "skipped": str(sum(one.outcome == SKIPPED for one in cases)),
    }
    root = ElementTree.Element("testsuites", {"name": "chaosdrill", **counts})
    whole = ElementTree.SubElement(root, "testsuite", {"name": _clean(suite), **counts})
    known = ElementTree.SubElement(whole, "properties")
    for name, value in properties.items():
        ElementTree.SubElement(known, "property", name=_clean(name), value=_clean(value))
    for one in cases:
        names = {"classname": _clean(f"{suite}.{one.group}"), "name": _clean(one.name)}
        case = ElementTree.SubElement(whole, "testcase", names)
        if one.outcome in _ELEMENTS:
            ElementTree.SubElement(case, _ELEMENTS[one.outcome], message=_clean(one.why)).text = _clean(one.why)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=False) + "\n"


def problems_of_file(path: Path, source: str) -> list[str]:
    """Return why the file cannot be written.

    :param source: the option or variable that names it.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        return [problem("junit-unwritable", f"{source}: {path} is not a file in a directory that exists: name another")]
    return []


def write_junit(path: Path, document: str) -> None:
    """Write a document.

    :raises BadInput: ``junit-unwritable``.
    """
    try:
        write_whole(path, '<?xml version="1.0" encoding="utf-8"?>\n' + document, private=False)
    except OSError as error:
        why = error.strerror or error
        raise BadInput([problem("junit-unwritable", f"{path} cannot be written ({why}): name another file")]) from error


def _clean(value: str) -> str:
    """Replace control characters, for which XML has no escape."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", value)
