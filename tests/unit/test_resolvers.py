import pytest

from chaosdrill.client.resolvers import LookupPlace, resolver_of, resolvers_of
from tests.failing import fails_with


def test_a_place_asks_whom_it_always_asks_unless_a_name_server_is_named() -> None:
    assert resolver_of("client", None) == LookupPlace("client")
    assert resolver_of("here", "10.0.0.2") == LookupPlace("here", "10.0.0.2", 53)
    assert resolver_of("client", "10.0.0.2:5353") == LookupPlace("client", "10.0.0.2", 5353)
    assert resolver_of("here", "fd00::2") == LookupPlace("here", "fd00::2", 53)
    assert resolver_of("here", "[fd00::2]:5353") == LookupPlace("here", "fd00::2", 5353)


def test_among_several_each_is_a_place_or_a_name_server_asked_from_one() -> None:
    assert resolvers_of("client", ["client", "system", "10.0.0.2"]) == [
        LookupPlace("client"),
        LookupPlace("system"),
        LookupPlace("client", "10.0.0.2", 53),
    ]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with fails_with(*["argument-invalid"] * 2):
        resolver_of("moon", "ns.example.com")
    with fails_with(*["argument-invalid"] * 4):
        resolvers_of("moon", ["here", "10.0.0.2:99999", "x"], "10.0.0.2")


@pytest.mark.parametrize("resolvers", [[], "client"])
def test_several_are_a_list(resolvers: list[str]) -> None:
    with fails_with("argument-invalid"):
        resolvers_of("client", resolvers)


def test_a_resolver_is_shown_as_a_person_would_say_it() -> None:
    assert str(LookupPlace("client", "10.0.0.2", 53)).startswith("10.0.0.2:53 ")
    assert str(LookupPlace("system")) == "system"
