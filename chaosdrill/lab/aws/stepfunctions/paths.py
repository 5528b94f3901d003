"""Mends: ``$.GlobalClusters[0].Status`` yields ``["available"]`` in moto, so the reference's Choice never matches.

A path that can name one value only (members and indexes, no wildcard, slice or filter) yields that value on AWS.
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
    """A match that looks to moto as one that no index led to."""

    value: Any
    path: None = None
    context: None = None


@dataclass(frozen=True)
class DefinitePath:
    """A parsed path that names one value."""

    expression: Any

    def find(self, data: Any) -> list[Match]:
        """:returns: at most one match."""
        return [Match(found.value) for found in self.expression.find(data)]


@functools.lru_cache(maxsize=1024)
def parse(path: str) -> Any:
    """moto's ``parse``, with definite paths recognised."""
    expression = _parse(path)
    return DefinitePath(expression) if DEFINITE.fullmatch(path) else expression


def install() -> None:
    """Use it wherever moto evaluates a path."""
    replace(json_path, "parse", parse)
