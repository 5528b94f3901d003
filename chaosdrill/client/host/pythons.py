"""The Pythons of the client host, and the choice of one that runs a delivered program."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.aws import System
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.host.inspection import install_command
from chaosdrill.errors import CannotSee, Refused

LEAST_PYTHON = (3, 11)  # of chaosdrill's own modules
NEWEST_MINOR = 19  # newest python3.N that is searched for
NEVER_ENOUGH = (9, 0)
BESIDE = "/usr/local/bin"  # searched, too: it may not be in the PATH of SSM's shell
_PATH = re.compile(r"/[\w./+@ -]*")  # SSM substitutes {{ssm:NAME}} in a command by a parameter's value
LIBC_UNKNOWN = "a C library that Python does not name (musl?)"

CACHE = 'd="${XDG_CACHE_HOME:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache}/chaosdrill"'
_FACTS = (
    "import json,os,platform,sys;"
    "no_gil='t' if 't' in getattr(sys,'abiflags','') else '';"
    "print(json.dumps({'executable':sys.executable,'implementation':sys.implementation.name+no_gil,"
    "'python':list(sys.version_info[:2]),'machine':platform.machine(),'libc':list(platform.libc_ver()),"
    "'directory':sys.argv[1]}));"
    "sys.exit(sys.version_info[:2]<tuple(map(int,sys.argv[2].split('.'))))"
)


@dataclass(frozen=True)
class Python:
    """A Python on the client host, and the directory for deliveries.

    :param libc: name of its C library; empty when unknown, as with musl before Python 3.13.
    """

    executable: str
    implementation: str
    python: tuple[int, int]
    machine: str
    libc: str
    libc_version: tuple[int, ...]
    directory: str

    def __str__(self) -> str:
        return f"{self.executable}: {self.platform}"

    @property
    def platform(self) -> str:
        """The properties by which wheels are chosen, in words."""
        libc = f"{self.libc} {dotted(self.libc_version)}" if self.libc else LIBC_UNKNOWN
        return f"{self.implementation} {dotted(self.python)} on {self.machine}, {libc}"


@dataclass(frozen=True)
class Compatibility:
    """A Python that loads the C extensions installed on this machine; its C library must have this version or a newer
    one.
    """

    implementation: str
    python: tuple[int, int]
    machine: str
    libc: str
    libc_version: tuple[int, ...]

    def __str__(self) -> str:
        libc = f"{self.libc} {dotted(self.libc_version)} or newer" if self.libc else LIBC_UNKNOWN
        return f"{self.implementation} {dotted(self.python)} on {self.machine}, {libc}"

    def allows(self, one: Python) -> bool:
        """Return whether a Python loads them."""
        same = (one.implementation, one.python, one.machine, one.libc)
        ours = (self.implementation, self.python, self.machine, self.libc)
        return same == ours and one.libc_version >= self.libc_version


@dataclass(frozen=True)
class Needs:
    """Requirements of a program on its Python.

    :param what: the program, as messages call it.
    :param python: the oldest version.
    :param otherwise: what the user can do when the host has none.
    :param implementation: empty: any.
    :param libc: empty: any.
    :param installed: what loads the extensions installed on this machine; a Python that it allows is sufficient. None:
        there are no extensions.
    """

    what: str
    python: tuple[int, int]
    otherwise: str
    implementation: str = ""
    libc: str = ""
    installed: Compatibility | None = None

    def __str__(self) -> str:
        python = {"": "Python", "cpython": "CPython"}.get(self.implementation, self.implementation)
        return f"{python} {dotted(self.python)} or newer" + (f" with {self.libc}" if self.libc else "")


def find_python(system: System, needs: Needs) -> Python:
    """Return the Python of the client host that is best for a program.

    :raises Refused: when it has none that runs the program; nothing was delivered then.
    :raises CannotSee: when the host accepts no commands.
    """
    seen = pythons(system, *names(needs.python), enough=NEVER_ENOUGH if needs.installed else needs.python)
    if fit := best(seen, needs):
        return fit
    found, host = [f"{one} ({', '.join(_lacking(one, needs))})" for one in dict.fromkeys(seen)], system.topology.client
    raise Refused(
        f"the client host {host.instance_id} cannot run {needs.what}, which needs {needs}; it has "
        f"{'; '.join(found) or 'no python3'}. Install one there, on Amazon Linux 2023 by "
        f"`{install_command(host.instance_id, host.region, f'python{dotted(needs.python)}')}`, or {needs.otherwise}",
        code="client-python-missing",
    )


def names(least: tuple[int, int]) -> list[str]:
    """Return the command names of Pythons of that version and newer ones."""
    return [f"python3.{minor}" for minor in range(least[1], NEWEST_MINOR + 1)]


def best(seen: Iterable[Python], needs: Needs) -> Python | None:
    """Return the Python that loads the extensions installed on this machine, else the one with the nearest version.

    For a near version, wheels of the same releases are likely to exist. None: no Python runs the program.
    """
    installed = needs.installed
    if installed is None:
        return next((one for one in seen if not _lacking(one, needs)), None)
    fit = [one for one in seen if installed.allows(one) or not _lacking(one, needs)]
    away = lambda one: (abs(one.python[1] - installed.python[1]), -one.python[1])  # noqa: E731
    return min(fit, key=away, default=None)


def _lacking(one: Python, needs: Needs) -> list[str]:
    """Return in words which requirements a Python does not meet."""
    lacking = []
    if one.python < needs.python:
        lacking.append("an older Python")
    if needs.implementation not in ("", one.implementation):
        lacking.append("another Python")
    if needs.libc not in ("", one.libc):
        lacking.append("another C library")
    return lacking


def pythons(system: System, *names: str, enough: tuple[int, int] = NEVER_ENOUGH) -> list[Python]:
    """Return the Pythons of the client host: those with these names first, then python3.

    :param enough: stop at the first of this version or a newer one; python3 is then tried first.
    """
    look = script(*names, enough=enough)
    printed = run_on_client(system, look, called="that searches for Python", reads="find-python").stdout
    return parsed(printed)


def script(*names: str, enough: tuple[int, int] = NEVER_ENOUGH) -> str:
    """Return the script that prints the facts of each Python, one line each; see :func:`pythons`."""
    look = f'command -v "$p" >/dev/null 2>&1 && "$p" -c {shlex.quote(_FACTS)} "$d" {dotted(enough)} && break'
    named = [path for name in names for path in (name, f"{BESIDE}/{name}")]
    tried = [*named, "python3"] if enough == NEVER_ENOUGH else ["python3", *named]
    looks = f"for p in {' '.join(tried)}; do {look}; done"
    return f"{CACHE}; {looks}; true"


def parsed(printed: str) -> list[Python]:
    """Parse the output of :func:`script`.

    :raises CannotSee: when it contains a path that is not safe in a command.
    """
    try:
        found = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        for path in (str(one[name]) for one in found for name in ("executable", "directory")):
            if not _PATH.fullmatch(path):
                text = f"the client host names {path!r} as a path of its Python: that is not used in a command"
                raise CannotSee(text, code="client-response-unexpected")
        return [_python(one) for one in found]
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError) as error:
        text = f"the client host listed its Pythons in an unexpected format: {printed[:200]!r}"
        raise CannotSee(text, code="client-response-unexpected") from error


def _python(facts: Mapping[str, Any]) -> Python:
    return Python(
        **{**facts, "python": tuple(facts["python"]), "libc": facts["libc"][0]},
        libc_version=tuple(int(part) for part in facts["libc"][1].split(".") if part.isdigit()),
    )


def dotted(version: tuple[int, ...]) -> str:
    """Return a version in dotted form."""
    return ".".join(map(str, version))
