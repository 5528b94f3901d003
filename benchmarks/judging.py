"""How long it takes to judge a stored run, and how that grows with its records.

    python benchmarks/judging.py [MOST]

Makes runs of 10 thousand, 100 thousand, 1 million and 10 million records (up to MOST), half of them beats and half
requests, as Parquet; each with a failover, packet loss and several outages. Reads and judges each in a process of its
own. Prints seconds (without the start of Python and its imports), processor seconds (which other programs do not
lengthen), their growth exponent from size to size (1: linear) and the most memory that the process had.
"""

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy
import pyarrow
from pyarrow import parquet

from chaosdrill.history.seal import sealed
from chaosdrill.records.rows import BEATS, REQUESTS, RecordSchema
from chaosdrill.runs.records.tables import RawFileInfo, Records, arrow_schema, metadata, parquet_path, sha256_of

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
NS, RATE, T0 = 10**9, 20, 1_800_000_000 * 10**9
RUN = "20270115T080000Z-benchmark-0000"
HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
OUTAGES, LOSS_PERCENT = 5, 30


def main(most: int) -> None:
    """Print a line for each size."""
    print(f"{'records':>12} {'seconds':>9} {'processor':>9} {'exponent':>9} {'MB':>7}  verdict")
    before: tuple[int, float] | None = None
    for size in (size for size in SIZES if size <= most):
        with tempfile.TemporaryDirectory() as directory:
            make(Path(directory), size)
            command = [sys.executable, __file__, "--judge", directory]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        spent = told["processor"]
        grown = math.log(spent / before[1]) / math.log(size / before[0]) if before else math.nan
        figures = f"{told['seconds']:>9.3f} {spent:>9.3f} {grown:>9.2f} {told['megabytes']:>7.0f}"
        print(f"{size:>12,} {figures}  {told['verdict']}", flush=True)
        before = size, spent


def judged(directory: Path) -> dict[str, Any]:
    """:returns: how long reading and judging took, and the memory of this process."""
    from chaosdrill.analysis.judgement import judge
    from chaosdrill.runs import read_run
    from chaosdrill.runs.records import arrays

    assert arrays  # imported before the clock runs
    began, spent = time.perf_counter(), time.process_time()
    judgement = judge(read_run(directory))
    times = {"seconds": time.perf_counter() - began, "processor": time.process_time() - spent}
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**times, "megabytes": megabytes, "verdict": judgement.verdict}


def make(directory: Path, size: int) -> None:
    """Make a run of so many records."""
    (directory / "records").mkdir()
    seconds = size / 2 / 2 / RATE
    outages = [(seconds * (place + 1) / (OUTAGES + 1), 12.34) for place in range(OUTAGES)]
    random = numpy.random.default_rng(0)
    _write(directory, BEATS, *_beats(size // 2, outages, random))
    _write(directory, REQUESTS, *_requests(size // 2, seconds, outages, random))
    _write_history(directory, seconds)


def _beats(count: int, outages: list[tuple[float, float]], random: numpy.random.Generator) -> tuple[Any, Any, Any]:
    seq, operation = numpy.divmod(numpy.arange(count), 2)
    due_ns = T0 + seq * (NS // RATE) + operation * (NS // RATE // 2)
    bad = _bad(due_ns, outages)
    lossy = (due_ns - T0) / NS
    bad |= (lossy > outages[0][0] - 60) & (lossy < outages[0][0]) & (random.random(count) < LOSS_PERCENT / 100)
    columns = {"seq": seq, "operation": operation, "due_ns": due_ns, "late_us": random.integers(0, 900, count)}
    columns |= _answers(bad, random) | dict.fromkeys(("error", "address"), numpy.zeros(count, numpy.int32))
    operations = [{"name": name, "rate_per_s": RATE} for name in ("read", "write")]
    header = {
        "chaosdrill": "beats",
        "source": "heartbeat",
        "deadline_s": 1.0,
        "timeout_s": 5.0,
        "operations": operations,
    }
    texts = {"operation": ["read", "write"], "error": [""], "region": [HOME], "address": ["10.0.0.1"]}
    return columns, texts, header


def _requests(
    count: int, seconds: float, outages: list[tuple[float, float]], random: numpy.random.Generator
) -> tuple[Any, Any, Any]:
    start_ns = T0 + numpy.sort(random.integers(0, round(seconds * NS), count))
    zeros = numpy.zeros(count, numpy.int32)
    columns = {"start_ns": start_ns, "size": zeros, "resends": zeros, **_answers(_bad(start_ns, outages), random)}
    columns |= dict.fromkeys(("method", "error", "address"), zeros) | {"name": random.integers(0, 4, count)}
    header = {"chaosdrill": "requests", "source": "locust-1"}
    names = ["/balance", "/deposit", "/withdraw", "/transaction"]
    texts = {"method": ["GET"], "name": names, "error": [""], "region": [HOME], "address": ["10.0.0.1"]}
    return columns, texts, header


def _bad(moments_ns: Any, outages: list[tuple[float, float]]) -> Any:
    at_s = (moments_ns - T0) / NS
    return numpy.any([(at_s >= since) & (at_s < since + length) for since, length in outages], axis=0)


def _answers(bad: Any, random: numpy.random.Generator) -> dict[str, Any]:
    count = len(bad)
    return {
        "duration_us": numpy.where(bad, 5_000_000, random.integers(2_000, 30_000, count)),
        "outcome": numpy.where(bad, 2, 0),
        "status": numpy.where(bad, 0, 200),
        "region": numpy.zeros(count, numpy.int32),
    }


def _write(
    directory: Path, shape: RecordSchema, columns: Any, texts: dict[str, list[str]], header: dict[str, Any]
) -> None:
    wanted, count = arrow_schema(shape), len(columns[shape.time])
    texts["source"], columns["source"] = [header["source"]], numpy.zeros(count, numpy.int32)
    made = []
    for field in wanted:
        values = pyarrow.array(columns[field.name])
        if field.name in texts:
            codes = values.cast(pyarrow.int32())
            made.append(pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(texts[field.name])))
        else:
            made.append(values.cast(field.type))
    end_ns = int(columns[shape.time][-1]) + 1
    file = RawFileInfo(
        f"{shape.kind}.jsonl", "", {**header, "version": 1, "run": RUN}, "", count, end_ns, end_ns, count, (), 0, False
    )
    table = pyarrow.table(made, wanted)
    table = table.replace_schema_metadata(metadata(Records(table, (file,))))
    parquet.write_table(table, parquet_path(directory, shape), compression="zstd")


def _write_history(directory: Path, seconds: float) -> None:
    """A drill that fails over in the first of the outages, and back in the next."""
    moves = [seconds * (place + 1) / (OUTAGES + 1) for place in range(2)]
    configuration = {"home_region": HOME, "standby_region": STANDBY}
    rows: list[tuple[float, str, dict[str, Any]]] = [
        (-3, "drill-opened", {"run_id": RUN, "configuration": configuration, "objectives": {"rto_s": 60}}),
        (-2, "heartbeat-started", {"source": "heartbeat", "writes": False, "why_no_writes": "a benchmark"}),
        (moves[0] - 60, "fault-injecting", {"fault": {"percent": LOSS_PERCENT}}),
        (seconds + 1, "heartbeat-stopped", {}),
        (seconds + 3, "drill-closed", {"verdict": "passed", "reasons": []}),
    ]
    for path in sorted((directory / "records").glob("*.parquet")):
        stored = {"file": path.name, "sha256": sha256_of(path), "rows": 0, "of": {}}
        rows.append((seconds + 2, "records-stored", stored))
    for source in ("heartbeat", "locust-1"):
        clock = {"source": source, "offset_ns": 5_000_000, "uncertainty_ns": 1_000_000, "rtt_ns": 1, "at_ns": T0}
        rows.append((-1, "clock-measured", clock))
    for what, at_s in zip(("fail-over", "fail-back"), moves, strict=True):
        ended = {
            "status": "SUCCEEDED",
            "seconds": 11.0,
            "started": _utc(at_s),
            "stopped": _utc(at_s + 11),
            "states": [],
        }
        rows.append((at_s - 0.01, "execution-starting", {"what": what, "execution_arn": what}))
        rows.append((at_s, "execution-started", {"what": what, "execution_arn": what}))
        rows.append((at_s + 11, "execution-ended", {"execution_arn": what, **ended}))
    lines, before = [], ""
    for at_s, name, values in sorted(rows, key=lambda row: row[0]):
        line, before = sealed(json.dumps({"at": _utc(at_s), "event": name, **values}).encode(), before)
        lines.append(line + b"\n")
    (directory / "history.jsonl").write_bytes(b"".join(lines))


def _utc(at_s: float) -> str:
    return datetime.fromtimestamp(T0 / NS + at_s, UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--judge"]:
        print(json.dumps(judged(Path(sys.argv[2]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1])
