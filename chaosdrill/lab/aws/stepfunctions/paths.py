"""Reference paths of Step Functions.

Fixes: ``$.GlobalClusters[0].Status`` yields ``["available"]`` in moto, so the reference system's Choice never matches.
On AWS a path that can name only one value (members and indexes, no wildcard, slice or filter) yields that value.

:source: https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html (reference paths)
"""

import functools
import re
from dataclasses import dataclass
from typing import Any

from moto.stepfunctions.parser.asl.utils import json_path

from chaosdrill.lab.aws.patching import replace

DEFINITE = re.compile(r"\$(?:\.[A-Za-z_][\w-]*|\[\d+\]|\['[^']*'\])*")
_parse: Any = vars(json_path)["parse"]


@dataclass(frozen=True)
class Match:
    """A match in a form that moto treats as one without an index."""

    value: Any
    path: None = None
    context: None = None


@dataclass(frozen=True)
class DefinitePath:
    """A parsed path that names one value."""

    expression: Any

    def find(self, data: Any) -> list[Match]:
        """Return at most one match."""
        return [Match(found.value) for found in self.expression.find(data)]


@functools.lru_cache(maxsize=1024)
def parse(path: str) -> Any:
    """Parse a path as moto does, and recognise definite paths."""
    expression = _parse(path)
    return DefinitePath(expression) if DEFINITE.fullmatch(path) else expression


def install() -> None:
    """Use it wherever moto evaluates a path."""
    replace(json_path, "parse", parse)
