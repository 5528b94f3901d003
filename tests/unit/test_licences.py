"""The licences of what users install are known, are in the documents, and ask nothing of the users' own code."""

import re
import sys

import pytest

from tests import licences_page


@pytest.mark.skipif(sys.version_info[:2] != licences_page.PYTHON, reason="the page is written with that Python")
def test_the_page_lists_what_is_installed():
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \|", licences_page.PAGE.read_text(), re.MULTILINE)) - {"package", "---"}
    assert listed == set(licences_page.packages()), "python -m tests.licences_page"


def test_every_licence_is_known_and_none_asks_for_the_same_licence():
    """A package that is under the GPL as well as under another licence may be used under the other one."""
    found = licences_page.packages()
    assert [name for name, (licence, _) in found.items() if not licence] == []
    bound = [name for name, (licence, _) in found.items() if licences_page.COPYLEFT.search(licence)]
    assert [name for name in bound if " OR " not in found[name][0]] == []
