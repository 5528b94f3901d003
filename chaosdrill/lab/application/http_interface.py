"""The application's HTTP interface, which is that of the core-banking sample."""

import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC

from aiohttp import web

from chaosdrill.lab.application.bank import Bank
from chaosdrill.lab.application.stop_flag import RegionStopFlag
from chaosdrill.lab.application.stores import ReadOnly, StoreDown, Unanswered

ACCOUNT_HEADER = "X_ACCOUNT_ID"
REGION_HEADER = "X-Region"
LARGEST_QUANTITY = 10**12  # a million of these still fit into a balance
LONGEST_ACCOUNT_ID = 256

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(bank: Bank, flag: RegionStopFlag, region: str, names_region: bool) -> web.Application:
    """Return the web application of one region.

    :param names_region: whether every response names the region in ``X-Region``, which the sample's responses do not.
    """
    interface = Interface(bank, flag, region)

    async def name_region(request: web.Request, response: web.StreamResponse) -> None:
        response.headers[REGION_HEADER] = region

    made = web.Application(middlewares=[explain_trouble])
    if names_region:
        made.on_response_prepare.append(name_region)
    made.add_routes(
        [
            web.post("/transaction/{kind:deposit|withdraw}", interface.post_transaction),
            web.get("/transaction/{transaction}", interface.get_transaction),
            web.get("/balance", interface.get_balance),
            web.get("/health", interface.get_health),
        ]
    )
    return made


@web.middleware
async def explain_trouble(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond with 500 and the reason when a store fails. (503 is for the stop flag alone.)"""
    try:
        return await handler(request)
    except (StoreDown, ReadOnly) as error:
        return web.Response(status=500, text=str(error))


class Interface:
    """Request handlers of one region."""

    def __init__(self, bank: Bank, flag: RegionStopFlag, region: str) -> None:
        self._bank = bank
        self._flag = flag
        self._region = region

    async def post_transaction(self, request: web.Request) -> web.Response:
        """Accept a deposit or a withdrawal.

        Responds with 504 instead of 500 when it is unknown whether it was accepted.
        """
        await self._check_open()
        account_id, quantity = _account_id(request), await _quantity(request)
        await self._bank.open_account(account_id)
        try:
            transaction = await self._bank.accept(account_id, request.match_info["kind"], quantity)
        except Unanswered as error:
            return web.Response(status=504, text=f"{error}; it is not known whether the transaction was accepted")
        if transaction is None:
            raise web.HTTPTooManyRequests(text=f"account {account_id} has a pending transaction")
        return web.json_response({"transactionId": str(transaction)})

    async def get_transaction(self, request: web.Request) -> web.Response:
        """Respond with the state of one of the account's transactions."""
        await self._check_open()
        account_id, wanted = _account_id(request), request.match_info["transaction"]
        transaction = await self._bank.transaction(account_id, uuid.UUID(wanted)) if _is_uuid(wanted) else None
        if transaction is None:
            raise web.HTTPNotFound(text=f"account {account_id} has no transaction {wanted}")
        updated_at = transaction.updated_at.astimezone(UTC).isoformat(timespec="milliseconds")
        return web.json_response({"status": transaction.status, "updatedAt": updated_at.replace("+00:00", "Z")})

    async def get_balance(self, request: web.Request) -> web.Response:
        """Respond with the account's balance in the region's own database, regardless of the stop flag."""
        account_id = _account_id(request)
        return web.json_response({"balance": await self._bank.balance(account_id), "accountId": account_id})

    async def get_health(self, request: web.Request) -> web.Response:
        """Respond that the application is running, regardless of the stop flag and the stores."""
        return web.Response(text="ok")

    async def _check_open(self) -> None:
        """Refuse the request when the stop flag is set. An unreadable flag (None) does not close the region for
        requests.
        """
        if await self._flag.value() is True:
            raise web.HTTPServiceUnavailable(text=f"the application is stopped in {self._region}")


def _account_id(request: web.Request) -> str:
    account_id: str = request.headers.get(ACCOUNT_HEADER, "").strip()
    if not account_id:
        raise web.HTTPBadRequest(text=f"the header {ACCOUNT_HEADER} is missing")
    if len(account_id) > LONGEST_ACCOUNT_ID or not account_id.isprintable():
        raise web.HTTPBadRequest(text=f"{ACCOUNT_HEADER} must be at most {LONGEST_ACCOUNT_ID} printable characters")
    return account_id


async def _quantity(request: web.Request) -> int:
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise web.HTTPBadRequest(text='the body is not JSON like {"quantity": 1000}') from None
    quantity = body.get("quantity") if isinstance(body, dict) else None
    if type(quantity) is not int or not 1 <= quantity <= LARGEST_QUANTITY:
        raise web.HTTPBadRequest(text=f"quantity must be a whole number from 1 to {LARGEST_QUANTITY}, not {quantity!r}")
    return quantity


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
