"""The language of gates: ``recovery_time_s <= 120 and (verdict == passed or not lost_writes.change > 0)``. Pure.

A gate compares figures with limits; ``and``, ``or``, ``not`` and parentheses join comparisons. Figures have the names
that `chaosdrill compare` uses; ``.change`` is the candidate's value minus the baseline's, ``.before`` the baseline's
own. A limit is a number in the figure's unit, or one with ``s``, ``ms`` or ``%``. A gate is never executed as code:
this module alone parses it into the classes below.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from chaosdrill.errors import BadInput, problem

LONGEST, DEEPEST = 2000, 30
OPERATORS = ("<=", ">=", "==", "!=", "<", ">")
UNITS = ("", "s", "ms", "%")
VERDICT = "verdict"
VERDICTS = ("passed", "failed", "invalid", "refused", "interrupted")
CHANGE, BEFORE = "change", "before"

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)\s?(?P<unit>%|ms\b|s\b)?(?![\w.])
    |(?P<name>[^\W\d]\w*(?:\.\w+)*)
    |(?P<word>'\w*'|"\w*")
    |(?P<sign><=|>=|==|!=|[<>()]))""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class CandidateFigure:
    """A figure of the candidate.

    :param of: ``change``, ``before`` (the baseline's), or empty (the candidate's own).
    """

    name: str
    of: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.of}" if self.of else self.name


@dataclass(frozen=True)
class Number:
    """A limit with its unit, one of ``UNITS``."""

    value: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.value:g}{'' if self.unit in ('', '%') else ' '}{self.unit}"


@dataclass(frozen=True)
class Word:
    """A verdict."""

    word: str

    def __str__(self) -> str:
        return self.word


Operand = CandidateFigure | Number | Word


@dataclass(frozen=True)
class Compare:
    """One comparison."""

    left: Operand
    operator: str
    right: Operand

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True)
class Not:
    """Holds when the inner gate does not."""

    inner: "Gate"


@dataclass(frozen=True)
class Every:
    """Holds when all parts do."""

    parts: tuple["Gate", ...]


@dataclass(frozen=True)
class Either:
    """Holds when any part does."""

    parts: tuple["Gate", ...]


Gate = Compare | Not | Every | Either


def comparisons(gate: Gate) -> Iterator[Compare]:
    """Yield every comparison of a gate, from left to right."""
    if isinstance(gate, Compare):
        yield gate
    for part in (gate.inner,) if isinstance(gate, Not) else () if isinstance(gate, Compare) else gate.parts:
        yield from comparisons(part)


def parsed(text: str) -> Gate:
    """Parse a gate.

    :raises BadInput: when it is invalid, with the position and what was expected.
    """
    if len(text) > LONGEST:
        raise _bad(f"gate: it has {len(text)} characters, at most {LONGEST} are read: write several gates")
    reader = _Reader(text)
    gate = reader.either(0)
    if reader.token.kind != "end":
        raise reader.expected("`and`, `or` or the end")
    return gate


def _bad(text: str) -> BadInput:
    return BadInput([problem("gate-invalid", text)])


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, word, sign, end
    text: str
    unit: str
    at: int


class _Reader:
    """Recursive descent parser, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text, self._end = text, 0
        self.token = self._next()

    def either(self, depth: int) -> Gate:
        if depth > DEEPEST:
            raise _bad(f"gate: more than {DEEPEST} parentheses or `not` within each other: write it flatter")
        parts = [self.every(depth)]
        while self._took("name", "or"):
            parts.append(self.every(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def every(self, depth: int) -> Gate:
        parts = [self.single(depth)]
        while self._took("name", "and"):
            parts.append(self.single(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def single(self, depth: int) -> Gate:
        if depth > DEEPEST:
            return self.either(depth)  # raises
        if self._took("name", "not"):
            return Not(self.single(depth + 1))
        if self._took("sign", "("):
            inner = self.either(depth + 1)
            if not self._took("sign", ")"):
                raise self.expected("`)`")
            return inner
        return self.comparison()

    def comparison(self) -> Compare:
        left = self.operand()
        if self.token.kind != "sign" or self.token.text not in OPERATORS:
            raise self.expected(f"one of {' '.join(OPERATORS)}")
        operator = self.token.text
        self.token = self._next()
        found = Compare(left, operator, self.operand())
        if self.token.text in OPERATORS:
            raise self.expected("`and` or `or` (write `a < b and b < c`)")
        return found

    def operand(self) -> Operand:
        token = self.token
        if token.kind not in ("number", "name", "word") or token.text in ("and", "or", "not"):
            raise self.expected("a figure, a number or a verdict")
        self.token = self._next()
        if token.kind == "number":
            if not math.isfinite(float(token.text)):
                raise _bad(f"gate: at character {token.at + 1} {token.text} is too large a number")
            return Number(float(token.text), token.unit)
        if token.kind == "word" or token.text in VERDICTS:
            return Word(token.text.strip("'\""))
        name, _, last = token.text.rpartition(".")
        return CandidateFigure(name, last) if name and last in (CHANGE, BEFORE) else CandidateFigure(token.text)

    def expected(self, what: str) -> BadInput:
        found = "it ends there" if self.token.kind == "end" else f"there is `{self.token.text}`"
        return _bad(f"gate: at character {self.token.at + 1} {what} is expected; {found}")

    def _took(self, kind: str, text: str) -> bool:
        if (self.token.kind, self.token.text) != (kind, text):
            return False
        self.token = self._next()
        return True

    def _next(self) -> _Token:
        if not self._text[self._end :].strip():
            return _Token("end", "", "", len(self._text))
        match = _TOKEN.match(self._text, self._end)
        if match is None:
            rest = self._text[self._end :].lstrip()
            at = len(self._text) - len(rest)
            raise _bad(f"gate: at character {at + 1} nothing of a gate begins: `{rest[:20]}`")
        self._end = match.end()
        kind = next(one for one in ("number", "name", "word", "sign") if match[one] is not None)
        return _Token(kind, match[kind], match["unit"] or "", match.start(kind))
