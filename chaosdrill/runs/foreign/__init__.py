"""Journals of plain Chaos Toolkit as runs, compared as far as they go."""
