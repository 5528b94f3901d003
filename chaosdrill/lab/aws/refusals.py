"""AWS's errors for a request with an unacceptable signature, whose codes depend on the kind of API.

:source: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html (query protocols)
:source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html (JSON protocols)
:source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
:source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from typing import Any

from chaosdrill.lab.aws.errors import QUERY_SERVICES, REST_JSON_SERVICES, XML_SERVICES, Answer, answer, is_form

_INVALID_TOKEN = "The security token included in the request is invalid."
_OTHER_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_EXPIRED = "The security token included in the request is expired"
_MISSING = "Request is missing Authentication Token: the lab's profile is chaosdrill-lab (`chaosdrill lab env`)"
_INCOMPLETE = "Authorization is not AWS Signature Version 4, or lacks its credential, date, host or signature."
_OTHER_BODY = "The provided 'x-amz-content-sha256' header does not match what was computed."
_FORBIDDEN, _BAD = "403 Forbidden", "400 Bad Request"
_JSON = {
    "unknown-key": ("UnrecognizedClientException", _INVALID_TOKEN),
    "other-signature": ("InvalidSignatureException", _OTHER_SIGNATURE),
    "other-body": ("InvalidSignatureException", _OTHER_BODY),
    "skewed": ("InvalidSignatureException", ""),
    "expired-url": ("InvalidSignatureException", ""),
    "expired-session": ("ExpiredTokenException", _EXPIRED),
    "missing": ("MissingAuthenticationTokenException", _MISSING),
    "incomplete": ("IncompleteSignatureException", _INCOMPLETE),
}
_QUERY = {
    "unknown-key": ("InvalidClientTokenId", _INVALID_TOKEN),
    "other-signature": ("SignatureDoesNotMatch", _OTHER_SIGNATURE),
    "other-body": ("SignatureDoesNotMatch", _OTHER_BODY),
    "skewed": ("SignatureDoesNotMatch", ""),
    "expired-url": ("SignatureDoesNotMatch", ""),
    "expired-session": ("ExpiredToken", _EXPIRED),
    "missing": ("MissingAuthenticationToken", _MISSING),
    "incomplete": ("IncompleteSignature", _INCOMPLETE),
}
_EC2 = {
    **_QUERY,
    "unknown-key": ("AuthFailure", "AWS was not able to validate the provided access credentials"),
    "skewed": ("RequestExpired", ""),
    "expired-url": ("RequestExpired", ""),
    "expired-session": ("RequestExpired", "Request has expired."),
}
_S3 = {
    **_QUERY,
    "unknown-key": ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    "other-body": ("XAmzContentSHA256Mismatch", _OTHER_BODY),
    "skewed": ("RequestTimeTooSkewed", "The difference between the request time and the server's time is too large."),
    "expired-url": ("AccessDenied", "Request has expired"),
    "missing": ("AccessDenied", "Access Denied"),
    "incomplete": ("AccessDenied", _INCOMPLETE),
}


def refusal(service: str | None, environ: dict[str, Any], cause: str, detail: str = "") -> Answer:
    """Return AWS's response to a request with an unacceptable signature.

    :param service: the request's signing name, if it has one.
    :param cause: see ``signatures.Refusal``.
    :param detail: the message, where it depends on the request.
    :returns: status, headers and body.
    """
    is_xml = is_form(environ) or service in XML_SERVICES | QUERY_SERVICES | {"ec2"}
    words = {"ec2": _EC2, "s3": _S3}.get(service or "", _QUERY if is_xml else _JSON)
    status = _FORBIDDEN if is_xml or service in REST_JSON_SERVICES | {None} else _BAD
    code, message = words[cause]
    return answer(service, environ, "401 Unauthorized" if code == "AuthFailure" else status, code, message or detail)
