import pytest

from chaosdrill.client.resolve import Resolution, by_cidr, parsed_dig, parsed_getent
from tests.failing import fails_with

HEADER = """\
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: {status}, id: 39208
;; flags: qr aa rd; QUERY: 1, ANSWER: 3, AUTHORITY: 0, ADDITIONAL: 0
;; WARNING: recursion requested but not available

;; ANSWER SECTION:
"""


def test_dig_tells_addresses_and_the_shortest_ttl() -> None:
    output = HEADER.format(status="NOERROR") + (
        "api.example.com.\t60\tIN\tCNAME\talb.example.com.\n"
        "alb.example.com.\t12\tIN\tA\t10.100.9.84\n"
        "alb.example.com.\t12\tIN\tA\t10.100.5.165\n"
    )
    assert parsed_dig(output) == Resolution(("10.100.5.165", "10.100.9.84"), 12)


@pytest.mark.parametrize("status", ["NOERROR", "NXDOMAIN"])
def test_dig_without_an_answer_section_tells_that_there_is_no_address(status: str) -> None:
    assert parsed_dig(HEADER.format(status=status)) == Resolution((), None)


@pytest.mark.parametrize("status", ["SERVFAIL", "REFUSED"])
def test_a_server_that_failed_tells_no_absence(status: str) -> None:
    with fails_with("dns-response-unexpected"):
        parsed_dig(HEADER.format(status=status))


@pytest.mark.parametrize(
    "output", [";; communications error to 10.100.0.2#53: timed out\n;; no servers could be reached\n", ""]
)
def test_dig_that_reached_nobody_saw_nothing(output: str) -> None:
    with fails_with("dns-unanswered"):
        parsed_dig(output)


def test_getent_repeats_each_address_and_knows_no_ttl() -> None:
    output = (
        "10.100.9.84     STREAM api.example.com\n10.100.9.84     DGRAM  \n10.100.9.84     RAW    \n"
        "10.100.5.165    STREAM \n10.100.5.165    DGRAM  \n10.100.5.165    RAW    \n"
    )
    assert parsed_getent(output) == Resolution(("10.100.5.165", "10.100.9.84"), None)


def test_getent_that_prints_nothing_does_not_say_why() -> None:
    with fails_with("dns-unanswered"):
        parsed_getent("")


def test_addresses_belong_to_the_region_whose_range_they_lie_in() -> None:
    cidrs = {"ap-northeast-1": "10.100.0.0/16", "ap-northeast-3": "10.101.0.0/16"}
    assert by_cidr(cidrs, ["10.100.5.165", "10.101.4.37", "192.0.2.1"]) == {
        "10.100.5.165": "ap-northeast-1",
        "10.101.4.37": "ap-northeast-3",
    }
