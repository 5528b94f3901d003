"""Names as a heartbeat follows them: by TTL, never past it, over TLS too."""

import datetime
import ipaddress
import itertools
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import loops
from tests.contract.heartbeat_rig import NAME, bank, heartbeat, name_server
from tests.waiting import until

pytestmark = pytest.mark.long

OK, REFUSED, TIMED_OUT, ERROR = range(4)
LATE, DURATION, OUTCOME, STATUS, WHY, REGION, ADDRESS = range(4, 11)


def test_an_answer_is_used_as_long_as_its_ttl_and_no_longer(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            bank() as (_, port),
            name_server() as (names, at),
            heartbeat(tmp_path, f"http://{NAME}:{port}", nameserver=at, rate_per_s=40) as process,
        ):
            await until(lambda: len(process.rows("d")) >= 2)
            names.addresses = ["127.0.0.2"]
            moved_ns = (await process.get("/clock"))["now_ns"]
            await until(lambda: process.rows("d")[-1][2] == ["127.0.0.2"])
            await process.passed()
            lookups = process.rows("d")
            assert [(row[3], row[4]) for row in lookups] == [(1, "")] * len(lookups)
            # one lookup for each TTL, however many beats there were
            assert all(b[1] - a[1] >= 1_000_000_000 for a, b in itertools.pairwise(lookups))
            changed_ns = next(row[1] for row in lookups if row[2] == ["127.0.0.2"])
            old_ns = [row[1] for row in lookups if row[2] == ["127.0.0.1"]]
            assert len([at_ns for at_ns in old_ns if at_ns > moved_ns]) <= 1, "one may have been on its way"
            due_on_old_ns = [row[3] for row in process.beats() if row[ADDRESS] == "127.0.0.1"]
            assert max(due_on_old_ns) < old_ns[-1] + 1_000_000_000, "none that became due when the TTL was over"
            sent_ns = [(row[3] + row[LATE] * 1000, row[ADDRESS], row[REGION]) for row in process.beats()]
            assert {row[1:] for row in sent_ns if row[0] > changed_ns} == {("127.0.0.2", "127.0.0.2")}
            assert {row[1:] for row in sent_ns if row[0] < lookups[-2][1]} == {("127.0.0.1", "127.0.0.1")}

    loops.run(run())


def test_beats_take_turns_on_several_addresses(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (_, port), name_server() as (names, at):
            names.addresses, names.ttl_s = ["127.0.0.1", "127.0.0.2"], 60
            async with heartbeat(
                tmp_path, f"http://{NAME}:{port}", nameserver=at, writes=True, rate_per_s=20
            ) as process:
                await process.passed(0.4)
                for operation in (0, 1):
                    found = [row[ADDRESS] for row in process.beats(operation)]
                    assert found == [names.addresses[number % 2] for number in range(len(found))]
                assert len(process.rows("d")) == 1

    loops.run(run())


def test_a_silent_name_server_is_an_error_and_not_an_old_address(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            bank() as (server, port),
            name_server() as (names, at),
            heartbeat(tmp_path, f"http://{NAME}:{port}", nameserver=at, rate_per_s=20) as process,
        ):
            names.silent = True
            await until(lambda: any(row[4] for row in process.rows("d")))
            good_ns = max(row[1] for row in process.rows("d") if not row[4])
            since_ns, asked = good_ns + 1_100_000_000, server.requests
            until_ns = await process.passed(0.3)
            rows = process.beats(0, since_ns, until_ns)
            # those that began the lookup give up with it, those that joined later get what came of it
            assert {row[WHY] for row in rows} <= {"lookup-timeout", "timeout-lookup"}
            assert rows
            assert server.requests == asked
            assert {row[ADDRESS] for row in rows} == {""}
            names.silent = False
            await until(lambda: process.beats()[-1][OUTCOME] == OK)

    loops.run(run())


def test_what_the_name_server_says_instead_of_an_address_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        async with bank() as (_, port), name_server() as (names, at):
            names.ttl_s = 0
            async with heartbeat(tmp_path, f"http://{NAME}:{port}", nameserver=at, rate_per_s=20) as process:
                for rcode in ("NXDOMAIN", "SERVFAIL"):
                    names.rcode = rcode
                    since_ns = (await process.get("/clock"))["now_ns"]
                    rows = process.beats(0, since_ns, await process.passed(0.2))
                    assert {(row[OUTCOME], row[WHY]) for row in rows} == {(ERROR, f"lookup-{rcode.lower()}")}
                names.rcode, names.truncated = "NOERROR", True  # and over TCP it is answered
                since_ns = (await process.get("/clock"))["now_ns"]
                rows = process.beats(0, since_ns, await process.passed(0.2))
                assert {(row[OUTCOME], row[ADDRESS]) for row in rows} == {(OK, "127.0.0.1")}

    loops.run(run())


def test_without_a_name_server_beats_fail_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with heartbeat(tmp_path, f"http://{NAME}", nameserver="127.0.0.1:1", rate_per_s=20) as process:
            await process.passed(0.2)
            assert {row[WHY] for row in process.beats()} == {"lookup-ConnectionRefusedError"}

    loops.run(run())


def test_https_is_asked_by_name_and_a_wrong_certificate_is_an_error(tmp_path: Path) -> None:
    trusted = certificate(tmp_path, NAME)

    async def run() -> None:
        async with bank(trusted) as (_, port), name_server() as (_, at):
            variables = {"SSL_CERT_FILE": str(tmp_path / f"{NAME}.pem")}
            async with heartbeat(
                tmp_path, f"https://{NAME}:{port}", nameserver=at, rate_per_s=20, variables=variables
            ) as process:
                await process.passed(0.3)
                assert {(row[OUTCOME], row[STATUS], row[REGION]) for row in process.beats()} == {(OK, 200, "127.0.0.1")}
            async with heartbeat(tmp_path, f"https://{NAME}:{port}", nameserver=at, rate_per_s=20) as process:
                await process.passed(0.3)
                assert {(row[OUTCOME], row[WHY]) for row in process.beats()} == {(ERROR, "SSLCertVerificationError")}

    loops.run(run())


def certificate(directory: Path, name: str) -> ssl.SSLContext:
    """A server's side of TLS; its own certificate is beside it, to be trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, key_path = directory / f"{name}.pem", directory / f"{name}.key"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return context
