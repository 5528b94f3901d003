"""The lease of this process is renewed, and what it knows of it is never more than what is certain."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chaosdrill.aws.lease_guard import HeldLease
from chaosdrill.coordination import keeper
from chaosdrill.coordination.files import FileStore
from chaosdrill.coordination.holders import this_process
from chaosdrill.coordination.interface import Lease, LeaseRequest, StopRequest
from chaosdrill.coordination.keeper import RenewedLease
from chaosdrill.coordination.operations import ItemCoordination
from chaosdrill.errors import CannotSee
from tests.waiting import LONG_S, wait_for

LEASE_S = 60.0
RESOURCES = ("123456789012/global-cluster/bank",)


@dataclass
class Rig:
    """A lease in files, its keeper, a clock that is set by hand, and what the keeper tells."""

    directory: Path
    now_s: float = 1000.0
    unreachable: bool = False
    during: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    renewed: int = 0
    stops: list[StopRequest] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.coordination = ItemCoordination(FileStore(self.directory))
        self.lease = self.coordination.acquire(self.request("1"))

    def request(self, run: str, purpose: Any = "drill") -> LeaseRequest:
        return LeaseRequest(run, purpose, RESOURCES, int(LEASE_S * 1000), 13_000, this_process())

    def renew(self, lease: Lease, stage: str = "", step: str = "") -> Lease:
        """Renew as files do, unless they are out of reach; a test may hold up the request, or the response."""
        self.during()
        self.renewed += 1
        if self.unreachable:
            raise CannotSee("the table does not respond", code="coordination-unreachable")
        renewed = self.coordination.renew(lease, stage, step)
        self.after()
        return renewed

    def keeper(self) -> RenewedLease:
        return RenewedLease(
            self,  # type: ignore[arg-type]  # all that it asks for is to renew
            self.lease,
            self.now_s,
            on_stop=self.stops.append,
            on_lost=self.lost.append,
            place=lambda: ("method", "fail over"),
            boot_s=lambda: self.now_s,
        )

    def take_over(self, run: str = "rescue-1") -> None:
        stale = self.coordination.read(RESOURCES).leases[0]
        self.coordination.take_over(self.request(run, "rescue"), stale)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_it_counts_from_the_beginning_of_the_renewal_that_succeeded(rig: Rig) -> None:
    kept = rig.keeper()
    rig.now_s += 10
    assert kept.remaining_s() == LEASE_S - 10

    def slowly() -> None:
        rig.now_s += 7

    rig.during = slowly
    kept.renew()
    assert kept.remaining_s() == LEASE_S - 7


def test_a_machine_that_was_suspended_knows_that_its_lease_has_expired(rig: Rig) -> None:
    kept = rig.keeper()
    rig.now_s += 3600
    assert kept.remaining_s() < 0
    kept.renew()
    assert (kept.remaining_s(), rig.lost) == (LEASE_S, []), "no other run has taken it over meanwhile"


def test_each_renewal_says_where_the_run_is(rig: Rig) -> None:
    kept = rig.keeper()
    kept.renew()
    [lease] = rig.coordination.read(RESOURCES).leases
    assert (lease.stage, lease.step, kept.lease) == ("method", "fail over", lease)


def test_a_request_to_stop_is_handed_on_once(rig: Rig) -> None:
    kept = rig.keeper()
    rig.coordination.request_stop("1", "me", "lunch")
    kept.renew()
    kept.renew()
    assert [(one.by, one.why) for one in rig.stops] == [("me", "lunch")]


def test_half_a_lease_without_a_renewal_is_told_once_and_renewals_go_on(rig: Rig) -> None:
    kept, rig.unreachable = rig.keeper(), True
    rig.now_s += LEASE_S / 2
    kept.renew()
    assert rig.lost == []
    for _ in range(2):
        rig.now_s += 1
        kept.renew()
    assert len(rig.lost) == 1
    assert "does not respond" in rig.lost[0]
    rig.unreachable = False
    kept.renew()
    assert kept.remaining_s() == LEASE_S


def test_a_process_that_was_stopped_within_a_renewal_renews_again_before_it_gives_up(rig: Rig) -> None:
    kept, rig.unreachable = rig.keeper(), True

    def stopped() -> None:
        rig.now_s += 0.8 * LEASE_S

    rig.during = stopped
    rig.now_s += LEASE_S / 3
    kept.renew()
    assert rig.lost == []
    rig.during, rig.unreachable = lambda: None, False
    kept.renew()
    assert (rig.lost, kept.remaining_s()) == ([], LEASE_S)


def test_a_process_that_was_stopped_and_cannot_renew_afterwards_gives_up(rig: Rig) -> None:
    kept, rig.unreachable = rig.keeper(), True
    rig.now_s += 0.8 * LEASE_S
    kept.renew()
    assert len(rig.lost) == 1


def test_a_lease_that_was_taken_over_is_told_at_once_and_nothing_remains_of_it(rig: Rig) -> None:
    kept = rig.keeper()
    rig.take_over()
    kept.renew()
    assert "rescue-1" in rig.lost[0]
    assert kept.remaining_s() < 0
    assert not kept.wait_for_renewal(15, LONG_S)
    assert "rescue-1" in kept.refuses_undo()


def test_an_unexpected_error_ends_no_renewing(rig: Rig) -> None:
    kept = rig.keeper()

    def fail() -> None:
        raise ZeroDivisionError

    rig.during = fail
    kept.renew()
    rig.during = lambda: None
    rig.now_s += 1
    kept.renew()
    assert kept.remaining_s() == LEASE_S


class TestThread:
    """What waits for the renewing thread."""

    @pytest.fixture(autouse=True)
    def _often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "RENEWALS_PER_LEASE", 600)  # ten each second
        monkeypatch.setattr(keeper, "READ_WITHIN_S", LONG_S)

    def test_it_renews_until_it_is_closed(self, rig: Rig) -> None:
        with rig.keeper():
            wait_for(lambda: rig.renewed >= 3)
        renewed = rig.renewed
        assert not [one for one in threading.enumerate() if one.name == "lease"]
        assert rig.renewed == renewed
        assert rig.coordination.read(RESOURCES).holding(), "it is not released"

    def test_a_process_that_was_stopped_is_renewed_at_once(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "RENEWALS_PER_LEASE", LEASE_S / (2 * LONG_S))  # not before the test has ended
        with rig.keeper() as kept:
            rig.now_s += 100
            assert kept.wait_for_renewal(15, LONG_S)

    def test_an_undo_is_allowed_while_it_cannot_be_read_who_holds_the_lease(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper, "RENEWALS_PER_LEASE", LEASE_S / (2 * LONG_S))
        rig.unreachable = True
        with rig.keeper() as kept:
            rig.now_s += 100
            assert kept.refuses_undo() == ""
            assert (kept.refuses_undo(), rig.renewed) == ("", 1), "the next one does not wait again"
            rig.now_s += keeper.UNREADABLE_FOR_S
            assert (kept.refuses_undo(), rig.renewed) == ("", 2)

    def test_an_undo_does_not_wait_for_a_response_for_ever(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "READ_WITHIN_S", 0.05)
        go_on = threading.Event()
        rig.during = lambda: go_on.wait(LONG_S)
        with rig.keeper() as kept:
            assert (kept.refuses_undo(), rig.renewed) == ("", 0)
            go_on.set()

    def test_an_undo_is_refused_by_a_read_that_began_after_it_was_asked_for(self, rig: Rig) -> None:
        """The response to a renewal that was sent before the lease was taken over shows nothing of that."""
        begun, go_on = threading.Event(), threading.Event()

        def held_up() -> None:
            begun.set()
            assert go_on.wait(LONG_S)

        rig.after = held_up
        with rig.keeper() as kept, ThreadPoolExecutor(1) as pool:
            assert begun.wait(LONG_S)
            rig.take_over()
            why = pool.submit(kept.refuses_undo)
            wait_for(kept._wake.is_set)
            go_on.set()
            assert "rescue-1" in why.result()
        wait_for(lambda: len(rig.lost) == 1)

    def test_what_it_does_is_what_the_guard_asks_for(self, rig: Rig) -> None:
        lease: HeldLease = rig.keeper()
        assert lease.run == "1"


@pytest.mark.parametrize("expires", [False, True])
def test_a_lease_is_released_at_the_end_or_left_to_expire(rig: Rig, expires: bool) -> None:
    rig.coordination.release(rig.lease)
    nothing: Any = lambda _: None  # noqa: E731
    take = partial(rig.coordination.acquire, rig.request("2"))
    with keeper.hold_lease(rig.coordination, take, on_stop=nothing, on_lost=nothing, expires=lambda: expires):
        pass
    assert [one.run for one in rig.coordination.read(RESOURCES).holding()] == ["2"] * expires
