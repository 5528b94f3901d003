"""The file system of the client host's programs: system files, this Python, chaosdrill, and a few files of the lab.

It is a mount namespace whose root contains only the paths listed here: not the user's home directory, ``/run``,
``/tmp``, ``/var`` or other disks. It is read-only except the client host's own home, its ``/tmp`` and the load
generator's records. A process that enters it drops every capability except those over the client host's network, so it
can neither remount the view nor use another process's.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import chaosdrill
from chaosdrill.lab import namespaces
from chaosdrill.lab.plan import LabPlan

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store")
ETC = (
    *(
        "alternatives",
        "ca-certificates.conf",
        "crypto-policies",
        "inputrc",
        "ld.so.cache",
        "ld.so.conf",
        "ld.so.conf.d",
    ),
    *("localtime", "mime.types", "os-release", "pki/ca-trust", "pki/tls/cert.pem", "pki/tls/certs", "protocols"),
    *("services", "ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "terminfo", "timezone"),
)  # without files that may contain a secret, such as ssl/private, and without those that the lab replaces
DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
OF_A_PYTHON = ("bin", "lib", "lib64", "libexec", "share", "ssl", "pyvenv.cfg")
PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")  # a lab run by root could change the machine by these
OWN_WRITABLE, OWN_READABLE = ("home", "records"), ("aws", "programs", "python")


@dataclass(frozen=True)
class Bind:
    """A file or directory of this machine in the view.

    :param source: its path on this machine.
    :param target: its path in the view; None: the same.
    """

    source: Path
    target: Path | None = None
    writable: bool = False

    @property
    def place(self) -> Path:
        """Its path in the view."""
        return self.target or self.source


def build(plan: LabPlan, locustfile: Path | None = None) -> int:
    """Create a view.

    :param locustfile: a load script; the view includes it with its directory.
    :returns: a descriptor of its mount namespace, which keeps the namespace alive.
    :raises OSError: when the kernel refuses.
    """
    for name in ("root", "tmp", *OWN_WRITABLE, *OWN_READABLE):
        (plan.directory / name).mkdir(mode=0o700, exist_ok=True)
    return namespaces.new_mount_namespace(lambda: _furnish(plan, locustfile))


def _furnish(plan: LabPlan, locustfile: Path | None) -> None:
    root = plan.directory / "root"
    namespaces.mount_tmpfs(root)
    for name in SYSTEM:
        _show_system(root, Path("/", name))
    for name in ("dev", "proc", "run", "var", "sys"):
        (root / name).mkdir()
    (root / "var" / "tmp").symlink_to("/tmp")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (root / "dev" / name).symlink_to(f"/proc/self/fd/{number}")
    (root / "dev" / "fd").symlink_to("/proc/self/fd")
    namespaces.bind_mount(Path("/proc"), root / "proc", recursive=True)
    for bind in _binds(plan, locustfile):
        _show(root, bind)
    for name in PROC_READ_ONLY:
        if (place := root / "proc" / name).exists():
            namespaces.bind_mount(place, place)
            namespaces.make_read_only(place)
    (root / "dev" / "shm").mkdir()
    namespaces.mount_tmpfs(root / "dev" / "shm")
    namespaces.make_read_only(root, below=False)
    namespaces.change_root(root)


def _show_system(root: Path, path: Path) -> None:
    """Add a system directory. Where it is a link, such as ``/bin -> usr/bin``, the view has the same link."""
    if path.is_symlink():
        (root / path.relative_to("/")).symlink_to(os.readlink(path))
    elif path.is_dir():
        _show(root, Bind(path))


def _binds(plan: LabPlan, locustfile: Path | None) -> list[Bind]:
    """Return the contents of the view, ordered by path, so that a path follows its parent."""
    own = plan.directory
    binds = [
        *(Bind(Path("/dev", name), writable=True) for name in DEVICES),
        *(Bind(Path("/etc", name)) for name in ETC if Path("/etc", name).exists()),
        *(Bind(file, Path("/etc", file.name)) for file in (own / "etc").iterdir()),
        Bind(Path("/sys/devices/system/cpu")),
        *_of_python(),
        Bind(Path(chaosdrill.__file__).parent),
        *([Bind(_load_script(plan, locustfile))] if locustfile else []),
        *(Bind(own / name, writable=True) for name in OWN_WRITABLE),
        *(Bind(own / name) for name in OWN_READABLE),
        Bind(own / "tmp", Path("/tmp"), writable=True),
    ]
    there = {bind.place: bind for bind in binds if bind.source.exists()}
    return [there[place] for place in sorted(there) if not _is_system(place)]


def _is_system(place: Path) -> bool:
    return any(place.is_relative_to(Path("/", name)) for name in SYSTEM)


def _of_python() -> Iterator[Bind]:
    """Yield this interpreter's directories, and those of the Python from which its virtual environment was created."""
    base = Path(getattr(sys, "_base_executable", sys.executable))
    prefixes = [
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.exec_prefix),
        *_links(Path(sys.executable)),
        *_links(base),
    ]
    for prefix in dict.fromkeys([*prefixes, *(one.resolve() for one in prefixes)]):
        yield from (Bind(prefix / name) for name in OF_A_PYTHON)
    # the user's packages (pip install --user), and those of another environment named by a .pth file
    yield from (Bind(Path(one)) for one in sys.path if Path(one).name in ("site-packages", "dist-packages"))


def _links(executable: Path) -> Iterator[Path]:
    """Yield the prefixes of an executable and of each file in its chain of links."""
    while True:
        yield executable.parent.parent
        if not executable.is_symlink():
            return
        executable = executable.parent / os.readlink(executable)


def _load_script(plan: LabPlan, locustfile: Path) -> Path:
    """Return the script's directory; the script alone when its directory contains the user's home, or chaosdrill's."""
    directory = locustfile.parent
    private = (Path.home(), plan.directory.parent)
    return locustfile if any(one.resolve().is_relative_to(directory.resolve()) for one in private) else directory


def _show(root: Path, bind: Bind) -> None:
    target = root / bind.place.relative_to("/")
    if bind.source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    namespaces.bind_mount(bind.source, target, recursive=_is_system(bind.place))
    if not bind.writable:
        namespaces.make_read_only(target)
