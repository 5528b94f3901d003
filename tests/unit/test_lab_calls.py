"""What the lab's log calls a REST request: the operation whose path says most of it."""

import re

import pytest

# moto is imported in the tests: every process of the tests collects this file
SERVICES = ("fis", "lambda", "route53", "route53-recovery-control-config")
BY_THE_QUERY = {  # each two have one path
    *("GetProvisionedConcurrencyConfig", "ListProvisionedConcurrencyConfigs"),
    *("GetLayerVersionByArn", "ListLayers"),
}


def name_of(service: str, method: str, path: str) -> str:
    from chaosdrill.lab.aws.calls import _routes

    return next(name for verb, pattern, name in _routes(service) if verb == method and pattern.fullmatch(path))


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_goes_by_its_own_name(service: str) -> None:
    from moto.core.utils import get_service_model

    model = get_service_model(service)
    asked = {name: model.operation_model(name).http for name in model.operation_names}
    paths = {name: re.sub(r"\{[^}]+\}", "X1", http["requestUri"].partition("?")[0]) for name, http in asked.items()}
    seen = {name: name_of(service, asked[name]["method"], path.rstrip("/") or "/") for name, path in paths.items()}
    assert {name for name, known in seen.items() if known != name} <= BY_THE_QUERY


def test_these_are_the_services() -> None:
    from chaosdrill.lab.aws.calls import REST

    assert tuple(REST.values()) == SERVICES


def test_a_variable_may_hold_an_arn() -> None:
    arn = "arn:aws:fis:ap-northeast-1:123456789012:experiment/EXP1"
    assert name_of("fis", "GET", f"/tags/{arn}") == "ListTagsForResource"


def test_a_transaction_is_about_all_its_tables() -> None:
    from chaosdrill.lab.aws.calls import _resource

    parts = [
        {"Update": {"TableName": "B", "Key": {"PK": {"S": "run#1"}, "SK": {"S": "lease"}}}},
        {"ConditionCheck": {"TableName": "A", "Key": {"PK": {"S": "run#2"}}}},
    ]
    given = {"TransactItems": parts}
    assert _resource("dynamodb", {"PATH_INFO": "/"}, given) == "A,B"


@pytest.mark.parametrize("host", ["bucket.s3.ap-northeast-1.amazonaws.com", "bucket.s3.amazonaws.com"])
def test_a_presigned_url_may_have_its_bucket_in_the_name_of_the_host(host: str) -> None:
    from chaosdrill.lab.aws.calls import presigned_call_of

    query = "X-Amz-Credential=AKIA1%2F20260501%2Fap-northeast-1%2Fs3%2Faws4_request&X-Amz-Expires=60"
    found = presigned_call_of({"HTTP_HOST": host, "PATH_INFO": "/a/b", "REQUEST_METHOD": "GET", "QUERY_STRING": query})
    assert found is not None
    assert (found.operation, found.resource, found.region, found.key) == (
        *("GetObject", "/bucket/a/b", "ap-northeast-1", "AKIA1"),
    )
    another = {"HTTP_HOST": "127.0.0.1:1", "PATH_INFO": "/chaosdrill/health", "REQUEST_METHOD": "GET"}
    assert presigned_call_of(another) is None
