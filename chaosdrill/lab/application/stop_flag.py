"""The region's stop flag as the application reads it: from DynamoDB, with a cache."""

import asyncio
import json
import logging
import time

import aiohttp

from chaosdrill.lab import signing
from chaosdrill.lab.access import KeyPair
from chaosdrill.lab.plan import RegionPlan

READ_TIMEOUT_S = 1.0
LONGEST_BLINDNESS_S = 1.0

log = logging.getLogger(__name__)


class RegionStopFlag:
    """The stop flag of one region.

    A value is cached for ``cache_s`` from the beginning of its read, so that ``cache_s`` after a change the old value
    is no longer in use. A failed read is cached for at most 1 s, so that a slow AWS endpoint delays one request per
    second, and not every request.

    :param aws_url: URL of the AWS endpoint.
    :param keys: keys that sign the requests.
    :param cache_s: how long a value is cached, in seconds.
    """

    def __init__(
        self, http: aiohttp.ClientSession, aws_url: str, keys: KeyPair, region: RegionPlan, cache_s: float
    ) -> None:
        self._http = http
        self._aws_url = aws_url
        self._keys = keys
        self._region = region
        self._cache_s = cache_s
        self._value: bool | None = None
        self._believed_until = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def value(self) -> bool | None:
        """Return whether the region is closed; None when the flag is unreadable."""
        if time.monotonic() >= self._believed_until:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
            await asyncio.shield(self._reading)  # callers share one read; one that is cancelled does not cancel it
        return self._value

    async def _read(self) -> None:
        began = time.monotonic()
        try:
            self._value = await self._ask()
            self._believed_until = began + self._cache_s
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError, KeyError, TypeError) as error:
            log.warning("the stop flag of %s is unreadable: %s: %s", self._region.name, type(error).__name__, error)
            self._value = None
            self._believed_until = time.monotonic() + min(self._cache_s, LONGEST_BLINDNESS_S)
        finally:
            self._reading = None

    async def _ask(self) -> bool:
        request = {"TableName": self._region.flag_table, "Key": {"PK": {"S": "stopFlag"}}, "ConsistentRead": True}
        timeout = aiohttp.ClientTimeout(total=READ_TIMEOUT_S)
        body = json.dumps(request).encode()
        headers = self._signed(body)
        async with self._http.post(self._aws_url, data=body, headers=headers, timeout=timeout) as response:
            answer = await response.json(content_type=None)
            if response.status != 200:
                raise ValueError(f"DynamoDB responded {response.status}: {answer}")
        written = answer["Item"]["value"]["S"]
        if written not in ("true", "false"):
            raise ValueError(f"the flag's value is {written!r}, neither 'true' nor 'false'")
        return bool(written == "true")

    def _signed(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"}
        return signing.signed(self._keys, "POST", self._aws_url, self._region.name, "dynamodb", headers, body)
