"""docs/licences.md, written from what is installed: ``python -m tests.licences_page``, with Python 3.11."""

import configparser
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

from tests.small_drills import REPOSITORY

PAGE = REPOSITORY / "docs" / "licences.md"
PYTHON = (3, 11)  # the oldest one: under newer ones some packages are not needed
COPYLEFT = re.compile(r"\bA?GPL", re.IGNORECASE)

HEAD = """# Licences of what is installed

chaosdrill is under Apache-2.0 (`LICENSE`). The packages below are installed beside it, in the versions of
`locks/`. The column "for" says which installation needs a package: `chaosdrill` itself, or the extras `lab`,
`notify` and `report`. What only the tests need is not listed. A licence is what the package itself declares. This
page is written by `python -m tests.licences_page`; a test compares it with what is installed.

"""


def packages() -> dict[str, tuple[str, str]]:
    """:returns: the licence of each package that is installed for users, and what needs it."""
    found: dict[str, list[str]] = {}
    for part, requirements in required().items():
        if part == "test":
            continue
        for name in closure(requirements):
            found.setdefault(name, []).append(part)
    return {name: (licence_of(distribution(name)), ", ".join(parts)) for name, parts in sorted(found.items())}


def licence_of(package: Distribution) -> str:
    """:returns: a package's licence, as it declares it; empty when it does not."""
    told: Mapping[str, str] = package.metadata  # type: ignore[assignment]
    classifiers = package.metadata.get_all("Classifier") or []
    named = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License ::")]
    return told.get("License-Expression") or "; ".join(named) or (told.get("License") or "").partition("\n")[0]


def licences_page() -> str:
    """:returns: the whole page."""
    rows = [f"| {name} | {licence} | {parts} |\n" for name, (licence, parts) in packages().items()]
    return HEAD + "| package | licence | for |\n| --- | --- | --- |\n" + "".join(rows)


def required() -> dict[str, list[Requirement]]:
    """:returns: what setup.cfg asks for, for chaosdrill itself and for each extra."""
    read = configparser.ConfigParser()
    read.read(REPOSITORY / "setup.cfg")
    texts = {"chaosdrill": read["options"]["install_requires"]}
    texts |= {extra: read["options.extras_require"][extra] for extra in ("lab", "notify", "report", "test")}
    lines = {part: text.splitlines() for part, text in texts.items()}
    return {part: [Requirement(one) for one in some if one and one[0] != "#"] for part, some in lines.items()}


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """:returns: what is installed for requirements, and for what those require."""
    left, seen = list(requirements), set[tuple[str, tuple[str, ...]]]()
    while left:
        one = left.pop()
        known = (re.sub(r"[-_.]+", "-", one.name).lower(), tuple(sorted(one.extras)))
        if known not in seen:
            seen.add(known)
            left += _needs(one)
    return {name for name, _ in seen if _is_installed(name)}


def _needs(one: Requirement) -> list[Requirement]:
    if not _is_installed(one.name):
        return []
    extras = ("", *one.extras)
    needed = [Requirement(text) for text in distribution(one.name).requires or ()]
    return [
        need for need in needed if need.marker is None or any(need.marker.evaluate({"extra": name}) for name in extras)
    ]


def _is_installed(name: str) -> bool:
    try:
        return distribution(name) is not None
    except PackageNotFoundError:
        return False


if __name__ == "__main__":
    PAGE.write_text(licences_page())
