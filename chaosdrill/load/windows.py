"""Windows of time in which the load ran as intended, or an error that states why one cannot be judged."""

import time
from collections.abc import Mapping

from chaosdrill.client.load_generator import LoadGenerator, LoadWindow, RequestSelection
from chaosdrill.client.plugin_responses import RequestedEndpoints
from chaosdrill.errors import BadInput, CannotSee, Problem, problem
from chaosdrill.load.endpoints import MOST_ENDPOINTS
from chaosdrill.load.load_control import number

SHOWN = 20
HEADER = "CHAOSDRILL_LOAD_REGION_HEADER in Locust's environment, else X-Region"


def wait_for_window(
    generator: LoadGenerator, window_s: float, min_requests: int, asked: RequestSelection, patience_s: float = 0.0
) -> LoadWindow:
    """Return a window that begins now, after it has closed and was checked.

    :param patience_s: for so long begin again after a failure, and while users still hang in the outage before.
    :raises CannotSee: when the load did not run as intended through it, or too few requests match.
    """
    give_up = time.monotonic() + patience_s
    while True:
        left_s = max(0.0, give_up - time.monotonic())
        window = generator.closed_window(float(window_s), left_s, asked)
        problems = blindness(window, int(min_requests), asked)
        if not problems:
            return window
        if problems != _too_few(window, int(min_requests), asked) or time.monotonic() + window_s > give_up:
            why = "; ".join(problems)
            raise CannotSee(f"the load at {generator.url} cannot be judged: {why}", code=problems[0].code)


def check(window_s: float, min_requests: int, asked: RequestSelection) -> None:
    """Check the parameters of a window.

    :raises BadInput: with every problem.
    """
    problems = []
    if not number(window_s) or not float(window_s) > 0:
        problems.append(f"window_s: {window_s!r} is not a number of seconds greater than 0")
    if not number(min_requests) or float(min_requests) < 0:
        problems.append(f"min_requests: {min_requests!r} is not a number of at least 0")
    if asked.method and not asked.name:
        problems.append(f"method: {asked.method!r} without an endpoint: add `endpoint:`, Locust's name of the request")
    if not number(asked.percentile) or not 0 < float(asked.percentile) <= 100:
        problems.append(f"percentile: {asked.percentile!r} is not a number above 0 and up to 100")
    if problems:
        raise BadInput([problem("argument-invalid", one) for one in problems])


def blindness(window: LoadWindow, min_requests: int, asked: RequestSelection) -> list[Problem]:
    """Return why a window cannot be judged; empty if it can."""
    problems = window.load.problems()
    as_meant_s = window.load.as_meant_since_s
    if not problems and (as_meant_s is None or as_meant_s > window.since_s):
        text = "users or workers were missing for a moment in the window, or the test was begun or changed"
        problems.append(problem("load-changed", text))
    if window.exceptions:
        text = f"the load script raised {window.exceptions} exceptions, so requests are missing from the counts"
        problems.append(problem("load-script-raised", text))
    if window.unrecorded:
        text = (
            f"{window.unrecorded} requests could not be recorded, so it is unknown whether they failed: "
            "Locust's log and `/chaosdrill/records` say why"
        )
        problems.append(problem("load-requests-unrecorded", text))
    return problems + _too_few(window, min_requests, asked)


def _too_few(window: LoadWindow, min_requests: int, asked: RequestSelection) -> list[Problem]:
    length_s, found = window.until_s - window.since_s, window.endpoints
    if found is not None and not found.whole:
        text = f"the window of {length_s:.0f} s is longer than shares of it are kept apart: ask for a shorter one"
        return [problem("load-window-too-long", text)]
    endpoint = f"{asked.method} {asked.name}".strip()
    if found is not None and not sum(found.regions.values()):
        text = f"no request of {endpoint or 'any endpoint'} in {length_s:.0f} s; {_requested(found)}"
        return [problem("load-endpoint-not-requested", text)]
    if found is not None and asked.region and not asked.name and found.too_many:
        text = f"what {asked.region} answered is not all known: {_requested(found)}"
        return [problem("load-too-many-endpoints", text)]
    if found is not None and asked.region and (found.addresses or not any(found.regions)):
        return [problem("load-region-unknown", _without_region(found, length_s))]
    # none of a region is a valid result: others answered
    needed = min_requests if asked.region else max(1, min_requests)
    if window.requests >= needed:
        return []
    of_endpoint = f" of {endpoint}" if endpoint else ""
    by_region = f" that {asked.region} answered" if asked.region else ""
    text = f"{window.requests} requests{of_endpoint}{by_region} ended in {length_s:.0f} s, at least {needed} are needed"
    if found is not None and asked.region:
        text += f"; {_answered(found.regions)}"
    return [problem("load-too-few-requests", text)]


def _without_region(found: RequestedEndpoints, length_s: float) -> str:
    if not found.addresses:
        return f"no answer of {length_s:.0f} s names its region ({HEADER}), and no address that answered is known"
    shown = ", ".join(f"{address} ({found.regions[address]})" for address in found.addresses[:SHOWN])
    return (
        f"answers name no region ({HEADER}), and these addresses that answered belong to no region: {shown}; correct "
        "`load_balancers:` in the topology, or measure an `endpoint` that only the application answers"
    )


def _answered(regions: Mapping[str, int]) -> str:
    named = [f"{region or 'no region'} ({requests})" for region, requests in sorted(regions.items(), reverse=True)]
    return f"answered were by {', '.join(named)}"


def _requested(found: RequestedEndpoints) -> str:
    named = [f"{method} {name} ({requests})" for method, name, requests in found.seen[:SHOWN]]
    more = f" and {len(found.seen) - SHOWN} more" if len(found.seen) > SHOWN else ""
    text = f"requested were: {', '.join(named)}{more}" if named else "nothing was requested"
    if found.too_many:
        text += (
            f"; {found.too_many} requests of this test are known in total only, as it uses more than {MOST_ENDPOINTS} "
            "endpoints: group them in the load script with `name=`"
        )
    return text
