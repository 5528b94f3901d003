"""Seals of history lines: each line ends with a hash over itself and all lines before it, so that a changed,
missing, repeated or moved line is detected. It protects against accidents, not against forgery: anyone can seal a
history again.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

from chaosdrill.messages import Sentence, sentence

SEAL = "seal"
VERSION = 1
NO_SEAL = sentence("has no seal")
_SEALED = re.compile(rb'(.*), "seal": "([0-9]+:[0-9a-f]{16})"\}', re.DOTALL)


def sealed(line: bytes, before: str) -> tuple[bytes, str]:
    """Return the line of a JSON object with its seal as last member, and the seal.

    :param before: the seal of the line before; empty for the first.
    """
    seal = _seal_of(line[:-1], before)
    return line[:-1] + f', "{SEAL}": "{seal}"}}'.encode(), seal


def broken_seals(lines: Iterable[bytes]) -> Iterator[tuple[int, Sentence]]:
    """Yield the number (from 1) of each line that was altered, or does not follow the line before it, and why."""
    before = ""
    for number, line in enumerate(lines, 1):
        found = _SEALED.fullmatch(line)
        if found is None:
            yield number, NO_SEAL
            continue
        seal = found[2].decode()
        if not seal.startswith(f"{VERSION}:"):
            theirs = seal.partition(":")[0]
            yield (
                number,
                sentence("was sealed by another version ({theirs}, known is {known})", theirs=theirs, known=VERSION),
            )
        elif seal != _seal_of(found[1], before):
            yield number, sentence("is not as it was written, or does not follow the line before it")
        before = seal


def _seal_of(body: bytes, before: str) -> str:
    return f"{VERSION}:{hashlib.sha256(before.encode() + body).hexdigest()[:16]}"
