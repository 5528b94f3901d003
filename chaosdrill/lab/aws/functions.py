"""Lambda functions implemented as Python callables.

Fixes: moto's Lambda runs Docker containers, or echoes its input.
"""

import json
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import moto.awslambda.urls as lambda_urls
from moto.awslambda_simple.models import LambdaSimpleBackend, lambda_simple_backends
from moto.core.config import default_user_config

from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import logger

Handler = Callable[[Any, Mapping[str, str]], Any]
HANDLERS: dict[str, Handler] = {}
"""Callables by part of a function's name; their arguments are the event and the function's environment variables."""


class FunctionError(Exception):
    """An error of a function.

    :param name: the ``errorType``, which state machines match in ``ErrorEquals``.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class LabLambdaBackend(LambdaSimpleBackend):
    """moto's backend, which invokes the callable registered under the function's name."""

    _url_module = lambda_urls

    def invoke(self, function_name: str, qualifier: Any, body: Any, headers: Any, response_headers: Any) -> bytes:
        """Invoke: the callable's result is the payload, and its exception is a function error, as on AWS.

        :raises NotImplementedError: for a function without a callable: its code cannot run here.
        """
        function: Any = self.get_function(function_name, qualifier)
        handler = _handler(function.function_name)
        try:
            result = handler(json.loads(body or "{}"), function.environment_vars)
            return json.dumps(result, default=str).encode()
        except Exception as error:  # noqa: BLE001  Lambda's contract: an error of the function is a response
            kind = error.name if isinstance(error, FunctionError) else type(error).__name__
            logger.warning("function %s failed: %s: %s", function.function_name, kind, error)
            response_headers["x-amz-function-error"] = "Unhandled"
            trace = traceback.format_exc().splitlines()
            return json.dumps({"errorType": kind, "errorMessage": str(error), "trace": trace}).encode()


def _handler(function_name: str) -> Handler:
    """Return the callable for a function. CloudFormation adds the stack's name before the function's name, and a random
    suffix.
    """
    found = next((handler for part, handler in HANDLERS.items() if part in function_name), None)
    if found is None:
        known = ", ".join(f"*{part}*" for part in sorted(HANDLERS))
        raise NotImplementedError(f"the code of the function {function_name}: only functions named {known} are run")
    return found


def install() -> None:
    """Use it in every region."""
    default_user_config["lambda"] = {"use_docker": False}
    replace(lambda_simple_backends, "backend", LabLambdaBackend)
