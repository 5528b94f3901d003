"""Signatures of the lab's own requests to its AWS endpoint, made without an AWS SDK to save time and memory.

:source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import reduce
from urllib.parse import quote, urlsplit

from chaosdrill.lab.access import KeyPair

_ALGORITHM = "AWS4-HMAC-SHA256"


def signed(
    keys: KeyPair, method: str, url: str, region: str, service: str, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """Sign a request without a query; not for S3, which signs paths differently.

    :param headers: signed, so they must be sent unchanged.
    :returns: all headers to send with it.
    """
    there, timestamp = urlsplit(url), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    all_headers = {**headers, "Host": there.netloc, "X-Amz-Date": timestamp}
    lines = {name.lower(): " ".join(value.split()) for name, value in all_headers.items()}
    names = ";".join(sorted(lines))
    canonical = [method, quote(there.path or "/", safe="/~"), ""]
    canonical += [*(f"{name}:{lines[name]}" for name in sorted(lines)), "", names, hashlib.sha256(body).hexdigest()]
    scope = [timestamp[:8], region, service, "aws4_request"]
    request = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = "\n".join([_ALGORITHM, timestamp, "/".join(scope), request])
    signature = reduce(_hmac, [*scope, text], f"AWS4{keys.secret}".encode()).hex()
    credential = "/".join([keys.id, *scope])
    authorization = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return {**all_headers, "Authorization": authorization}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
