"""Windows over what one region answered, where the script uses more endpoints than are kept apart."""

from typing import Any

import pytest

from chaosdrill.client.plugin_responses import LoadWindow, RequestedEndpoints, RequestSelection
from chaosdrill.load.windows import blindness


class Meant:
    """A load that runs as it was meant."""

    as_meant_since_s = 0.0

    def problems(self) -> list[str]:
        return []


def window(too_many: int, **regions: int) -> LoadWindow:
    found = RequestedEndpoints((("GET", "/item", 60),), regions, True, too_many)
    load: Any = Meant()
    return LoadWindow(1, 2, 60, 0, 0, 0, 1.0, 1.0, 1.0, 1.0, 1.0, True, found, load)


@pytest.mark.parametrize(
    ("asked", "blind"), [(RequestSelection(region="osaka"), True), (RequestSelection("/item", region="osaka"), False)]
)
def test_what_is_known_in_total_only_is_of_no_region(asked: RequestSelection, blind: bool) -> None:
    (*told,) = blindness(window(1000, osaka=60), 10, asked)
    assert any("what osaka answered is not all known" in one for one in told) is blind
    assert not blindness(window(0, osaka=60), 10, asked)
