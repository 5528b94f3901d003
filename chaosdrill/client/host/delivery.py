"""Delivery of files to the client host: over S3 where the topology names a bucket, else in the text of SSM commands.

A file is stored in the cache of the commands' user, in a directory named after its hash, so it is delivered once, and
its hash is checked before each use. The host needs Python, but no AWS credentials and no tools: it downloads from a
presigned URL.
"""

import base64
import hashlib
import json
import logging
import shlex
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from chaosdrill.aws import System
from chaosdrill.aws.sessions import presigning_client
from chaosdrill.client.commands import run_on_client
from chaosdrill.client.host.packing import Archive
from chaosdrill.client.host.pythons import Python
from chaosdrill.errors import CannotSee, Refused

logger = logging.getLogger("chaostoolkit")

# SSM documents no limit on the length of a command. A document may have 64 KB; this size, as base64, is well below it.
INLINE_BYTES = 33_000
MOST_INLINE_BYTES = 16_000_000
# The SSM agent runs five commands concurrently (its CommandWorkersLimit), and other users may need one. Each takes a
# second or two on AWS, so SSM receives about three a second; throttled ones are retried.
AT_ONCE = 4
URL_LIFE_S = 900
FETCH_WITHIN_S = 300.0

# Runs on the client host to download a URL: the file has its final name only once it is complete.
_FETCH = """
import base64, hashlib, os, sys, tempfile, urllib.request
url, path, sha256, host = base64.b64decode(sys.argv[1]).decode(), sys.argv[2], sys.argv[3], sys.argv[4]
digest = hashlib.sha256()
request = urllib.request.Request(url, headers={"Host": host} if host else {})
descriptor, part = tempfile.mkstemp(dir=os.path.dirname(path))
with urllib.request.urlopen(request, timeout=30) as answer, open(descriptor, "wb") as file:
    while block := answer.read(1 << 20):
        digest.update(block)
        file.write(block)
if digest.hexdigest() != sha256:
    os.unlink(part)
    sys.exit("the file has another hash than it should have: remove it from the bucket, and try again")
os.replace(part, path)
"""
_FINISH = """
import glob, hashlib, os, shutil, sys, tempfile
path, parts, sha256 = sys.argv[1:]
if os.path.isfile(path):
    sys.exit()
names = sorted(glob.glob(os.path.join(glob.escape(parts), "[0-9]*")))
try:
    data = b"".join(open(name, "rb").read() for name in names)
except FileNotFoundError:  # the same command runs twice, and the other one was quicker
    data = b""
if hashlib.sha256(data).hexdigest() == sha256:
    descriptor, part = tempfile.mkstemp(dir=os.path.dirname(path))
    with open(descriptor, "wb") as file:
        file.write(data)
    os.replace(part, path)
shutil.rmtree(parts, ignore_errors=True)
if not os.path.isfile(path):
    sys.exit("the file has another hash than it should have: it was removed, so try again")
"""
# Runs on the client host: a delivered file is reused only if its hash is unchanged and no other user can change it.
_LOOK = """
import hashlib, os, shutil, stat, sys
path, parts, sha256 = sys.argv[1:]
directory = os.path.dirname(path)
os.makedirs(directory, 0o700, exist_ok=True)
for place in (os.path.dirname(directory), directory):
    seen = os.lstat(place)
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o022:
        sys.exit(place + " is not this user's directory alone: remove it, or take the others' permissions away")
try:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        same = hashlib.sha256(file.read()).hexdigest() == sha256
except OSError:
    same = False
if same:
    print("there")
else:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    print(" ".join(os.listdir(parts)) if os.path.isdir(parts) else "")
"""


def deliver(system: System, python: Python, archive: Archive) -> str:
    """Deliver a file to the client host, unless it is already there. Its hash is checked each time.

    :param python: the Python that runs the delivery there.
    :returns: its path there.
    :raises Refused: when it is too large for the transfer that the topology allows.
    :raises CannotSee: when a command failed there.
    """
    path = str(PurePosixPath(python.directory, delivered_as(archive)))
    words = [python.executable, "-c", _LOOK, path, f"{path}.parts", archive.sha256]
    look = f"umask 077; exec {shlex.join(words)}"
    said = run_on_client(system, look, called=f"that searches for {path}").stdout.split()
    if said == ["there"]:
        return path
    if system.topology.client.s3 and len(archive.data) > INLINE_BYTES:
        _over_s3(system, python, archive, path)
    else:
        _inline(system, python, archive, path, frozenset(said))
    return path


def deliver_secrets(system: System, python: Python, secrets: Mapping[str, str]) -> str:
    """Deliver secrets to the client host, over S3 alone: the text of SSM commands stays in the command history.

    :returns: path of a file there that only its user can read; its reader removes it.
    :raises CannotSee: when S3 refuses the request, or the command failed there.
    """
    data = json.dumps({"secrets": dict(secrets), "random": token_hex()}).encode()  # so that its hash reveals nothing
    name = f"{token_hex(8)}.json"
    path = str(PurePosixPath(python.directory, name))
    at = upload(system, f"once/{name}", data)
    try:
        url, host = presigned(system, "get_object", at)
        words = [base64.b64encode(url.encode()).decode(), path, hashlib.sha256(data).hexdigest(), host]
        script = f"umask 077; exec {shlex.join([python.executable, '-c', _FETCH, *words])}"
        run_on_client(system, script, FETCH_WITHIN_S, called="that fetches secrets from S3")
    finally:
        system.client("s3", system.topology.client.region).delete_object(**at)
    return path


def in_words(system: System, archive: Archive) -> str:
    """Describe in words what :func:`deliver` would transfer: its name, its size and its transfer."""
    size, s3 = len(archive.data), system.topology.client.s3
    commands = -(-size // INLINE_BYTES)
    way = f"over S3 ({s3})" if s3 and commands > 1 else f"as text of {commands} SSM commands"
    return f"{archive.name} ({size / 1e6:.1f} MB) {way}"


def delivered_as(archive: Archive) -> str:
    """Return the path of a file relative to the directory for deliveries."""
    return f"{archive.sha256[:32]}/{archive.name}"


def _over_s3(system: System, python: Python, archive: Archive, path: str) -> None:
    key = f"{archive.sha256}/{archive.name}"
    url, host = presigned(system, "get_object", upload(system, key, archive.data))
    words = [base64.b64encode(url.encode()).decode(), path, archive.sha256, host]
    script = f"umask 077; exec {shlex.join([python.executable, '-c', _FETCH, *words])}"
    run_on_client(system, script, FETCH_WITHIN_S, called=f"that fetches {path} from S3")


def upload(system: System, key: str, data: bytes) -> dict[str, str]:
    """Upload data to the topology's bucket, unless the key exists.

    :returns: its ``Bucket`` and ``Key``.
    :raises CannotSee: when S3 refuses the request.
    """
    client, at = place(system, key)
    try:
        client.head_object(**at)
    except ClientError:  # missing; or 403, which S3 returns for a missing key when listing is not allowed
        try:
            client.put_object(**at, Body=data)
        except ClientError as error:
            raise CannotSee(
                f"{at['Key']} of {len(data) / 1e6:.1f} MB could not be put into the bucket {at['Bucket']}: {error}: "
                "allow s3:PutObject and s3:GetObject, or correct `client: {s3: ...}` in the topology",
                code="bucket-not-writable",
            ) from error
    return at


def place(system: System, key: str) -> tuple[Any, dict[str, str]]:
    """Return an S3 client, and the bucket and key below the prefix in the topology."""
    bucket, _, prefix = system.topology.client.s3.partition("/")
    below = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    return system.client("s3", system.topology.client.region), {"Bucket": bucket, "Key": f"{below}{key}"}


def url_of_aws(system: System, operation: str, at: dict[str, str]) -> str:
    """Return a presigned URL with AWS's own host for the topology's bucket, even when an endpoint replaces AWS."""
    region = system.topology.client.region
    client = presigning_client(system.reach, region) if system.reach.endpoint_url else system.client("s3", region)
    return str(client.generate_presigned_url(operation, Params=at, ExpiresIn=URL_LIFE_S))


def presigned(system: System, operation: str, at: dict[str, str]) -> tuple[str, str]:
    """Presign a request of the client host to the topology's bucket.

    :param operation: boto3's name of the operation.
    :param at: ``Bucket`` and ``Key``.
    :returns: the URL as the client host can call it, and the Host header to send with it. An endpoint that replaces AWS
        has another address on the client host, while the URL is signed for AWS's own host. Empty: the URL's own host.
    """
    url, stand_in = url_of_aws(system, operation, at), system.reach.endpoint_url
    if not stand_in:
        return url, ""
    look = 'echo "${AWS_ENDPOINT_URL_S3:-$AWS_ENDPOINT_URL}"'
    known = run_on_client(system, look, called="that reads the endpoint of AWS", reads="find-aws-endpoint")
    there = urlsplit(known.stdout.strip() or stand_in)
    return urlsplit(url)._replace(scheme=there.scheme, netloc=there.netloc).geturl(), urlsplit(url).netloc


def _inline(system: System, python: Python, archive: Archive, path: str, there: Collection[str]) -> None:
    """Deliver a file in the text of SSM commands.

    :param there: names of the parts that an interrupted attempt has already delivered.
    """
    size = len(archive.data)
    parts = {f"{offset:09d}": archive.data[offset : offset + INLINE_BYTES] for offset in range(0, size, INLINE_BYTES)}
    if size > MOST_INLINE_BYTES:
        raise Refused(
            f"{archive.name} has {size / 1e6:.1f} MB: as text of SSM commands that would take {len(parts)} of them: "
            'name a bucket in the topology, `client: {run: ssm, s3: "BUCKET/PREFIX"}`',
            code="delivery-too-large",
        )
    if len(parts) > 10:
        logger.warning(
            f"{archive.name} ({size / 1e6:.1f} MB) is sent to the client host as text of {len(parts)} SSM commands: "
            'this takes minutes, once; with a bucket in the topology (`client: {s3: "BUCKET/PREFIX"}`) it takes seconds'
        )
    scripts = [_written(path, name, data) for name, data in parts.items() if name not in there]
    *first, last = scripts or ["true"]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="delivery") as pool:
        try:
            list(pool.map(lambda script: run_on_client(system, script, called=f"that writes a part of {path}"), first))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    finish = f"{last}; {_put_together(python, archive, path)}"
    run_on_client(system, finish, called=f"that writes the last part of {path}")


def _written(path: str, name: str, data: bytes) -> str:
    """Return the script that writes one part. The part has its final name only once it is complete. The script is
    idempotent.
    """
    parts, half = shlex.quote(f"{path}.parts"), f".{name}.$$"
    return (
        f"umask 077; [ -f {shlex.quote(path)} ] && exit 0; d={parts}; mkdir -p $d && "
        f"printf %s '{base64.b64encode(data).decode()}' | base64 -d > $d/{half} && mv $d/{half} $d/{name}"
    )


def _put_together(python: Python, archive: Archive, path: str) -> str:
    """Return the command that assembles the parts, checks the file's hash and removes the parts."""
    return f"umask 077; exec {shlex.join([python.executable, '-c', _FINISH, path, f'{path}.parts', archive.sha256])}"
