"""The report: a run, or a comparison of runs, as one page that stands alone: offline, mailable, printable.

A run and its judgement become a :class:`chaosdrill.report.view.ReportView` (what is shown; pure), that becomes figures
(plain dictionaries in Plotly's schema; pure), and both become the page (Jinja2). Nothing here is imported before a
report is made.
"""
