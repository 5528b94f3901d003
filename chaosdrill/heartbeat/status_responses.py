"""The responses of the heartbeat's page: its state, its records, its read-backs."""

from http import HTTPStatus
from typing import Any

from chaosdrill.heartbeat.heartbeat import HeartbeatSender
from chaosdrill.heartbeat.status_server import Handler, NotNow, Query, whole_number

READABLE = frozenset({"/state", "/clock", "/read-back"})  # not the records, which contain accounts and writes
MOST_AT_ONCE = 4 * 2**20
LARGEST_OFFSET = 2**62
LONGEST_READ_BACK_S = 3600.0
LONGEST_LOAD_S = 3600.0


class Answers:
    """The page of one heartbeat."""

    def __init__(self, heartbeat: HeartbeatSender) -> None:
        self._heartbeat = heartbeat

    def routes(self) -> dict[tuple[str, str], Handler]:
        """Return the handlers by method and path."""
        return {
            ("GET", "/state"): self._state,
            ("GET", "/clock"): self._clock,
            ("GET", "/records"): self._records,
            ("POST", "/read-back"): self._begin_read_back,
            ("GET", "/read-back"): self._read_back,
            ("POST", "/settlement"): self._begin_settlement_check,
            ("POST", "/burst"): self._begin_burst,
            ("POST", "/load"): self._begin_load,
            ("POST", "/stop"): self._stop,
        }

    async def _state(self, query: Query) -> dict[str, Any]:
        return self._heartbeat.state()

    async def _clock(self, query: Query) -> dict[str, int]:
        return {"now_ns": self._heartbeat.clock.now_ns()}

    async def _records(self, query: Query) -> bytes:
        files = self._heartbeat.files()
        name = query.get("file", "")
        if name not in files:
            raise NotNow(HTTPStatus.NOT_FOUND, f"there is no file {name!r}: there are {', '.join(files)}")
        offset = whole_number(query, "offset", 0, LARGEST_OFFSET)
        limit = whole_number(query, "limit", MOST_AT_ONCE, MOST_AT_ONCE)
        return files[name].read(offset, limit)

    async def _begin_read_back(self, query: Query) -> dict[str, Any]:
        label = query.get("label", "")
        if not label or not label.isprintable() or label == "start":
            raise NotNow(HTTPStatus.BAD_REQUEST, f"label is {label!r}: name the read-back, such as after-failover")
        within_s = _seconds(query, "within_s", LONGEST_READ_BACK_S)
        return self._heartbeat.begin_read_back(label, within_s).summary()

    async def _read_back(self, query: Query) -> dict[str, Any]:
        known = self._heartbeat.read_backs
        if (label := query.get("label", "")) not in known:
            begun = ", ".join(known) or "none"
            raise NotNow(HTTPStatus.NOT_FOUND, f"no read-back {label!r} was begun: {begun}; POST begins one")
        return known[label].summary()

    async def _begin_settlement_check(self, query: Query) -> dict[str, Any]:
        return self._heartbeat.begin_settlement_check().summary()

    async def _begin_burst(self, query: Query) -> dict[str, Any]:
        return {"write_rate_per_s": self._heartbeat.begin_burst()}

    async def _begin_load(self, query: Query) -> dict[str, Any]:
        per_s, until_ns = self._heartbeat.begin_load(_seconds(query, "seconds", LONGEST_LOAD_S))
        return {"write_rate_per_s": per_s, "until_ns": until_ns}

    async def _stop(self, query: Query) -> dict[str, Any]:
        await self._heartbeat.stop()
        return self._heartbeat.state()


def _seconds(query: Query, name: str, most: float) -> float:
    text = query.get(name, "")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= most:
        raise NotNow(HTTPStatus.BAD_REQUEST, f"{name} is {text!r}: write seconds, above 0 and up to {most:g}")
    return seconds
