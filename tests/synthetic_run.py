"""A whole run, made up: a failover under load and packet loss and the way back, every file as a drill writes it."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosdrill.history.seal import sealed
from chaosdrill.runs import store

HOME, STANDBY = "ap-northeast-1", "ap-northeast-3"
RUN_ID = "20260501T093000Z-failover-ab12"
T0_NS = 1_777_627_800_000_000_000  # 2026-05-01T09:30:00Z
NS = 1_000_000_000
ADDRESSES = {HOME: ["10.100.5.165", "10.100.9.84"], STANDBY: ["10.101.4.37", "10.101.11.178"]}
RATE, TTL_S, SCALE = 20, 6, 0.1
FAULT_S, FAIL_OVER_S, FAIL_BACK_S, END_S = 5.0, 10.0, 22.0, 45.0
CLOSED_S, ROUTED_S, SWITCHED_S, OPENED_S = 0.1, 1.2, 1.5, 2.2  # after the movement began
SERVED_S = 4.0  # clients are served by the new region so long after the movement began
MACHINE = "arn:aws:states:ap-northeast-3:123456789012:execution:{}:drill"

Row = dict[str, Any]


def utc(at_s: float) -> str:
    """:returns: so many seconds after the beginning, as the history writes it."""
    moment = datetime.fromtimestamp(T0_NS / NS, UTC).timestamp() + at_s
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ns(at_s: float) -> int:
    """:returns: so many seconds after the beginning, as UTC nanoseconds."""
    return T0_NS + round(at_s * NS)


def facts(serving: str, writer: str = "", closed: tuple[str, ...] = (), routed: str = "", running: str = "") -> Row:
    """:returns: the facts of a region that serves, but for what is given."""
    other = HOME if serving == STANDBY else STANDBY
    routed = routed or serving
    return {
        "flag": {name: name in (closed or (other,)) for name in (HOME, STANDBY)},
        "routing": {name: "On" if name == routed else "Off" for name in (HOME, STANDBY)},
        "writer": writer or serving,
        "dns": {"addresses": ADDRESSES[routed], "regions": [routed]},
        "running": [running] if running else [],
    }


def _look(at_s: float, state: str, seen: Row) -> Row:
    times = {"began_ns": ns(at_s - 0.05), "ended_ns": ns(at_s), "previous_ns": ns(at_s - 0.95)}
    return {"s": at_s, "event": "region-facts", "state": state, "facts": seen, **times}


def _movement(begin_s: float, what: str, source: str, destination: str) -> list[Row]:
    arn = MACHINE.format(what)
    both = (HOME, STANDBY)
    states = [
        ("StopSource", 0.05, CLOSED_S),
        ("WaitForParameterPropagation", CLOSED_S, 1.1),
        ("SwitchRoute53Arc", 1.1, ROUTED_S),
        ("SwitchOver", ROUTED_S, 1.3),
        ("IsClusterAvailable?", 2.0, 2.1),
        ("StartDestination", 2.1, OPENED_S),
    ]
    told = [
        {"name": name, "seconds": end - begin, "visits": 1, "left": True, "entered": utc(begin_s + begin),
         "exited": utc(begin_s + end)}
        for name, begin, end in states
    ]  # fmt: skip
    ended = {"status": "SUCCEEDED", "seconds": OPENED_S, "started": utc(begin_s), "stopped": utc(begin_s + OPENED_S)}
    return [
        {"s": begin_s - 0.02, "event": "execution-starting", "what": what, "execution_arn": arn},
        {"s": begin_s, "event": "execution-started", "what": what, "execution_arn": arn},
        _look(begin_s + 0.9, "moving", facts(source, closed=both, running=arn)),
        _look(begin_s + 1.9, "moving", facts(destination, closed=both, running=arn)),
        _look(begin_s + 2.9, f"serving({destination})", facts(destination)),
        {"s": begin_s + 3.0, "event": "execution-ended", "execution_arn": arn, **ended, "states": told},
    ]


def _activity(at_s: float, phase: str, name: str, func: str, output: Any = None, **more: Any) -> list[Row]:
    step = {"activity": name, "phase": phase, "type": "action", "module": "chaosdrill.x.actions", "func": func}
    ended = {"status": "succeeded", "output": output, "error": "", "error_kind": "", "tolerance": None}
    return [
        {"s": at_s - 0.5, "event": "activity-started", **step, "arguments": {}},
        {"s": at_s, "event": "activity-ended", **step, **ended, "tolerance_met": None, **more},
    ]


def events() -> list[Row]:
    """:returns: the events of the drill; ``s`` is when each was written, in seconds after the beginning."""
    opened = {
        "run_id": RUN_ID,
        "configuration": {"home_region": HOME, "standby_region": STANDBY},
        "expect": f"serving({HOME})",
        "objectives": {"rto_s": 60.0, "rpo_writes": 0, "availability_ratio": 0.5, "budgets": {"database-switched": 5}},
        "planned": {"setup": ["start-load"], "method": ["inject", "fail-over"], "rollbacks": ["heal", "fail-back"]},
        "dry": None,
    }
    dropped = {"value": 0}
    rows = [
        {"s": -2.0, "event": "drill-opened", **opened},
        {"s": -1.5, "event": "target-opened", "target": "lab", "scale": SCALE, "started_here": True},
        _look(-1.0, f"serving({HOME})", facts(HOME)) | {"previous_ns": None},
        {"s": -0.8, "event": "load-started", "generator_s": T0_NS / NS - 0.8, "users": 10, "workers": 1},
        *_activity(-0.7, "setup", "start-load", "start_load"),
        {"s": -0.6, "event": "heartbeat-started", "source": "heartbeat", "writes": True, "why_no_writes": ""},
        *(_clock(source, at_s) for at_s in (-0.4, END_S) for source in ("heartbeat", "locust")),
        {"s": FAULT_S - 0.1, "event": "fault-injecting", "dropped": dropped},
        {"s": FAULT_S, "event": "fault-started", "experiment": "e"},
        *_activity(FAULT_S + 0.2, "method", "inject", "inject_packet_loss", {"done": True}),
        {"s": 8.0, "event": "fault-effect", "landed": True, "dropped_before": 0, "dropped": {"value": 9}},
        *_movement(FAIL_OVER_S, "fail-over", HOME, STANDBY),
        *_activity(FAIL_OVER_S + 3.1, "method", "fail-over", "fail_over", {"done": True}),
        *_activity(FAIL_BACK_S - 2, "rollbacks", "heal", "heal_packet_loss", {"done": True}),
        *_movement(FAIL_BACK_S, "fail-back", STANDBY, HOME),
        *_activity(FAIL_BACK_S + 3.1, "rollbacks", "fail-back", "fail_back", {"done": True}),
        {"s": END_S - 0.2, "event": "heartbeat-stopped", "sent": [900, 900]},
        {"s": END_S - 0.1, "event": "load-stopping", "generator_s": T0_NS / NS + END_S - 0.1},
        {"s": END_S + 0.2, "event": "region-watched", "looks": 47, "last_ns": ns(END_S), "longest_gap_s": 1.0},
        {"s": END_S + 0.3, "event": "end-state", "state": f"serving({HOME})", "expected": f"serving({HOME})"},
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["s"])


def _clock(source: str, at_s: float) -> Row:
    reading = {"offset_ns": 0, "uncertainty_ns": 1_000_000, "rtt_ns": 2_000_000, "at_ns": ns(at_s)}
    return {"s": at_s, "event": "clock-measured", "source": source, **reading}


def served_from(at_s: float) -> str:
    """:returns: the region that serves clients then; empty while none does."""
    if any(begin_s + CLOSED_S <= at_s < begin_s + SERVED_S for begin_s in (FAIL_OVER_S, FAIL_BACK_S)):
        return ""
    return STANDBY if FAIL_OVER_S + SERVED_S <= at_s < FAIL_BACK_S + CLOSED_S else HOME


def beats() -> list[Any]:
    """:returns: the rows of beats.jsonl."""
    operations = [{"name": name, "rate_per_s": RATE, "method": "GET", "path": "/"} for name in ("read", "write")]
    header = {"chaosdrill": "beats", "version": 1, "source": "heartbeat", "run": RUN_ID, "deadline_s": 1.0}
    rows: list[Any] = [{**header, "timeout_s": 5.0, "started_ns": ns(0), "operations": operations}]
    count = round((END_S - 0.2) * RATE)
    for number in range(count):
        at_s = number / RATE
        region = served_from(at_s)
        if number % RATE == 0:
            rows.append(["d", ns(at_s), ADDRESSES[_routed(at_s)], TTL_S, ""])
            rows.append(["w", ns(at_s)])
        for operation in (0, 1):
            answer = (9_000, 0, 200, "", region) if region else (9_000, 1, 503, "", "")
            due = (number, operation, ns(at_s + operation / RATE / 2), 100)
            rows.append(["b", *due, *answer, ADDRESSES[region or HOME][0]])
    return [*rows, ["w", ns(count / RATE)], ["e", ns(count / RATE), [count, count]]]


def _routed(at_s: float) -> str:
    """The lookups follow the routing as the TTL expires."""
    return STANDBY if FAIL_OVER_S + SERVED_S - 1 <= at_s < FAIL_BACK_S + SERVED_S - 1 else HOME


def ledger() -> list[Row]:
    """:returns: the rows of ledger.jsonl: each accepted write is settled, and in its account's balance."""
    rows: list[Row] = [
        {"chaosdrill": "ledger", "version": 1, "source": "heartbeat", "run": RUN_ID, "started_ns": ns(0), "base": 4,
         "reads_back": True, "counts_executions": True, "accounts": 50}
    ]  # fmt: skip
    rows += [_balance("start", f"account-{number}", 0, 0) for number in range(50)]
    totals = [0] * 50
    for seq in range(round((END_S - 0.2) * RATE)):
        at_s = seq / RATE
        account, digit, accepted = seq % 50, seq // 50, bool(served_from(at_s))
        totals[account] += 4**digit if accepted else 0
        write = {"account": f"account-{account}", "quantity": 4**digit, "digit": digit, "due_ns": ns(at_s)}
        answer = ("accepted", f"id-{seq}", 200) if accepted else ("refused", None, 503)
        named = dict(zip(("outcome", "id", "status"), answer, strict=True))
        rows.append(
            {"row": "write", "seq": seq, **write, "ended_ns": ns(at_s + 0.009), **named, "region": "", "error": ""}
        )
    rows += _read_back("after-failback", END_S, rows, totals)
    return [*rows, {"row": "end", "at_ns": ns(END_S), "writes": round((END_S - 0.2) * RATE)}]


def _read_back(label: str, at_s: float, rows: list[Row], totals: list[int]) -> list[Row]:
    writes = [row for row in rows if row.get("row") == "write" and row["id"]]
    begun = {"row": "read-back-begun", "label": label, "at_ns": ns(at_s), "writes_until_ns": ns(at_s)}
    found = [
        {"row": "found", "label": label, "seq": row["seq"], "id": row["id"], "state": "settled", "region": HOME,
         "seen_ns": ns(at_s)}
        for row in writes
    ]  # fmt: skip
    balances = [_balance(label, f"account-{number}", total, at_s) for number, total in enumerate(totals)]
    ended = {"row": "read-back-ended", "label": label, "at_ns": ns(at_s + 1), "converged": True, "why": ""}
    return [begun, *found, *balances, ended]


def _balance(label: str, account: str, balance: int, at_s: float) -> Row:
    known = {"row": "balance", "label": label, "account": account, "balance": balance}
    return {**known, "region": HOME, "seen_ns": ns(at_s)}


def requests(source: str = "locust-1") -> list[Any]:
    """:returns: the rows of one source of requests."""
    rows: list[Any] = [
        {"chaosdrill": "requests", "version": 1, "source": source, "run": RUN_ID, "started_ns": ns(-0.8)}
    ]
    for tenth in range(-8, round(END_S * 10)):
        region = served_from(tenth / 10)
        outcome, status = (0, 200) if region else (1, 503)
        rows.append(["r", ns(tenth / 10), 9000, "POST", "/deposit", outcome, status, "", 99, region, "", 0])
        rows.append(["w", ns(tenth / 10 + 0.05)])
    return [*rows, ["e", ns(END_S), round(END_S * 10) + 8]]


Change = Callable[[list[Any]], Any]


def make_run(
    directory: Path,
    events_of: Change = list,
    beats_of: Change = list,
    ledger_of: Change = list,
    requests_of: Change = list,
    truths_of: Change = list,
    stored: bool = True,
) -> Path:
    """Write the run; each part can be changed before it is written, so that checksums and seals fit.

    :param stored: as Parquet.
    :returns: its directory.
    """
    run = directory / RUN_ID
    records = run / "records"
    records.mkdir(parents=True)
    files = {
        "beats.jsonl": beats_of(beats()),
        "ledger.jsonl": ledger_of(ledger()),
        "requests-locust-1.jsonl": requests_of(requests()),
    }
    collected = [_write(records / name, rows) for name, rows in files.items() if rows is not None]
    truths = truths_of([_truth("after-failback")])
    collected += [_write(records / f"truth-{number}.json", [truth]) for number, truth in enumerate(truths)]
    told = list(store(run)) if stored else []
    last = [{"s": END_S + 1, "event": "records-collected", **one} for one in collected]
    last += [{"s": END_S + 1, "event": "records-stored", **one} for one in told]
    named = [(truth["label"], f"truth-{number}.json") for number, truth in enumerate(truths)]
    last += [{"s": END_S + 1, "event": "truth-read", "label": label, "file": name, "why": ""} for label, name in named]
    timeline = "".join(f"{json.dumps(row)}\n" for row in _buckets())
    (run / "timeline.jsonl").write_text(timeline)
    seen = {"since_s": T0_NS / NS, "until_s": T0_NS / NS + 44.0, "seen_until_s": T0_NS / NS + 44.5, "why": ""}
    sha256 = hashlib.sha256(timeline.encode()).hexdigest()
    last += [{"s": END_S + 1, "event": "load-seen", **seen, "sha256": sha256}]
    last += [{"s": END_S + 1, "event": "drill-closed", "verdict": "passed", "reasons": []}]
    write_history(run, events_of([*events(), *last]))
    return run


def _truth(label: str) -> Row:
    """What databases that have lost nothing say of each accepted write."""
    accepted = [row["id"] for row in ledger() if row.get("row") == "write" and row["outcome"] == "accepted"]
    facts = {"status": "status#success", "undone": False, "settled": 1}
    known = {name: dict(facts) for name in accepted}
    return {"chaosdrill": "truth", "label": label, "region": STANDBY, "writers": [STANDBY], "transactions": known}


def write_history(run: Path, rows: list[Row]) -> None:
    """Write the history, sealed; ``s`` is when each event was written."""
    before, lines = "", []
    for row in sorted(rows, key=lambda row: row["s"]):
        times = {"at": utc(row["s"]), "monotonic_s": round(1000 + row["s"], 4)}
        line, before = sealed(json.dumps({**times, **{k: v for k, v in row.items() if k != "s"}}).encode(), before)
        lines.append(line + b"\n")
    (run / "history.jsonl").write_bytes(b"".join(lines))


def _write(path: Path, rows: list[Any]) -> Row:
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path.write_bytes(data)
    told = {"sha256": hashlib.sha256(data).hexdigest(), "rows": len(rows), "bytes": len(data)}
    return {"file": path.name, **told, "complete": True, "why": ""}


def _buckets() -> list[list[float]]:
    return [
        [round(T0_NS / NS + tenth / 10, 1), *((3, 0) if served_from(tenth / 10) else (0, 3))]
        for tenth in range(round(END_S * 10))
    ]
