"""The figures of a page as plain dictionaries in Plotly's schema: pure functions of the view."""
