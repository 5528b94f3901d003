"""The routes of the plugin on Locust's page, under ``/chaosdrill/``. Runs inside Locust only."""

from collections import Counter
from typing import Any, Protocol

from flask import Response, jsonify, request
from werkzeug.datastructures import MultiDict

from chaosdrill.load.buckets import Bucket, Endpoint, bucket_number, first_whole_bucket
from chaosdrill.load.guarded_page import ONLY_READS
from chaosdrill.load.monotonic_clock import now_ns
from chaosdrill.load.record_files import RecordFiles
from chaosdrill.load.test_state import LoadTestState
from chaosdrill.load.timeline import BucketTimeline
from chaosdrill.secret_text import hide_secrets_in

MOST_READ = 4_000_000  # bytes of a file in one response


class View(Protocol):
    """The data of one Locust: the one without workers, or the master."""

    timeline: BucketTimeline
    progress: LoadTestState
    files: RecordFiles

    def count(self) -> None:
        """Count everything that has ended until now in the timeline."""

    def clocks(self) -> dict[str, dict[str, int]]:
        """Return, by source of records, the offset of its clock from this one, and the uncertainty of the offset, in
        nanoseconds.
        """

    def watermark_s(self) -> float:
        """Return the time before which every request that ended has been counted."""


def add_routes(environment: Any, view: View, locustfiles: list[str]) -> None:
    """Add the routes ``/chaosdrill/…`` to Locust's page, behind its login if it has one."""
    app, guarded = environment.web_ui.app, environment.web_ui.auth_required_if_enabled
    base = (getattr(environment.parsed_options, "web_base_path", None) or "").rstrip("/") + "/chaosdrill"

    @app.before_request
    def note_poll() -> None:
        if request.path.startswith(f"{base}/") and not request.environ.get(ONLY_READS):
            view.progress.poll()

    @app.route(f"{base}/window")
    @guarded
    def chaosdrill_window() -> Any:
        return jsonify(answer_window(view) | {"locustfiles": locustfiles})

    @app.route(f"{base}/timeline")
    @guarded
    def chaosdrill_timeline() -> Any:
        watermark_s = view.watermark_s()
        counts = view.timeline.counts(request.args.get("since", 0.0, type=float), watermark_s)
        return jsonify(buckets=counts, watermark=watermark_s, stopping=view.progress.state()["stopping"])

    @app.route(f"{base}/user-classes", methods=["POST"])
    @guarded
    def chaosdrill_user_classes() -> Any:
        problem = view.progress.choose(request.form.getlist("user_classes"))
        return jsonify(success=not problem, message=problem)

    @app.route(f"{base}/clock")
    @guarded
    def chaosdrill_clock() -> Any:
        return jsonify(workers=view.clocks(), now_ns=now_ns())

    @app.route(f"{base}/records")
    @guarded
    def chaosdrill_records() -> Any:
        return answer_records(view.files)

    @app.after_request
    def note_change(response: Any) -> Any:
        if request.endpoint == "locust.swarm" and response.is_json and response.json.get("success"):
            view.progress.change(response.json.get("run_time"))
        return response


def answer_window(view: View) -> dict[str, Any]:
    """Return the requests that ended in the requested window, whether it is complete, and the state of the load.

    With ``name`` (and ``method``) only the requests of that name count. With ``region`` only those count whose
    responses name one of these regions, or name none and came from one of these addresses. With either, the result also
    lists the requested endpoints, and the regions and addresses that answered.
    """
    asked, watermark_s = request.args, view.watermark_s()
    state = view.progress.state()
    since_s = asked.get("since", state["now"], type=float)
    until_s = asked.get("until", state["now"], type=float)
    total = view.timeline.between(since_s, until_s)
    share = _share(view.timeline, since_s, until_s, asked) if {"name", "region"} & set(asked) else None
    seen = share["bucket"] if share else total
    return {
        "since": since_s,
        "until": until_s,
        "requests": seen.requests,
        "failures": seen.failures,
        "exceptions": total.exceptions,
        "unrecorded": total.unrecorded,
        "mean_ms": seen.mean_ms,
        "p50_ms": seen.percentile_ms(50),
        "p90_ms": seen.percentile_ms(90),
        "max_ms": seen.max_ms,
        "percentile_ms": seen.percentile_ms(asked.get("percentile", 100.0, type=float)),
        "complete": watermark_s >= until_s,
        "watermark": watermark_s,
        "endpoints": share["endpoints"] if share else None,
        **state,
    }


def answer_records(files: RecordFiles) -> Any:
    """Return the files with the rows and their sizes in bytes; with ``file``, some lines of one."""
    name = request.args.get("file")
    if name is None:
        return jsonify(directory=str(files.directory), files=files.sizes(), trouble=files.trouble)
    offset = max(0, request.args.get("offset", 0, type=int))
    most = min(max(1, request.args.get("limit", MOST_READ, type=int)), MOST_READ)
    lines = files.read(name, offset, most)
    if lines is None:
        return Response(f"no such file; there are: {', '.join(files.sizes()) or 'none'}", 400, mimetype="text/plain")
    return Response(lines, mimetype="text/plain")


def _share(timeline: BucketTimeline, since_s: float, until_s: float, asked: MultiDict[str, str]) -> dict[str, Any]:
    first, last = first_whole_bucket(since_s), bucket_number(until_s)
    bucket, seen, regions, wanted = Bucket(), Counter[Endpoint](), Counter[str](), asked.getlist("region")
    named = hide_secrets_in(asked["name"]) if "name" in asked else None  # as the recorder writes it
    for (method, name, answerer), cell in timeline.endpoints.between(first, last).items():
        seen[method, name] += cell.requests
        if named in (None, name) and asked.get("method", method) == method:
            regions[answerer] += cell.requests
            if not wanted or answerer in wanted:
                bucket.add(cell)
    told = {"seen": [[*endpoint, requests] for endpoint, requests in sorted(seen.items())], "regions": dict(regions)}
    whole = timeline.endpoints.complete_from <= first
    return {"bucket": bucket, "endpoints": {**told, "whole": whole, "too_many": timeline.endpoints.too_many}}
