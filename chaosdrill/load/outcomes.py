"""Outcomes of requests: Locust's own result, and what really happened. Pure: no clock, no Locust.

Locust's result counts, since a load script may judge a response (``response.failure("...")``, ``response.success()``);
the status and the error are recorded beside it, because ``success()`` hides even a refused connection.
"""

from typing import Any

from chaosdrill.records.rows import ERROR, OK, REFUSED, TIMED_OUT

DEEPEST = 8
HIGHEST_STATUS = 999
LONGEST_ERROR = 80  # characters of a text that a load script reports as an error
# errors that Locust makes from a response's status, which has the same information
_STATUS_ERRORS = ("HTTPError", "LocustBadStatusCode")
_CLIENTS = ("geventhttpclient", "gevent", "zlib")  # modules whose errors are no OSError


def outcome_of(failed: Any, response: Any) -> tuple[int, int, str]:
    """Return the outcome of a request that is not plainly ok.

    :param failed: the ``exception`` that was reported to Locust: usually an exception, but a load script may report a
        text, a class or any other object. As for Locust, the request has failed when this is true.
    :param response: the response that Locust's client returned; None for a client that Locust does not know.
    :returns: the outcome, the HTTP status (0: no response), the error (empty: none): its class, or the beginning of a
        text.
    """
    status, own = _status(response), getattr(response, "error", None)
    happened = own if isinstance(own, BaseException) else failed
    if not happened:
        return OK, status, ""
    links = chain(happened) if isinstance(happened, BaseException) else [happened]
    answered = type(happened).__name__ in _STATUS_ERRORS
    name = "" if answered else _name(links[-1])
    if not failed:
        return OK, status, name
    if answered or (status and not _broken(happened)):
        return REFUSED, status, name
    return (TIMED_OUT if any(map(_timed_out, links)) else ERROR), status, name


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception and those that it wraps, down to the one that describes the cause."""
    links = [error]
    while len(links) < DEEPEST and (inner := _inner(links[-1])) is not None:
        if any(inner is link for link in links):
            break
        links.append(inner)
    return links


def _status(response: Any) -> int:
    """Return the HTTP status of a response; 0 if it has none, such as a response of another protocol."""
    try:
        status = int(getattr(response, "status_code", 0) or 0)
    except (TypeError, ValueError, OverflowError):
        return 0
    return status if 0 <= status <= HIGHEST_STATUS else 0


def _name(error: Any) -> str:
    if isinstance(error, str):
        return error.strip().partition("\n")[0][:LONGEST_ERROR]
    return error.__name__ if isinstance(error, type) else type(error).__name__


def _inner(error: BaseException) -> BaseException | None:
    """Return a wrapped exception, which is in the arguments (requests, urllib3), in an attribute, or the cause."""
    args = error.args if isinstance(error.args, tuple) else ()
    named = (getattr(error, name, None) for name in ("reason", "original", "__cause__", "__context__"))
    return next((one for one in (*args, *named) if isinstance(one, BaseException)), None)


def _broken(error: Any) -> bool:
    """Return whether the connection failed, as opposed to a load script's own error about a response."""
    own = isinstance(error, ValueError)  # requests' error about a response that is not JSON is an OSError, too
    return (isinstance(error, OSError) and not own) or type(error).__module__.partition(".")[0] in _CLIENTS


def _timed_out(error: Any) -> bool:
    return isinstance(error, TimeoutError) or error is TimeoutError or "Timeout" in _name(error)
