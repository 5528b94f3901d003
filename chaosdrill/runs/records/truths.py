"""Reading of the databases' own account of a run's writes, which a lab drill stores."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosdrill.analysis.findings import Finding, finding
from chaosdrill.analysis.ledger_comparison import Truth
from chaosdrill.messages import as_it_is, sentence
from chaosdrill.runs.records.tables import RECORDS

KIND = "truth"


def read_truths(directory: Path, events: Sequence[Mapping[str, Any]]) -> tuple[tuple[Truth, ...], list[Finding]]:
    """Return the account stored at each read-back, and findings on those that cannot be used."""
    truths, problems = [], []
    for event in events:
        if event.get("event") != "truth-read" or not isinstance(event.get("file"), str):
            continue
        name = Path(event["file"]).name  # never outside of the run
        try:
            truths.append(_truth(directory / RECORDS / name))
        except FileNotFoundError:
            continue  # the check of the hashes reports the missing file
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            text = sentence("{file} cannot be read: {why}", file=name, why=as_it_is(error))
            problems.append(finding("records-foreign", text, as_it_is(RECORDS)))
    return tuple(truths), problems


def _truth(path: Path) -> Truth:
    read = json.loads(path.read_text(encoding="utf-8"))
    if read["chaosdrill"] != KIND:
        raise ValueError("it is no account of the databases")
    transactions = {str(name): dict(facts) for name, facts in read["transactions"].items()}
    return Truth(str(read["label"]), str(read["region"]), transactions)
