"""Errors of AWS's APIs, and the endpoint's own, in the form that the caller's protocol parses."""

import json
from typing import Any
from xml.sax.saxutils import escape

from moto.core.exceptions import ServiceException

NOT_EMULATED = "NotImplementedByLab"
INTERNAL = "InternalFailure"
XML_SERVICES = frozenset({"route53", "s3", "cloudfront"})
QUERY_SERVICES = frozenset({"elasticloadbalancing", "iam", "rds", "sts"})
REST_JSON_SERVICES = frozenset({"fis", "lambda", "route53-recovery-control-config"})
EC2_XML = "<Response><Errors><Error>{}</Error></Errors><RequestID>lab</RequestID></Response>"
S3_XML = "<Error>{}<RequestId>lab</RequestId></Error>"
QUERY_XML = "<ErrorResponse><Error><Type>Receiver</Type>{}</Error><RequestId>lab</RequestId></ErrorResponse>"

Answer = tuple[str, list[tuple[str, str]], bytes]


class AwsError(ServiceException):
    """An error of an AWS API; moto's serialiser takes its HTTP status from the service's model.

    :param code: such as ``ResourceNotFoundException``.
    :param facts: further members of the response.
    """

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(code, message)
        for name, value in facts.items():
            setattr(self, name, value)


def is_form(environ: dict[str, Any]) -> bool:
    """Return whether the request has its parameters in a form, as in the query protocols."""
    return str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")


def access_denied(service: str) -> tuple[str, str]:
    """Return the HTTP status line and the error code with which a service reports a missing permission.

    :source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html (JSON protocols)
    :source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    :source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    if service == "ec2":
        return "403 Forbidden", "UnauthorizedOperation"
    if service in XML_SERVICES | QUERY_SERVICES | {"monitoring"}:
        return "403 Forbidden", "AccessDenied"
    return "403 Forbidden" if service in REST_JSON_SERVICES else "400 Bad Request", "AccessDeniedException"


def answer(service: str | None, environ: dict[str, Any], status: str, code: str, message: str) -> Answer:
    """Return an error response that AWS's SDKs and CLIs parse like one of AWS.

    :param service: the request's signing name, if it has one.
    :param status: HTTP status line, such as ``501 Not Implemented``.
    :returns: status, headers and body.
    """
    if is_form(environ) or service in XML_SERVICES | QUERY_SERVICES | {"ec2"}:
        error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        text, kind = {"ec2": EC2_XML, "s3": S3_XML}.get(service or "", QUERY_XML).format(error), "text/xml"
    else:
        text, kind = json.dumps({"__type": code, "message": message}), "application/x-amz-json-1.1"
    return status, [("Content-Type", kind), ("x-amzn-ErrorType", code)], text.encode()
