"""The one directory in which chaosdrill keeps everything on this machine: runs, labs, locks."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

import platformdirs

from chaosdrill.errors import BadInput, problem

VARIABLE = "CHAOSDRILL_HOME"
RUNS_VARIABLE = "CHAOSDRILL_RUNS"


def home() -> Path:
    """Where chaosdrill keeps its state: ``CHAOSDRILL_HOME``, else the user's state directory.

    A user without a home directory (a uid that is not in the password file, ``HOME=/``) gets one under the directory
    for temporary files.

    :returns: an absolute path of a directory that exists and is writable, readable by this user only when it was made.
    :raises BadInput: when no such directory can be had.
    """
    if chosen := os.environ.get(VARIABLE):
        return made(Path(chosen).expanduser().absolute())
    try:
        return made(platformdirs.user_state_path("chaosdrill"))
    except (BadInput, RuntimeError):  # RuntimeError: platformdirs knows no home directory of this user
        return _ours(Path(tempfile.gettempdir()).absolute() / f"chaosdrill-{os.getuid()}")


def runs_directory() -> Path:
    """Where runs are kept: ``CHAOSDRILL_RUNS``, else ``runs`` in :func:`home`.

    Nothing is created, and nothing of it needs to be writable: runs are read from a read-only home, too.

    :returns: an absolute path; whoever only reads may find nothing there.
    """
    if chosen := os.environ.get(RUNS_VARIABLE) or os.environ.get(VARIABLE):
        place = Path(chosen).expanduser().absolute()
        return place if os.environ.get(RUNS_VARIABLE) else place / "runs"
    with contextlib.suppress(RuntimeError):  # platformdirs knows no home directory of this user
        if (usual := platformdirs.user_state_path("chaosdrill") / "runs").is_dir():
            return usual
    return home() / "runs"


def made(path: Path, variable: str = VARIABLE) -> Path:
    """:returns: the path of a directory that exists now and is writable; readable by this user only when it was made.

    :param variable: names what chooses another one.
    :raises BadInput: when it cannot be had.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = f"{path} cannot be made ({error.strerror})"
        raise BadInput(
            [problem("store-not-writable", f"{why}: set {variable} to a directory you may write")]
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        why = f"{path} is not writable for uid {os.getuid()}: set {variable} to a directory you may write"
        raise BadInput([problem("store-not-writable", why)])
    return path


def private(path: Path) -> Path:
    """:returns: the path of a directory in :func:`home` that exists now, is this user's, and closed to all others.

    :raises BadInput: when it is somebody else's, or a link.
    """
    made(path)
    if not path.is_symlink() and path.stat().st_uid == os.getuid():
        path.chmod(0o700)  # an older one may be open
    return _ours(path)


def _ours(path: Path) -> Path:
    """The directory for temporary files is everybody's: what stands there under our name must really be ours."""
    made(path)
    seen = path.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or stat.S_IMODE(seen.st_mode) & 0o077:
        why = (
            f"{path} belongs to uid {seen.st_uid} or others may read it (mode {stat.S_IMODE(seen.st_mode):o}): "
            f"remove it, or set {VARIABLE} to a directory of your own"
        )
        raise BadInput([problem("home-unusable", why)])
    return path
