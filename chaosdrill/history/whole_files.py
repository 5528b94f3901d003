"""Files that appear under their name when they are whole, and the lock for a file that is read and then written anew.

Every file of a store is written this way. A store may be shared, so a name that another user can foresee must not be
opened for writing: what stands there may be a link to a file of this user.
"""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

PART = ".part"  # how the name of a file ends while it is written
LOCKED_WITHIN_S = 10.0
_NAME_KEPT = 40  # characters: names of files have at most 255 bytes, and these may have 4 each
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # a file system without hard links
_NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # a directory on NFS, for one


def write_whole(path: Path, text: str, private: bool = True) -> None:
    """Write a file so that a reader sees all of it or nothing, also after a crash.

    :param private: see :func:`draft_of`.
    :raises OSError: when it cannot be written, with its name; nothing is left then.
    """
    with draft_of(path, private=private) as draft:
        draft.write(_encoded(text))


def write_new(path: Path, text: str) -> None:
    """Write a file like :func:`write_whole`, unless there is one already.

    :raises FileExistsError: when there is; it is left as it is.
    :raises OSError: when it cannot be written, with its name; nothing is left then.
    """
    with draft_of(path, new=True) as draft:
        draft.write(_encoded(text))


@contextmanager
def draft_of(path: Path, new: bool = False, private: bool = True) -> Iterator[BufferedRandom]:
    """The file to write first instead of ``path``. It gets that name when the block ends, and is removed when it fails.

    :param new: whether ``path`` must not exist yet.
    :param private: whether only this user may read it, whatever the umask says. False: as the umask says, which is for
        files that the user named, outside of a store.
    :returns: the file, open for writing and reading, under a name that no one can foresee.
    :raises FileExistsError: when ``new`` and there is a file already; it is left as it is.
    :raises OSError: what the block ended with, with the file's name: a full disk does not say which file it was.
    """
    draft = path.with_name(f"{path.name[:_NAME_KEPT]}.{secrets.token_hex(8)}{PART}")
    try:
        with open(_created(draft, private), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if new:
            _name_anew(draft, path)
        else:
            draft.replace(path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, str(draft)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _created(path: Path, private: bool) -> int:
    descriptor = os.open(path, os.O_RDWR | _NEW, 0o600 if private else 0o666)
    if private:
        os.fchmod(descriptor, 0o600)
    return descriptor


def _name_anew(draft: Path, path: Path) -> None:
    """Of several that write the same file at the same time, one succeeds."""
    try:
        os.link(draft, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | _NEW, 0o600))
        draft.replace(path)
    else:
        draft.unlink()


def _encoded(text: str) -> bytes:
    # what is no character (half of a surrogate pair) is written as JSON escapes it
    return text.encode("utf-8", "backslashreplace")


def make_private(directory: Path) -> None:
    """Let only this user read what is in a directory, whatever the umask was; links are not followed.

    :raises OSError: when a mode cannot be changed.
    """
    for place, _, names in os.walk(directory):
        os.chmod(place, 0o700)
        for name in names:
            path = os.path.join(place, name)
            if not os.path.islink(path):
                os.chmod(path, 0o600)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory, so that a file in it can be read and written anew without losing another's change.

    :raises TimeoutError: when another process holds it for more than 10 s.
    :raises OSError: when the directory cannot be opened. A file system that cannot lock is gone on with.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    give_up = time.monotonic() + LOCKED_WITHIN_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                text = f"another process has locked it for {LOCKED_WITHIN_S:g} s: see `fuser` or `lsof`"
                raise TimeoutError(errno.ETIMEDOUT, text, str(directory)) from None
            time.sleep(0.02)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return None
            raise
