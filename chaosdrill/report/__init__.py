"""The report: a run, or a comparison of runs, as one self-contained page that works offline, in a mail, and printed.

A run and its judgement become a :class:`chaosdrill.report.view.ReportView` (the contents; pure), then figures (plain
dictionaries in Plotly's schema; pure), and both become the page (Jinja2). Nothing here is imported before a report is
built.
"""
