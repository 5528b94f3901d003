"""How a request ended: Locust's own word for it, and what really happened. Pure: no clock, no Locust.

Locust's word counts, since a load script may judge an answer (``response.failure("...")``, ``response.success()``); the
status and the error tell the truth beside it: ``success()`` hides even a refused connection.
"""

from typing import Any

OK, REFUSED, TIMEOUT, ERROR = 0, 1, 2, 3
"""As expected; answered, but not as expected; no answer in time; no answer at all."""

DEEPEST = 8
_STATUS_ERRORS = ("HTTPError", "LocustBadStatusCode")  # what Locust makes of an answer's status, which says it already
_CLIENTS = ("geventhttpclient", "gevent", "zlib")  # whose errors are no OSError


def outcome_of(failed: BaseException | None, response: Any) -> tuple[int, int, str]:
    """How a request ended that is not plainly ok.

    :param failed: the exception that Locust reports for it; None: it counts as succeeded.
    :param response: what Locust's client has handed out; None for a client that Locust does not know.
    :returns: the outcome, the HTTP status (0: no answer), the class of the error (empty: none).
    """
    status = int(getattr(response, "status_code", 0) or 0)
    happened = getattr(response, "error", None) or failed
    if happened is None:
        return OK, status, ""
    links, answered = chain(happened), type(happened).__name__ in _STATUS_ERRORS
    name = "" if answered else type(links[-1]).__name__
    if failed is None:
        return OK, status, name
    if answered or (status and not _broken(happened)):
        return REFUSED, status, name
    return (TIMEOUT if any(map(_timed_out, links)) else ERROR), status, name


def chain(error: BaseException) -> list[BaseException]:
    """:returns: an exception and what it was made of, down to the one that tells what happened."""
    links = [error]
    while len(links) < DEEPEST and (inner := _inner(links[-1])) is not None and inner not in links:
        links.append(inner)
    return links


def _inner(error: BaseException) -> BaseException | None:
    """What a library wraps is in the arguments (requests, urllib3), in an attribute, or the cause."""
    named = (getattr(error, name, None) for name in ("reason", "original", "__cause__", "__context__"))
    return next((one for one in (*error.args, *named) if isinstance(one, BaseException)), None)


def _broken(error: BaseException) -> bool:
    """Whether the connection failed; a load script's own word about an answer is another thing."""
    own = isinstance(error, ValueError)  # requests' error about an answer that is not JSON is an OSError, too
    return (isinstance(error, OSError) and not own) or type(error).__module__.partition(".")[0] in _CLIENTS


def _timed_out(error: BaseException) -> bool:
    return isinstance(error, TimeoutError) or "Timeout" in type(error).__name__
