"""Lambda functions that are Python callables.

Mends: moto's Lambda runs Docker containers, or echoes its input.
"""

import json
import traceback
from collections.abc import Callable
from typing import Any

import moto.awslambda.urls as lambda_urls
from moto.awslambda_simple.models import LambdaSimpleBackend, lambda_simple_backends
from moto.core.config import default_user_config

from chaosdrill.lab.aws.patching import replace
from chaosdrill.lab.aws.runtime import logger

Handler = Callable[[Any], Any]
HANDLERS: dict[str, Handler] = {}


class LabLambdaBackend(LambdaSimpleBackend):
    """Invokes the callable registered under the function's name."""

    _url_module = lambda_urls

    def invoke(self, function_name: str, qualifier: Any, body: Any, headers: Any, response_headers: Any) -> bytes:
        """Invoke: what the callable returns is the payload; what it raises is a function error, as on AWS.

        :raises NotImplementedError: for a function that has no callable: its code cannot be run here.
        """
        name = self.get_function(function_name, qualifier).function_name
        if name not in HANDLERS:
            raise NotImplementedError(f"the code of the function {name}: only {sorted(HANDLERS)} can be invoked")
        try:
            return json.dumps(HANDLERS[name](json.loads(body or "{}")), default=str).encode()
        except Exception as error:  # noqa: BLE001  Lambda's contract: an error of the function is an answer
            logger.warning("function %s failed: %s: %s", name, type(error).__name__, error)
            response_headers["x-amz-function-error"] = "Unhandled"
            trace = traceback.format_exc().splitlines()
            return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error), "trace": trace}).encode()


def install() -> None:
    """Use it in every region."""
    default_user_config["lambda"] = {"use_docker": False}
    replace(lambda_simple_backends, "backend", LabLambdaBackend)
