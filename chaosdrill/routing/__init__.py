"""Routing controls (Route 53 ARC), which direct the domain to a region."""
