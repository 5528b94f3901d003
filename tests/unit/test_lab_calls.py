"""What the lab's log calls a REST request: the operation whose path says most of it."""

import re

import pytest
from moto.core.utils import get_service_model

from chaosdrill.lab.aws.calls import REST, _routes

BY_THE_QUERY = {  # each two have one path
    *("GetProvisionedConcurrencyConfig", "ListProvisionedConcurrencyConfigs"),
    *("GetLayerVersionByArn", "ListLayers"),
}


def name_of(service: str, method: str, path: str) -> str:
    return next(name for verb, pattern, name in _routes(service) if verb == method and pattern.fullmatch(path))


@pytest.mark.parametrize("service", REST.values())
def test_every_operation_goes_by_its_own_name(service: str) -> None:
    model = get_service_model(service)
    asked = {name: model.operation_model(name).http for name in model.operation_names}
    paths = {name: re.sub(r"\{[^}]+\}", "X1", http["requestUri"].partition("?")[0]) for name, http in asked.items()}
    seen = {name: name_of(service, asked[name]["method"], path.rstrip("/") or "/") for name, path in paths.items()}
    assert {name for name, known in seen.items() if known != name} <= BY_THE_QUERY


def test_a_variable_may_hold_an_arn() -> None:
    arn = "arn:aws:fis:ap-northeast-1:123456789012:experiment/EXP1"
    assert name_of("fis", "GET", f"/tags/{arn}") == "ListTagsForResource"
