"""Names of runs in the head of a table: short, and no two alike."""

import pytest

from chaosdrill.report.run_labels import run_labels


@pytest.mark.parametrize(
    ("began", "labels"),
    [
        (["2026-05-01T02:00:00Z", "2026-05-02T02:00:00Z"], ["05-01", "05-02"]),
        (["2025-05-01T02:00:00Z", "2026-05-01T02:00:00Z"], ["2025-05-01", "2026-05-01"]),
        (["2026-05-01T02:00:00Z", "2026-05-01T14:30:10Z"], ["05-01 02:00", "05-01 14:30"]),
        (["2026-05-01T02:00:00Z", "2026-05-01T02:00:10Z"], ["05-01 02:00:00", "05-01 02:00:10"]),
        (["2026-05-01T02:00:00.100Z", "2026-05-01T02:00:00.900Z"], ["run-0", "run-1"]),
        (["2026-05-01T02:00:00Z", ""], ["run-0", "run-1"]),
        (["2026-05-01T02:00:00Z"], ["05-01"]),
        ([], []),
    ],
)
def test_a_run_is_called_by_as_little_as_tells_it_from_the_others(began: list[str], labels: list[str]) -> None:
    assert run_labels(began, [f"run-{number}" for number in range(len(began))]) == labels
