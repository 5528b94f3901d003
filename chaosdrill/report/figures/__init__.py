"""The figures of a page, as plain dictionaries in Plotly's schema: pure functions over what is shown."""
