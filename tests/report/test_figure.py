"""The figures as Plotly's own schema has them: a misspelt property would be drawn as if it were not there."""

from itertools import pairwise

import pytest

from chaosdrill.report.build import read_given
from chaosdrill.report.figures.waterfall import waterfall
from chaosdrill.report.palette import DARK, PREFIX
from chaosdrill.report.texts import LANGUAGES, Words
from chaosdrill.report.view import view_of


def coloured(value):
    """With the colours that the page puts in."""
    if isinstance(value, dict):
        return {name: coloured(one) for name, one in value.items()}
    if isinstance(value, list):
        return [coloured(one) for one in value]
    return DARK[value.removeprefix(PREFIX)] if isinstance(value, str) and value.startswith(PREFIX) else value


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_waterfall_is_what_plotly_knows(run, language):
    from plotly import graph_objects

    view = view_of(read_given(run))
    figure = coloured(waterfall(view.timeline, view.clients, view.regions, Words(language)))
    whole = graph_objects.Figure(figure["data"], figure["layout"])  # raises for what it does not know
    assert len(whole.data) == len(figure["data"])
    graph_objects.Figure([], figure["narrow"])
    with pytest.raises(ValueError, match="misspelt"):
        graph_objects.Figure(figure["data"], {**figure["layout"], "misspelt": 1})


def test_every_panel_has_room_of_its_own(run):
    view = view_of(read_given(run))
    layout = waterfall(view.timeline, view.clients, view.regions, Words("en"))["layout"]
    domains = [axis["domain"] for name, axis in layout.items() if name.startswith("yaxis")]
    assert len(domains) == 4
    assert domains[0][1] == 1
    for (bottom, _), (_, top) in pairwise(domains):
        assert 0 <= top < bottom
