"""Control of the lab from outside: start one, attach to the running one, end it."""

import http.client
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosdrill.errors import BadInput, LabError, Refused, TimedOut, problem
from chaosdrill.lab import control_socket, doctor, endpoint_page, in_force, startup
from chaosdrill.lab.misbehaviours import parse_breaks
from chaosdrill.lab.plan import DEFAULT_SCALE, LARGEST_SCALE, SMALLEST_SCALE, LabPlan
from chaosdrill.lab.processes import tail
from chaosdrill.lab.running_lab import OUTERMOST, PLAN, SOCKET, directory, is_running, try_lock
from chaosdrill.lab.strictness import lenient_names
from chaosdrill.messages import sentence
from chaosdrill.paths import private

READY_WITHIN_S = 60.0
DOWN_WITHIN_S = 15.0
DOWN_ANSWER_WITHIN_S = 5.0
HURRY_WITHIN_S = 3.0
ANSWER_WITHIN_S = 3.0
TRUTH_WITHIN_S = 15.0
LONGEST_RESYNC_S = 86_400.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class LeasedLab:
    """A lab on which this process holds a lease: it runs at least until :meth:`close`.

    :param plan: the lab's plan.
    :param started_here: whether this call started it (otherwise it was already running).
    """

    plan: LabPlan
    connection: control_socket.Connection
    started_here: bool

    @property
    def topology_file(self) -> Path:
        """Path of the lab's own topology."""
        return self.plan.topology_file

    @property
    def lenient(self) -> tuple[str, ...]:
        """The ways in which it is more lenient than AWS: names of ``strictness``."""
        return self.plan.lenient

    @property
    def scale(self) -> float:
        """The factor of the reference system's wait times."""
        return self.plan.scale

    def broken(self, since_ns: int = 0) -> list[str]:
        """Return what is broken on purpose, so that a broken lab is never mistaken for a clean one.

        :param since_ns: ignore breaks that were undone before this time, in nanoseconds since the epoch.
        :returns: each break as it is written, and the faults of its AWS calls.
        """
        found = in_force.broken(self.plan, since_ns)
        return [*found, *in_force.aws_faults(self.plan)]

    def gone(self) -> str:
        """Return why the lab cannot be drilled any more; empty while it runs, or does not respond at the moment."""
        if self.connection.ended():
            return sentence(
                "the lab ended before the drill did, and what this run did with it: see `chaosdrill lab logs`"
            )
        try:
            return str(control_socket.call(self.plan.control_socket, "lost", answer_within_s=ANSWER_WITHIN_S)["why"])
        except LabError:
            return ""  # if it has ended, the next call detects it

    def truth(self) -> dict[str, Any]:
        """Return what the databases record of every transaction, in the region that accepts writes.

        :raises LabError: when no region does, or the lab does not respond.
        """
        found: dict[str, Any] = control_socket.call(self.plan.control_socket, "truth", answer_within_s=TRUTH_WITHIN_S)
        return found

    def hurry(self) -> None:
        """Shorten the waits of its state machines to the minimum, for an interrupted drill. Not reversible.

        :raises LabError: when the lab does not respond.
        """
        endpoint_page.ask(self.plan, "PUT", "/chaosdrill/hurry", within_s=HURRY_WITHIN_S)

    def close(self) -> None:
        """End the lease. If it was the last one of a lab that was not detached, wait until the lab has ended. Repeating
        the call has no effect.

        :raises LabError: when the lab has already ended, or does not respond.
        """
        if self.connection.closed:
            return
        with self.connection:
            try:
                status = self.connection.call("status")
            except LabError as error:
                raise LabError(self.gone() or str(error)) from error
        if not status["detached"] and status["leases"] <= 1:
            wait_until_down()


def attach_or_start(
    scale: float = DEFAULT_SCALE,
    locustfile: str = "",
    detached: bool = False,
    tell: Tell = lambda text: None,
    starts_in: str = "",
    broken: Sequence[str] = (),
    holder: str = "",
    lenient: Sequence[str] = (),
    resync_s: float | None = None,
) -> LeasedLab:
    """Lease the running lab, or start one, and wait until it is ready.

    :param scale: factor of the reference system's wait times; a running lab must have the same.
    :param locustfile: the Locust script of its load generator; empty: the reference application's.
    :param detached: keep it running when its last lease ends.
    :param tell: receives progress messages.
    :param starts_in: the region that serves first in a new lab; default: home. A running lab is not changed.
    :param broken: what to break on purpose, each ``NAME`` or ``NAME:option=value``; also in a running lab.
    :param holder: name of the lease holder, such as ``the drill 20260501T0930-failover-ab12``; shown to a user who
        tries to end the lab.
    :param lenient: ways in which a new lab is more lenient than AWS: names of ``strictness``. If any is named, a
        running lab must have the same.
    :param resync_s: how long the database's old primary is rebuilt after an unplanned failover, in the reference
        system's seconds; default: 600. If given, a running lab must have the same.
    :returns: the lab, leased.
    :raises BadInput: when the arguments are invalid or do not match the running lab; nothing was started.
    :raises LabError: when the lab does not become ready; it is ended again.
    """
    requested_at = time.monotonic()
    breaks, relaxed = parse_breaks(broken), lenient_names(lenient)
    _check(scale, locustfile, resync_s)
    home = private(directory())
    lock = try_lock(home)
    if lock is None:
        tell("a lab runs already: attaching to it")
        lab = _attach(home, False, holder)
    else:
        tell(f"starting the lab at scale {scale:g}" + "".join(f", broken on purpose: {one['name']}" for one in breaks))
        try:
            doctor.require()
            startup.start(home, scale, locustfile, detached, starts_in, lock, requested_at, breaks, relaxed, resync_s)
        finally:
            os.close(lock)  # a started lab has its own copy; otherwise the lock is released
        lab = _attach(home, True, holder)
    return _agreed(lab, scale, locustfile, detached, breaks, relaxed, resync_s)


def _check(scale: float, locustfile: str, resync_s: float | None) -> None:
    problems = []
    if not SMALLEST_SCALE - 1e-9 <= scale <= LARGEST_SCALE:
        problems.append(
            f"scale {scale:g}: from 1/60 = {SMALLEST_SCALE:.4f} (there a DNS TTL of 60 s becomes 1 s, the least "
            f"there is) to {LARGEST_SCALE:g}; 1 means the reference's real times"
        )
    if locustfile and not Path(locustfile).is_file():
        problems.append(f"locustfile {locustfile}: there is no such file; give the path of a Locust script")
    if resync_s is not None and not 0 <= resync_s <= LONGEST_RESYNC_S:
        problems.append(f"resync {resync_s:g} s: from 0 to {LONGEST_RESYNC_S:g} of the reference's seconds")
    if problems:
        raise BadInput(problems)


def _agreed(
    lab: LeasedLab,
    scale: float,
    locustfile: str,
    detached: bool,
    breaks: Sequence[Mapping[str, Any]],
    lenient: tuple[str, ...],
    resync_s: float | None,
) -> LeasedLab:
    """Apply the caller's options to a running lab, or refuse those that it cannot apply."""
    try:
        if not lab.started_here:
            _refuse_other_scale(lab, scale)
            _refuse_other_strictness(lab, lenient)
            _refuse_other_resync(lab, resync_s)
            lab.connection.call("load_generator.start", locustfile=locustfile)
            for one in breaks:
                lab.connection.call("break", **one)
            _wait_for_page(lab.connection, lab.plan.load_port)
        if detached:
            lab.connection.call("detach")
    except BaseException:
        lab.connection.close()
        raise
    return lab


def _refuse_other_scale(lab: LeasedLab, scale: float) -> None:
    if abs(lab.scale - scale) > 1e-9:
        why = (
            f"scale {scale:g}: a lab with scale {lab.scale:g} runs already; end it with `chaosdrill lab down`, or use "
            "its scale"
        )
        raise BadInput([problem("lab-settings-differ", why)])


def _refuse_other_strictness(lab: LeasedLab, lenient: tuple[str, ...]) -> None:
    if lenient and lenient != lab.lenient:
        runs = ", ".join(lab.lenient) or "nothing"
        why = (
            f"--lenient {', '.join(lenient)}: a lab that is lenient in {runs} runs already; end it with "
            "`chaosdrill lab down`, or leave --lenient out"
        )
        raise BadInput([problem("lab-settings-differ", why)])


def _refuse_other_resync(lab: LeasedLab, resync_s: float | None) -> None:
    if resync_s not in (None, runs_s := lab.plan.resync_reference_s):
        why = (
            f"resync {resync_s:g} s: a lab with {runs_s:g} s runs already; end it with `chaosdrill lab down`, or use "
            "its time"
        )
        raise BadInput([problem("lab-settings-differ", why)])


def _attach(home: Path, started_here: bool, holder: str) -> LeasedLab:
    give_up = time.monotonic() + READY_WITHIN_S
    connection = _connect(home, give_up)
    try:
        connection.call("lease", holder=holder)
        while not (state := connection.call("readiness"))["ready"]:
            if state["failure"]:
                raise LabError(f"the lab did not start: {state['failure']}")
            if time.monotonic() > give_up:
                raise TimedOut(f"the lab is not ready after {READY_WITHIN_S:.0f} s: {', '.join(state['waiting_for'])}")
            time.sleep(0.05)
        plan = LabPlan.load(home / PLAN)
        _wait_for_page(connection, plan.load_port)
    except BaseException:
        connection.close()
        if started_here:
            down(force=True)
        raise
    return LeasedLab(plan, connection, started_here)


def _connect(home: Path, give_up: float) -> control_socket.Connection:
    while True:
        try:
            return control_socket.Connection(home / SOCKET)
        except LabError as error:
            if not is_running():
                raise LabError(f"the lab ended while it started: {tail(home / 'logs' / 'supervisor.log')}") from error
            if time.monotonic() > give_up:
                raise TimedOut(
                    "a lab holds the lock but does not respond: end it with `chaosdrill lab down`, then try again"
                ) from error
        time.sleep(0.02)


def _wait_for_page(connection: control_socket.Connection, port: int, within_s: float = 20.0) -> None:
    """Wait until Locust's page, which is served on this machine, responds."""
    give_up = time.monotonic() + within_s
    while True:
        page = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            page.request("GET", "/stats/requests")
            if page.getresponse().status < 500:
                return
        except (OSError, http.client.HTTPException) as error:
            if trouble := connection.call("status")["parts"]["load"]["trouble"]:
                raise LabError(trouble) from error
            if time.monotonic() > give_up:
                log = tail(directory() / "logs" / "load.log", 1)
                raise LabError(f"Locust's page on 127.0.0.1:{port} does not respond ({error}): {log}") from error
        finally:
            page.close()
        time.sleep(0.05)


def wait_until_down(within_s: float = DOWN_WITHIN_S) -> None:
    """Wait until no lab is running.

    :raises TimedOut: when one is still running after ``within_s`` seconds.
    """
    give_up = time.monotonic() + within_s
    while is_running():
        if time.monotonic() > give_up:
            raise TimedOut(f"the lab still runs after {within_s:.0f} s: end it with `chaosdrill lab down`")
        startup.reap()
        time.sleep(0.02)


def down(force: bool = False) -> bool:
    """End the lab and wait until all its processes have ended.

    :param force: also while a lease is held; the lease holder's operations then fail.
    :returns: False when none was running.
    :raises Refused: ``lab-in-use``, naming the lease holders.
    :raises LabError: ``lab-not-responding``: it is unknown whether a lease is held.
    """
    if not is_running():
        return False
    home = directory()
    try:
        answer = control_socket.call(home / SOCKET, "down", answer_within_s=DOWN_ANSWER_WITHIN_S, force=force)
        if not answer["ending"]:
            raise _in_use(answer["holders"])
        wait_until_down()
    except (LabError, TimedOut) as error:
        if not force and (home / OUTERMOST).exists() and is_running():
            raise LabError(
                f"the lab does not respond, so it is unknown whether a drill uses it ({error}): "
                "try again, or end it with `chaosdrill lab down --force`",
                code="lab-not-responding",
            ) from error
        _kill(home)
        wait_until_down()
    return True


def _in_use(holders: Sequence[str]) -> Refused:
    return Refused(
        f"the lab is in use by {', '.join(holders)}: wait until that has ended, or end the lab all the same with "
        "`chaosdrill lab down --force`",
        code="lab-in-use",
    )


def _kill(home: Path) -> None:
    """Kill the outermost process of a lab that does not respond; the kernel then ends all its processes."""
    if not (home / OUTERMOST).exists():
        return  # it is just starting: there is no process to kill yet
    pid = int((home / OUTERMOST).read_text())
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and b"chaosdrill.lab.supervisor" in command.read_bytes():
        os.kill(pid, signal.SIGKILL)
