"""Creation, entry and setup of the lab's Linux namespaces. Needs no root (see unshare(1), nsenter(1)).

One user namespace with PID, IPC, mount and network namespaces contains the lab: when its first process ends for any
reason, the kernel ends all others. Its network namespace is the **cloud**; a second one is the **bastion**.
"""

import ctypes
import errno
import os
import platform
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CLIENT_USER = "ec2-user"
CLIENT_UID = 1000

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC = 1, 32, 4096, 16384
_MS_NOSUID_NODEV = 2 | 4
_MNT_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}  # the C library has no function for it
# flags of a mount that remounting must repeat: statvfs's -> mount's
_KEPT_FLAGS = {
    os.ST_NOSUID: 2,
    os.ST_NODEV: 4,
    os.ST_NOEXEC: 8,
    os.ST_NOATIME: 1024,
    os.ST_NODIRATIME: 2048,
    os.ST_RELATIME: 1 << 21,
}

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITY_VERSION = 0x20080522
_CAP_NET_BIND_SERVICE, _CAP_NET_ADMIN, _CAP_NET_RAW = 10, 12, 13
_OVER_THE_NETWORK = 1 << _CAP_NET_BIND_SERVICE | 1 << _CAP_NET_ADMIN | 1 << _CAP_NET_RAW
_CAPABILITIES = 64  # more than any kernel defines

_libc = ctypes.CDLL(None, use_errno=True)


def new_namespaces_command(*, mount_proc: bool = True) -> list[str]:
    """Return the command prefix that runs a program as the first process of new namespaces.

    PostgreSQL refuses uid 0 and needs its uid in the password file, so the caller's user is mapped to ``CLIENT_UID``.
    ``--keep-caps`` keeps the namespace's capabilities across every exec.
    """
    return [
        *("unshare", "--user", "--net", "--ipc", "--mount", "--pid", "--fork", "--kill-child"),
        *(["--mount-proc"] if mount_proc else []),
        *(f"--map-user={CLIENT_UID}", f"--map-group={CLIENT_UID}", "--keep-caps", "--"),
    ]


def enter_bastion_command(pid: int, bastion_fd: int, view_fd: int, directory: str) -> list[str]:
    """Return the command prefix that runs a program on the client host, from outside the lab.

    :param pid: the supervisor's process ID, as seen from outside.
    :param bastion_fd: the supervisor's descriptor of the bastion's network namespace.
    :param view_fd: its descriptor of the mount namespace of programs there, see ``client_view``.
    :param directory: working directory inside. It is entered inside: a directory opened outside would be outside the
        view.
    """
    return [
        *("nsenter", f"--target={pid}", "--user", "--preserve-credentials", "--ipc", "--pid"),
        *(f"--net=/proc/{pid}/fd/{bastion_fd}", f"--mount=/proc/{pid}/fd/{view_fd}", "--"),
        *("/bin/sh", "-c", 'cd "$0" && exec "$@"', directory),
    ]


def in_network_command(fd: int) -> list[str]:
    """Return the command prefix that runs a program in another network namespace, from inside the lab."""
    return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{fd}", "--"]


def new_network_namespace() -> int:
    """Create a network namespace.

    :returns: a descriptor that keeps it alive.
    :raises OSError: when the kernel refuses.
    """

    def make() -> int:
        _check(_libc.unshare(_CLONE_NEWNET), "unshare(CLONE_NEWNET)")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return _in_thread(make)


def new_mount_namespace(furnish: Callable[[], None]) -> int:
    """Create a mount namespace as a copy of this one.

    :param furnish: sets it up; called inside it.
    :returns: a descriptor that keeps it alive.
    :raises OSError: when the kernel refuses.
    """

    def make() -> int:
        _check(_libc.unshare(_CLONE_NEWNS), "unshare(CLONE_NEWNS)")
        fd = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            furnish()
        except BaseException:
            os.close(fd)
            raise
        return fd

    return _in_thread(make)


def enter_for_good(network_fd: int, view_fd: int, directory: str) -> None:
    """Move this single-threaded process to the client host, and drop every capability except those over its network.

    :param view_fd: a mount namespace, see ``client_view``.
    :param directory: working directory there.
    :raises OSError: when the kernel refuses.
    """
    _check(_libc.setns(network_fd, _CLONE_NEWNET), "setns(CLONE_NEWNET)")
    _check(_libc.setns(view_fd, _CLONE_NEWNS), "setns(CLONE_NEWNS)")
    os.chdir(directory)
    for number in range(_CAPABILITIES):
        if not _OVER_THE_NETWORK >> number & 1:
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)  # fails for those that this kernel does not define
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    kept = struct.pack("6I", *(3 * [_OVER_THE_NETWORK]), 0, 0, 0)  # effective, permitted, inheritable; low and high
    _check(_libc.capset(header, kept), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


def enter_network_namespace(fd: int) -> None:
    """Move the calling thread alone into a network namespace.

    :raises OSError: when the kernel refuses.
    """
    _check(_libc.setns(fd, _CLONE_NEWNET), "setns(CLONE_NEWNET)")


def bind_mount(source: Path, target: Path, recursive: bool = False) -> None:
    """Mount ``source`` over ``target`` (both must exist), in this mount namespace only.

    :param recursive: include the mounts below it; where the kernel allows only a recursive mount, they are always
        included.
    """
    try:
        _mount(str(source), str(target), None, _MS_BIND | (_MS_REC if recursive else 0))
    except OSError as error:
        if recursive or error.errno != errno.EINVAL:
            raise
        _mount(str(source), str(target), None, _MS_BIND | _MS_REC)


def make_read_only(target: Path, below: bool = True) -> None:
    """Make a mount read-only, in this mount namespace only.

    :param below: also the mounts below it.
    """
    mounts = [line.split()[4] for line in Path("/proc/thread-self/mountinfo").read_text().splitlines()]
    found = [os.fsdecode(mount.encode().decode("unicode_escape").encode("latin-1")) for mount in mounts]
    for one in dict.fromkeys(
        mount for mount in found if Path(mount) == target or (below and Path(mount).is_relative_to(target))
    ):
        has = os.statvfs(one).f_flag
        flags = sum(flag for seen, flag in _KEPT_FLAGS.items() if has & seen)
        _mount("none", one, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | flags)


def change_root(root: Path) -> None:
    """Make a mounted directory the root of the calling thread's mount namespace, and unmount the rest.

    :raises OSError: when the kernel refuses.
    """
    os.chdir(root)
    number = _PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"pivot_root on {platform.machine()}")
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def mount_tmpfs(target: Path) -> None:
    """Mount an empty tmpfs over ``target``, in this mount namespace only."""
    _mount("tmpfs", str(target), "tmpfs", _MS_NOSUID_NODEV)


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    arguments = [source.encode(), target.encode(), kind.encode() if kind else None]
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), None), f"mount {source} on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a separate thread: namespaces belong to threads, and this thread's must not change."""
    results: list[T] = []
    errors: list[OSError] = []

    def run() -> None:
        try:
            results.append(work())
        except OSError as error:  # carried to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def furnish(etc: Path, nameserver: str) -> Sequence[str]:
    """Give the calling mount namespace its own resolver, password file and shared memory.

    Programs in the lab (dig, psql, curl, libc) then resolve the lab's names without configuration, PostgreSQL finds its
    user, and shared memory is released with the lab.

    :param etc: a directory for the files that replace the machine's.
    :param nameserver: address of the lab's DNS.
    :returns: the files of this machine that do not exist and so could not be replaced.
    """
    etc.mkdir(parents=True, exist_ok=True)
    contents = {
        "resolv.conf": f"nameserver {nameserver}\noptions timeout:1 attempts:2\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "hosts": "127.0.0.1 localhost\n",
        "passwd": f"root:x:0:0::/:/bin/sh\n{CLIENT_USER}:x:{CLIENT_UID}:{CLIENT_UID}::/:/bin/sh\n",
        "group": f"root:x:0:\n{CLIENT_USER}:x:{CLIENT_UID}:\n",
    }
    missing = []
    for name, text in contents.items():
        (etc / name).write_text(text)
        target = Path("/etc") / name
        if target.exists():
            bind_mount(etc / name, target)
        else:
            missing.append(str(target))
    if Path("/dev/shm").is_dir():
        mount_tmpfs(Path("/dev/shm"))
    return missing
