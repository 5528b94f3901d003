"""Journals of plain Chaos Toolkit as runs, which can be compared as far as their contents allow."""
